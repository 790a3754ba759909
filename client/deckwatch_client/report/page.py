"""The report: a run read once, the pictures that are shown, and the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deckwatch_client.pixels import PixelSource
from deckwatch_client.report import sections
from deckwatch_client.report.failures import add_failures
from deckwatch_client.report.measured import release_of, with_species
from deckwatch_client.report.moved import MovedPictures
from deckwatch_client.report.review import Review
from deckwatch_client.report.tally import SUSPECT, Tally
from deckwatch_client.report.thumbnails import Thumbnails
from deckwatch_client.run_info import RunInfo, read_run
from deckwatch_serving.output_folder import writing_into
from deckwatch_serving.pages import Page
from deckwatch_vision.errors import UsageError

Track = Callable[[Iterable[Any], str], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What a report shows.

    title: its first line.
    pictures: the folder in which the pictures lie now; None takes their names as they are.
    thumbnails: how many of each list are shown with pictures.
    suspect: likelihood of a sensitive species from which an animal called otherwise is listed.
    repository: the model repository of the release; None takes the one in use.
    """

    title: str = "Trip report"
    pictures: Path | None = None
    thumbnails: int = 24
    suspect: float = SUSPECT
    repository: Path | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a report: the tally, and how many pictures could not be shown."""

    tally: Tally
    gone: int


def write(
    results: Path,
    out: Path,
    options: ReportOptions | None = None,
    *,
    track: Track = lambda items, _: items,
    tell: Callable[[str], None] | None = None,
) -> Written:
    """Write the page; the same run gives the same bytes.

    Args:
        results: the folder of `deckwatch batch --out`, or a JSONL file of results.
        out: the HTML file.
        options: what is shown.
        track: wraps what takes long, with a title, to show how far it is.
        tell: takes a sentence for the first pictures that cannot be read.

    Raises:
        UsageError: there is no such run, it is not finished, or the page cannot be written.
        ReleaseError: the release is not in the repository that was named.
        DeckwatchError: a line of the results is no record.
    """
    options = options or ReportOptions()
    info, records = read_run(results)
    release = release_of(info, options.repository)
    info, unknown = with_species(info, release)
    tally = Tally(info, shown=options.thumbnails, suspect=options.suspect)
    tally.take(track(records, "Reading"))
    if not tally.pictures and not tally.failures:
        raise UsageError(f"{results} holds no record. Recognise some pictures first.")
    source = _source(info, options, tell)
    thumbnails = Thumbnails(source)
    try:
        review = Review(tally, thumbnails, options.thumbnails)
        thumbnails.make(lambda wanted: track(wanted, "Thumbnails"))
    finally:
        source.close()
    page = Page(options.title, sections.lead(tally), contents=True)
    sections.add_glance(page, tally)
    review.add_sensitive(page, unknown=unknown)
    sections.add_counts(page, tally, release)
    sections.add_timeline(page, tally)
    review.add_unsure(page)
    add_failures(page, tally.failures)
    review.add_static(page)
    sections.add_release(page, tally, release)
    with writing_into(out.parent):
        page.write(out)
    return Written(tally, source.gone)


def _source(
    info: RunInfo, options: ReportOptions, tell: Callable[[str], None] | None
) -> PixelSource:
    """Where the pictures are; names in a run start from the folder in which it was made."""
    if options.pictures is not None:
        return MovedPictures(options.pictures, tell)
    folder = info.options.get("folder")
    return PixelSource(Path(folder) if isinstance(folder, str) else None, tell)
