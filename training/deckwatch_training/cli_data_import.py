"""`deckwatch data import`. Heavy imports stay inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_data(
    source: Annotated[Path, typer.Argument(help="File or folder to import.")],
    out: Annotated[Path, typer.Option(help="Folder of the data set; data.json is written there.")],
    format: Annotated[  # noqa: A002 -- the name of the option
        str,
        typer.Option(
            help="auto, ncfm, coco, voc, yolo, csv, fishnet, megadetector, folders, label_studio "
            "or cvat."
        ),
    ] = "auto",
    labels: Annotated[
        Path | None, typer.Option(help="YAML that maps their names to species codes.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the pictures [default: the format's usual one]")
    ] = None,
    boxes: Annotated[Path | None, typer.Option(help="ncfm: folder of the box JSONs.")] = None,
    classes: Annotated[
        Path | None, typer.Option(help="yolo: file with one class name a line.")
    ] = None,
    confidence: Annotated[
        float, typer.Option(min=0, max=1, help="megadetector: leave out what is less sure.")
    ] = 0.2,
    level: Annotated[
        int, typer.Option(min=1, max=2, help="fishnet: which of its two label columns.")
    ] = 1,
    facts: Annotated[
        list[Path] | None,
        typer.Option(
            help="CSV with image and any of vessel, camera, captured_at, source, licence, split, "
            "label, night, group. May be given several times."
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="Fact=column, where a column of --facts has another name."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="All pictures are train, calibrate, valid or test.")
    ] = None,
    vessel: Annotated[str | None, typer.Option(help="All pictures are of this vessel.")] = None,
    camera: Annotated[str | None, typer.Option(help="All pictures are of this camera.")] = None,
    origin: Annotated[
        str | None, typer.Option("--source", help="Where the pictures come from, in words.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence of the pictures, e.g. CC-BY-4.0.")
    ] = None,
    guess_night: Annotated[
        bool, typer.Option(help="Write down whether each picture looks like night.")
    ] = False,
    copy: Annotated[
        bool, typer.Option(help="Copy the pictures below OUT instead of referring to them.")
    ] = False,
    add: Annotated[bool, typer.Option(help="Add to the data set in OUT.")] = False,
    replace: Annotated[
        bool, typer.Option(help="With --add: pictures that are there get their new labels.")
    ] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 is one a core.")] = 0,
) -> None:
    """Bring pictures and labels of another format into one data set.

    Every picture is decoded once. Those that are missing or broken are left out and listed in
    OUT/problems.csv with what to do; the exit code is then 3. Boxes that leave the picture are
    clipped. Names that are no species code need a label map; without one, the message is a map to
    start from.

    \b
    Examples:
      deckwatch data import aquarium/train.coco.json --out data \\
          --labels training/configs/labels-aquarium.yaml
      deckwatch data import aquarium/valid.coco.json --out data --add \\
          --labels training/configs/labels-aquarium.yaml
      deckwatch data import kaggle/ --out ncfm --boxes ncfm/boxes \\
          --facts ncfm/train_images.csv --column vessel=boat_tchaton
      deckwatch data import trip-12/labels.csv --out data --add --vessel "Boat 7" --licence CC0-1.0
    """
    from deckwatch_training import data_store, importing, label_map
    from deckwatch_training import facts as facts_
    from deckwatch_training.importers.source import Source
    from deckwatch_vision.errors import UsageError

    renamed = _renamed(column or [])
    if renamed and not facts:
        raise UsageError("--column goes with --facts, the file whose column it names.")
    if replace and not add:
        raise UsageError("--replace goes with --add. Without it there is nothing to replace.")
    given = {
        "split": facts_.checked("split", split, "--split") if split else None,
        "vessel": vessel,
        "camera": camera,
        "source": origin,
        "licence": licence,
    }
    data_store.check_free(out, add=add)
    read = [facts_.read(each, renamed) for each in facts or []]
    try:
        imported = importing.import_source(
            Source(source, images, boxes, classes, confidence, level),
            label_map.load(labels),
            format=format,
            given=given,
            facts=read,
            guess_night=guess_night,
            workers=workers,
        )
    except UsageError as error:
        if "\n" not in error.message:
            raise
        # A label map to paste keeps its lines.
        typer.echo(f"deckwatch: {error.message}", err=True)
        raise typer.Exit(2) from None
    whole = data_store.save(imported, out, add=add, replacing=replace, copy=copy)
    _tell(imported, len(whole), out, [name for each in read for name in each.unused])
    if imported.lost:
        raise typer.Exit(3)


def _renamed(given: list[str]) -> dict[str, str]:
    from deckwatch_vision.errors import UsageError

    found = {}
    for each in given:
        fact, equals, name = each.partition("=")
        if not equals:
            raise UsageError(f"--column {each}: write fact=column, e.g. vessel=boat_tchaton.")
        found[fact] = name
    return found


def _tell(imported: object, total: int, out: Path, unused: list[str]) -> None:
    """What came in on standard output, what to look at on standard error."""
    from deckwatch_training.counting import split_table
    from deckwatch_training.importing import PROBLEMS, Imported
    from deckwatch_training.tables import table

    if not isinstance(imported, Imported):
        raise TypeError(imported)
    new, counts = imported.catalogue, imported.counts
    typer.echo(f"{len(new)} pictures from {imported.format}, {total} now in {out}")
    typer.echo(table(*split_table(new)))
    notes = (
        ("clipped", "boxes left the picture and were clipped"),
        ("thin", "boxes were too thin or outside the picture and left out"),
        ("dropped", "boxes were dropped by the label map"),
        ("emptied", "pictures have no box left and now count as without fish"),
        ("refitted", "pictures had boxes drawn on another size or not upright; they were fitted"),
    )
    for key, text in notes:
        if counts[key]:
            typer.echo(f"{counts[key]} {text}", err=True)
    if unused:
        shown = ", ".join(unused[:3])
        typer.echo(f"{len(unused)} images of --facts are not in the source: {shown} ...", err=True)
    if imported.problems:
        lost = f", {imported.lost} cost a picture or a box" if imported.lost else ""
        typer.echo(f"{len(imported.problems)} problems{lost}: see {out / PROBLEMS}", err=True)
