"""The HTTP gateway in front of the Triton ensemble: `create_app(settings)`, `Settings`.

Run it with `python -m deckwatch_gateway`; every setting is an environment variable, see
`deckwatch_gateway.settings`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deckwatch_gateway.app import create_app
    from deckwatch_gateway.settings import Settings

__all__ = ["Settings", "create_app"]


def __getattr__(name: str) -> Any:
    """Import FastAPI and its company only when they are asked for."""
    if name == "create_app":
        from deckwatch_gateway.app import create_app

        return create_app
    if name == "Settings":
        from deckwatch_gateway.settings import Settings

        return Settings
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
