"""What a whole run makes of videos beyond its records: annotated copies, and a hint."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from deckwatch_client.video.frames import sample
from deckwatch_client.video.options import VideoOptions
from tests.client.batch.seasons import go
from tests.client.video.test_annotate import FRAMES, deck
from tests.client.video.videos import cut, write_video

COPIES = VideoOptions(rate_hz=5, annotate=True)


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A video of two fish, beside one that is broken, in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trip").mkdir()
    cut(write_video(tmp_path / "trip" / "broken.mp4", map(deck, range(FRAMES))), 0.5)
    return write_video(tmp_path / "trip" / "haul.mkv", map(deck, range(FRAMES)))


def test_a_run_leaves_annotated_copies_of_what_could_be_read(trip: Path) -> None:
    summary = go("trip", out=Path("out"), video=COPIES)

    assert (summary.status, summary.tally.failed) == (3, 1)
    assert [each.relative_to("out").as_posix() for each in Path("out").rglob("*.mp4")] == [
        "annotated/trip/haul.mkv.annotated.mp4"
    ]
    copy = "out/annotated/trip/haul.mkv.annotated.mp4"
    assert len(list(sample(copy, VideoOptions(rate_hz=1000), after=None))) == FRAMES
    assert summary.tally.tracks == {"SHARK": 1, "RAY": 1}


def test_a_copy_that_cannot_be_written_costs_nothing_else(
    trip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    go("trip/haul.mkv", out=Path("out"), video=COPIES)
    blocked = Path("out/annotated/trip/haul.mkv.annotated.mp4")
    blocked.unlink()
    blocked.mkdir()
    capsys.readouterr()

    summary = go("trip/haul.mkv", out=Path("out"), video=COPIES)

    assert (summary.status, summary.tally.pictures) == (0, FRAMES // 2)
    assert "haul.mkv: Cannot write" in capsys.readouterr().err
    assert [each.name for each in blocked.parent.iterdir()] == [blocked.name]


def test_without_the_tracker_a_run_says_once_what_to_install(
    trip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_video(trip.with_name("second.mkv"), map(deck, range(FRAMES)))
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "laptrack" else real(name)
    )

    summary = go("trip/haul.mkv", "trip/second.mkv", out=Path("out"), video=VideoOptions())

    assert summary.status == 0
    assert not summary.tally.tracks
    assert capsys.readouterr().err.count("pip install 'deckwatch[video]'") == 1
