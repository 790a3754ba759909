"""What is known of candidates for a release: how good on unseen vessels, how fast here."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from deckwatch_serving import progress
from deckwatch_serving.repository import open_release
from deckwatch_training import evaluation, scorecard, timing
from deckwatch_training.scorecard import Unknown
from deckwatch_vision.errors import UsageError
from deckwatch_vision.release import Release

# What a candidate can be chosen by: section and key of the scorecard, and whether more is better.
METRICS = {
    "log_loss": ("picture", "log_loss", False),
    "accuracy": ("picture", "accuracy", True),
    "macro_recall": ("picture", "macro_recall", True),
    "map50": ("pipeline", "map50", True),
    "ap50": ("detector", "ap50", True),
}
Row = Mapping[str, Any]


def measure(
    repositories: Mapping[str, Path],
    data: Path | None = None,
    *,
    split: str = "valid",
    unknown: Unknown = "refuse",
    timings: Path | None = None,
    keep: Path | None = None,
    pictures: int = timing.PICTURES,
    repeats: int = timing.REPEATS,
) -> dict[str, Any]:
    """What is known of every candidate: {"candidates": rows, "data", "hardware", "pictures"}.

    A scorecard within a release is taken where it was measured on the very same pictures; else the
    release is measured now.

    Args:
        repositories: model repositories with a release each, by the candidates' names.
        data: the data set; without it the scorecards within the releases must be of one data set,
            and `timings` are needed.
        split: of the data set.
        unknown: see `scorecard.evaluate`.
        timings: kept timings to use instead of measuring.
        keep: where timings are kept; those that are there already are used if they are of the same
            releases, pictures and machine.
        pictures: how many pictures are timed.
        repeats: how often each.

    Raises:
        UsageError: no candidates, scorecards that do not compare, or timings of other releases.
    """
    if not repositories:
        raise UsageError("No candidates. Give the model repositories to choose from.")
    releases = {name: open_release(path) for name, path in repositories.items()}
    cards = _cards(repositories, releases, data, split, unknown)
    timed = _timings(repositories, data, split, timings, keep, pictures, repeats)
    return {
        "data": next(iter(cards.values())).get("data", {}),
        "hardware": timed["hardware"],
        "pictures": len(timed["pictures"]),
        "repeats": timed["repeats"],
        "candidates": [_row(name, releases[name], cards[name], timed) for name in repositories],
    }


def _cards(
    repositories: Mapping[str, Path],
    releases: Mapping[str, Release],
    data: Path | None,
    split: str,
    unknown: Unknown,
) -> dict[str, dict[str, Any]]:
    cards = {name: dict(release.scorecard.get("valid", {})) for name, release in releases.items()}
    if data is None:
        digests = {name: card.get("data", {}).get("digest") for name, card in cards.items()}
        if None in digests.values() or len(set(digests.values())) > 1:
            shown = ", ".join(f"{name}: {(d or 'none')[:12]}" for name, d in digests.items())
            raise UsageError(
                "The candidates' scorecards do not compare: they were measured on different data "
                f"({shown}). Give a data set with --data to measure all of them on."
            )
        return cards
    given = evaluation.pictures_of(data, split)
    digest = scorecard.facts(given, split)["digest"]
    for name, path in repositories.items():
        if cards[name].get("data", {}).get("digest") != digest:
            bar = partial(progress.track, title=f"Measuring {name}")
            _, cards[name] = evaluation.measure(
                path, given, split=split, unknown=unknown, track=bar
            )
    return cards


def _timings(
    repositories: Mapping[str, Path],
    data: Path | None,
    split: str,
    timings: Path | None,
    keep: Path | None,
    pictures: int,
    repeats: int,
) -> dict[str, Any]:
    if timings:
        document = timing.read(timings)
        if wrong := timing.misfits(document, repositories):
            raise UsageError(
                f"{timings} holds no times of these releases: {', '.join(wrong)}. Leave out "
                "--timings to measure."
            )
        return document
    if data is None:
        raise UsageError("Timing needs pictures: give a data set with --data, or --timings FILE.")
    paths = [picture.path for picture in evaluation.pictures_of(data, split).pictures]
    if keep and keep.exists():
        document = timing.read(keep)
        names = [path.name for path in timing.sample(paths, pictures)]
        if (
            not timing.misfits(document, repositories)
            and document["hardware"] == timing.hardware()
            and (document["pictures"], document["repeats"]) == (names, repeats)
        ):
            sys.stderr.write(f"Using the times in {keep}; delete it to measure again.\n")
            return document
    document = timing.measure(repositories, paths, count=pictures, repeats=repeats)
    if keep:
        evaluation.write_json(keep, document)
    return document


def _row(name: str, release: Release, card: Row, timed: Row) -> dict[str, Any]:
    estimates = {
        metric: list(card.get(section, {}).get(key) or [None] * 3)
        for metric, (section, key, _) in METRICS.items()
    }
    times = timed["ms"][name]
    return {
        "name": name,
        "release": f"{release.name} {release.version}",
        "identity": timing.identity(release),
        "detector": f"{release.detector.architecture} {release.detector.input_size}",
        "classifier": f"{release.classifier.architecture} {release.classifier.input_size}",
        "runtime": timed["releases"][name]["runtime"],
        **{metric: value[0] for metric, value in estimates.items()},
        "intervals": {metric: value[1:] for metric, value in estimates.items()},
        "p50_ms": timing.percentile(times, 50),
        "p95_ms": timing.percentile(times, 95),
    }
