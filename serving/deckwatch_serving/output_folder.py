"""A folder that a command writes into, and what is said where that cannot be done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deckwatch_vision.errors import UsageError


@contextmanager
def writing_into(folder: Path) -> Iterator[None]:
    """Make the folder, and turn a disk's refusals within the block into a sentence.

    Raises:
        UsageError: the folder cannot be made or written, or the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise UsageError(
            f"Cannot write {error.filename or folder}: {error.strerror}. Make room, or give "
            "another --out."
        ) from None
