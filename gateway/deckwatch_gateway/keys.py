"""The keys that callers show: read from a setting and from a file, kept as SHA-256 digests.

An entry is words in this order; entries are separated by commas or line breaks, and a # begins
a comment:

    bridge sha256:bafc889...ceb4 classify     name, digest of the key, scopes
    office correct-horse-battery-staple       name, the key itself; the usual scopes
    correct-horse-battery-staple              the key alone; it is named by its digest

A name may stand several times: while a key is rotated, the old and the new one both count. Keys
are long and random, so a fast digest is enough: there is nothing to guess that a slow one would
protect.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deckwatch_gateway.logs import log
from deckwatch_gateway.watched import Watched
from deckwatch_vision.errors import UsageError

SCOPES = ("classify", "metrics", "camio")
MIN_LENGTH = 16
MAX_FILE_BYTES = 1024 * 1024
CURE = "An entry is NAME KEY [SCOPE...]; `deckwatch gateway key NAME` makes one."

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")


@dataclass(frozen=True)
class Key:
    """Who called, and what they may do."""

    name: str
    scopes: frozenset[str]


class KeyRing:
    """The keys of a setting and of a file that is read again when it changes.

    Args:
        given: entries, as in the module's description.
        file: more of them; it may change while the gateway runs. A new version that cannot be
            read is reported and the keys before it stay, so that a slip of the pen neither opens
            the door nor locks everybody out.
        default_scopes: of the entries that name none.

    Raises:
        UsageError: an entry is malformed, or the file cannot be read.
    """

    def __init__(
        self, given: str = "", file: Path | None = None, *, default_scopes: Iterable[str] = ()
    ) -> None:
        self._default_scopes = frozenset(default_scopes)
        self._file = file
        self._given = list(self._entries(given, "the setting's"))
        self._watched = Watched(file) if file else None
        if self._watched:
            self._watched.changed()
        self._keys = self._read()

    def find(self, presented: str) -> Key | None:
        """The key that was shown, None where it is none of ours.

        Always compares with every key, so that the time taken tells nothing about them.
        """
        self._refresh()
        digest = _digest(presented)
        found = None
        for known, key in self._keys.items():
            if hmac.compare_digest(known, digest):
                found = key
        return found

    def __bool__(self) -> bool:
        """Whether there is any key at the moment."""
        self._refresh()
        return bool(self._keys)

    def _refresh(self) -> None:
        if self._watched is None or not self._watched.changed():
            return
        try:
            keys = self._read()
        except UsageError as error:
            log.error("keys not read again; the ones before still count", reason=str(error))
            return
        if keys != self._keys:
            self._keys = keys
            log.info("keys read again", keys=len(keys))

    def _read(self) -> dict[bytes, Key]:
        entries = self._given
        if self._file:
            entries = [*entries, *self._entries(_read(self._file), f"{self._file}:")]
        keys: dict[bytes, Key] = {}
        for digest, key in entries:
            if keys.setdefault(digest, key) != key:
                raise UsageError(
                    f"the same key is {keys[digest].name!r} and {key.name!r}, or has two sets of "
                    "scopes. Give every caller a key of its own."
                )
        return keys

    def _entries(self, text: str, where: str) -> Iterator[tuple[bytes, Key]]:
        for number, line in enumerate(text.splitlines(), 1):
            for entry in _COMMENT.sub("", line).split(","):
                if words := entry.split():
                    yield self._entry(words, f"{where} line {number}")

    def _entry(self, words: list[str], where: str) -> tuple[bytes, Key]:
        """Digest and key of one entry; what is wrong with it is said without showing it."""
        name, secret = ("", words[0]) if len(words) == 1 else words[:2]
        if found := _DIGEST.fullmatch(secret):
            digest = bytes.fromhex(found[1])
        elif secret.startswith("sha256:"):
            raise UsageError(f"{where}: after sha256: come 64 hexadecimal digits. {CURE}")
        elif len(secret) < MIN_LENGTH or not secret.isascii():
            raise UsageError(
                f"{where}: a key has at least {MIN_LENGTH} ASCII characters, so that it cannot be "
                f"guessed; this one has {len(secret)}. {CURE}"
            )
        else:
            digest = _digest(secret)
        name = name or f"key-{digest.hex()[:8]}"
        if not _NAME.fullmatch(name):
            raise UsageError(f"{where}: a name is 1-64 of A-Z a-z 0-9 _ . -. {CURE}")
        scopes = frozenset(words[2:]) or self._default_scopes
        if scopes.difference(SCOPES):
            raise UsageError(
                f"{where}: after the key {name!r} come scopes only: {', '.join(SCOPES)}. {CURE}"
            )
        return digest, Key(name, scopes)


def hash_entry(name: str, key: str, scopes: Iterable[str] = ()) -> str:
    """The line for a file of keys, which holds the key's digest only."""
    return " ".join([name, f"sha256:{_digest(key).hex()}", *scopes])


def _digest(key: str) -> bytes:
    # What is no text cannot be a key of ours; it must not be an error either.
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"{file}: the file of keys cannot be read ({error.strerror}). Correct its path or its "
            "permissions."
        ) from None
    if len(content) > MAX_FILE_BYTES:
        raise UsageError(f"{file}: more than {MAX_FILE_BYTES:,} bytes. Is it the file of keys?")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{file}: this is no text. {CURE}") from None
