"""A scorecard as one HTML page, in words that need no textbook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deckwatch_serving.pages import Page
from deckwatch_training import competition, evaluation_plots
from deckwatch_training.competition import SOURCE, WINNERS
from deckwatch_training.model_card import scorecard_rows
from deckwatch_vision.species import NO_FISH

NONE = "–"  # noqa: RUF001 - a dash for what is not known
# Vessels listed, the worst first.
MOST_VESSELS = 40


def estimate(value: Sequence[float | None] | None) -> str:
    """A value with its interval in brackets."""
    if not value or value[0] is None:
        return NONE
    if value[1] is None or value[2] is None:
        return f"{value[0]:.3f}"
    return f"{value[0]:.3f}  [{value[1]:.3f}, {value[2]:.3f}]"


def scorecard_page(card: Mapping[str, Any], title: str, lead: str = "") -> Page:
    """The page of a scorecard; `lead` says which release on which data."""
    page = Page(title, lead or measured_on(card))
    _headline(page, card)
    if competition.applies(card["labels"]):
        _competition(page, card)
    _picture(page, card)
    detector_part(page, card)
    _pipeline(page, card)
    species_part(page, card)
    _breakdowns(page, card)
    return page


def measured_on(card: Mapping[str, Any]) -> str:
    """What a scorecard was measured on, in a sentence."""
    data = card["data"]
    return (
        f"Measured on {card['pictures']} pictures of {card['groups']} vessels (or cameras, where "
        f"the vessel is not known) with {card['fish']} fish; split {data['split']}, data "
        f"{data['digest'][:12]}."
    )


def _headline(page: Page, card: Mapping[str, Any]) -> None:
    page.heading("In short")
    page.table(
        ("measure", "value", "95 % interval"),
        [
            (name, f"{value:.3f}", NONE if low is None else f"{low:.3f} to {high:.3f}")
            for name, (value, low, high) in scorecard_rows(dict(card))
        ],
    )
    page.text(
        "The interval is the middle 95 % of 500 draws of whole vessels: pictures of one vessel "
        "resemble each other, so drawing single pictures would promise too much. A dash instead of "
        "an interval: there are not two vessels to draw from."
    )
    if unknown := card.get("unknown"):
        there = ", ".join(f"{code} ({count} times)" for code, count in unknown.items())
        page.text(
            f"The release does not have these species of the data set: {there}. Their fish count "
            "for the detector; where species are measured they are left out, so the figures are "
            "kinder than the release would be on these pictures."
        )
    if failures := card.get("failures"):
        page.table(("pictures that could not be read and are left out",), [(f,) for f in failures])


def _competition(page: Page, card: Mapping[str, Any]) -> None:
    page.heading("Beside the competition's winners")
    picture = card["picture"]
    ours = [
        "this release", picture["accuracy"][0], picture["macro_recall"][0], picture["log_loss"][0],
        *(picture["recall"].get(code) for code in card["labels"]),
    ]  # fmt: skip
    rows = [ours] + [
        [each.name, each.accuracy, each.macro_recall, each.log_loss]
        + [each.recall[code] for code in card["labels"]]
        for each in WINNERS
    ]
    page.table(
        ("", "accuracy", "macro recall", "log loss", *card["labels"]),
        [[NONE if cell is None else cell for cell in row] for row in rows],
        "Recall of each class in its column.",
    )
    page.text(
        f"{SOURCE} Those are other pictures than these, so the table shows where the bar was, not "
        "who would have won."
    )


def _matrix(section: Mapping[str, Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(list(section["confusion"].values()), np.int64)


def _picture(page: Page, card: Mapping[str, Any]) -> None:
    page.heading("The answer for a picture")
    codes, section = card["labels"], card["picture"]
    page.text(
        "What the whole pipeline says of a picture, against the species that covers most of it. "
        "Recall: of the pictures of a class, the share that is named so. Precision: of the "
        "pictures that are named so, the share that is of that class. Log loss punishes answers "
        "that are sure and wrong; it is what the competition ranked by, and lower is better."
    )
    winners = competition.applies(codes)
    page.plot(
        evaluation_plots.classes(section, codes, "Pictures, class by class", winners=winners),
        "Recall and precision of pictures with their 95 % intervals.",
    )
    page.plot(
        evaluation_plots.confusion(_matrix(section), codes, codes, "Pictures"),
        "Pictures of each class (rows) and what they were called (columns).",
    )
    page.plot(
        evaluation_plots.reliability(
            {"pictures": section["reliability"], "true boxes": card["species"]["reliability"]}
        ),
        "Of the answers given with a likelihood of 0.8, eight in ten should be right: dots under "
        "the dashed line are too sure, dots above it too modest. Larger dots stand for more "
        "answers. The expected calibration error is the mean distance to the line.",
    )


def detector_part(page: Page, card: Mapping[str, Any]) -> None:
    """How well fish are found."""
    section = card["detector"]
    page.heading("Finding fish")
    page.text(
        "A fish counts as found where a box overlaps it by half (IoU 0.5). AP50 is the mean "
        "precision over all recalls at that overlap, AP the mean over stricter and stricter "
        "overlaps up to 0.95, as in COCO. Recall and precision are those of the fish that are "
        f"reported, with a score from {section['threshold']:g}."
    )
    page.table(
        ("measure", "value"),
        [
            ("AP (IoU 0.5 to 0.95)", _number(section["ap"])),
            ("AP50", estimate(section["ap50"])),
            ("AP75", _number(section["ap75"])),
            *(
                [("AP50 of the detector alone, without the classifier's veto",
                  _number(section["ap50_without_veto"]))]
                if "ap50_without_veto" in section else []
            ),
            ("recall", estimate(section["recall"])),
            ("precision", estimate(section["precision"])),
            ("F1", estimate(section["f1"])),
            (f"false alarms: {section['false_alarm_pictures']} of "
             f"{section['pictures_without_fish']} pictures without fish",
             estimate(section["false_alarm_share"])),
        ],
    )  # fmt: skip


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def _pipeline(page: Page, card: Mapping[str, Any]) -> None:
    section = card["pipeline"]
    page.heading("Fish found and named")
    page.text(
        "The pipeline fish by fish: recall is the share of the fish of a species that were found "
        "and named rightly, precision the share of the fish reported as a species that are of it. "
        f"mAP over the species: {_number(section['map'])}; mAP50: {estimate(section['map50'])}."
    )
    fish = [code for code in card["labels"] if code != NO_FISH]
    page.table(
        ("species", "AP", "AP50", "recall", "precision"),
        [
            (
                code, _number(section["ap"].get(code)), _number(section["ap50"].get(code)),
                _class(section, "recall", code), _class(section, "precision", code),
            )
            for code in fish
        ],
    )  # fmt: skip
    page.plot(
        evaluation_plots.confusion(
            _matrix(section), list(section["confusion"]), section["columns"], "Fish"
        ),
        "Fish of each species and what became of them; the last row are boxes where no fish is.",
    )


def _class(section: Mapping[str, Any], name: str, code: str) -> str:
    low_high = section[f"{name}_interval"].get(code, (None, None))
    return estimate((section[name].get(code), *low_high))


def species_part(page: Page, card: Mapping[str, Any]) -> None:
    """How well the classifier names what is in true boxes."""
    section, codes = card["species"], card["labels"]
    page.heading("Naming species, boxes given")
    page.text(
        "The classifier alone, on the boxes that people drew: what is lost here is lost by the "
        f"classifier, not by the detector. {section['boxes']} boxes."
    )
    page.table(
        ("class", "recall", "precision"),
        [
            (code, _class(section, "recall", code), _class(section, "precision", code))
            for code in codes
        ],
    )
    page.plot(
        evaluation_plots.confusion(_matrix(section), codes, codes, "True boxes"),
        "Boxes of each class (rows) and what the classifier called them (columns).",
    )


def _breakdowns(page: Page, card: Mapping[str, Any]) -> None:
    by = card["by"]
    page.heading("By day and night")
    page.table(_PART_HEAD, [_part(name, part) for name, part in by["light"].items()])
    page.text(
        "Where the data set does not say whether it was night, the picture's colours and "
        "brightness tell (dark, or infrared without colour)."
    )
    page.heading("By size of the fish")
    page.table(
        ("size", "fish", "typical side", "AP", "found", "named rightly, box given"),
        [
            (
                f"{name} ({_LIMITS[name]})", part["fish"], f"{100 * part['side']:.1f} %",
                _number(part["ap"]), estimate(part["recall"]), estimate(part["species_accuracy"]),
            )
            for name, part in by["size"].items()
        ],
    )  # fmt: skip
    page.text(
        "COCO's sizes, by the root of the box's area in pixels of the picture as it is. A larger "
        "picture gives the same fish more pixels: the typical side is the median of that root over "
        "the root of the picture's area."
    )
    page.heading("By vessel")
    page.plot(
        evaluation_plots.vessels(by["vessel"]),
        "Each dot is a vessel (or camera). Few pictures make a chance result.",
    )
    worst = sorted(by["vessel"].items(), key=_badness)[:MOST_VESSELS]
    page.table(
        _PART_HEAD,
        [_part(name, part) for name, part in worst],
        f"The {len(worst)} of {len(by['vessel'])} vessels with the highest log loss first."
        if len(by["vessel"]) > len(worst)
        else "The highest log loss first.",
    )


_LIMITS = {
    "small": "under 32 pixels a side",
    "medium": "32 to 96 pixels",
    "large": "96 pixels and more",
}
_PART_HEAD = (
    "", "pictures", "at night", "fish", "pictures named rightly", "log loss", "fish found",
    "precision", "named rightly, box given",
)  # fmt: skip


def _part(name: str, part: Mapping[str, Any]) -> list[object]:
    keys = ("accuracy", "log_loss", "recall", "precision", "species_accuracy")
    counts = [part["pictures"], part["night"], part["fish"]]
    return [name, *counts, *(estimate(part[key]) for key in keys)]


def _badness(item: tuple[str, Mapping[str, Any]]) -> tuple[float, str]:
    loss = item[1]["log_loss"][0]
    return (-loss if loss is not None else float("inf"), item[0])
