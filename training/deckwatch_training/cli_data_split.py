"""`deckwatch data split`. Heavy imports stay inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def split_data(
    data: Annotated[Path, typer.Argument(help="Data set: its folder or data.json.")],
    out: Annotated[Path, typer.Option(help="Folder of the divided data set.")],
    by: Annotated[
        str,
        typer.Option(
            help="What is never divided, besides duplicates: vessel (else camera, else group), "
            "group, or picture."
        ),
    ] = "vessel",
    shares: Annotated[
        str, typer.Option(help="Share of the pictures for train, calibrate, valid, test.")
    ] = "train=.7,calibrate=.1,valid=.2",
    seed: Annotated[int, typer.Option(help="Another seed, another division.")] = 0,
    keep: Annotated[
        bool, typer.Option(help="Pictures that have a split keep it and stay as they are.")
    ] = False,
    find_cameras: Annotated[
        bool,
        typer.Option(help="Guess cameras from the background where no vessel or camera is known."),
    ] = True,
    cameras: Annotated[
        Path | None, typer.Option(help="Corrected cameras.csv, instead of guessing.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 is one a core.")] = 0,
) -> None:
    """Divide a data set into training, calibration and validation pictures.

    Vessels, cameras, groups and duplicates stay on one side, and every species is on all sides
    where that can be. Where neither vessel nor camera is known, cameras are guessed from the
    background and shown in OUT/cameras.html; correct OUT/cameras.csv and split again with
    --cameras. The same seed gives the same division.

    \b
    Examples:
      deckwatch data split data --out divided
      deckwatch data split data --out divided2 --cameras divided/cameras.csv
      deckwatch data split data --out divided --keep --shares train=.8,valid=.2 --seed 1
    """
    from deckwatch_training import dividing
    from deckwatch_training.counting import split_table
    from deckwatch_training.tables import table

    done = dividing.run(
        data,
        out,
        _shares(shares),
        by=by,
        seed=seed,
        keep=keep,
        find_cameras=find_cameras,
        corrected=cameras,
        workers=workers,
    )
    divided, twins = done.divided, done.duplicates
    typer.echo(table(*split_table(divided.catalogue)))
    typer.echo(
        f"{divided.units} units that were not divided; {len(twins.exact)} groups of equal and "
        f"{len(twins.near)} of near-duplicate pictures"
    )
    if done.cameras:
        typer.echo(
            f"{done.cameras} cameras were guessed: look at {out / dividing.PAGE}, correct "
            f"{out / dividing.CAMERAS}, and split again with --cameras",
            err=True,
        )
    for text in divided.warnings:
        typer.echo(f"warning: {text}", err=True)
    if done.unreadable:
        typer.echo(
            f"{done.unreadable} pictures cannot be read: see `deckwatch data check`", err=True
        )
        raise typer.Exit(3)


def _shares(text: str) -> dict[str, float]:
    from deckwatch_vision.errors import UsageError

    found = {}
    for each in text.split(","):
        name, _, share = each.partition("=")
        try:
            found[name.strip()] = float(share)
        except ValueError:
            raise UsageError(
                f"--shares {text}: {each!r} is no share. Write train=.7,calibrate=.1,valid=.2."
            ) from None
    return found
