"""`deckwatch data check`. Heavy imports stay inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def check_data(
    data: Annotated[Path, typer.Argument(help="Data set: its folder or data.json.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as one JSON object.")
    ] = False,
    show: Annotated[int, typer.Option(min=0, help="Print so many of each kind.")] = 5,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 is one a core.")] = 0,
) -> None:
    """Look for what is wrong with a data set: files, boxes, labels, splits, licences.

    Missing and broken pictures, boxes that leave the picture or are tiny, unknown species codes,
    duplicates with other labels, boxes of two species round one animal, vessels or duplicates on
    several sides of a split, missing licences. Exit code 0 where nothing has to be mended, else 3.

    \b
    Examples:
      deckwatch data check data
      deckwatch data check data --json > check.json
    """
    import json

    from deckwatch_training import data_check

    checked = data_check.check(data, workers=workers)
    if as_json:
        typer.echo(json.dumps(checked.as_json(), ensure_ascii=False, indent=1))
    else:
        typer.echo(f"{checked.pictures} pictures, {checked.boxes} boxes")
        for kind, number in checked.counts().items():
            typer.echo(f"\n{number} x {data_check.KINDS[kind]}")
            of_kind = [issue for issue in checked.issues if issue.kind == kind]
            for issue in of_kind[:show]:
                mark = "wrong" if issue.wrong else "note"
                typer.echo(f"  {mark}: {issue.file}: {issue.what}. {issue.do}")
            if number > show:
                typer.echo(f"  ... {number - show} more; --show {number} prints all")
        typer.echo(f"\n{checked.wrong} to mend" if checked.wrong else "\nnothing to mend")
    if checked.wrong:
        raise typer.Exit(3)
