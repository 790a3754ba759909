"""The last page of a retraining: what ran, on what, what came out, and whether it was released."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deckwatch_serving.pages import Page
from deckwatch_serving.repository import open_release
from deckwatch_training import catalogue
from deckwatch_training.catalogue import SPLITS
from deckwatch_training.checkpoints import LOG, TIMES, read_log
from deckwatch_training.crops import picture_label
from deckwatch_training.dataset import read_coco
from deckwatch_training.evaluation import read_json, write_json
from deckwatch_training.evaluation_page import measured_on, scorecard_page
from deckwatch_training.model_card import scorecard_rows
from deckwatch_training.retrain_release import SELECTION
from deckwatch_training.stages import Outcome
from deckwatch_vision.images import decode

if TYPE_CHECKING:
    from deckwatch_training.retrain import Retraining

PAGE, FILE, SCORECARD = "report.html", "report.json", "scorecard.html"


def write(retraining: Retraining, outcomes: Sequence[Outcome], ending: Mapping[str, Any]) -> Path:
    """Write report.html and report.json into the work folder; the page's path."""
    config = retraining.config
    page = Page(f"Retraining {config.name}", _headline(ending))
    for why in ending.get("why", ()):
        page.text(why)
    page.heading("Stages")
    page.table(
        ("stage", "state", "why it ran", "seconds"),
        [(each.name, each.state, each.reason, round(each.seconds, 1)) for each in outcomes],
    )
    if (retraining.split / catalogue.FILE).exists():
        page.heading("Pictures")
        page.table(*_pictures(retraining.split / catalogue.FILE))
    page.heading("Trainings")
    page.table(*_trainings(retraining))
    page.pictures(_curves(retraining))
    choice = read_json(retraining.selection / SELECTION)
    if choice:
        page.heading("Candidates")
        page.table(*_candidates(choice))
    if choice and choice["chosen"]:
        page.text(choice["words"])
        _chosen(page, retraining, choice["chosen"])
    path = retraining.folder / PAGE
    page.write(path)
    told = {
        "name": config.name,
        "ending": dict(ending),
        "stages": [
            {"name": each.name, "state": each.state, "why": each.reason, "seconds": each.seconds}
            for each in outcomes
        ],
        "candidates": choice,
    }
    write_json(retraining.folder / FILE, told)
    return path


def _headline(ending: Mapping[str, Any]) -> str:
    outcome = ending.get("outcome", "failed")
    if outcome == "released":
        return f"Released as {ending['release']} {ending['version']}: {ending['name']}."
    if outcome == "not better":
        return f"Not better than the live release, nothing released: {ending['name']}."
    return "Failed."


def _pictures(path: Path) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Pictures of each species by split; the species is the picture's own."""
    codes = catalogue.read(path).labels()
    same = {code: code for code in codes}
    rows: list[tuple[object, ...]] = []
    for split in SPLITS:
        pictures = read_coco(path, split=split, only=True).pictures
        if pictures:
            found = Counter(picture_label(picture, same) for picture in pictures)
            groups = len({picture.group for picture in pictures})
            rows.append((split, len(pictures), groups, *(found[code] for code in codes)))
    return ("split", "pictures", "vessels or groups", *codes), rows


def _trainings(retraining: Retraining) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    rows: list[tuple[object, ...]] = []
    for each in (*retraining.config.detectors, *retraining.config.classifiers):
        told = read_log(retraining.run_folder(each) / LOG)
        last = told[-1] if told else {}
        shown = "  ".join(
            f"{key} {value:g}" for key, value in last.items() if key not in ("epoch", *TIMES)
        )
        seconds = sum(float(row.get("seconds", 0)) for row in told)
        rows.append((each.name, each.model.architecture, len(told), round(seconds), shown))
    return ("candidate", "architecture", "epochs", "seconds", "at the last epoch"), rows


def _candidates(choice: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    rows: list[tuple[object, ...]] = []
    for row in choice["candidates"]:
        chosen = "chosen" if row["name"] == choice["chosen"] else ""
        rows.append((row["name"], row["log_loss"], row["p50_ms"], row["p95_ms"], chosen))
    return ("candidate", "log loss of the picture", "p50 ms", "p95 ms", ""), rows


def _curves(retraining: Retraining) -> list[tuple[NDArray[np.uint8], str]]:
    shown = []
    for each in (*retraining.config.detectors, *retraining.config.classifiers):
        path = retraining.run_folder(each) / "curves.png"
        if path.exists():
            shown.append((decode(path.read_bytes()), each.name))
    return shown


def _chosen(page: Page, retraining: Retraining, name: str) -> None:
    """The chosen candidate's scorecard: its first table here, the whole as a page of its own."""
    release = open_release(retraining.candidates / name, verify=False)
    card = release.scorecard["valid"]
    page.heading(f"{name} on vessels that it has not seen")
    page.text(f"{measured_on(card)} The whole scorecard: {SCORECARD}, in the same folder.")
    page.table(
        ("measure", "value", "low", "high"),
        [(words, *(_shown(v) for v in values)) for words, values in scorecard_rows(card)],
        caption="With 95 % intervals over vessels.",
    )
    scorecard_page(card, f"Scorecard of {name}").write(retraining.folder / SCORECARD)


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
