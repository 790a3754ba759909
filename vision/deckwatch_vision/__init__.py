"""The pure core of Deckwatch: pixels and numbers in, numbers out; imports nothing else of ours.

The names below are loaded when first asked for, so that importing one submodule costs nothing
else (``classify`` answers from a cold start in well under a second).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deckwatch_vision.errors import DeckwatchError
    from deckwatch_vision.images import decode, encode_jpeg
    from deckwatch_vision.release import Release
    from deckwatch_vision.result import Fish, Result
    from deckwatch_vision.species import LabelSet, Species

_HOMES = {
    "DeckwatchError": "errors",
    "Fish": "result",
    "LabelSet": "species",
    "Release": "release",
    "Result": "result",
    "Species": "species",
    "decode": "images",
    "encode_jpeg": "images",
}

__all__ = [
    "DeckwatchError",
    "Fish",
    "LabelSet",
    "Release",
    "Result",
    "Species",
    "decode",
    "encode_jpeg",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
