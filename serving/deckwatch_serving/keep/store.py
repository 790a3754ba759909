"""Where kept pictures go and come from: what a folder and a bucket have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Protocol

from deckwatch_serving.keep.record import Kept
from deckwatch_vision.errors import UsageError

MAX_BYTES = 10 * 1024**3
MAX_PICTURES = 20_000

# kept: it is there now. duplicate: it, or one that looks the same with the same answer, was there.
# outranked: the store is full of more interesting pictures.
Tell = Callable[[UsageError], None]
Stored = Literal["kept", "duplicate", "outranked"]


class Store(Protocol):
    """Takes pictures; used by one thread at a time."""

    def notice(self, cells: Sequence[str]) -> dict[str, int]:
        """Count one more picture of each cell; gives how many were seen before."""

    def keep(self, kept: Kept, data: bytes) -> Stored:
        """Keep a picture, unless it is there already or less interesting than all that are."""

    def close(self) -> None:
        """Release what is held open."""


def parsed(data: bytes, where: str, tell: Tell | None) -> Iterator[Kept]:
    """The record in `data`, or nothing and a word to `tell`."""
    try:
        yield Kept.from_json(data, where)
    except UsageError as error:
        if tell is None:
            raise
        tell(error)


class Source(Protocol):
    """Gives back what a store took."""

    def records(self, tell: Tell | None = None) -> Iterator[Kept]:
        """Every kept picture, in the order of its SHA-256; `tell` hears of records that are broken.

        Raises:
            UsageError: a record is broken, and there is nobody to tell.
        """

    def read(self, kept: Kept) -> bytes:
        """The bytes of a kept picture.

        Raises:
            UsageError: they are gone, or are not those that were kept.
        """
