"""What comes back from every format is what its table of kept parts says, part by part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deckwatch_client.formats.answers import UNKNOWN
from deckwatch_client.formats.parts import PARTS
from deckwatch_client.formats.submission import FLOOR, image_name
from deckwatch_client.formats.table import FORMATS
from deckwatch_client.records import Record
from deckwatch_vision.errors import UsageError
from deckwatch_vision.result import Fish, ImageInfo, Result
from deckwatch_vision.species import NCFM, NO_FISH, known
from tests.client.formats.some_records import INFO, WHERE, read_back, some_records, write_run

READABLE = [name for name, one in FORMATS.items() if one.reads]


def surest(record: Record) -> str:
    assert record.result is not None
    best = max(record.result.fish, key=lambda fish: fish.score, default=None)
    return best.label if best else NO_FISH


def as_camtrap(text: str | None) -> str | None:
    if text is None:
        return None
    taken = datetime.fromisoformat(text).replace(microsecond=0)
    text = (taken if taken.tzinfo else taken.replace(tzinfo=UTC)).isoformat()
    return text.replace("+00:00", "Z")


def as_exif(text: str | None) -> str | None:
    return text and datetime.fromisoformat(text).replace(tzinfo=None, microsecond=0).isoformat()


def floored(likelihoods: dict[str, float]) -> dict[str, float]:
    raised = {code: max(likelihoods[code], FLOOR) for code in NCFM.codes}
    return {code: value / sum(raised.values()) for code, value in raised.items()}


# What the notes in the table mean: from a record to the part that is expected back.
NOTES: dict[tuple[str, str], Callable[[Record], Any]] = {
    ("csv", "unchanged"): lambda one: one.unchanged[: len(one.result.fish)] if one.result else (),
    ("megadetector", "label"): surest,
    ("megadetector", "release"): lambda one: INFO.release,
    ("megadetector", "failure"): lambda one: None if one.moment else one.failure,
    ("megadetector", "captured_at"): lambda one: (
        as_exif(one.origin.captured_at) if one.result else None
    ),
    ("coco", "release"): lambda one: INFO.release,
    ("yolo", "label"): surest,
    ("yolo", "scores"): lambda one: [fish.score for fish in one.result.fish] if one.result else [],
    ("camtrap-dp", "captured_at"): lambda one: as_camtrap(one.origin.captured_at),
    ("submission", "name"): lambda one: image_name(one.name),
    ("submission", "label"): lambda one: one.result and one.result.label,
    ("submission", "likelihoods"): lambda one: one.result and floored(one.result.likelihoods),
}


def of_coco(part: str, record: Record) -> Any:
    """A part as coco.json has it, whose own test it passed."""
    whole = expected("coco", record)
    if part in ("camera", "vessel", "captured_at"):
        return getattr(whole.origin, part)
    if part in ("label", "release"):
        return whole.result and getattr(whole.result, part)
    if part == "size":
        return whole.result and whole.result.image
    return whole.result and whole.result.image.sha256 if part == "sha256" else getattr(whole, part)


NOTES |= {
    ("coco-results", part): partial(of_coco, part)
    for part, note in FORMATS["coco-results"].keeps.items()
    if note
}


def expected(name: str, record: Record) -> Record:
    """The record with what the format's table says, and nothing else."""
    keeps = FORMATS[name].keeps

    def part(key: str, value: Any, lost: Any) -> Any:
        if key not in keeps:
            return lost
        return NOTES[name, key](record) if keeps[key] else value

    result = record.result
    if result is not None:
        size = result.image if "size" in keeps else ImageInfo(None, 0, 0, None)
        sha256 = part("sha256", result.image.sha256, None)
        result = Result(
            part("label", result.label, None),
            part("likelihoods", result.likelihoods, {}),
            tuple(
                replace(fish, likelihoods=part("fish_likelihoods", fish.likelihoods, {}))
                for fish in (result.fish if "boxes" in keeps else ())
            ),
            ImageInfo(part("name", record.name, None), size.width, size.height, sha256),
            part("release", result.release, UNKNOWN),
        )
    origin = replace(
        record.origin,
        **{key: part(key, getattr(record.origin, key), None)
           for key in ("camera", "vessel", "captured_at")},
    )  # fmt: skip
    return Record(
        part("name", record.name, None),
        result,
        part("failure", record.failure, None),
        origin,
        part("moment", record.moment, None),
        part("looks", record.looks, None),
        part("tracks", record.tracks, ()),
        part("static", record.static, ()),
        part("unchanged", record.unchanged, ()),
    )


def adapted(name: str, records: list[Record]) -> list[Record]:
    """The records as the format can have them at all, in the order in which it has them."""
    if name == "megadetector":
        # A video is one entry, behind the pictures, with the frames that were seen.
        kept = [one for one in records if one.failure is None or one.moment is None]
        taken: dict[str, str | None] = {}
        for one in kept:
            if one.moment:
                taken.setdefault(one.moment.video, one.origin.captured_at)
        kept = [
            replace(one, origin=replace(one.origin, captured_at=taken[one.moment.video]))
            if one.moment
            else one
            for one in kept
        ]
        return sorted(kept, key=lambda one: one.moment is not None)
    return records


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", READABLE)
def test_what_comes_back(name: str, seed: int, tmp_path: Path) -> None:
    records = some_records(seed)
    if name == "submission":  # a failure gets a row like any other
        records = [one for one in records if one.result]
    write_run({"coco", name}, records, tmp_path)
    options = replace(WHERE, images=tmp_path / "coco.json")
    info, found = read_back(name, tmp_path, options)
    wanted = [expected(name, one) for one in adapted(name, records)]
    assert [one.name for one in found] == [one.name for one in wanted]
    for one, other in zip(found, wanted, strict=True):
        if name == "submission":
            assert one.result is not None
            assert other.result is not None
            assert one.result.likelihoods == pytest.approx(other.result.likelihoods, rel=1e-12)
            same = replace(one.result, likelihoods=other.result.likelihoods)
            one = replace(one, result=same)
        if name == "yolo" and one.result and other.result:
            one = replace(one, result=with_scores_of(one.result, other.result))
        assert one.as_dict() == other.as_dict()
        assert one == other
    assert set(info.codes) == set(INFO.codes)


def with_scores_of(result: Result, other: Result) -> Result:
    """The result with the other's scores, which are the same to eight decimals."""

    def score(one: Fish, two: Fish) -> Fish:
        assert one.score == pytest.approx(two.score, abs=1e-8)
        return replace(one, score=two.score)

    return replace(result, fish=tuple(map(score, result.fish, other.fish)))


def test_every_note_of_the_table_is_tested() -> None:
    notes = {
        (name, part) for name, one in FORMATS.items() for part, note in one.keeps.items() if note
    }
    assert notes == NOTES.keys()


def test_the_table_names_known_parts() -> None:
    assert {part for one in FORMATS.values() for part in one.keeps} <= PARTS.keys()


@pytest.mark.parametrize("name", READABLE)
def test_a_run_of_nothing_comes_back_as_nothing(name: str, tmp_path: Path) -> None:
    write_run({"coco", name}, (), tmp_path)
    if name == "jsonl":
        with pytest.raises(UsageError, match="no result"):
            read_back(name, tmp_path)
        return
    _, found = read_back(name, tmp_path, replace(WHERE, images=tmp_path / "coco.json"))
    assert found == []


@pytest.mark.parametrize("name", ["jsonl", "parquet", "megadetector", "coco", "camtrap-dp"])
def test_the_release_and_its_classes_come_back(name: str, tmp_path: Path) -> None:
    write_run([name], some_records(count=5), tmp_path)
    info, _ = read_back(name, tmp_path)
    if name == "jsonl":  # the lines alone; run.json, which batch and convert write, knows more
        assert info.release == INFO.release
        assert info.species == tuple(map(known, INFO.codes))
    elif name == "parquet":
        assert info == INFO
    else:  # for other people's eyes: no options, which name folders of this disk
        assert info == replace(INFO, options={})


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_records_give_the_same_bytes(name: str, tmp_path: Path) -> None:
    written = []
    for place in ("one", "two"):
        out = write_run([name], some_records(count=20), tmp_path / place)
        files = sorted(path for path in out.rglob("*") if path.is_file())
        written.append([(path.relative_to(out), path.read_bytes()) for path in files])
    assert written[0] == written[1]
