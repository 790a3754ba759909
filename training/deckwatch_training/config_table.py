"""Every key of a training's configuration as a table, for docs/training.md.

python -m deckwatch_training.config_table
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from deckwatch_training.config import Section, TrainConfig


def fields(
    section: type[Section] = TrainConfig, prefix: str = ""
) -> Iterator[tuple[str, FieldInfo]]:
    """Every key with its field, sections before and after them in the order of the file."""
    for name, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            yield from fields(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def table() -> str:
    """The table in Markdown."""
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for key, field in fields():
        meaning = (field.description or "").replace("|", "\\|")
        if choices := _choices(field.annotation):
            shown = ", ".join(f"`{each}`" for each in choices)
            if not all(f"`{each}`" in meaning for each in choices):
                meaning = f"{meaning} One of {shown}."
        default = "required" if field.is_required() else f"`{_shown(field.default)}`"
        lines.append(f"| `{key}` | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def _choices(kind: Any) -> tuple[str, ...]:
    if get_origin(kind) is Literal:
        return tuple(str(each) for each in get_args(kind))
    if get_origin(kind) in (Union, types.UnionType):
        parts = [part for part in get_args(kind) if get_origin(part) is Literal]
        return _choices(parts[0]) if parts else ()
    return ()


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(str(each) for each in value)}]"
    if isinstance(value, Section | dict):
        return "{}"
    return "left out" if value is None else str(value) or '""'


if __name__ == "__main__":
    sys.stdout.write(table())
