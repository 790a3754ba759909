"""`deckwatch data conflicts`. Heavy imports stay inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def conflicts(
    data: Annotated[Path, typer.Argument(help="Data set: its folder or JSON.")],
    out: Annotated[Path, typer.Option(help="Folder for conflicts.csv and conflicts.html.")],
    repository: Annotated[
        Path | None, typer.Option(help="Model repository to ask [default: the one in use]")
    ] = None,
    answers: Annotated[
        str | None,
        typer.Option(
            help="Instead of asking a model: where pictures were kept with their answers (folder "
            "or s3://...), or a file of `classify --json`."
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Only the pictures of this split.")] = None,
    least: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out what the model is less certain of.")
    ] = 0.5,
    overlap: Annotated[
        float, typer.Option(min=0.05, max=1, help="IoU from which two boxes are the same fish.")
    ] = 0.5,
    force: Annotated[bool, typer.Option(help="Write over a list that is there.")] = False,
) -> None:
    """List where the model and people disagree, for a second look at both.

    The same fish under another name, fish that people did not draw, fish that the model did not
    find; what the model is most certain of comes first. OUT/conflicts.html shows the first ones
    with both boxes. Nothing in the data set is changed.

    \b
    Examples:
      deckwatch data conflicts data --out second-look
      deckwatch data conflicts labelled --answers kept --out second-look --least 0.8
    """
    from deckwatch_serving import picture_files
    from deckwatch_serving.output_folder import writing_into
    from deckwatch_training import catalogue as catalogues
    from deckwatch_training import conflict_finding, conflict_page
    from deckwatch_training.tables import table
    from deckwatch_vision.errors import UsageError

    if (out / "conflicts.csv").exists() and not force:
        raise UsageError(f"{out} holds a list already. Give --force, or another --out.")
    if repository and answers:
        raise UsageError("--repository asks a model, --answers does not. Give one of them.")
    read = catalogues.read(data)
    if split:
        read = read.having(each for each in read.entries if each.split == split)
    if not len(read):
        raise UsageError(
            f"{data} has no pictures" + (f" of the split {split!r}." if split else ".")
        )
    found = conflict_finding.find(
        read, repository=repository, answers=answers, least=least, overlap=overlap
    )
    page = conflict_page.page(found.conflicts, read, found.compared, found.release)
    with writing_into(out):
        picture_files.write(out / "conflicts.csv", conflict_page.table(found.conflicts))
        page.write(out / "conflicts.html")
    typer.echo(f"{len(found.conflicts)} conflicts in {found.compared} pictures: see {out}")
    if found.conflicts:
        rows = [
            (c.kind, c.certainty, c.model, c.people, c.entry.file) for c in found.conflicts[:10]
        ]
        typer.echo(table(("kind", "certainty", "model", "people", "picture"), rows))
    if found.unanswered:
        typer.echo(f"{found.unanswered} pictures have no recorded answer", err=True)
    if found.unknown:
        codes = ", ".join(sorted(found.unknown))
        typer.echo(f"the model does not know {codes}; fish of these are not compared", err=True)
    for problem in found.problems:
        typer.echo(problem, err=True)
    if found.problems:
        raise typer.Exit(3)
