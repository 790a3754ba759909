"""`augment_data`, and the same as `deckwatch augment`. Heavy imports stay inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deckwatch_serving.help_pages import choices
from deckwatch_training import cli_options, scripts


def augment(
    input_folder: cli_options.InputFolder,
    output_folder: Annotated[Path, cli_options.output_folder("originals and copies")],
    label_file: Annotated[
        Path,
        typer.Option(
            "--label_file",
            "--label-file",
            help="CSV of image,label and optionally vessel,x,y,width,height; or a data.json.",
        ),
    ],
    new_label_and_weights_file: Annotated[
        Path,
        typer.Option(
            "--new_label_and_weights_file",
            "--new-label-and-weights-file",
            help="CSV to write: the same columns and weight,source_image,steps.",
        ),
    ],
    steps: Annotated[
        str | None,
        typer.Option(
            help="Recipe (YAML), or names of steps in order, as flip,rotate30,blur "
            "[default: the recipe training/configs/augment.yaml]"
        ),
    ] = None,
    copies: Annotated[int, typer.Option(help="Changed copies of every picture.")] = 2,
    seed: Annotated[
        int, typer.Option(min=0, help="The same seed gives the same bytes, on any workers.")
    ] = 0,
    workers: cli_options.Workers = 0,
    engine: cli_options.Engine = "local",
    night_frames: Annotated[
        Path | None,
        typer.Option(
            "--night-frames",
            "--night_frames",
            help="Folder of real night frames, whose histograms night_vision takes.",
        ),
    ] = None,
    originals: Annotated[
        str,
        typer.Option(
            help="link, copy: the pictures themselves are in the output too. none: not.",
            **choices("link", "copy", "none"),
        ),
    ] = "link",
    sensitive_factor: Annotated[
        float,
        typer.Option(
            "--sensitive-factor",
            "--sensitive_factor",
            help="How many times as much a sensitive species (sharks, rays) weighs.",
        ),
    ] = 1.0,
    equal_vessels: Annotated[
        bool,
        typer.Option(
            "--equal-vessels",
            "--equal_vessels",
            help="Every vessel weighs the same, however many pictures it has.",
        ),
    ] = False,
    preview: Annotated[
        int,
        typer.Option(help="First write preview.html: so many pictures before and after."),
    ] = 0,
    preview_only: Annotated[
        bool,
        typer.Option(
            "--preview-only", "--preview_only", help="Write preview.html and nothing else."
        ),
    ] = False,
    replace: cli_options.Replace = False,
) -> None:
    """Make more training pictures: changed copies with their boxes, labels and weights.

    The output folder and the new label file together are a training set of their own. Weights make
    every species count the same within each vessel. The same command continues a run that was
    interrupted. Steps and recipes: docs/augmentation.md.

    \b
    Examples:
      augment_data --input_folder photos --output_folder more --label_file labels.csv \\
        --new_label_and_weights_file more.csv
      augment_data --input_folder photos --output_folder more --label_file labels.csv \\
        --new_label_and_weights_file more.csv --steps night_vision,rotate30 \\
        --night-frames night --copies 4 --preview 12

    \b
    Exit status:
      0 done, 1 failed, 2 wrong usage, 3 some pictures could not be used, 130 interrupted
    """
    from deckwatch_training.augment import job

    def say(text: str) -> None:
        typer.echo(text, err=True)

    settings = job.Settings(
        input_folder=input_folder,
        output_folder=output_folder,
        label_file=label_file,
        new_label_file=new_label_and_weights_file,
        steps=steps,
        copies=copies,
        seed=seed,
        workers=workers,
        engine=engine,  # type: ignore[arg-type]  # checked where it is used
        night_frames=night_frames,
        originals=originals,  # type: ignore[arg-type]
        sensitive_factor=sensitive_factor,
        equal_vessels=equal_vessels,
        preview=preview or (12 if preview_only else 0),
        replace=replace,
    )
    if preview_only:
        typer.echo(job.preview(settings, say))
        return
    summary = job.augment(settings, say)
    typer.echo("\n".join(summary.table()))
    say("\n".join(summary.lines()))
    scripts.report_bad(summary.bad, summary.pictures - len(summary.bad))


def main() -> None:
    """The console script `augment_data`."""
    scripts.run("augment_data", augment)
