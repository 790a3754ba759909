"""The parts of the page that count: at a glance, species, timeline, release and settings."""

from __future__ import annotations

from datetime import datetime
from itertools import chain, islice

from deckwatch_client.pictures import printable, quantity
from deckwatch_client.report import charts, drawing
from deckwatch_client.report.expected import Expected
from deckwatch_client.report.measured import figure
from deckwatch_client.report.tally import ROWS, Tally
from deckwatch_client.report.times import Camera
from deckwatch_client.report.words import named
from deckwatch_client.video.count import CAVEAT
from deckwatch_serving.pages import Numeral, Page
from deckwatch_vision.release import Release
from deckwatch_vision.species import NO_FISH

# Charts on a page; more cameras than that are only in the table.
CHARTS = 40


def lead(tally: Tally) -> str:
    """The page in one line."""
    parts = [quantity(tally.pictures, "picture")]
    cameras = len(tally.times.cameras)
    parts.append(quantity(cameras, "camera"))
    if span := _span(list(tally.times.cameras.values())):
        parts.append(span)
    release = tally.info.release
    return f"{', '.join(parts)}; recognised by {printable(release.name)} {release.version}"


def add_glance(page: Page, tally: Tally) -> None:
    """The numbers that matter most."""
    page.heading("At a glance")
    called = {one: tally.called[one.code] for one in tally.info.species if one.sensitive}
    found = [
        f"{count:,} {one.common_name}"
        for one, count in sorted(called.items(), key=lambda pair: -pair[1])
        if count
    ]
    pictures = [quantity(tally.photographs, "photograph")] if tally.photographs else []
    if tally.videos:
        pictures.append(
            f"{quantity(tally.frames, 'frame')} of {quantity(len(tally.videos), 'video')}"
        )
    facts = [
        ("Recognised", " and ".join(pictures) or "nothing"),
        ("Failed", f"{tally.failed:,}" if tally.failed else "none"),
        ("Without a fish", quantity(tally.without_fish, "picture")),
        ("Fish found", f"{tally.animals:,}"),
        ("Sensitive among them", ", ".join(found) or "none"),
        ("Unsure", quantity(tally.unsure_pictures, "picture")),
    ]
    page.facts(facts)


def add_counts(page: Page, tally: Tally, release: Release | None) -> None:
    """Species with their numbers, and what these say and do not say."""
    page.heading("Counts per species")
    expected = tally.expected()
    head = ["species", "called so", "followed in video", "expected", "95 % interval"]
    rows = [
        [
            f"{named(one)}, sensitive" if one.sensitive else named(one),
            tally.called[one.code],
            tally.followed[one.code],
            *_likely(expected[one.code]),
        ]
        for one in sorted(tally.info.species, key=lambda one: -tally.called[one.code])
        if one.code != NO_FISH
    ]
    if NO_FISH in expected:
        rows.append(["no fish after all", "", "", *_likely(expected[NO_FISH])])
    if not tally.videos:
        head, rows = head[:2] + head[3:], [row[:2] + row[3:] for row in rows]
    page.table(head, rows, f"{quantity(tally.animals, 'fish', 'fish')} found, by species")
    for sentence in _what_it_means(tally, release):
        page.text(sentence)
    labels = [
        [named(one), tally.labels[one.code]] for one in tally.info.species if tally.labels[one.code]
    ]
    labels.sort(key=lambda row: -int(str(row[1])))
    page.table(("label of the picture", "pictures"), labels, "Pictures by their label")


def _what_it_means(tally: Tally, release: Release | None) -> list[str]:
    found = [
        "“Called so” counts each fish as its likeliest species. “Expected” adds up chances: "
        "the fish's likelihood of the species, times its score. Ten fish with a chance of 30 % "
        "for shark make 3 expected sharks, though none is called so. The interval holds the true "
        "number among the fish found in 95 of 100 such trips, if the chances are right and one "
        "fish says nothing about the next (Poisson-binomial distribution). Fish of one picture do, "
        "so it is somewhat too narrow."
    ]
    missed = figure(release, "detector", "recall")
    false = figure(release, "detector", "precision")
    off = figure(release, "species", "calibration_error")
    lacks = "It does not hold what was not found"
    if missed:
        lacks += f": on the release's own test pictures {missed.per_cent()} of the fish were found"
    if false:
        lacks += f", and {false.per_cent()} of the finds lay on one"
    lacks += ". Nor does it hold errors of the likelihoods themselves"
    if off:
        lacks += (
            f": there they were off by {off.per_cent()} on average, about "
            f"{tally.animals * off.value:,.0f} of these {tally.animals:,} fish"
        )
    found.append(
        lacks + ". Both may be worse on pictures unlike those that the release was trained on."
    )
    found.append(_what_counts_twice(tally))
    if release is None:
        found.append(
            "How well the release does was not at hand: name its model repository with "
            "--repository."
        )
    return found


def _what_counts_twice(tally: Tally) -> str:
    said = "A fish in several photographs counts in each of them."
    if not tally.videos:
        return said
    if not (tally.followed.total() or tally.passing):
        return f"{said} No fish was followed in the videos: one counts in every frame taken."
    said += " A fish followed in a video counts once, with its mean likelihoods."
    if tally.passing:
        said += (
            f" Of the {tally.animals:,} fish {tally.passing:,} were seen in a single frame of a "
            "video, as most false finds are; “followed in video” leaves them out."
        )
    return f"{said} {CAVEAT}"


def add_timeline(page: Page, tally: Tally) -> None:
    """What was seen when, camera by camera."""
    page.heading("Timeline")
    times, species = tally.times, tally.info.species
    rows = [
        [printable(name), *_seen(camera), _time(camera.first), _time(camera.last),
         camera.untimed.pictures]
        for name, camera in times.cameras.items()
    ]  # fmt: skip
    head = ("camera", "pictures", "fish", "first", "last", "without a time")
    page.table(head, rows[:ROWS], "Cameras")
    _left_out(page, len(rows) - ROWS, "camera")
    if videos := tally.clips.totals():
        told = [[printable(name), seen.pictures, sum(seen.animals)] for name, seen in videos[:ROWS]]
        page.table(("video", "frames", "fish"), told, "Videos that do not say when they were taken")
        _left_out(page, len(videos) - ROWS, "video")
    if times.zoned and times.unzoned:
        page.text("Some times have a zone and some have none; all are shown as they are written.")
    every = chain(charts.of_cameras(times), charts.of_videos(tally.clips))
    shown = list(islice(every, CHARTS))
    if not shown:
        page.text("No picture says when it was taken, so there is no timeline.")
        return
    counts = [tally.called[one.code] for one in species]
    layers = drawing.layers(species, counts)
    for place, chart in enumerate(shown):
        page.heading(chart.title, level=3)
        bars = drawing.bars(chart, layers, f"chart-{place}")
        page.drawing(drawing.legend(layers, f"legend-{place}") + bars, drawing.summary(chart))
        there = [number for number in range(len(species)) if chart.of_class(number)]
        with page.folded(f"As a table, by {chart.each}", printed=True):
            page.table(
                ("from", "pictures", *(species[each].code for each in there)),
                [
                    [start, seen.pictures, *(seen.animals[each] for each in there)]
                    for start, seen in zip(chart.starts, chart.seen, strict=True)
                    if seen.pictures or sum(seen.animals)
                ],
            )
    _left_out(page, sum(1 for _ in every), "chart")


def add_release(page: Page, tally: Tally, release: Release | None) -> None:
    """The release, the settings, and whom the model is owed to."""
    page.heading("Release and settings")
    info = tally.info
    answered = ", ".join(
        f"{printable(one.name)} {one.version} ({quantity(count, 'picture')})"
        for one, count in sorted(tally.releases.items(), key=lambda pair: pair[0].version)
    )
    facts = [("Release", answered or f"{printable(info.release.name)} {info.release.version}")]
    if release:
        facts.append(("Made", release.created))
        facts.append(
            ("Nets", f"{release.detector.architecture}, {release.classifier.architecture}")
        )
    facts.append(("Classes", ", ".join(named(one) for one in info.species)))
    if info.deckwatch:
        facts.append(("Deckwatch", printable(info.deckwatch)))
    facts += [(printable(name), _option(value)) for name, value in sorted(info.options.items())]
    page.facts(facts)
    if len(tally.releases) > 1:
        page.note("More than one version answered: its numbers are mixed on this page.")
    for data in release.training_data if release else ():
        where = f" {data.url}" if data.url else ""
        page.text(f"Trained on {data.name}: {data.attribution}. Licence: {data.licence}.{where}")


def _likely(expected: Expected) -> tuple[Numeral, Numeral]:
    return Numeral(f"{expected.mean:,.1f}"), Numeral(f"{expected.low:,} to {expected.high:,}")


def _left_out(page: Page, count: int, what: str) -> None:
    if count > 0:
        page.text(f"{quantity(count, f'more {what}')} left out.")


def _seen(camera: Camera) -> tuple[int, int]:
    bins = [camera.untimed, *camera.hours.values()]
    return sum(one.pictures for one in bins), sum(sum(one.animals) for one in bins)


def _span(cameras: list[Camera]) -> str:
    first = min((camera.first for camera in cameras if camera.first), default=None)
    last = max((camera.last for camera in cameras if camera.last), default=None)
    if first is None or last is None:
        return ""
    days = first.date().isoformat(), last.date().isoformat()
    return days[0] if days[0] == days[1] else f"{days[0]} to {days[1]}"


def _time(moment: datetime | None) -> str:
    return moment.isoformat(" ", "minutes") if moment else ""


def _option(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{printable(str(key))}: {_option(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_option, value)) or "none"
    return "none" if value in (None, "") else printable(str(value))
