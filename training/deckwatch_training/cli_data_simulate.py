"""`deckwatch data simulate`. Heavy imports stay inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def simulate_data(
    out: Annotated[Path, typer.Option(help="New folder for the pictures and data.json.")],
    pictures: Annotated[int, typer.Option(help="How many.")] = 400,
    vessels: Annotated[int, typer.Option(help="Of how many vessels, in turn.")] = 6,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    size: Annotated[str, typer.Option(help="Width and height in pixels.")] = "640x360",
    night: Annotated[float, typer.Option(help="Share of the scenes seen by night vision.")] = 0.3,
    skew: Annotated[
        float, typer.Option(help="1: species as frequent as in the competition; 0: even.")
    ] = 1.0,
    frames: Annotated[
        int | None, typer.Option(help="Pictures a scene [default: bursts of one to four]")
    ] = None,
    lookalikes: Annotated[
        int, typer.Option(help="Fish-shaped objects that never move, on each vessel.")
    ] = 0,
    splits: Annotated[
        bool,
        typer.Option("--splits", help="Deal the vessels out to train, calibrate, valid, test."),
    ] = False,
    workers: Annotated[int, typer.Option(help="Processes; 0 is one a core.")] = 0,
) -> None:
    """Draw pictures of simulated vessels with the eight classes of the competition.

    For trying out, testing and measuring; no photographs, and no ground to train a model on that
    is to be used. Everything written says "simulated". The same command continues after an
    interruption; more --pictures add to what is there. See docs/simulator.md.

    \b
    Examples:
      deckwatch data simulate --out simulated --splits
      deckwatch data simulate --out small --pictures 2000 --size 160x120 --seed 7
      deckwatch data simulate --out still --pictures 120 --vessels 2 --frames 60 --lookalikes 3
    """
    from deckwatch_training import simulate
    from deckwatch_training.counting import split_table
    from deckwatch_training.tables import table
    from deckwatch_vision.errors import UsageError

    width, cross, height = size.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise UsageError(f"--size {size}: give width x height in pixels, e.g. 640x360.")
    data = simulate.write(
        out, pictures=pictures, vessels=vessels, seed=seed, size=(int(width), int(height)),
        night_share=night, skew=skew, frames=frames, lookalikes=lookalikes, splits=splits,
        workers=workers,
    )  # fmt: skip
    typer.echo(f"{len(data)} simulated pictures in {out}")
    typer.echo(table(*split_table(data)))
