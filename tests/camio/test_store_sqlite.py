"""What is special about a queue in a file: who may read it, and files that are no queue."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from deckwatch_gateway.camio.sqlite_store import SqliteStore
from deckwatch_gateway.camio.store import PENDING, Limits, default_file, open_store
from deckwatch_vision.errors import QueueUnavailable, UsageError

from .queues import PLENTY, arrival, opened


def put_some(path: str, name: str, count: int) -> None:
    """What a gateway's process does."""

    async def run() -> None:
        async with opened(path) as store:
            for number in range(count):
                assert await store.put(arrival(f"{name}{number}"), PLENTY) == "accepted"

    asyncio.run(run())


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "camio.sqlite"

    async def run() -> None:
        async with opened(str(path)) as store:
            await store.put(arrival(), PLENTY)
            made = sorted(one.name for one in path.parent.iterdir())
            assert made == ["camio.sqlite", "camio.sqlite-shm", "camio.sqlite-wal"]
            modes = {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
            assert modes == {0o600}
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    asyncio.run(run())


def test_an_acknowledged_event_is_on_disk(tmp_path: Path) -> None:
    """The settings that SQLite documents as safe against a power cut."""
    store = SqliteStore(tmp_path / "q.sqlite")
    base = store._base  # no public word tells of it
    assert base.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert base.execute("PRAGMA synchronous").fetchone() == (2,)
    assert base.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    asyncio.run(store.close())


def test_processes_that_start_together_share_a_new_file(tmp_path: Path) -> None:
    path = str(tmp_path / "q.sqlite")
    spawn = get_context("spawn")
    processes = [spawn.Process(target=put_some, args=(path, name, 5)) for name in "abc"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
        process.close()

    async def run() -> None:
        async with opened(path) as store:
            assert len(await store.entries(PENDING)) == 15

    asyncio.run(run())


def test_the_file_shrinks_again(tmp_path: Path) -> None:
    path = tmp_path / "q.sqlite"

    async def run() -> None:
        async with opened(str(path)) as store:
            for number in range(8):
                await store.put(arrival(str(number), body=b"x" * 500_000), PLENTY)
            while claim := await store.claim(60):
                await store.label(claim, b"labels")
                await store.delivered(claim)
            await store.purge(keep_delivered_s=60, keep_dead_s=60, max_dead=10)

    asyncio.run(run())
    assert path.stat().st_size < 500_000


def test_deleted_pictures_are_gone_from_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "q.sqlite"

    async def run() -> None:
        async with opened(str(path)) as store:
            await store.put(arrival(body=b"a face on deck" * 1000), PLENTY)
            claim = await store.claim(60)
            assert claim is not None
            await store.label(claim, b"labels")

    asyncio.run(run())
    assert [one.name for one in tmp_path.iterdir()] == ["q.sqlite"]
    assert b"labels" in path.read_bytes()
    assert b"a face on deck" not in path.read_bytes()


def test_a_clock_that_is_set_back_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ship's computer without a battery finds out the time when the link is up."""

    async def run() -> None:
        async with opened(str(tmp_path / "q.sqlite")) as store:
            await store.put(arrival("a"), PLENTY)
            claim = await store.claim(60)
            assert claim is not None
            await store.postpone(claim, 300, "status 503")
            assert await store.claim(60) is None
            now = time.time()
            monkeypatch.setattr("time.time", lambda: now - 10 * 24 * 3600)
            again = await store.claim(60)
            assert again is not None
            assert await store.claim(60) is None

    asyncio.run(run())


def test_a_file_of_another_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "q.sqlite"
    base = sqlite3.connect(path)
    base.execute("PRAGMA user_version=7")
    base.close()
    with pytest.raises(UsageError, match=r"its schema is 7, ours 1"):
        open_store(str(path))


def test_a_file_that_is_no_queue_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "q.sqlite"
    path.write_bytes(b"a diary of the sea, by hand " * 100)
    with pytest.raises(UsageError, match="cannot be used as a queue"):
        open_store(str(path))
    assert path.read_bytes().startswith(b"a diary")


@pytest.mark.parametrize("place", ["folder", "below a file"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    path = tmp_path if place == "folder" else tmp_path / "file" / "q.sqlite"
    with pytest.raises(UsageError, match=r"cannot be written .*folder of your own"):
        open_store(str(path))


def test_an_sqlite_that_is_too_old_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 26, 0))
    with pytest.raises(UsageError, match=r"3\.35 or newer.*newer Python"):
        open_store(str(tmp_path / "q.sqlite"))


def test_without_create_a_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no queue at"):
        open_store(str(tmp_path / "q.sqlite"), create=False)
    assert list(tmp_path.iterdir()) == []


def test_the_default_is_in_the_users_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_file() == tmp_path / "deckwatch" / "camio.sqlite"
    asyncio.run(open_store("").close())
    assert default_file().exists()


def test_a_full_disk_is_said_and_nothing_is_half_done(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(str(tmp_path / "q.sqlite")) as store:
            assert isinstance(store, SqliteStore)
            await store.put(arrival("a"), PLENTY)
            (pages,) = store._base.execute("PRAGMA page_count").fetchone()
            store._base.execute(f"PRAGMA max_page_count={pages}")
            with pytest.raises(QueueUnavailable, match="full"):
                await store.put(arrival("b", body=b"x" * 100_000), PLENTY)
            assert [entry.id for entry in await store.entries(PENDING)] == ["id-a"]
            claim = await store.claim(60)
            assert claim is not None
            assert await store.label(claim, b"labels") == b"labels", "what is there can be finished"
            assert await store.delivered(claim)

    asyncio.run(run())


def test_another_scheme_is_refused() -> None:
    with pytest.raises(UsageError, match=r"a queue cannot be at postgres://.*redis://"):
        open_store("postgres://localhost/queue")


def test_limits_are_checked_before_a_body_is_written(tmp_path: Path) -> None:
    path = tmp_path / "q.sqlite"

    async def run() -> None:
        async with opened(str(path)) as store:
            large = arrival(body=b"x" * 5_000_000)
            assert await store.put(large, Limits(max_events=10, max_bytes=1000)) == "full"

    asyncio.run(run())
    assert sum(one.stat().st_size for one in tmp_path.iterdir()) < 1_000_000


def test_reading_the_modules_needs_no_redis() -> None:
    code = (
        "import sys; sys.modules['redis'] = None; "
        "from deckwatch_gateway.camio.store import open_store; "
        "from deckwatch_vision.errors import MissingExtra\n"
        "try: open_store('redis://localhost')\n"
        "except MissingExtra as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'deckwatch[redis]'" in done.stdout
