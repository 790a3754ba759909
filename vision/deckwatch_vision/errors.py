"""Everything Deckwatch raises on purpose.

DeckwatchError
├── ImageError                 one picture is at fault; the others go on
│   ├── EmptyImage             no bytes at all
│   ├── UnsupportedFormat      not a JPEG, PNG, WebP, BMP or TIFF, or a kind of these we cannot read
│   ├── BrokenImage            truncated or corrupt
│   ├── BrokenVideo            no video, or frames of one that cannot be decoded
│   ├── TooManyPixels          width x height over the budget
│   ├── ImageTooLarge          bytes over the budget
│   └── UnreadableImage        missing file, directory, permissions (client side)
├── ReleaseError               the models are at fault
│   ├── ReleaseNotFound
│   ├── ReleaseCorrupt         a digest that does not match, a malformed release.json
│   ├── ReleaseRefused         worse than the live one, or not comparable with it
│   └── SwapFailed             could not be made live; the old one still is
├── ServerError                the server is at fault
│   ├── ServerUnavailable
│   ├── ServerOverloaded
│   ├── DeadlineExceeded
│   ├── QueueUnavailable       where events wait cannot be read or written
│   └── LauncherError          port taken, glibc too old, ...
├── AccessError                the caller is not let in
│   ├── KeyRefused             no key, or an unknown one
│   ├── ScopeRefused           the key is not for this
│   └── RateLimited            too many requests in a short time
├── MissingExtra               an optional part is not installed
└── UsageError                 the call is at fault

Every class carries a `code` (part of the wire format and of the HTTP error body: never renamed)
and an HTTP `status`. The message says what was given, what was expected and what to do.
"""

# ruff: noqa: N818 -- users read these names; what is wrong says more than "Error"

from __future__ import annotations

import re
from typing import ClassVar


class DeckwatchError(Exception):
    """Root of the tree: one message, one code, one HTTP status."""

    code: ClassVar[str] = "deckwatch-error"
    status: ClassVar[int] = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ImageError(DeckwatchError):
    """One picture is at fault; others go on."""

    code = "image-error"
    status = 422


class EmptyImage(ImageError):
    """There are no bytes. Send the file's content."""

    code = "empty-image"


class UnsupportedFormat(ImageError):
    """The bytes are not a picture of an allowed format. Convert it to one of them."""

    code = "unsupported-format"
    status = 415


class BrokenImage(ImageError):
    """The picture is truncated or corrupt. Copy or export it again."""

    code = "broken-image"


class BrokenVideo(ImageError):
    """A video, or some of its frames, cannot be decoded. Copy it again, or mend it."""

    code = "broken-video"


class TooManyPixels(ImageError):
    """Width times height exceeds the budget. Scale the picture down, or raise the budget."""

    code = "too-many-pixels"


class ImageTooLarge(ImageError):
    """The file has more bytes than the budget. Save it smaller, or raise the budget."""

    code = "image-too-large"
    status = 413


class UnreadableImage(ImageError):
    """The file cannot be opened: missing, a directory, or not permitted."""

    code = "unreadable-image"


class ReleaseError(DeckwatchError):
    """The models and their description are at fault."""

    code = "release-error"


class ReleaseNotFound(ReleaseError):
    """There is no release where one was looked for. Name its folder."""

    code = "release-not-found"


class ReleaseCorrupt(ReleaseError):
    """A file differs from its digest, or release.json is malformed. Fetch the release again."""

    code = "release-corrupt"


class ReleaseRefused(ReleaseError):
    """A release is worse than the live one, or not comparable. Improve it, or force it."""

    code = "release-refused"


class SwapFailed(ReleaseError):
    """A release could not be made live; the one before it still is. Mend what the message says."""

    code = "swap-failed"


class ServerError(DeckwatchError):
    """The server is at fault; trying again later may help.

    `retry_after_s` says after how many seconds, None where the server did not.
    """

    code = "server-error"
    status = 503

    def __init__(self, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ServerUnavailable(ServerError):
    """Nothing answers at the server's address. Start it, or correct the address."""

    code = "server-unavailable"


class ServerOverloaded(ServerError):
    """The server's queue is full. Try again after a moment, or send less at a time."""

    code = "server-overloaded"


class DeadlineExceeded(ServerError):
    """The answer did not come in time. Allow more time, or send less at a time."""

    code = "deadline-exceeded"
    status = 504


class QueueUnavailable(ServerError):
    """The queue of events cannot be read or written. Mend what the message says, then try again."""

    code = "queue-unavailable"


class LauncherError(ServerError):
    """The embedded server could not be started; the message says what to change."""

    code = "launcher-failed"
    status = 500


class AccessError(DeckwatchError):
    """The server does not let the caller in."""

    code = "access-error"
    status = 403


class KeyRefused(AccessError):
    """The server asks for a key, and got none or an unknown one. Set DECKWATCH_API_KEY."""

    code = "key-refused"
    status = 401


class ScopeRefused(AccessError):
    """The key is not for this. Ask the server's operator for one with the scope named."""

    code = "scope-refused"


class RateLimited(AccessError):
    """Too many requests in a short time. Send fewer a second, or try again after a moment."""

    code = "rate-limited"
    status = 429

    def __init__(self, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class MissingExtra(DeckwatchError):
    """An optional part is not installed; the message names its pip command."""

    code = "missing-extra"


class UsageError(DeckwatchError):
    """The call or the command line is at fault; the message says what was expected."""

    code = "usage"
    status = 400


_WIRE = re.compile(r"\[([a-z]+(?:-[a-z]+)*)\] (?=([^\r\n]*))")


def to_wire(error: DeckwatchError) -> str:
    """Write an error as one line "[code] message", to be carried inside another system's error."""
    return f"[{error.code}] {' '.join(error.message.split())}"


def from_wire(text: str) -> DeckwatchError | None:
    """Rebuild the error that `to_wire` wrote, wherever in `text` it stands; None without one.

    Triton adds words before it and a traceback on the lines after it.
    """
    classes = _classes_by_code()
    for found in _WIRE.finditer(text):
        if found[1] in classes:
            return classes[found[1]](found[2].strip())
    return None


def _classes_by_code() -> dict[str, type[DeckwatchError]]:
    classes, waiting = {}, [DeckwatchError]
    while waiting:
        one = waiting.pop()
        classes[one.code] = one
        waiting.extend(one.__subclasses__())
    return classes
