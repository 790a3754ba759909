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
    from deckwatch_client.records import Failure, Moment, Origin, Record
    from deckwatch_client.retrying import AsyncRetrying, Retrying
    from deckwatch_client.run_info import RunInfo, read_run
    from deckwatch_client.served import Served
    from deckwatch_vision.errors import (
        AccessError,
        BrokenImage,
        DeadlineExceeded,
        DeckwatchError,
        EmptyImage,
        ImageError,
        ImageTooLarge,
        KeyRefused,
        RateLimited,
        ReleaseCorrupt,
        ReleaseError,
        ReleaseNotFound,
        ScopeRefused,
        ServerError,
        ServerOverloaded,
        ServerUnavailable,
        TooManyPixels,
        UnreadableImage,
        UnsupportedFormat,
        UsageError,
    )
    from deckwatch_vision.result import Fish, ImageInfo, ReleaseInfo, Result
    from deckwatch_vision.species import Species

__all__ = [
    "AccessError",
    "AsyncClient",
    "AsyncRetrying",
    "BrokenImage",
    "Client",
    "DeadlineExceeded",
    "DeckwatchError",
    "EmptyImage",
    "Failure",
    "Fish",
    "ImageError",
    "ImageInfo",
    "ImageTooLarge",
    "KeyRefused",
    "Moment",
    "Origin",
    "RateLimited",
    "Record",
    "ReleaseCorrupt",
    "ReleaseError",
    "ReleaseInfo",
    "ReleaseNotFound",
    "Result",
    "Retrying",
    "RunInfo",
    "ScopeRefused",
    "Served",
    "ServerError",
    "ServerOverloaded",
    "ServerUnavailable",
    "Species",
    "TooManyPixels",
    "UnreadableImage",
    "UnsupportedFormat",
    "UsageError",
    "read_run",
]

# Loaded at first use: `classify` imports this package and must not pay for asyncio.
_HOMES = {
    "deckwatch_client.aio": ("AsyncClient",),
    "deckwatch_client.client": ("Client",),
    "deckwatch_client.records": (
        "Failure",
        "Moment",
        "Origin",
        "Record",
    ),
    "deckwatch_client.retrying": (
        "AsyncRetrying",
        "Retrying",
    ),
    "deckwatch_client.run_info": (
        "RunInfo",
        "read_run",
    ),
    "deckwatch_client.served": ("Served",),
    "deckwatch_vision.errors": (
        "AccessError",
        "BrokenImage",
        "DeadlineExceeded",
        "DeckwatchError",
        "EmptyImage",
        "ImageError",
        "ImageTooLarge",
        "KeyRefused",
        "RateLimited",
        "ReleaseCorrupt",
        "ReleaseError",
        "ReleaseNotFound",
        "ScopeRefused",
        "ServerError",
        "ServerOverloaded",
        "ServerUnavailable",
        "TooManyPixels",
        "UnreadableImage",
        "UnsupportedFormat",
        "UsageError",
    ),
    "deckwatch_vision.result": (
        "Fish",
        "ImageInfo",
        "ReleaseInfo",
        "Result",
    ),
    "deckwatch_vision.species": ("Species",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
