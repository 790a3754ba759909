"""`deckwatch camio`: hooks of a Camio account, and the events that came through them."""

from __future__ import annotations

import typer

from deckwatch_gateway.camio.cli_events import events, replay
from deckwatch_gateway.camio.cli_hooks import hooks, register

HELP = "Register Camio hooks; list and replay the events that came."

camio = typer.Typer(help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@camio.callback()
def _() -> None:
    """Register Camio hooks; list and replay the events that came."""


camio.command("register")(register)
camio.command("hooks")(hooks)
camio.command("events")(events)
camio.command("replay")(replay)
