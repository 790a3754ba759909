"""The last page of a retraining: what ran, on what, what came out, and whether it was released."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deckwatch_training import catalogue
from deckwatch_training.catalogue import SPLITS
from deckwatch_training.crops import picture_label
from deckwatch_training.dataset import read_coco
from deckwatch_training.pages import Page
from deckwatch_training.stages import Outcome

if TYPE_CHECKING:
    from deckwatch_training.retrain import Retraining

PAGE, FILE = "report.html", "report.json"


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
    choice = _read(retraining.selection / "selection.json")
    if choice:
        page.heading("Candidates")
        page.table(*_candidates(choice))
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
    (retraining.folder / FILE).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
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
        log = retraining.run_folder(each) / "log.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        told = [json.loads(line) for line in lines]
        last = told[-1] if told else {}
        shown = "  ".join(
            f"{key} {value:g}"
            for key, value in last.items()
            if isinstance(value, int | float) and key not in ("epoch", "seconds")
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


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
