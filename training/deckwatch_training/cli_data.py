"""`deckwatch data`: what is done to data sets. Every command lives in a file of its own."""

from __future__ import annotations

import typer

from deckwatch_training.cli_data_import import import_data
from deckwatch_training.cli_data_simulate import simulate_data

data = typer.Typer(
    help="Import, check, split, balance and report data sets.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@data.callback()
def _() -> None:
    """Import, check, split, balance and report data sets."""


data.command("import")(import_data)
data.command("simulate")(simulate_data)
