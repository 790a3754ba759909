"""What was live in a model repository, when, why and who decided it: deckwatch/history.jsonl.

One JSON object a line, only ever appended to. A swap is announced in deckwatch/swap.json before
anything changes and noted here once the ensemble's config pins the new release; so after a crash in
between the next command knows whether the swap happened, and `rollback` what to go back to.
"""

from __future__ import annotations

import datetime
import fcntl
import getpass
import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from deckwatch_serving.configs import write_texts
from deckwatch_serving.repository import ENSEMBLE
from deckwatch_vision.errors import ReleaseCorrupt, UsageError

FILE = f"{ENSEMBLE}/history.jsonl"
_ANNOUNCED = f"{ENSEMBLE}/swap.json"
_LOCK = f"{ENSEMBLE}/.lock"

Action = Literal["promote", "rollback"]


@dataclass(frozen=True, slots=True)
class Swap:
    """One change of the live release; the fields are the keys of its line.

    before, after: versions. reason: the user's own words. forced: what the gate had against it,
    where it was overruled. servers: that swapped at once. recovered: noted after a crash.
    """

    time: str
    action: Action
    before: int
    after: int
    name: str
    who: str
    reason: str = ""
    forced: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    recovered: bool = False

    def as_dict(self) -> dict[str, Any]:
        """As it is written; `from` and `to` are what `before` and `after` cannot be called here."""
        content = asdict(self)
        ends = {"from": content.pop("before"), "to": content.pop("after")}
        return {"time": content.pop("time"), "action": content.pop("action"), **ends, **content}

    def __str__(self) -> str:
        """A line for people."""
        parts = [
            f"{self.time}  {self.action} {self.before} -> {self.after} ({self.name}) by {self.who}"
        ]
        if self.forced:
            parts.append(f"forced against: {'; '.join(self.forced)}")
        if self.reason:
            parts.append(f"reason: {self.reason}")
        if self.recovered:
            parts.append("noted after it was cut off")
        return "  ".join(parts)

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Swap:
        """What `as_dict` gave. Raises KeyError or TypeError where it is something else."""
        row = dict(row)
        before, after = int(row.pop("from")), int(row.pop("to"))
        forced, servers = tuple(row.pop("forced", ())), tuple(row.pop("servers", ()))
        return cls(before=before, after=after, forced=forced, servers=servers, **row)


def now() -> str:
    """The time in UTC, as in release.json."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def somebody() -> str:
    """Who runs this: user@host, or the user's number where it has no name."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not be in /etc/passwd
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def read(repository: Path) -> list[Swap]:
    """Every swap, oldest first; none where nothing was noted yet.

    Raises:
        ReleaseCorrupt: a line is none of ours.
    """
    path = repository / FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return []
    swaps = []
    for number, line in enumerate(lines, start=1):
        try:
            swaps.append(Swap.from_dict(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if number == len(lines) and not line.endswith("\n"):
                break  # cut off by a power failure: `settle` notes it again
            raise ReleaseCorrupt(
                f"{path}, line {number}, is no swap ({error!r}). Restore the file from a copy, or "
                "delete the line."
            ) from None
    return swaps


def note(repository: Path, swap: Swap) -> None:
    """Append a swap; it is on the disk when this returns."""
    path = repository / FILE
    with path.open("a+b") as file:
        _cut_half_a_line(file)
        file.write(json.dumps(swap.as_dict(), ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _cut_half_a_line(file: Any) -> None:
    """Remove what a power failure left of a last line."""
    file.seek(0)
    content = file.read()
    if content and not content.endswith(b"\n"):
        file.truncate(content.rfind(b"\n") + 1)


def announce(repository: Path, swap: Swap) -> None:
    """Say what is going to happen, before anything of it does."""
    write_texts(repository, [(_ANNOUNCED, json.dumps(swap.as_dict(), ensure_ascii=False) + "\n")])


def announced(repository: Path) -> Swap | None:
    """A swap that began and of which nobody noted the end."""
    try:
        return Swap.from_dict(json.loads((repository / _ANNOUNCED).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # not ours: nothing can be learnt from it


def done(repository: Path) -> None:
    """The announced swap is noted, or was undone."""
    (repository / _ANNOUNCED).unlink(missing_ok=True)


def recover(repository: Path, live: int) -> Swap | None:
    """Note a swap that was cut off after it had happened. Call with the lock held.

    Returns:
        The swap that was cut off, with `recovered` set; None where the last one ended well.
    """
    swap = announced(repository)
    if swap is None:
        done(repository)
        return None
    swap = replace(swap, recovered=True)
    noted = [replace(each, recovered=True) for each in read(repository)[-1:]]
    if live == swap.after and swap not in noted:
        note(repository, swap)
    done(repository)
    return swap


def live_before(swaps: Sequence[Swap], live: int) -> list[int]:
    """The versions that were live before `live`, the nearest first, as a stack.

    A rollback takes away what the promotion added, so two rollbacks go two releases back. Where
    `live` came about without a swap (written by hand), the last one noted is the one before it.
    """
    stack: list[int] = []
    for swap in swaps:
        if swap.action == "rollback" and swap.after in stack:
            while stack and stack.pop() != swap.after:
                pass
        else:
            stack.append(swap.before)
    if swaps and swaps[-1].after != live:
        stack.append(swaps[-1].after)
    return [version for version in reversed(stack) if version != live]


@contextmanager
def locked(repository: Path) -> Iterator[None]:
    """Keep others from swapping in the meantime; a process that dies lets go.

    Raises:
        UsageError: somebody else is at it, or the repository cannot be written.
    """
    path = repository / _LOCK
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise UsageError(
            f"Cannot write in {path.parent}: {error.strerror}. Promote as a user who may, in a "
            "repository that is not mounted read-only."
        ) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(handle, 200, 0).decode(errors="replace").strip() or "another process"
            raise UsageError(
                f"{holder} is promoting or rolling back in {repository}. Wait until it is done."
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{somebody()}, process {os.getpid()},".encode(), 0)
        yield
    finally:
        os.close(handle)
