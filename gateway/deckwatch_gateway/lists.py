"""Lists as settings and headers have them: their items with commas in between."""

from __future__ import annotations


def split_list(text: str) -> list[str]:
    """The items of a list with commas, without space around them; empty ones are passed over."""
    return [item for item in map(str.strip, text.split(",")) if item]
