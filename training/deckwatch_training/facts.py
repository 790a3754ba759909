"""Facts about pictures from a CSV of their own: `image` and any of vessel, camera, captured_at, ...

The same file form takes the corrected cameras back. A picture is found by the end of its path, so
that bare file names do as well as paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deckwatch_training import catalogue as catalogues
from deckwatch_training.importers.source import columns, read_table
from deckwatch_vision.errors import UsageError

_NOBODY = ("-1", "nan", "na", "none", "null", "unknown", "?")
_TRUE, _FALSE = ("true", "yes", "1", "night"), ("false", "no", "0", "day")


class Facts:
    """What a file says, and which of its rows were asked for."""

    def __init__(self, rows: Iterable[tuple[str, dict[str, Any]]], path: Path | None = None):
        self._by_name: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        self._path = path
        self._used: set[str] = set()
        self._images: set[str] = set()
        for image, facts in rows:
            self._images.add(image)
            self._by_name.setdefault(image.rsplit("/", 1)[-1], []).append((image, facts))

    def of(self, path: Path) -> dict[str, Any]:
        """What is known of the picture that lies there.

        Raises:
            UsageError: several rows could be meant.
        """
        place = "/" + path.as_posix().lstrip("/")
        fitting = [
            each for each in self._by_name.get(path.name, ()) if place.endswith("/" + each[0])
        ]
        if not fitting:
            return {}
        longest = max(len(image) for image, _ in fitting)
        best = [facts for image, facts in fitting if len(image) == longest]
        if any(facts != best[0] for facts in best):
            raise UsageError(
                f"{self._path} says different things of {path.name} in {len(best)} rows. Leave one "
                "of them, or write more of the path."
            )
        self._used.update(image for image, _ in fitting if len(image) == longest)
        return best[0]

    @property
    def unused(self) -> list[str]:
        """Images of the file that nobody asked for, sorted."""
        return sorted(self._images - self._used)


def read(path: Path, renamed: Mapping[str, str] | None = None) -> Facts:
    """Read a CSV of facts. renamed: fact -> the column that holds it, where it has another name.

    Raises:
        UsageError: it cannot be read, has no `image`, holds no fact, or a value is wrong.
    """
    head = columns(path)
    where = dict(renamed or {})
    unknown = sorted(set(where) - set(catalogues.FACTS)) + sorted(set(where.values()) - set(head))
    if head and unknown:
        raise UsageError(
            f"{path}: no {', '.join(unknown)}. Facts are {', '.join(catalogues.FACTS)}; the file "
            f"has the columns {', '.join(head)}."
        )
    held = {fact: where.get(fact, fact) for fact in catalogues.FACTS}
    held = {fact: column for fact, column in held.items() if column in head}
    if head and ("image" not in head or not held):
        raise UsageError(
            f"{path} has the columns {', '.join(head)}. It needs image, and at least one of "
            f"{', '.join(catalogues.FACTS)}."
        )
    rows = []
    for cells, place in read_table(path):
        image = cells.get("image", "").replace("\\", "/").lstrip("/")
        if not image:
            raise UsageError(f"{place}: no image. Give its file name or path.")
        facts = {
            fact: value
            for fact, column in held.items()
            if _known(fact, value := cells.get(column, ""))
        }
        rows.append((image, {key: checked(key, value, place) for key, value in facts.items()}))
    return Facts(rows, path)


def checked(fact: str, value: str, where: str) -> Any:
    """A fact as a data set keeps it.

    Raises:
        UsageError: no such split, or a night that is neither yes nor no.
    """
    if fact == "night":
        if value.lower() in _TRUE + _FALSE:
            return value.lower() in _TRUE
        raise UsageError(f"{where}: night is {value!r}. Write yes or no.")
    if fact == "split" and value not in catalogues.SPLITS:
        raise UsageError(f"{where}: no split {value!r}. Use {', '.join(catalogues.SPLITS)}.")
    return value


def _known(fact: str, value: str) -> bool:
    """Empty cells say nothing; nor does what tables have where a vessel is not known."""
    return bool(value) and not (fact in ("vessel", "camera") and value.lower() in _NOBODY)
