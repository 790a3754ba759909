"""`deckwatch data collect`. Heavy imports stay inside."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """The tools that tasks are written for."""

    label_studio = "label-studio"
    cvat = "cvat"
    both = "both"


def collect(
    source: Annotated[
        str, typer.Argument(help="Where pictures were kept: a folder, or s3://bucket/prefix.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the tasks.")],
    limit: Annotated[int, typer.Option(min=1, help="At most so many pictures.")] = 500,
    format: Annotated[  # noqa: A002 -- the name of the option
        Format, typer.Option(help="Which labelling tool the tasks are for.")
    ] = Format.both,
    known: Annotated[
        list[Path] | None,
        typer.Option(help="Data set or folder of tasks whose pictures are left out. Repeatable."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="A species code beyond the release's that people may need. Repeatable."),
    ] = None,
    least: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out pictures of less interest.")
    ] = 0.0,
    picture_url: Annotated[
        str | None,
        typer.Option(
            help="What Label Studio finds the pictures under "
            "[default: its local files, served from the folder above OUT]"
        ),
    ] = None,
    link: Annotated[
        bool, typer.Option(help="Link the pictures instead of copying them, where that can be.")
    ] = False,
) -> None:
    """Rank kept pictures and pack the best as tasks for Label Studio and CVAT.

    The model's boxes come with them, so that people correct instead of drawing. Pictures of many
    vessels, species and scenes come before many of one. OUT/ranking.html shows what was picked and
    why. When people are done, `deckwatch data import` takes their export back.

    \b
    Examples:
      deckwatch data collect kept --out tasks/week-30 --limit 200
      deckwatch data collect s3://catch/kept --out tasks/week-31 --format cvat \\
          --known tasks/week-30 --label TURTLE
    """
    from deckwatch_serving.keep import open_source
    from deckwatch_serving.output_folder import writing_into
    from deckwatch_training import collect as collecting
    from deckwatch_training import known_pictures, ranking_page, task_folder
    from deckwatch_training.tables import table
    from deckwatch_vision.errors import UsageError

    task_folder.check_free(out)
    kept_at = open_source(source)
    problems: list[str] = []
    there = known_pictures.digests(known or [])
    records = [
        each
        for each in kept_at.records(lambda error: problems.append(str(error)))
        if each.score >= least and each.sha256 not in there
    ]
    if not records and not problems:
        raise UsageError(
            f"No picture to label in {source}"
            + (" that is new and of enough interest" if known or least else "")
            + ". Pictures are kept by a gateway that runs with DECKWATCH_KEEP."
        )
    picked = collecting.rank(records, limit)
    formats = task_folder.FORMATS if format is Format.both else (format.value,)
    with writing_into(out):
        tasks, lost = task_folder.fetch(kept_at, picked, out, link=link)
        ranking_page.page(tasks, out).write(out / "ranking.html")
        task_folder.write(tasks, out, formats=formats, labels=label or [], picture_url=picture_url)
    problems += lost
    typer.echo(f"{len(tasks)} of {len(records)} pictures are ready to be labelled in {out}")
    typer.echo(table(("of", "", "pictures"), collecting.count([each.kept for each in tasks])))
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(3)
