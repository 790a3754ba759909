"""The command `deckwatch`, under which everything but the three short commands hangs."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from deckwatch_client import classify as classify_
from deckwatch_client.commands import LazyGroup
from deckwatch_client.logs import FORMAT_VARIABLE, speak, speaker
from deckwatch_client.version import installed_version
from deckwatch_vision.errors import DeckwatchError, UsageError

# Plain help: drawing it with rich takes longer than everything else together.
app = typer.Typer(
    name="deckwatch",
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"deckwatch {installed_version()}")
        raise typer.Exit


@app.callback()
def deckwatch(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Find fish in pictures from fishing-vessel cameras and name their species."""


class _Verbatim(TyperCommand):
    """A command that reads its arguments itself."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.args = args
        return args


@app.command(cls=_Verbatim)
def classify(context: typer.Context) -> None:
    """Name the fish in pictures, as the command `classify` does."""
    raise typer.Exit(classify_.main(context.args, prog="deckwatch classify"))


def main() -> None:
    """Run the command line; an error of ours is one line and an exit status."""
    # Of errors before a command has read its own --log-format.
    speak(form="json" if os.environ.get(FORMAT_VARIABLE) == "json" else "text")
    try:
        app(prog_name="deckwatch")
    except DeckwatchError as error:
        speaker().failed("deckwatch", error)
        sys.exit(classify_.USAGE if isinstance(error, UsageError) else classify_.FAILED)


if __name__ == "__main__":
    main()
