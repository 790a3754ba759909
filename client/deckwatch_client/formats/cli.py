"""`deckwatch convert`. What reads and writes is imported inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deckwatch_client.options import (
    LogFormat,
    Quiet,
    complete_formats,
    complete_readable_formats,
)
from deckwatch_vision.errors import UsageError

SOME_FAILED = 3


def convert(
    results: Annotated[
        Path | None,
        typer.Argument(
            metavar="RESULTS",
            help="A file of results, the folder of `deckwatch batch --out`, or a folder in one of "
            "the formats.",
        ),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to",
            metavar="NAMES",
            autocompletion=complete_formats,
            help="Formats to write, with commas between them, see --list; may be repeated.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder to write into.")
    ] = None,
    given: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME",
            autocompletion=complete_readable_formats,
            help="Format of RESULTS [default: found out]",
        ),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the formats and leave.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write over what stands under the same names.")
    ] = False,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder that the pictures' names start from, for crops and overlays, and for the "
            "sizes that some formats do not tell [default: the working folder]",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="COCO data set whose pictures the coco-results to read are of."
        ),
    ] = None,
    latitude: Annotated[
        float | None,
        typer.Option(metavar="DEGREES", help="Where the cameras were, for camtrap-dp."),
    ] = None,
    longitude: Annotated[
        float | None,
        typer.Option(metavar="DEGREES", help="Where the cameras were, for camtrap-dp."),
    ] = None,
    created: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When the package was made, for camtrap-dp; ISO 8601 [default: the last "
            "picture's time, so that the same results give the same file]",
        ),
    ] = None,
    context: Annotated[
        float,
        typer.Option(
            metavar="FACTOR", help="A crop's side by the fish's longer side, 1 is tight, for crops."
        ),
    ] = 1.3,
    threshold: Annotated[
        float,
        typer.Option(
            metavar="P", min=0, max=1, help="Labels of at least this probability, for camio."
        ),
    ] = 0.5,
    polygons: Annotated[
        bool, typer.Option("--polygons", help="Give labels the fish's corners, for camio.")
    ] = False,
    quiet: Quiet = False,
    log_format: LogFormat = "text",
) -> None:
    """Turn results from one format into others.

    RESULTS is what `deckwatch batch`, `classify --json` or another program wrote: MegaDetector,
    COCO, YOLO text files, a Camera Trap Data Package. Its format is found out by its name and
    content. Every output appears when it is complete, and nothing is written over without --force.
    What each format loses is in docs/formats.md; jsonl and parquet lose nothing.

    The paths that were written go to standard output, everything else to standard error.

    \b
    Examples:
      deckwatch convert season --to csv,coco --out tables
      deckwatch convert season --to crops --pictures /mnt/deck --out cut
      deckwatch convert md_results.json --to csv --pictures /mnt/deck --out tables
      deckwatch convert results.json --images coco.json --to yolo --out labels
      deckwatch convert season --to camtrap-dp --out gbif \\
          --latitude -18.1 --longitude 178.4
      deckwatch convert --list

    \b
    Exit status:
      0 done, 1 failed, 2 wrong usage, 3 done, but pictures for crops or overlays
      could not be read, 130 interrupted
    """
    from deckwatch_client.formats.contract import FormatOptions
    from deckwatch_client.formats.convert import convert_results
    from deckwatch_client.logs import speak
    from deckwatch_serving.progress import track

    say = speak(quiet=quiet, form=log_format)
    if listed:
        typer.echo(_list())
        return
    names = [name.strip() for part in to or () for name in part.split(",") if name.strip()]
    if results is None or out is None or not names:
        raise UsageError(
            "Give what to convert, the formats and the folder: "
            "deckwatch convert RESULTS --to csv --out DIR (deckwatch convert --list names formats)."
        )
    options = FormatOptions(
        latitude=latitude, longitude=longitude, created=created, context=context,
        threshold=threshold, polygons=polygons, images=images, pictures=pictures,
    )  # fmt: skip
    done = convert_results(
        results, names, out, given=given, options=options, force=force,
        track=track if say.draws else lambda items, _: items,
    )  # fmt: skip
    for path in done.paths:
        typer.echo(path)
    failed = f", {done.failed:,} of them failures" if done.failed else ""
    say.info(
        "results converted", f"{done.records:,} records{failed}.",
        records=done.records, failed=done.failed,
    )  # fmt: skip
    if done.gone:
        say.warning(
            "pictures gone",
            f"{done.gone:,} times a picture could not be read. If they have been moved, name "
            "their folder with --pictures.",
            pictures=done.gone,
        )
        raise typer.Exit(SOME_FAILED)


def _list() -> str:
    """The formats, a line each."""
    from deckwatch_client.formats.table import FORMATS

    lines = []
    for one in FORMATS.values():
        way = "reads, writes" if one.reads else "writes"
        lines.append(f"{one.name:14}{way:15}{one.summary}")
    return "\n".join(lines)
