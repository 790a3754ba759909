"""Child processes end with their starter and leave nothing behind."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deckwatch_serving.child import Child, new_log
from deckwatch_serving.leash import SHARED_MEMORY
from tests.serving.processes import alive, family, shared_memory, wait_until

# A server with a helper: prints a line, then waits. SIGTERM ends both in order.
FAMILY = "sleep 600 & echo started; trap 'kill $!; exit 7' TERM; wait"
# The same one, but it will not listen.
DEAF = "trap '' TERM; sleep 600 & echo started; while :; do sleep 600; done"


@pytest.fixture
def prefix() -> Iterator[str]:
    name = f"deckwatch-test-{secrets.token_hex(4)}-"
    yield name
    assert not shared_memory(name)


def child(script: str, tmp_path: Path, prefix: str = "-", grace_s: float = 5.0) -> Child:
    return Child(
        ["bash", "-c", script],
        environment=os.environ,
        log=tmp_path / "child.log",
        shared_memory=prefix,
        grace_s=grace_s,
    )


def started(one: Child) -> list[int]:
    """Wait until the script has said so; the processes then."""
    wait_until(lambda: "started" in one.log.read_text(), "the script's first line")
    assert one.pid is not None
    return family(one.pid)


def test_it_tells_how_the_command_ended(tmp_path: Path) -> None:
    one = child("echo to the log; echo Error: no luck >&2; exit 3", tmp_path)
    assert (one.running, one.poll(), one.pid) == (False, None, None)
    one.start()
    wait_until(lambda: not one.running, "the end")
    assert one.poll() == 3
    assert one.log.read_text() == "to the log\nError: no luck\n"
    one.stop()
    message = one.failure("the server", 5.0).message
    assert message.startswith("the server ended with status 3. It says: Error: no luck (")
    assert str(one.log) in message


def test_a_command_that_does_not_exist(tmp_path: Path) -> None:
    one = Child(["/no/such/server"], environment={}, log=tmp_path / "log")
    one.start()
    wait_until(lambda: not one.running, "the end")
    assert one.poll() == 127
    assert "/no/such/server: No such file" in one.failure("it", 1.0).message
    one.stop()


def test_stopping_lets_it_end_in_order(tmp_path: Path, prefix: str) -> None:
    one = child(FAMILY, tmp_path, prefix)
    one.start()
    pids = started(one)
    assert len(pids) == 3  # the leash, the script, its helper
    (SHARED_MEMORY / f"{prefix}region").write_bytes(b"left behind")
    one.stop()
    assert one.poll() == 7
    assert not any(map(alive, pids))
    one.stop()


@pytest.mark.parametrize("at_once", [False, True])
def test_one_that_will_not_end_is_ended(tmp_path: Path, prefix: str, at_once: bool) -> None:
    one = child(DEAF, tmp_path, prefix, grace_s=600.0 if at_once else 0.2)
    one.start()
    pids = started(one)
    (SHARED_MEMORY / f"{prefix}region").write_bytes(b"left behind")
    one.stop(at_once=at_once)
    assert one.poll() == 128 + signal.SIGKILL
    wait_until(lambda: not any(map(alive, pids)), "the end of all")


def test_helpers_do_not_outlive_a_crash(tmp_path: Path, prefix: str) -> None:
    one = child("sleep 600 & echo started; sleep 0.3; kill -SEGV $$", tmp_path, prefix)
    one.start()
    pids = started(one)
    (SHARED_MEMORY / f"{prefix}region").write_bytes(b"left behind")
    wait_until(lambda: not one.running, "the crash")
    assert one.poll() == 128 + signal.SIGSEGV
    assert not shared_memory(prefix)
    wait_until(lambda: not any(map(alive, pids)), "the end of all")
    one.stop()


@pytest.mark.parametrize("script", [FAMILY, DEAF])
def test_it_ends_with_a_starter_that_was_killed(tmp_path: Path, prefix: str, script: str) -> None:
    log = tmp_path / "child.log"
    starter = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, sys, time\n"
            "from pathlib import Path\n"
            "from deckwatch_serving.child import Child\n"
            "script, log, prefix = sys.argv[1:]\n"
            "Child(['bash', '-c', script], environment=os.environ, log=Path(log),\n"
            "      shared_memory=prefix, grace_s=0.5).start()\n"
            "time.sleep(600)\n",
            script,
            str(log),
            prefix,
        ]
    )
    wait_until(lambda: log.exists() and "started" in log.read_text(), "the script's first line")
    pids = family(starter.pid)
    assert len(pids) >= 4
    (SHARED_MEMORY / f"{prefix}region").write_bytes(b"left behind")
    starter.kill()
    starter.wait()
    wait_until(lambda: not any(map(alive, pids)), "the end of all")


def test_it_ends_with_a_leash_that_was_killed(tmp_path: Path, prefix: str) -> None:
    one = child(FAMILY, tmp_path, prefix)
    one.start()
    pids = started(one)
    (SHARED_MEMORY / f"{prefix}region").write_bytes(b"left behind")
    assert one.pid is not None
    os.kill(one.pid, signal.SIGKILL)
    wait_until(lambda: not any(map(alive, pids)), "the end of all")
    assert one.poll() == -signal.SIGKILL
    one.stop()  # tidies up in the leash's place


GONE = 4194305  # one more than the largest process number of Linux


def test_only_the_last_logs_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = new_log("triton").parent
    for day in range(10, 20):
        (folder / f"triton-202601{day}T000000.1-{GONE}.log").touch()
    new = new_log("triton")
    kept = sorted(each.name for each in folder.glob("triton-202601*"))
    assert len(kept) == 3
    assert kept[0] == f"triton-20260117T000000.1-{GONE}.log"
    assert new.exists()


def test_the_log_of_a_running_server_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ours = [new_log("triton") for _ in range(12)]  # as one process with many servers
    assert len(set(ours)) == 12
    assert all(each.exists() for each in ours)
