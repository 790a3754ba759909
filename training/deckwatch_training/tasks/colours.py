"""Colours of labels in the tools, told apart by most people with a colour vision deficiency."""

from __future__ import annotations

from collections.abc import Sequence

# Okabe and Ito, "Color Universal Design" (2008), without black.
_PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")


def colours(labels: Sequence[str]) -> dict[str, str]:
    """A colour for each label, `#rrggbb`; they repeat after the seventh."""
    return {label: _PALETTE[place % len(_PALETTE)] for place, label in enumerate(labels)}
