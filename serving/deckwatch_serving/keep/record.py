"""What is kept of one picture beside its bytes: its answer, why it is worth a label, its origin."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deckwatch_vision.errors import ServerError, UsageError
from deckwatch_vision.result import Result

SCHEMA = 1
# What is kept of a vessel's or camera's name, in letters.
MAX_NAME = 100

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SUFFIXES = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "bmp": ".bmp", "tiff": ".tif"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a picture comes from, as far as its sender said; captured_at in ISO 8601."""

    vessel: str | None = None
    camera: str | None = None
    captured_at: str | None = None

    @classmethod
    def of(
        cls, vessel: str | None = None, camera: str | None = None, captured_at: str | None = None
    ) -> Origin:
        """An origin of what a sender wrote: cleaned, and without a time that is no ISO 8601.

        A wrong name or time is no reason to refuse a picture, so nothing is raised.
        """
        return cls(_name(vessel), _name(camera), _time(captured_at))


@dataclass(frozen=True, slots=True)
class Kept:
    """One kept picture. `likeness` is its perceptual hash, `size` the bytes of the picture."""

    sha256: str
    format: str
    size: int
    score: float
    reasons: dict[str, float]
    origin: Origin
    night: bool
    likeness: int
    kept_at: str
    result: Result

    @property
    def picture(self) -> str:
        """Name of the picture's file, relative to the store: `ab/abcd....jpg`."""
        return f"{self.sha256[:2]}/{self.sha256}{_SUFFIXES[self.format]}"

    @property
    def record(self) -> str:
        """Name of the file of this record: `ab/abcd....json`."""
        return f"{self.sha256[:2]}/{self.sha256}.json"

    @property
    def answer(self) -> str:
        """What the model said, in short: the codes of the fish, or the label of the picture."""
        return ",".join(sorted(fish.label for fish in self.result.fish)) or self.result.label

    def to_json(self) -> bytes:
        """The content of the record's file."""
        return json.dumps(
            {
                "schema": SCHEMA,
                "sha256": self.sha256,
                "picture": self.picture.rpartition("/")[2],
                "format": self.format,
                "size": self.size,
                "score": self.score,
                "reasons": self.reasons,
                "vessel": self.origin.vessel,
                "camera": self.origin.camera,
                "captured_at": self.origin.captured_at,
                "night": self.night,
                "likeness": f"{self.likeness:016x}",
                "kept_at": self.kept_at,
                "result": self.result.as_dict(),
            },
            ensure_ascii=False,
            indent=1,
        ).encode()

    @classmethod
    def from_json(cls, data: bytes, where: str) -> Kept:
        """Read what `to_json` wrote; `where` names the file in messages.

        Raises:
            UsageError: it is no such record.
        """
        try:
            given: Mapping[str, Any] = json.loads(data)
            sha256 = str(given["sha256"])
            if given["schema"] != SCHEMA or not _SHA256.fullmatch(sha256):
                raise ValueError(f"schema {given['schema']!r}, sha256 {sha256:.70}")
            if given["format"] not in _SUFFIXES:
                raise ValueError(f"format {given['format']!r}")
            return cls(
                sha256=sha256,
                format=str(given["format"]),
                size=int(given["size"]),
                score=float(given["score"]),
                reasons={str(key): float(value) for key, value in given["reasons"].items()},
                origin=Origin(given["vessel"], given["camera"], given["captured_at"]),
                night=bool(given["night"]),
                likeness=int(given["likeness"], 16),
                kept_at=str(given["kept_at"]),
                result=Result.from_dict(given["result"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, ServerError) as error:
            raise UsageError(
                f"{where} is no record of a kept picture: {type(error).__name__}: {error}. "
                "Delete it with its picture, or keep other files elsewhere."
            ) from None


def _name(given: str | None) -> str | None:
    printable = "".join(letter for letter in given or "" if letter.isprintable())
    return printable.strip()[:MAX_NAME] or None


def _time(given: str | None) -> str | None:
    try:
        return datetime.fromisoformat((given or "").strip()).isoformat()
    except ValueError:
        return None
