"""A picture's bytes and its name: read with bounds, refused with the cure."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deckwatch_vision.errors import (
    DeadlineExceeded,
    EmptyImage,
    ImageError,
    ImageTooLarge,
    RateLimited,
    ServerError,
    ServerOverloaded,
    UnreadableImage,
)
from deckwatch_vision.images import MAX_BYTES

if TYPE_CHECKING:
    from typing import BinaryIO

# What may befall one picture while the next one still succeeds.
PER_PICTURE = (ImageError, DeadlineExceeded, ServerOverloaded, RateLimited)


def read_picture(path: str | os.PathLike[str]) -> bytes:
    """The encoded file at `path`, read only if it is within the budget of bytes.

    Pipes and devices are read up to the budget, so that `classify <(curl ...)` works.

    Raises:
        UnreadableImage: missing, a directory, not permitted, or the disk failed.
        ImageTooLarge: over the budget of bytes.
    """
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode):
                check_size(status.st_size)
            return read_stream(file)
    except FileNotFoundError:
        raise UnreadableImage("there is no such file. Check the path.") from None
    except IsADirectoryError:
        raise UnreadableImage(
            "this is a directory. Name the pictures in it, for instance with /*.jpg behind it."
        ) from None
    except PermissionError:
        raise UnreadableImage(
            "this user may not read it. Ask its owner for read permission, or copy it."
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableImage(
            f"it cannot be read ({reason}). Check the path and the disk."
        ) from None


def read_stream(stream: BinaryIO) -> bytes:
    """What a file, pipe or standard input holds. Raises ImageTooLarge over the budget of bytes."""
    data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise _too_large(f"more than {MAX_BYTES:,}")
    return data


def read_standard_input() -> bytes:
    """The picture on standard input.

    Raises:
        UnreadableImage: standard input is closed, or a directory.
        ImageTooLarge: over the budget of bytes.
    """
    if sys.stdin is None:
        raise UnreadableImage("it is closed. Name the picture's path instead.")
    try:
        return read_stream(sys.stdin.buffer)
    except OSError as error:
        raise UnreadableImage(
            f"it cannot be read ({error.strerror}). Name the picture's path instead."
        ) from None


def check_size(size: int) -> None:
    """Refuse a picture of `size` bytes before it is read or sent.

    Raises:
        EmptyImage: no bytes.
        ImageTooLarge: over the budget of bytes.
    """
    if size == 0:
        raise EmptyImage("the picture has 0 bytes. Check that it was written completely.")
    if size > MAX_BYTES:
        raise _too_large(f"{size:,}")


@contextmanager
def naming(name: str | None) -> Iterator[None]:
    """Put the picture's name before the message of an error that befell it."""
    try:
        yield
    except PER_PICTURE as error:
        if name is None:
            raise
        named = type(error)(f"{printable(name)}: {error.message}")
        if isinstance(error, ServerError | RateLimited):
            named.retry_after_s = error.retry_after_s  # type: ignore[union-attr]
        raise named from error


def printable(name: str) -> str:
    """A file name for one line of text; control and undecodable characters are escaped."""
    return name if name.isprintable() else repr(name)


def quantity(count: int, one: str, several: str = "") -> str:
    """A number with its noun."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def _too_large(size: str) -> ImageTooLarge:
    return ImageTooLarge(
        f"the picture has {size} bytes; at most {MAX_BYTES:,} are accepted. "
        "Save it smaller or with stronger compression."
    )
