"""`deckwatch data report`. Heavy imports stay inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report_data(
    data: Annotated[Path, typer.Argument(help="Data set: its folder or data.json.")],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    before: Annotated[
        Path | None, typer.Option(help="An older data set: show what has changed since.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Write over a file that is there.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 is one a core.")] = 0,
) -> None:
    """Write one page about a data set, with plots and pictures, that stands alone.

    Species by vessel, day and night, box sizes, sensitive species, licences, duplicates, label
    conflicts, problems, and a contact sheet. Day or night is told from the pixels where the data
    set does not say.

    \b
    Examples:
      deckwatch data report divided --out report.html
      deckwatch data report data --before data-last-month --out report.html
    """
    from deckwatch_training import data_report
    from deckwatch_vision.errors import UsageError

    if out.exists() and not force:
        raise UsageError(f"{out} exists. Give --force to write over it, or another --out.")
    checked = data_report.write(data, out, before=before, workers=workers)
    typer.echo(str(out))
    typer.echo(
        f"{checked.pictures} pictures, {checked.boxes} boxes, {len(checked.issues)} remarks, "
        f"{checked.wrong} to mend",
        err=True,
    )
