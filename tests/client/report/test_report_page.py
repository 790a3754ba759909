"""The page: what it tells, and that nothing it is given can do harm."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from deckwatch_client.report.failures import CURES
from deckwatch_client.video.count import CAVEAT
from deckwatch_serving.repository import open_release
from deckwatch_vision.errors import (
    BrokenImage,
    DeckwatchError,
    ImageError,
    RateLimited,
    ReleaseError,
    ServerError,
    UsageError,
)
from tests.client.report.reading import Text, made, rows
from tests.client.report.runs import INFO, failure, fish, frame, record, season, write_run
from tests.tiny_release import write_release_file


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a season's pictures and its run in out/."""
    season(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_tells_the_season(here: Path, tmp_path: Path) -> None:
    content = made(here / "out", tmp_path / "report.html")
    words = str(Text(content))
    assert "26 pictures, 3 cameras, 2026-05-05 to 2026-05-06; recognised by tiny 1" in words
    # Of runs.season: six of each kind of picture, scores of 0.9; intervals by convolution.
    assert rows(content, "24 fish found, by species") == [
        ["OTHER (other fish)", "12", "8.6", "6 to 11"],
        ["SHARK, sensitive", "6", "4.9", "3 to 6"],
        ["RAY, sensitive", "6", "5.9", "3 to 9"],
        ["no fish after all", "", "4.6", "1 to 9"],
    ]
    assert "SHARK: 6 called so, 0 perhaps" in words
    assert "RAY: 6 called so, 6 perhaps" in words
    assert "In 1 of 26 pictures the two likeliest classes are less than 20 %" in words
    assert ["1", "broken-image", CURES["broken-image"]] in rows(content, "Pictures that were not")
    assert "truncated JPEG. Copy it again" in words
    assert "Left out: 1 find" in words
    assert "recurse yes" in words
    assert "Deckwatch 9.8.7" in words
    assert "Trained on none: weights written by hand. Licence: CC0-1.0." in words


def test_the_sections_come_in_order_and_the_contents_lead_to_them(
    here: Path, tmp_path: Path
) -> None:
    content = made(here / "out", tmp_path / "report.html")
    heads = re.findall(r'<h2 id="([^"]+)">([^<]+)</h2>', content)
    assert [text for _, text in heads] == [
        "At a glance", "Sensitive species", "Counts per species", "Timeline",
        "Pictures the model is unsure of", "Failures", "Left out as background",
        "Release and settings",
    ]  # fmt: skip
    assert re.findall(r'<a href="#([^"]+)">([^<]+)</a>', content) == heads
    levels = [int(tag[1]) for tag, _ in Text(content).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_same_run_gives_the_same_bytes(here: Path, tmp_path: Path) -> None:
    assert made(here / "out", tmp_path / "a.html") == made(here / "out", tmp_path / "b.html")


def test_the_timeline_is_drawn_and_told(here: Path, tmp_path: Path) -> None:
    content = made(here / "out", tmp_path / "report.html")
    labels = [tag["aria-label"] for name, tag in Text(content).tags if tag.get("role") == "img"]
    assert len(labels) == 3
    assert (labels[0] or "").startswith("deck-1, 2026-05-05 to 2026-05-06: ")
    cameras = rows(content, "Cameras")
    assert [row[0] for row in cameras] == ["deck-1", "deck-2", "deck-3"]
    assert sum(int(row[1]) for row in cameras) == 26
    assert sum(int(row[2]) for row in cameras) == 24
    assert sum(int(row[5]) for row in cameras) == 4  # every seventh of 24
    # Every bar's title says what it stands for, so that bars and table cannot differ.
    titles = re.findall(r"<title>2026-\d\d-\d\d \d\d:00: (\d+) (SHARK|RAY|OTHER)", content)
    drawn = {code: sum(int(n) for n, each in titles if each == code) for code in ("SHARK", "RAY")}
    timed = [n for n in range(24) if n % 7]
    assert drawn == {
        "SHARK": sum(n % 4 == 1 for n in timed), "RAY": sum(n % 4 == 3 for n in timed)
    }  # fmt: skip


def test_names_and_messages_are_text(tmp_path: Path) -> None:
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
    info = replace(INFO, deckwatch=hostile, options={hostile: {hostile: [hostile]}})
    run = write_run(
        tmp_path / "out",
        [
            record(hostile, fish("SHARK"), camera=hostile, at=hostile),
            record("a\u202e.jpg", fish({"OTHER": 0.5, "SHARK": 0.4}), camera=hostile),
            record("b.jpg", camera=hostile, likelihoods={"NoF": 0.5, "RAY": 0.5}),
            record("c.jpg", static=(fish("RAY"),), camera=hostile),
            frame(hostile, 3.0, fish("RAY"), at=None),
            failure(hostile, BrokenImage(hostile)),
            record("bad\udcff.jpg", fish("RAY")),
        ],
        info,
    )
    content = made(run, tmp_path / "report.html", title=hostile)
    parsed = Text(content)
    names = {tag for tag, _ in parsed.tags}
    assert "script" not in names
    assert not {"onerror", "onload", "onclick"} & {key for _, given in parsed.tags for key in given}
    for _, given in parsed.tags:
        address = given.get("src") or given.get("href") or "#"
        assert address.startswith(("data:image/jpeg;base64,", "#"))
    assert hostile in " ".join(parsed.words)
    assert "\u202e" not in content
    assert "a\\u202e.jpg" in content
    assert "bad\\udcff.jpg" in content


def test_the_policy_lets_nothing_run_or_leave(here: Path, tmp_path: Path) -> None:
    parsed = Text(made(here / "out", tmp_path / "report.html"))
    policy = [tag["content"] for _, tag in parsed.tags if "http-equiv" in tag]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_a_video_is_counted_by_its_tracks(tmp_path: Path) -> None:
    frames = [
        frame("haul.mp4", float(n), fish("SHARK"), fish("OTHER"), tracks=[1, None], at=None)
        for n in range(10)
    ]
    run = write_run(tmp_path / "out", frames)
    content = made(run, tmp_path / "report.html", thumbnails=2)
    words = str(Text(content))
    assert "10 frames of 1 video" in words
    table = rows(content, "11 fish found, by species")
    assert ["SHARK, sensitive", "1", "1", "0.8", "0 to 1"] in table
    assert ["OTHER (other fish)", "10", "0", "8.1", "5 to 10"] in table
    assert CAVEAT in words
    assert "followed through 10 frames" in words
    assert "haul.mp4, by the time since its start" in words
    assert rows(content, "Videos that do not say") == [["haul.mp4", "10", "11"]]


def test_fish_seen_once_in_a_video_are_told_apart(tmp_path: Path) -> None:
    frames = [
        frame("haul.mp4", float(n), fish("SHARK"), fish("RAY"), tracks=[1, 2 + n]) for n in range(3)
    ]
    run = write_run(tmp_path / "out", frames)
    content = made(run, tmp_path / "report.html", thumbnails=0)
    table = rows(content, "4 fish found, by species")
    assert [row[:3] for row in table[:2]] == [
        ["RAY, sensitive", "3", "0"],
        ["SHARK, sensitive", "1", "1"],
    ]
    assert "Of the 4 fish 3 were seen in a single frame" in content


def test_without_a_tracker_the_page_says_that_frames_count(tmp_path: Path) -> None:
    frames = [frame("haul.mp4", float(n), fish("SHARK")) for n in range(3)]
    run = write_run(tmp_path / "out", frames)
    content = made(run, tmp_path / "report.html", thumbnails=0)
    assert "No fish was followed in the videos" in content
    assert CAVEAT not in content


def test_a_run_without_doubt_failures_or_background_says_so(tmp_path: Path) -> None:
    run = write_run(tmp_path / "out", [record("a.jpg", at=None, camera=None)])
    words = str(Text(made(run, tmp_path / "report.html")))
    assert "None: the two likeliest classes differ by 20 % or more." in words
    assert "None: every picture was recognised." in words
    assert "No picture says when it was taken, so there is no timeline." in words
    assert "Left out as background" not in words
    assert "camera not known" in words
    assert "Neither called nor suspected: SHARK, RAY." in words


def test_a_run_of_failures_alone_is_told(tmp_path: Path) -> None:
    run = write_run(tmp_path / "out", [failure("a.jpg", BrokenImage("torn"))])
    content = made(run, tmp_path / "report.html")
    assert "0 pictures, 0 cameras; recognised by tiny 1" in str(Text(content))
    assert rows(content, "Pictures that were not recognised")[0][:2] == ["1", "broken-image"]


def test_an_empty_run_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "out", [])
    with pytest.raises(UsageError, match="holds no record"):
        made(run, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_accuracy_is_that_of_the_release_which_answered(
    tmp_path: Path, tiny_repository: Path
) -> None:
    figures = {
        "detector": {"recall": [0.7158, 0.648, 0.7752], "precision": 0.8291},
        "species": {"calibration_error": [0.0343, 0.0268, 0.0526]},
    }
    scored = replace(open_release(tiny_repository), scorecard={"valid": figures})
    repository = tmp_path / "repository"
    (repository / "deckwatch" / "1").mkdir(parents=True)
    write_release_file(repository, scored)
    run = write_run(tmp_path / "out", [record(f"{n}.jpg", fish("OTHER")) for n in range(100)])
    words = str(Text(made(run, tmp_path / "a.html", repository=repository)))
    assert "72 % (65 to 78) of the fish were found, and 83 % of the finds lay on one" in words
    assert "off by 3.4 % (2.7 to 5.3) on average, about 3 of these 100 fish" in words
    # Another version's figures would be a lie.
    later = replace(INFO, release=replace(INFO.release, version=2))
    write_release_file(repository, replace(scored, name="other"))
    words = str(Text(made(run, tmp_path / "b.html", repository=repository)))
    assert "was not at hand" in words
    write_run(tmp_path / "out", [record("a.jpg")], later)
    with pytest.raises(ReleaseError, match="No release of version 2"):
        made(run, tmp_path / "c.html", repository=repository)
    assert "was not at hand" in made(run, tmp_path / "d.html")


def test_plain_results_are_told_with_what_the_codes_say(tmp_path: Path) -> None:
    run = write_run(tmp_path / "out", [record("a.jpg", fish("SHARK"))], info=None)
    content = made(run / "results.jsonl", tmp_path / "report.html")
    assert "SHARK: 1 called so" in str(Text(content))


def test_unknown_classes_are_not_taken_for_harmless(tmp_path: Path) -> None:
    one = record("a.jpg")
    assert one.result
    strange = replace(one.result, label="COD", likelihoods={"NoF": 0.1, "COD": 0.9})
    run = write_run(tmp_path / "out", [replace(one, result=strange)], info=None)
    assert "do not say whether COD are sensitive" in made(run, tmp_path / "report.html")


def test_records_of_other_classes_are_refused(tmp_path: Path) -> None:
    one = record("b.jpg")
    assert one.result
    strange = replace(one.result, label="COD", likelihoods={"NoF": 0.1, "COD": 0.9})
    run = write_run(tmp_path / "out", [record("a.jpg"), replace(one, result=strange)])
    with pytest.raises(UsageError, match=r"b\.jpg was recognised with the classes NoF, COD"):
        made(run, tmp_path / "report.html")


def test_records_without_likelihoods_are_refused(tmp_path: Path) -> None:
    one = record("b.jpg")
    assert one.result
    run = write_run(tmp_path / "out", [replace(one, result=replace(one.result, likelihoods={}))])
    with pytest.raises(UsageError, match=r"b\.jpg carries no likelihoods.*results\.jsonl"):
        made(run, tmp_path / "report.html")


def test_two_versions_in_one_run_are_said(tmp_path: Path) -> None:
    one = record("b.jpg")
    assert one.result
    second = replace(one.result, release=replace(one.result.release, version=2))
    run = write_run(tmp_path / "out", [record("a.jpg"), replace(one, result=second)])
    words = str(Text(made(run, tmp_path / "report.html")))
    assert "tiny 1 (1 picture), tiny 2 (1 picture)" in words
    assert "More than one version answered" in words


def test_every_failure_of_a_picture_has_a_cure() -> None:
    def below(kind: type[DeckwatchError]) -> Iterator[type[DeckwatchError]]:
        yield kind
        for each in kind.__subclasses__():
            yield from below(each)

    codes = {
        each.code
        for kind in (ImageError, ServerError, RateLimited)
        for each in below(kind)
        if each.__module__ == DeckwatchError.__module__
    }
    assert codes == CURES.keys()


def test_where_no_page_can_be_written_is_said(tmp_path: Path) -> None:
    run = write_run(tmp_path / "out", [record("a.jpg")])
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="Cannot write"):
        made(run, tmp_path / "file" / "report.html")
