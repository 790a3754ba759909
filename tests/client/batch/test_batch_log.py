"""The log: whole lines whatever happens, and the index over it."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deckwatch_client.batch import log as logs
from deckwatch_client.batch.index import Index, Known, frame_identity, place_of
from deckwatch_client.batch.log import Log
from deckwatch_client.records import Moment
from deckwatch_vision.errors import DeckwatchError


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file of this process may be larger."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def contents(path: Path) -> list[object]:
    with Log(path) as log:
        return [entry for _, _, entry in log.entries()]


def test_lines_come_back_by_their_place(tmp_path: Path) -> None:
    entries: list[dict[str, object]] = [
        {"n": 1, "name": "\udcff"},
        {"n": 2, "text": "ü" * 300},
        {"n": 3},
    ]
    with Log(tmp_path / "log") as log:
        places = [log.append(entry) for entry in entries]
        assert [log.read(*place) for place in places] == entries
    with Log(tmp_path / "log") as log:
        assert [(offset, length) for offset, length, _ in log.entries()] == places
        places.append(log.append({"n": 4}))
        assert log.read(*places[-1]) == {"n": 4}
    assert contents(tmp_path / "log") == [*entries, {"n": 4}]


@pytest.mark.parametrize(
    "torn", [b'{"n": 3, "na', b"\0" * 100_000, b"\0" * (logs._BLOCK * 2), b'{"n": 3}']
)
def test_a_torn_end_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "log"
    whole = b'{"n": 1}\n{"n": 2}\n'
    path.write_bytes(whole + torn)
    with Log(path) as log:
        assert path.read_bytes() == whole
        log.append({"n": 3})
    assert contents(path) == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_a_log_without_a_single_whole_line_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\0" * 200_000)
    assert contents(tmp_path / "log") == []
    assert (tmp_path / "log").stat().st_size == 0


def test_damaged_lines_cost_no_others(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b'{"n": 1}\n\0\0\0\0\n{"n": 2}\n[3]\n\xff\xfe\n{"n": 4}\n')
    with Log(tmp_path / "log") as log:
        assert [entry["n"] for _, _, entry in log.entries()] == [1, 2, 4]
        assert log.damaged == 3


def test_a_full_disk_is_told_and_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with Log(path) as log:
        log.append({"n": 1})
        with disk_of(40), pytest.raises(DeckwatchError, match="make room") as caught:
            log.append({"n": 2, "text": "x" * 100})
        assert str(path) in caught.value.message
        assert path.read_bytes() == b'{"n": 1}\n'
        log.append({"n": 3})
    assert contents(path) == [{"n": 1}, {"n": 3}]


def test_what_is_written_is_on_the_disk_within_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(clock[0]))
    with Log(tmp_path / "log") as log:
        for clock[0] in (0.1, 0.9, 1.0, 1.5, 2.1):
            log.append({})
        assert synced == [1.0, 2.1]
    assert len(synced) == 3  # and at the end


def test_a_file_is_new_once_and_then_met_twice() -> None:
    index = Index()
    index.start()
    assert index.meet(b"/a", "1 1") is Known.NEW
    assert index.meet(b"/a", "1 1") is Known.TWICE
    assert len(index) == 0
    index.note(b"/a", "a", "1 1", (0, 10), failed=False)
    assert index.meet(b"/a", "1 1") is Known.TWICE
    assert len(index) == 1


def test_what_failed_or_changed_is_new_again() -> None:
    index = Index()
    index.note(b"/a", "a", "1 1", (0, 10), failed=False)
    index.note(b"/b", "b", "1 1", (10, 10), failed=True)
    index.note(b"/c", "c", "1 1", (20, 10), failed=False)
    index.note(b"/c", "c", "2 2", (30, 10), failed=False)
    index.start()
    assert index.meet(b"/a", "1 1") is Known.DONE
    assert index.meet(b"/b", "1 1") is Known.NEW
    assert index.meet(b"/c", "2 2") is Known.DONE
    index.note(b"/b", "b", "1 1", (40, 10), failed=False)
    assert [start for start, _, _, _ in index.lines()] == [0, 40, 30]
    assert [seen for _, _, _, seen in index.lines()] == [True] * 3


def test_results_are_in_the_order_of_folders_then_of_time() -> None:
    names = ["a/10.jpg", "a/2.jpg", "a/haul.mp4", "a.b/1.jpg", "b.jpg"]
    assert sorted(set(names), key=place_of) == names
    index = Index()
    video = b"/a/haul.mp4"
    moments = [Moment("a/haul.mp4", time_s, 0) for time_s in (0.0, 9.5, 1_000_000.0)]
    for place, moment in reversed(list(enumerate(moments))):
        who = frame_identity(video, moment)
        index.note(who, "frame", "1 1", (100 + place, 1), failed=False, video=video, moment=moment)
    for place, name in enumerate(names):
        if not name.endswith("mp4"):
            index.note(b"/" + name.encode(), name, "1 1", (place, 1), failed=False)
    assert [start for start, _, _, _ in index.lines()] == [0, 1, 100, 101, 102, 3, 4]


VIDEO = b"/haul.mp4"


def note_frame(index: Index, time_s: float, *, stamp: str = "1 1", failed: bool = False) -> None:
    moment = Moment("haul.mp4", time_s, int(time_s * 10))
    index.note(
        frame_identity(VIDEO, moment), "frame", stamp, (int(time_s), 1), failed=failed,
        video=VIDEO, moment=moment,
    )  # fmt: skip


def test_a_video_goes_on_after_its_last_frame_until_it_is_finished() -> None:
    index = Index()
    note_frame(index, 1.0)
    note_frame(index, 2.0)
    index.start()
    told = index.meet_video(VIDEO, "haul.mp4", "1 1")
    assert (told.known, told.after) == (Known.NEW, Moment("haul.mp4", 2.0, 20))
    assert index.meet_video(VIDEO, "haul.mp4", "1 1").known is Known.TWICE
    index = Index()
    note_frame(index, 1.0)
    index.finish(VIDEO, "1 1")
    index.start()
    assert index.meet_video(VIDEO, "haul.mp4", "1 1").known is Known.DONE


def test_a_video_with_failures_is_read_from_its_start() -> None:
    index = Index()
    note_frame(index, 1.0, failed=True)
    note_frame(index, 2.0)
    index.finish(VIDEO, "1 1")
    index.start()
    told = index.meet_video(VIDEO, "haul.mp4", "1 1")
    assert (told.known, told.after) == (Known.NEW, None)
    assert index.meet(frame_identity(VIDEO, Moment("haul.mp4", 1.0, 10)), "1 1") is Known.NEW
    assert index.meet(frame_identity(VIDEO, Moment("haul.mp4", 2.0, 20)), "1 1") is Known.DONE


def test_frames_of_a_video_that_was_replaced_go() -> None:
    index = Index()
    note_frame(index, 1.0)
    note_frame(index, 5.0)
    index.finish(VIDEO, "1 1")
    index.start()
    told = index.meet_video(VIDEO, "haul.mp4", "2 2")
    assert (told.known, told.after) == (Known.NEW, None)
    note_frame(index, 1.0, stamp="2 2")
    assert len(index) == 1
    assert [seen for _, _, _, seen in index.lines()] == [True]


def test_that_a_video_could_not_be_opened_is_forgotten_with_its_first_frame() -> None:
    index = Index()
    index.note(VIDEO, "haul.mp4", "1 1", (0, 1), failed=True, video=VIDEO)
    index.start()
    assert index.meet_video(VIDEO, "haul.mp4", "1 1").known is Known.NEW
    note_frame(index, 3.0)
    assert [start for start, _, _, _ in index.lines()] == [3]


def test_what_was_found_in_a_video_that_is_gone_stays() -> None:
    index = Index()
    note_frame(index, 1.0)
    note_frame(index, 2.0)
    index.start()
    assert index.meet_video(VIDEO, "haul.mp4", "").known is Known.NEW
    index.note(VIDEO, "haul.mp4", "", (50, 1), failed=True, video=VIDEO)
    assert [start for start, _, _, _ in index.lines()] == [50, 1, 2]
    index = Index()
    note_frame(index, 1.0)
    index.finish(VIDEO, "1 1")
    index.start()
    assert index.meet_video(VIDEO, "haul.mp4", "").known is Known.DONE
