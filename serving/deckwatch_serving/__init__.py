"""Running a release: nets in this process, or the Triton ensemble embedded on this machine.

The names below are loaded when first asked for: `classify` must not pay for the launcher, nor the
launcher for the nets.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deckwatch_serving.local import LocalRecogniser
    from deckwatch_serving.repository import find_repository, live_version, open_release
    from deckwatch_serving.triton import EmbeddedTriton

_HOMES = {
    "EmbeddedTriton": "triton",
    "LocalRecogniser": "local",
    "find_repository": "repository",
    "live_version": "repository",
    "open_release": "repository",
}

__all__ = [
    "EmbeddedTriton",
    "LocalRecogniser",
    "find_repository",
    "live_version",
    "open_release",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
