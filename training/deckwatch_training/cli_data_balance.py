"""`deckwatch data balance`. Heavy imports stay inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def balance_data(
    data: Annotated[Path, typer.Argument(help="Data set: its folder or data.json.")],
    out: Annotated[Path, typer.Option(help="Label and weights file (CSV) to write.")],
    split: Annotated[
        str, typer.Option(help="Only pictures of this split, and those without one; or all.")
    ] = "train",
    sensitive_factor: Annotated[
        float,
        typer.Option(
            min=0.01, help="How much more sensitive species (sharks, rays, ...) weigh in a vessel."
        ),
    ] = 1.0,
    equal_vessels: Annotated[
        bool, typer.Option(help="Every vessel weighs the same, however many pictures it has.")
    ] = False,
    force: Annotated[bool, typer.Option(help="Write over a file that is there.")] = False,
) -> None:
    """Weigh the animals of a data set so that every species counts the same within each vessel.

    Writes a label and weights file that `deckwatch train` takes as data.weights. Where the vessel
    is not known the camera counts, and all pictures without either are one vessel. The weights sum
    to the number of animals.

    \b
    Examples:
      deckwatch data balance divided --out weights.csv
      deckwatch data balance divided --out weights.csv --sensitive-factor 2 --equal-vessels
    """
    from deckwatch_training import balancing, facts
    from deckwatch_training.tables import table
    from deckwatch_vision.errors import UsageError

    if split != "all":
        facts.checked("split", split, "--split")
    if out.exists() and not force:
        raise UsageError(f"{out} exists. Give --force to write over it, or another --out.")
    head, rows = balancing.write(
        data,
        out,
        split=None if split == "all" else split,
        sensitive_factor=sensitive_factor,
        equal_vessels=equal_vessels,
    )
    typer.echo(table(head, rows))
