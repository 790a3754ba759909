"""What a check finds, and what it looks at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from deckwatch_vision.errors import DeckwatchError

if TYPE_CHECKING:
    from deckwatch_vision.result import ReleaseInfo

HIDDEN = "(hidden)"
# A password in an address, as in redis://user:password@host.
_PASSWORD = re.compile(r"(?<=://)([^/?#@\s]*)(?=@)")

# ok: as it should be. note: good to know. warning: something will go wrong one day, or less well
# than it could. problem: something does not work.
Level = Literal["ok", "note", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    `cure` says what to do, nothing where all is well; `facts` are the numbers in `text`, for JSON.
    """

    level: Level
    text: str
    cure: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, error: DeckwatchError, level: Level = "problem") -> Finding:
        """An error of ours: what is wrong in its first sentence, what to do in the others."""
        text, stop, cure = " ".join(error.message.split()).partition(". ")
        return cls(level, f"{text}{stop.strip()}", cure, {"code": error.code})


@dataclass(slots=True)
class Subject:
    """What is looked at, and what earlier checks leave to later ones.

    repository, server: as given on the command line.
    timeout_s: longest wait for a server's answer.
    folder: where results would be written.
    broken: modules that cannot be imported.
    address: the server's normalised address, "" for none.
    reached: whether a connection to it came about.
    release: the one found on this machine.
    """

    repository: Path | None = None
    server: str | None = None
    timeout_s: float = 10.0
    folder: Path = field(default_factory=Path.cwd)
    broken: set[str] = field(default_factory=set)
    address: str = ""
    reached: bool = False
    release: ReleaseInfo | None = None


def without_password(text: str) -> str:
    """The text with (hidden) for what stands before the @ of an address."""
    return _PASSWORD.sub(HIDDEN, text)


Find: TypeAlias = Callable[[Subject], Iterator[Finding]]


class Check(NamedTuple):
    """A check with its place in the report."""

    section: str
    name: str
    find: Find
