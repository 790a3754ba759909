"""Options that commands over folders of pictures share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deckwatch_serving.help_pages import choices

InputFolder = Annotated[
    Path,
    typer.Option("--input_folder", "--input-folder", help="Pictures, in folders of any depth."),
]
Workers = Annotated[int, typer.Option(help="Pictures at once; 0: one a core.")]
Engine = Annotated[
    str,
    typer.Option(
        help="local: processes here. ray: RAY_ADDRESS, or a Ray started here.",
        **choices("local", "ray"),
    ),
]
Replace = Annotated[
    bool,
    typer.Option(
        "--replace", help="Delete what a run with other settings made in the output folder."
    ),
]


def output_folder(what: str) -> typer.models.OptionInfo:
    """The folder for `what` a command makes."""
    return typer.Option("--output_folder", "--output-folder", help=f"New folder for {what}.")  # type: ignore[no-any-return]
