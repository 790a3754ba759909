"""`deckwatch gateway serve`, which is also `python -m deckwatch_gateway`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--file",
        metavar="TOML",
        help="Settings file; the environment wins over it [default: $DECKWATCH_SETTINGS]",
    ),
]


def serve(file: SettingsFile = None) -> None:
    """Serve until SIGTERM or Ctrl-C, in front of a running Triton.

    \b
    Every setting is an environment variable, or a line of a TOML file:
      DECKWATCH_TRITON=grpc://triton:8001 deckwatch gateway serve
      deckwatch gateway serve --file gateway.toml

    To start Triton as well, on this machine: `deckwatch up`.
    """
    from deckwatch_gateway.__main__ import run

    raise typer.Exit(run(file))
