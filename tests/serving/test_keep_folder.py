"""The bounded folder: what stays, what leaves, crashes, and several processes at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from deckwatch_serving.keep import FolderSource, FolderStore, open_source, open_store
from deckwatch_serving.keep.record import Origin
from deckwatch_vision.errors import UsageError
from tests.serving.keeping import kept


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("??/*")}


def there(folder: Path) -> set[str]:
    """What is kept; every record has its picture and the other way round."""
    source = FolderSource(folder)
    records = list(source.records())
    for each in records:
        assert len(source.read(each)) == each.size
    assert names(folder) == {
        path.rpartition("/")[2] for each in records for path in (each.picture, each.record)
    }
    return {each.sha256 for each in records}


def test_kept_byte_for_byte_with_its_record(tmp_path: Path) -> None:
    record, data = kept(1, origin=Origin("Aurora", "2", "2026-07-01T05:00:00"))
    store = open_store(str(tmp_path / "new" / "kept"))
    assert store.keep(record, data) == "kept"
    store.close()
    source = open_source(str(tmp_path / "new" / "kept"))
    assert list(source.records()) == [record]
    assert source.read(record) == data


def test_near_duplicates_are_left_out(tmp_path: Path) -> None:
    from dataclasses import replace

    store = FolderStore(tmp_path)
    record, data = kept(1)
    assert store.keep(record, data) == "kept"
    assert store.keep(record, data) == "duplicate"
    alike = replace(record, sha256="f" * 64, likeness=record.likeness ^ 0b111)
    assert store.keep(alike, data) == "duplicate"
    # The same look from another camera, or with another answer, is news.
    elsewhere = replace(alike, sha256="e" * 64, origin=Origin(camera="2"))
    assert store.keep(elsewhere, data) == "kept"
    fish = replace(alike.result.fish[0], box=(60.0, 20.0, 110.0, 70.0))
    moved = replace(alike, sha256="c" * 64, result=replace(alike.result, fish=(fish,)))
    assert store.keep(moved, data) == "kept"
    nudged = replace(fish, box=(64.0, 20.0, 114.0, 70.0))
    again = replace(alike, sha256="b" * 64, result=replace(alike.result, fish=(nudged,)))
    assert store.keep(again, data) == "duplicate"
    other = replace(alike, sha256="d" * 64, result=replace(alike.result, fish=(), label="NoF"))
    assert store.keep(other, data) == "kept"
    store.close()


def test_the_least_interesting_leave_first(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, max_pictures=3)
    for seed, score in enumerate((0.5, 0.9, 0.3)):
        assert store.keep(*kept(seed, score=score)) == "kept"
    assert store.keep(*kept(10, score=0.2)) == "outranked"
    assert store.keep(*kept(11, score=0.6)) == "kept"
    store.close()
    assert there(tmp_path) == {kept(seed)[0].sha256 for seed in (0, 1, 11)}


def test_bytes_are_bounded_too(tmp_path: Path) -> None:
    record, data = kept(1)
    room = int(2.5 * (len(data) + len(record.to_json())))
    store = FolderStore(tmp_path, max_bytes=room)
    for seed in range(1, 9):
        assert store.keep(*kept(seed, score=seed / 10)) == "kept"
        held = sum(path.stat().st_size for path in tmp_path.glob("??/*"))
        assert held <= room
    store.close()
    assert kept(8)[0].sha256 in there(tmp_path)
    small = FolderStore(tmp_path / "small", max_bytes=100)
    assert small.keep(record, data) == "outranked"
    small.close()


def test_lowered_limits_hold_at_the_next_start(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for seed in range(6):
        store.keep(*kept(seed, score=0.1 + seed / 10))
    store.close()
    FolderStore(tmp_path, max_pictures=2).close()
    assert there(tmp_path) == {kept(seed)[0].sha256 for seed in (4, 5)}


def test_counts_outlive_the_process(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert store.notice(["vessel:a", "vessel:b"]) == {"vessel:a": 0, "vessel:b": 0}
    assert store.notice(["vessel:a"]) == {"vessel:a": 1}
    store.close()
    again = FolderStore(tmp_path)
    assert again.notice(["vessel:a", "vessel:c"]) == {"vessel:a": 2, "vessel:c": 0}
    assert again.notice([]) == {}
    again.close()


def test_what_a_killed_process_left_is_mended(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for seed in range(4):
        store.keep(*kept(seed))
    store.close()
    half, lost, orphan = (kept(seed)[0] for seed in (0, 1, 2))
    (tmp_path / half.record).unlink()  # a picture without its record
    (tmp_path / lost.picture).unlink()  # a record without its picture
    (tmp_path / "ab").mkdir(exist_ok=True)
    (tmp_path / "ab" / "x.jpg.part").write_bytes(b"half")
    with_row = FolderStore(tmp_path)
    with_row._index.remove(orphan.sha256)  # files in place, the index not yet
    with_row.close()
    mended = FolderStore(tmp_path)
    assert there(tmp_path) == {orphan.sha256, kept(3)[0].sha256}
    assert mended.keep(*kept(2)) == "duplicate"
    assert mended.keep(*kept(0)) == "kept"
    mended.close()


def test_a_damaged_index_is_made_anew(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.keep(*kept(1))
    store.close()
    (tmp_path / "index.sqlite").write_bytes(b"no database" * 1000)
    again = FolderStore(tmp_path)
    assert again.keep(*kept(1)) == "duplicate"
    again.close()
    assert (tmp_path / "index.sqlite.damaged").read_bytes().startswith(b"no database")


def _keep_many(folder: str, first: int, count: int) -> None:
    store = FolderStore(folder, max_pictures=25)
    for seed in range(first, first + count):
        store.keep(*kept(seed, score=(seed * 37 % 101) / 101))
        store.notice(["vessel:shared"])
    store.close()


def _keep_until_killed(folder: str) -> None:
    store = FolderStore(folder, max_pictures=10)
    for seed in range(10**6):
        store.keep(*kept(seed, score=(seed % 97) / 97))


def test_several_processes_share_a_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_keep_many, args=(str(tmp_path), first, 30)) for first in (0, 20)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    scores = {kept(seed)[0].sha256: (seed * 37 % 101) / 101 for seed in range(50)}
    best = sorted(scores, key=lambda sha256: -scores[sha256])[:25]
    assert there(tmp_path) == set(best)
    store = FolderStore(tmp_path)
    assert store.notice(["vessel:shared"]) == {"vessel:shared": 60}
    store.close()


def test_killed_midway_nothing_is_half_there(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    for already in (3, 11):
        worker = context.Process(target=_keep_until_killed, args=(str(tmp_path),))
        worker.start()
        for _ in range(6000):
            if len(list(tmp_path.glob("??/*.json"))) >= min(already, 10):
                break
            worker.join(0.01)
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join(30)
        FolderStore(tmp_path, max_pictures=10).close()
        assert 3 <= len(there(tmp_path)) <= 10


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"Cannot keep pictures in .*/file/kept"):
        FolderStore(tmp_path / "file" / "kept")
    with pytest.raises(UsageError, match="There is no folder"):
        open_source(str(tmp_path / "none"))


def test_a_changed_picture_is_noticed(tmp_path: Path) -> None:
    record, data = kept(1)
    store = FolderStore(tmp_path)
    store.keep(record, data)
    store.close()
    (tmp_path / record.picture).write_bytes(data + b" ")
    with pytest.raises(UsageError, match="was changed"):
        FolderSource(tmp_path).read(record)
