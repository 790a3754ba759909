"""`deckwatch gateway`: run the gateway, look at its settings. Each command has its own file."""

from __future__ import annotations

import typer

from deckwatch_gateway.cli_key import key
from deckwatch_gateway.cli_serve import serve
from deckwatch_gateway.cli_settings import settings

gateway = typer.Typer(
    help="Run the HTTP gateway, see its settings, make keys for it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@gateway.callback()
def _() -> None:
    """Run the HTTP gateway, see its settings, make keys for it."""


gateway.command("serve")(serve)
gateway.command("settings")(settings)
gateway.command("key")(key)
