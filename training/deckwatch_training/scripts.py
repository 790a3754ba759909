"""Commands that are console scripts of their own beside being under `deckwatch`."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer
from typer.main import get_command

from deckwatch_serving.help_pages import plain
from deckwatch_vision.errors import DeckwatchError, UsageError

FAILED, USAGE, SOME_FAILED = 1, 2, 3


def run(name: str, command: Callable[..., None], extra: str = "train") -> None:
    """Run a command as the script `name`; an error of ours is one line and an exit status."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(name)(command)
    try:
        plain(get_command(app))(prog_name=name)
    except DeckwatchError as error:
        _exit(name, error.message, USAGE if isinstance(error, UsageError) else FAILED)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing.startswith("deckwatch"):
            raise
        _exit(
            name,
            f"needs {missing}, which is not installed. Install it with: "
            f"pip install 'deckwatch[{extra}]'",
            FAILED,
        )


def report_bad(bad: list[tuple[str, str]], good: int) -> None:
    """List the pictures that could not be used, and end with the exit status that says so.

    Raises:
        typer.Exit: 3 where some could not be used, 1 where none could.
    """
    if not bad:
        return
    for name, reason in bad:
        typer.echo(f"{name}: {' '.join(reason.split())}", err=True)
    count = f"{len(bad)} picture{'s' * (len(bad) > 1)}"
    typer.echo(f"{count} could not be used; see above. All others are done.", err=True)
    raise typer.Exit(SOME_FAILED if good else FAILED)


def _exit(name: str, message: str, status: int) -> None:
    typer.echo(f"{name}: {' '.join(message.split())}", err=True)
    sys.exit(status)
