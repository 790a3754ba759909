"""Looking at processes and shared memory from outside, for tests of what is left behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deckwatch_serving import probe
from deckwatch_serving.gateway import GatewayProcess


def wait_until(true: Callable[[], object], what: str, timeout_s: float = 30.0) -> None:
    """Wait for `true`; `what` is what was waited for, if it never comes."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.02)


@contextmanager
def running_gateway(triton_url: str, timeout_s: float = 60.0) -> Iterator[GatewayProcess]:
    """A gateway in a process of its own before a Triton, once it is ready."""
    gateway = GatewayProcess(triton_url, port=0)
    gateway.start()
    try:
        error = probe.poll(
            gateway.check_ready,
            alive=lambda: gateway.child.running,
            deadline=time.monotonic() + timeout_s,
        )
        assert error is None, gateway.child.log.read_text()
        yield gateway
    finally:
        gateway.child.stop()


def family(pid: int) -> list[int]:
    """`pid` and all processes below it, zombies left out."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in brackets, may hold spaces and brackets of its own.
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            parents.setdefault(int(parent), []).append(int(stat.parent.name))
    found, waiting = [pid] if alive(pid) else [], [pid]
    while waiting:
        below = parents.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def command(pid: int) -> str:
    """The command line of a process, empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def find(pids: list[int], text: str) -> list[int]:
    """Those of `pids` whose program (not its arguments) has `text` in its path."""
    return [pid for pid in pids if text in command(pid).split(" ", 1)[0]]


def shared_memory(prefix: str = "deckwatch-") -> set[str]:
    """Names in /dev/shm that start with `prefix`."""
    return {each.name for each in Path("/dev/shm").glob(f"{prefix}*")}
