"""`deckwatch report`. What reads and draws is imported inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deckwatch_client.options import LogFormat, Quiet


def report(
    results: Annotated[
        Path,
        typer.Argument(
            metavar="RESULTS",
            help="Folder that `deckwatch batch --out` wrote, or a file of `classify --json` lines.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            help="Page to write [default: report.html in the folder, or beside the file]",
        ),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where the pictures are now, if they have been moved since. Looked for is the "
            "longest end of each name [default: where they were]",
        ),
    ] = None,
    thumbnails: Annotated[
        int,
        typer.Option(metavar="N", min=0, max=500, help="Show so many of each list with pictures."),
    ] = 24,
    suspect: Annotated[
        float,
        typer.Option(
            metavar="P",
            min=0,
            max=1,
            help="List an animal under a sensitive species from this likelihood on, whatever it "
            "was called.",
        ),
    ] = 0.1,
    title: Annotated[str, typer.Option(help="The page's title.")] = "Trip report",
    repository: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Model repository of the release that answered, for its accuracy and attribution "
            "[default: the one in use]",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write over a page that is there.")
    ] = False,
    quiet: Quiet = False,
    log_format: LogFormat = "text",
) -> None:
    """Make a page for review from the results of a batch.

    One HTML file that stands alone, for a screen, a phone or paper: sensitive species first, with
    pictures to look through; counts per species with a 95 % interval; a timeline per camera; the
    pictures the model is unsure of; what failed, and what to do; release and settings. The same
    results give the same page, byte for byte.

    \b
    Examples:
      deckwatch report season
      deckwatch report season --out trip-12.html --title "Trip 12" --force
      deckwatch report season --pictures /media/disk2/season --thumbnails 60
      classify --json *.jpg > results.jsonl; deckwatch report results.jsonl

    \b
    Prints the path of the page.
    Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
    A picture that is gone is a grey one on the page, told on standard error.
    """
    from deckwatch_client.logs import speak
    from deckwatch_client.report import page
    from deckwatch_serving.progress import track
    from deckwatch_vision.errors import UsageError

    say = speak(quiet=quiet, form=log_format)
    if out is None:
        out = results / "report.html" if results.is_dir() else results.with_suffix(".html")
    if out.exists() and not force:
        raise UsageError(f"{out} exists. Give --force to write over it, or another --out.")
    options = page.ReportOptions(title, pictures, thumbnails, suspect, repository)
    written = page.write(
        results, out, options,
        track=track if say.draws else lambda items, _: items,
        tell=lambda text: say.warning("picture not shown", text),
    )  # fmt: skip
    typer.echo(str(out))
    tally = written.tally
    if written.gone:
        say.warning(
            "pictures not shown",
            f"{written.gone} pictures could not be read and are grey on the page. If they have "
            "been moved, name their folder with --pictures.",
            pictures=written.gone,
        )
    say.info(
        "report written",
        f"{tally.pictures} pictures, {tally.animals} fish, {tally.failed} failures",
        pictures=tally.pictures, fish=tally.animals, failures=tally.failed,
    )  # fmt: skip
