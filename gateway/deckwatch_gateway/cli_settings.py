"""`deckwatch gateway settings`: what a gateway would be started with, and where it comes from."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from deckwatch_gateway.cli_serve import SettingsFile


def settings(
    file: SettingsFile = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, a setting each.")
    ] = False,
) -> None:
    """Print every setting with its value and where that comes from; secrets are hidden.

    \b
    Examples:
      deckwatch gateway settings
      deckwatch gateway settings --json | jq -r 'select(.origin != "default").variable'
    """
    from deckwatch_gateway.settings import Settings, read_settings
    from deckwatch_gateway.settings.listing import listed
    from deckwatch_gateway.settings.sources import misspelt

    rows = listed(read_settings(file), file)
    for variable, meant in misspelt(Settings).items():
        typer.echo(f"{variable} is no setting. Did you mean {meant}?", err=True)
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row.as_dict(), ensure_ascii=False))
        return
    name, value = (
        max(len(each) for each in column)
        for column in zip(*[(row.variable, row.text) for row in rows], strict=True)
    )
    for row in rows:
        typer.echo(f"{row.variable:{name}}  {row.text:{value}}  {row.origin}")
