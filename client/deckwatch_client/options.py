"""Options that several commands share, so that all of them spell and explain them alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
Repository = Annotated[
    Path | None,
    typer.Option(
        "--repository",
        metavar="DIR",
        help="Model repository for recognition in this process "
        "[default: DECKWATCH_MODEL_REPOSITORY, or the one that was installed]",
    ),
]
