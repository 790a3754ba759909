"""The Deckwatch client: the library, the commands `classify` and `deckwatch`.

from deckwatch_client import Client

with Client() as deckwatch:
print(deckwatch.classify("deck.jpg").label)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deckwatch_client.aio import AsyncClient
    from deckwatch_client.client import Client
    from deckwatch_vision.errors import DeckwatchError
    from deckwatch_vision.result import Result

__all__ = ["AsyncClient", "Client", "DeckwatchError", "Result"]

# Loaded at first use: `classify` imports this package and must not pay for asyncio.
_HOMES = {
    "AsyncClient": "deckwatch_client.aio",
    "Client": "deckwatch_client.client",
    "DeckwatchError": "deckwatch_vision.errors",
    "Result": "deckwatch_vision.result",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
