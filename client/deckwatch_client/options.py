"""Options that several commands share, so that all of them spell and explain them alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from deckwatch_client.logs import FORMAT_VARIABLE, Form

Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say nothing but warnings and errors; no bar.")
]
LogFormat = Annotated[
    Form,
    typer.Option(
        "--log-format",
        envvar=FORMAT_VARIABLE,
        show_envvar=False,
        help="What is said on standard error: text, or a JSON object a line "
        f"[default: {FORMAT_VARIABLE}, or text]",
        show_default=False,
    ),
]


def repository_option(group: str | None = None) -> Any:
    """`--repository`, in a group of the help page."""
    return typer.Option(
        "--repository",
        metavar="DIR",
        help="Model repository for recognition in this process "
        "[default: DECKWATCH_MODEL_REPOSITORY, or the one that was installed]",
        rich_help_panel=group,
    )


Repository = Annotated[Path | None, repository_option()]


def complete_formats(incomplete: str) -> list[tuple[str, str]]:
    """Names of formats with their summaries, for the shell: those not yet in a list with commas."""
    from deckwatch_client.formats.table import FORMATS

    before, comma, _ = incomplete.rpartition(",")
    return [
        (f"{before}{comma}{name}", each.summary)
        for name, each in FORMATS.items()
        if name not in before.split(",")
    ]


def complete_readable_formats(incomplete: str) -> list[tuple[str, str]]:
    """Names of the formats that can be read."""
    from deckwatch_client.formats.table import FORMATS

    return [(name, each.summary) for name, each in FORMATS.items() if each.reads]
