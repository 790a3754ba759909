"""One page about a data set: what is in it, how it is balanced, what is doubtful, how it looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deckwatch_serving.pages import Page
from deckwatch_training import balancing, counting, data_changes, data_check, data_plots, looks
from deckwatch_training.catalogue import Catalogue
from deckwatch_training.counting import UNKNOWN
from deckwatch_training.data_check import Checked
from deckwatch_training.data_study import Studied
from deckwatch_training.label_map import sensitive_codes, species_of
from deckwatch_training.thumbnails import shown

# Rows of a list, pictures of each species, groups of duplicates and conflicts that a page shows.
_ROWS, _EACH, _GROUPS = 40, 6, 8


def write(path: Path, out: Path, *, before: Path | None = None, workers: int = 0) -> Checked:
    """Write the page; returns what the checks found.

    before: an older data set; the page says what has changed since.

    Raises:
        UsageError: there is no data set, or it is empty.
    """
    now = Studied.of(path, workers)
    page = Page("Data set", f"{looks.data_file(path)}: {_lead(now)}")
    _contents(page, now)
    if before:
        data_changes.add(page, Studied.of(before, workers), now)
    _species_and_vessels(page, now)
    _sizes(page, now)
    _sensitive(page, now)
    _licences(page, now)
    _duplicates(page, now)
    _conflicts(page, now)
    _issues(page, now)
    _contact_sheet(page, now)
    page.write(out)
    return now.checked


def _lead(now: Studied) -> str:
    boxes = sum(len(entry.boxes) for entry in now.data.entries)
    vessels = len(counting.vessels(now.data.entries))
    return (
        f"{len(now.data)} pictures, {boxes} boxes, {len(now.codes)} species, "
        f"{vessels} vessels or cameras"
    )


def _contents(page: Page, now: Studied) -> None:
    page.heading("What is in it")
    page.table(*counting.split_table(now.data))
    guessed = sum(entry.night is None for entry in now.data.entries)
    nights = sum(bool(night) for night in now.nights)
    page.text(
        f"{nights} pictures are of the night ({100 * nights / len(now.data):.0f} %). "
        + (f"For {guessed} of all pictures that was told from their pixels." if guessed else "")
    )
    without = sum(not entry.boxes for entry in now.data.entries)
    if without:
        page.text(f"{without} pictures have no box: they count as their label, else as no fish.")


def _species_and_vessels(page: Page, now: Studied) -> None:
    page.heading("Species, vessels, day and night")
    cells = now.cells()
    vessels: Counter[str] = Counter()
    for (_, vessel, _time), number in cells.items():
        vessels[vessel] += number
    order = [vessel for vessel, _ in vessels.most_common()]
    page.plot(
        data_plots.species_vessels(cells, now.codes, order),
        "Animals of every species on every vessel, or camera where the vessel is not known",
    )
    rows = []
    for code in now.codes:
        of_vessels = {v: n for v in order if (n := cells[code, v, "day"] + cells[code, v, "night"])}
        total = sum(of_vessels.values())
        night = sum(cells[code, vessel, "night"] for vessel in of_vessels)
        largest = max(of_vessels, key=lambda vessel: of_vessels[vessel])
        rows.append(
            [code, total, len(of_vessels), f"{largest} ({100 * of_vessels[largest] / total:.0f} %)",
             f"{100 * night / total:.0f} %"]
        )  # fmt: skip
    page.table(("species", "animals", "on vessels", "most are of", "at night"), rows)
    _, found = balancing.weights(now.data.entries, sensitive_codes(now.data))
    lightest, heaviest = min(found.values()), max(found.values())
    page.text(
        "So that every species counts the same within each vessel, `deckwatch data balance` gives "
        f"an animal a weight between {lightest:.2f} and {heaviest:.2f}."
    )


def _sizes(page: Page, now: Studied) -> None:
    figure = data_plots.box_sizes(now.data, now.codes)
    if figure:
        page.heading("Box sizes")
        page.plot(figure, "Boxes: median, quarters, 5th and 95th percentile; number in brackets")


def _sensitive(page: Page, now: Studied) -> None:
    page.heading("Sensitive species")
    known, sensitive = species_of(now.data), sensitive_codes(now.data)
    rows = []
    for code in now.codes:
        if code not in sensitive:
            continue
        of = [entry for entry in now.data.entries if code in counting.species(entry)]
        sides = Counter(entry.split or "none" for entry in of)
        told = ", ".join(f"{name} {number}" for name, number in sorted(sides.items()))
        rows.append(
            [code, known[code].common_name, counting.count(of)[code], len(of),
             len(counting.vessels(of)), told]
        )  # fmt: skip
    if rows:
        page.table(("code", "name", "animals", "pictures", "vessels", "pictures by split"), rows)
    else:
        page.text("There are none: no shark, no ray, nothing that its description calls sensitive.")


def _licences(page: Page, now: Studied) -> None:
    page.heading("Sources and licences")
    counted = Counter((e.source or UNKNOWN, e.licence or UNKNOWN) for e in now.data.entries)
    page.table(
        ("source", "licence", "pictures"), [[*pair, n] for pair, n in counted.most_common(_ROWS)]
    )
    if any(licence == UNKNOWN for _, licence in counted):
        page.text("Weights trained on pictures of unknown licence may not be passed on.")


def _duplicates(page: Page, now: Studied) -> None:
    page.heading("Duplicates")
    near, exact = now.twins.near, now.twins.exact
    page.text(
        f"{len(exact)} groups of equal pictures ({sum(map(len, exact))} pictures) and {len(near)} "
        f"groups that look alike ({sum(map(len, near))} pictures, equal ones included). `data "
        "split` keeps each group on one side."
    )
    for number, group in enumerate(sorted(near, key=len, reverse=True)[:_GROUPS], start=1):
        page.text(f"Group {number}: {len(group)} pictures")
        page.pictures(list(_pictures(now.data, group[:_EACH])))


def _conflicts(page: Page, now: Studied) -> None:
    found = [issue for issue in now.checked.issues if issue.kind in ("conflict", "doubt")]
    page.heading("Label conflicts")
    if not found:
        page.text("None: no equal pictures and no equal boxes with different species.")
        return
    page.table(("picture", "conflict", "do"), [[i.file, i.what, i.do] for i in found[:_ROWS]])
    _more(page, len(found))
    place = {entry.file: i for i, entry in enumerate(now.data.entries)}
    pairs = [(issue.file, issue.other) for issue in found]
    files = list(dict.fromkeys(file for pair in pairs[:_GROUPS] for file in pair if file))
    page.pictures(list(_pictures(now.data, [place[file] for file in files], side=320)))


def _issues(page: Page, now: Studied) -> None:
    page.heading("Problems")
    counts = now.checked.counts()
    if counts:
        told = [[number, data_check.KINDS[kind]] for kind, number in counts.items()]
        page.table(("number", "what `deckwatch data check` found"), told)
        wrong = [issue for issue in now.checked.issues if issue.wrong]
        if wrong:
            rows = [[issue.file, issue.what, issue.do] for issue in wrong[:_ROWS]]
            page.table(("picture", "what has to be mended", "do"), rows)
            _more(page, len(wrong))
    if now.problems:
        page.table(
            ("file", "problem when it was imported", "do", "left out"),
            [[p.file, p.what, p.cure, "yes" if p.lost else "no"] for p in now.problems[:_ROWS]],
        )
        _more(page, len(now.problems))
    if not counts and not now.problems:
        page.text("None.")


def _more(page: Page, number: int) -> None:
    if number > _ROWS:
        page.text(f"{number - _ROWS} more are not shown here.")


def _contact_sheet(page: Page, now: Studied) -> None:
    page.heading("Contact sheet")
    page.text("Some pictures of every species, of as many vessels as there are.")
    for code in now.codes:
        of_vessels: dict[str, list[int]] = {}
        for i, entry in enumerate(now.data.entries):
            if code in counting.species(entry):
                of_vessels.setdefault(balancing.vessel_of(entry), []).append(i)
        page.text(code)
        page.pictures(list(_pictures(now.data, list(_in_turn(list(of_vessels.values())))[:_EACH])))


def _in_turn(lists: list[list[int]]) -> Iterator[int]:
    """The middle of every list, then what is left of them, in turn."""
    spread = [each[len(each) // 2 :] + each[: len(each) // 2] for each in lists]
    for depth in range(max(map(len, spread), default=0)):
        yield from (each[depth] for each in spread if depth < len(each))


def _pictures(
    data: Catalogue, positions: Sequence[int], side: int = 200
) -> Iterator[tuple[NDArray[np.uint8], str]]:
    for i in positions:
        pixels = shown(data, i, side)
        if pixels is not None:
            yield pixels, data.entries[i].file
