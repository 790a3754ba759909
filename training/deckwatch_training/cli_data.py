"""`deckwatch data`: what is done to data sets. Every command lives in a file of its own."""

from __future__ import annotations

import typer

from deckwatch_training.cli_data_balance import balance_data
from deckwatch_training.cli_data_check import check_data
from deckwatch_training.cli_data_collect import collect
from deckwatch_training.cli_data_conflicts import conflicts
from deckwatch_training.cli_data_import import import_data
from deckwatch_training.cli_data_report import report_data
from deckwatch_training.cli_data_simulate import simulate_data
from deckwatch_training.cli_data_split import split_data

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
data.command("collect")(collect)
data.command("conflicts")(conflicts)
data.command("split")(split_data)
data.command("check")(check_data)
data.command("balance")(balance_data)
data.command("report")(report_data)
