"""`create_fish_images`, and the same as `deckwatch crop`. Heavy imports stay inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deckwatch_serving.help_pages import choices
from deckwatch_training import cli_options, scripts


def crop(
    input_folder: cli_options.InputFolder,
    output_folder: Annotated[Path, cli_options.output_folder("the crops")],
    all_fish: Annotated[
        bool,
        typer.Option(
            "--all_fish", "--all-fish", help="Further fish too, as NAME~2.jpg, NAME~3.jpg, ..."
        ),
    ] = False,
    no_fish: Annotated[
        str,
        typer.Option(
            "--no_fish",
            "--no-fish",
            help="Pictures without fish: skip, or whole (the whole picture, scaled).",
            **choices("skip", "whole"),
        ),
    ] = "whole",
    model: Annotated[
        Path | None,
        typer.Option(
            help="Model repository, or folder of a trained detector [default: the live release]"
        ),
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the crops in pixels.")] = 256,
    context: Annotated[
        float | None,
        typer.Option(
            help="Side of the crop over the longer side of the fish; 1 is tight "
            "[default: the classifier's]"
        ),
    ] = None,
    workers: cli_options.Workers = 0,
    engine: cli_options.Engine = "local",
    replace: cli_options.Replace = False,
) -> None:
    """Cut pictures to their fish, with some of what is round them, under the same names.

    The fish with the best score gives the crop; label files of the pictures stay true of the crops.
    fish.csv in the output folder says where every fish was, how sure it is, and which species it
    looks like. The same command continues a run that was interrupted.

    \b
    Examples:
      create_fish_images --input_folder photos --output_folder crops
      create_fish_images --input_folder photos --output_folder crops --all_fish --no_fish skip
      create_fish_images --input_folder photos --output_folder crops --model runs/my-detector

    \b
    Exit status:
      0 done, 1 failed, 2 wrong usage, 3 some pictures could not be used, 130 interrupted
    """
    from deckwatch_training import fish_images

    settings = fish_images.Settings(
        input_folder=input_folder,
        output_folder=output_folder,
        model=model,
        all_fish=all_fish,
        no_fish=no_fish,  # type: ignore[arg-type]  # checked where it is used
        size=size,
        context=context,
        workers=workers,
        engine=engine,  # type: ignore[arg-type]
        replace=replace,
    )
    summary = fish_images.create(settings)
    typer.echo(output_folder / fish_images.FISH)
    typer.echo(summary.line(no_fish), err=True)
    scripts.report_bad(summary.bad, summary.pictures - len(summary.bad))


def main() -> None:
    """The console script `create_fish_images`."""
    scripts.run("create_fish_images", crop)
