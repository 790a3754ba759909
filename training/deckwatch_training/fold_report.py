"""What a cross-validation found: numbers for JSON, a page, a table for the terminal."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from deckwatch_serving.pages import Page
from deckwatch_training import evaluation_page, evaluation_plots, scorecard
from deckwatch_training.evaluation_page import NONE, estimate
from deckwatch_training.fold_runs import Result
from deckwatch_training.tables import table

# Words, section and key of what is listed of every fold, as far as it was measured.
LISTED = (
    ("AP50", "detector", "ap50"),
    ("recall", "detector", "recall"),
    ("precision", "detector", "precision"),
    ("mAP50", "pipeline", "map50"),
    ("boxes: accuracy", "species", "accuracy"),
    ("boxes: macro recall", "species", "macro_recall"),
    ("boxes: log loss", "species", "log_loss"),
    ("pictures: accuracy", "picture", "accuracy"),
    ("pictures: log loss", "picture", "log_loss"),
)


def section(result: Result) -> dict[str, Any]:
    """The numbers of one fold, or of all together, in the sections of a scorecard."""
    head: dict[str, Any] = {"vessels": list(result.vessels), "pictures": result.pictures}
    if result.answers:
        # Every fold has a threshold of its own; over all, their mean says which score that was.
        threshold = round(statistics.fmean(result.thresholds), 4)
        card = scorecard.of(result.answers, threshold, {})
        del card["data"]
        return head | card
    if result.finding:
        found = result.finding
        return head | {
            "fish": sum(len(picture.boxes) for picture in found.fish),
            "detector": {
                "threshold": round(statistics.fmean(result.thresholds), 4),
                **scorecard.finding(found.fish, found.curve, found.shipped),
            },
        }
    named = result.naming
    if named is None:
        return head
    return head | {
        "labels": list(named.codes),
        "species": {
            "boxes": len(named.truth),
            **scorecard.likelihood_section(named.found, named.truth, named.groups, named.codes),
        },
    }


def _columns(card: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [each for each in LISTED if each[1] in card["overall"]]


def text(card: Mapping[str, Any]) -> str:
    """The table for the terminal: a line a measure, a column a fold."""
    rows = _rows(card)
    head = ["", *(f"fold {row[0]}" for row in rows[:-2]), "all", "mean and deviation"]
    words = ["vessels", "pictures", *(name for name, *_ in _columns(card))]
    lines: list[list[object]] = []
    for place, name in enumerate(words, start=1):
        cells = [str(row[place]).split("  ")[0] for row in rows[:-2]]
        lines.append([name, *cells, *(str(row[place]) for row in rows[-2:])])
    return table(head, lines)


def _rows(card: Mapping[str, Any]) -> list[list[object]]:
    rows: list[list[object]] = []
    for name, part in [(str(i), p) for i, p in enumerate(card["folds"], start=1)] + [
        ("all", card["overall"])
    ]:
        cells = [estimate(part[where][key]) for _, where, key in _columns(card)]
        rows.append([name, len(part["vessels"]), part["pictures"], *cells])
    values = [[part[where][key][0] for part in card["folds"]] for _, where, key in _columns(card)]
    rows.append(["mean ± deviation over folds", "", "", *(_spread(column) for column in values)])
    return rows


def _spread(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return NONE
    return f"{statistics.fmean(known):.3f} ± {statistics.stdev(known):.3f}"


def page(card: Mapping[str, Any], title: str) -> Page:
    """The page: every fold, all together, and where both nets were trained the whole scorecard."""
    overall, folds = card["overall"], card["folds"]
    lead = (
        f"{len(folds)} folds of {overall['pictures']} pictures of {len(overall['vessels'])} "
        "vessels (or cameras, where the vessel is not known). Every picture was measured by nets "
        f"that had not seen its vessel; data {card['data']['digest'][:12]}."
    )
    if "picture" in overall:
        found = evaluation_page.scorecard_page({**overall, "data": card["data"]}, title, lead)
    else:
        found = Page(title, lead)
        _one_net(found, overall)
    found.heading("Fold by fold")
    head = ["fold", "vessels", "pictures", *(words for words, *_ in _columns(card))]
    found.table(head, _rows(card))
    found.text(
        "The intervals come from draws of whole vessels within the fold. Where folds differ by "
        "more than their intervals allow, some vessels are much harder than others: see which."
    )
    words, where, key = _columns(card)[0 if "picture" not in overall else -1]
    found.plot(
        evaluation_plots.estimates(
            [(f"fold {i}", part[where][key]) for i, part in enumerate(folds, start=1)]
            + [("all", overall[where][key])],
            words,
            f"{words} of every fold",
        ),
        "With 95 % intervals over the vessels of each.",
    )
    found.table(
        ("fold", "vessels"),
        [(i, ", ".join(part["vessels"])) for i, part in enumerate(folds, start=1)],
    )
    return found


def _one_net(page: Page, overall: Mapping[str, Any]) -> None:
    if "detector" in overall:
        evaluation_page.detector_part(page, overall)
    if "species" in overall:
        evaluation_page.species_part(page, overall)
