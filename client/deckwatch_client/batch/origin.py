"""Where and when a picture was taken, from its path: camera, vessel, time.

Times of EXIF come first and are in the log already. What a path tells is worked out when a run is
finished, so these options may be changed at any time without recognising anything again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from deckwatch_client.records import Origin, Record
from deckwatch_client.video import is_stream
from deckwatch_vision.errors import UsageError

# Year first, as cameras, recorders and phones name files: 20260505_073000, 2026-05-05T07-30-00,
# 2026.05.05 07:30:00Z, IMG_20260505073000_1.
DEFAULT_TIME = re.compile(
    r"(?<!\d)(?P<Y>(?:19|20)\d\d)(?P<dash>[-_.]?)(?P<m>[01]\d)(?P=dash)(?P<d>[0-3]\d)"
    r"[T _.-]?(?P<H>[0-2]\d)(?P<colon>[-_.:h]?)(?P<M>[0-5]\d)(?:(?P=colon)|m)(?P<S>[0-5]\d)"
    r"(?!\d)(?P<z>Z|[+-]\d\d:\d\d)?",
    re.ASCII,
)
_DIRECTIVES = {
    "Y": r"(?P<Y>\d{4})", "y": r"(?P<y>\d\d)", "m": r"(?P<m>\d\d)", "d": r"(?P<d>\d\d)",
    "j": r"(?P<j>\d{3})", "H": r"(?P<H>\d\d)", "M": r"(?P<M>\d\d)", "S": r"(?P<S>\d\d)",
    "s": r"(?P<s>\d{9,10})", "z": r"(?P<z>Z|[+-]\d\d:?\d\d)", "%": "%",
}  # fmt: skip
_PLACEHOLDER = re.compile(r"\{(\w*)\}|\*\*/|\*|\?")
_NAMES = ("camera", "vessel")


@dataclass(frozen=True)
class Origins:
    """Tells the origin of a picture or video from its name in the run.

    camera, vessel: of all pictures.
    camera_from: a pattern for the end of the path, such as "{vessel}/{camera}/*".
    times: patterns for the time within the path, such as "%Y%m%d-%H%M%S"; the first that fits
        counts. Without any it is DEFAULT_TIME.

    Raises:
        UsageError: a pattern cannot be understood; the message says where.
    """

    camera: str | None = None
    vessel: str | None = None
    camera_from: str | None = None
    times: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _ = self._place, self._patterns  # to refuse what cannot be understood at once

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def place(self, name: str) -> tuple[str | None, str | None]:
        """Camera and vessel of a picture or video; None where they are not known."""
        found: dict[str, str] = {}
        if self._place is not None and (match := self._place.search(name)):
            found = match.groupdict()
        return found.get("camera") or self.camera, found.get("vessel") or self.vessel

    def time(self, name: str) -> str | None:
        """The time in a name, ISO 8601; of several the last one."""
        for pattern in self._patterns:
            for match in reversed(list(pattern.finditer(name))):
                found = _moment(match.groupdict())
                if found is not None:
                    return found
        return None

    def complete(self, record: Record) -> Record:
        """The record with everything that is known of its origin; what it says itself stays."""
        source = record.moment.video if record.moment else record.name
        camera, vessel = self.place(source)
        own = record.origin
        when = own.captured_at
        if when is None and not is_stream(source):
            when = self.time(source)
            if when is not None and record.moment is not None:
                when = _later(when, record.moment.time_s)
        origin = Origin(own.camera or camera, own.vessel or vessel, when)
        return record if origin == own else replace(record, origin=origin)

    @cached_property
    def _place(self) -> re.Pattern[str] | None:
        return None if self.camera_from is None else _path_pattern(self.camera_from)

    @cached_property
    def _patterns(self) -> Sequence[re.Pattern[str]]:
        return [_time_pattern(text) for text in self.times] or [DEFAULT_TIME]


def _path_pattern(text: str) -> re.Pattern[str]:
    """`{camera}` and `{vessel}` stand for a folder's name or a part of it, * for anything in it."""
    parts, end = [], 0
    named: set[str] = set()
    for found in _PLACEHOLDER.finditer(text):
        parts.append(re.escape(text[end : found.start()]))
        end = found.end()
        name = found[1]
        if name is None:
            parts.append({"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}[found[0]])
        elif name in _NAMES and name not in named:
            named.add(name)
            parts.append(f"(?P<{name}>[^/]+?)")
        else:
            raise UsageError(
                f"--camera-from {text!r}: {found[0]} stands there twice or is unknown. Give "
                "each of {camera} and {vessel} at most once, and * for the rest."
            )
    parts.append(re.escape(text[end:]))
    if not named:
        raise UsageError(
            f"--camera-from {text!r} names no camera. Write {{camera}} where its name stands in "
            "the path, for instance '{vessel}/{camera}/*'."
        )
    return re.compile(f"(?:^|/){''.join(parts)}$", re.DOTALL)


def _time_pattern(text: str) -> re.Pattern[str]:
    parts, end, given = [], 0, set()
    for found in re.finditer(r"%(.?)|\*|\?", text):
        parts.append(re.escape(text[end : found.start()]))
        end = found.end()
        letter = found[1]
        if letter is None:
            parts.append({"*": "[^/]*?", "?": "[^/]"}[found[0]])
        elif letter in _DIRECTIVES and letter not in given:
            given.add(letter)
            parts.append(_DIRECTIVES[letter])
        else:
            raise UsageError(
                f"--time-pattern {text!r}: {found[0]} stands there twice or is unknown. Use "
                f"{', '.join(f'%{each}' for each in _DIRECTIVES)}."
            )
    day = (given & {"m"} and given & {"d"}) or given & {"j"}
    if not ("s" in given or (given & {"Y", "y"} and day)):
        raise UsageError(
            f"--time-pattern {text!r} gives no date. Write %Y, %m and %d where they stand in the "
            "path, and %H, %M, %S; for instance '%Y%m%d_%H%M%S'."
        )
    parts.append(re.escape(text[end:]))
    # Not within a longer number: 13 digits are no seconds since 1970.
    return re.compile(f"(?<!\\d){''.join(parts)}(?!\\d)", re.ASCII)


def _moment(found: dict[str, str | None]) -> str | None:
    """ISO 8601 of a match; None where there is no such time."""
    parts = {key: value for key, value in found.items() if value}
    zone = parts.get("z", "")
    if len(zone) == 5:
        zone = f"{zone[:3]}:{zone[3:]}"
    try:
        if "s" in parts:
            moment = datetime.fromtimestamp(int(parts["s"]), UTC).replace(tzinfo=None)
            return f"{moment.isoformat()}Z"
        year = int(parts["Y"]) if "Y" in parts else 2000 + int(parts["y"])
        hour, minute, second = (int(parts.get(key, 0)) for key in "HMS")
        if "j" in parts:
            month, day, days = 1, 1, int(parts["j"]) - 1
        else:
            month, day, days = int(parts["m"]), int(parts["d"]), 0
        moment = datetime(year, month, day, hour, minute, second) + timedelta(days=days)
    except ValueError:
        return None
    return moment.isoformat() + zone


def _later(when: str, seconds: float) -> str:
    """The time so many seconds after it, to a thousandth where it is not a whole second."""
    moment = datetime.fromisoformat(when) + timedelta(seconds=round(seconds, 3))
    told = moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return told.replace("+00:00", "Z") if when.endswith("Z") else told
