"""The stages of a retraining that make and judge releases: export, select, promote."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deckwatch_serving import gate, promotion
from deckwatch_serving.adopt import adopt
from deckwatch_serving.repository import open_release, versions
from deckwatch_training import evaluation, releases, selection, selection_page, timing
from deckwatch_training.evaluation import write_json
from deckwatch_training.making import Trained
from deckwatch_training.retrain_config import RetrainConfig
from deckwatch_vision.release import Release

SELECTION = "selection.json"


def export(config: RetrainConfig, detector: Trained, classifier: Trained, folder: Path) -> None:
    """A detector with a classifier as a release of its own, calibrated and measured."""
    shutil.rmtree(folder, ignore_errors=True)
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    releases.make_from(
        name=config.name,
        version=1,
        detector=detector,
        classifier=classifier,
        repository=part,
        card=config.card,
        labels=config.labels,
        max_fish=config.max_fish,
    )
    os.replace(part, folder)


def select(config: RetrainConfig, folders: Mapping[str, Path], data: Path, target: Path) -> None:
    """The best candidate within the budget, into `target`/selection.json with the measurements.

    Raises:
        DeckwatchError: no candidate is within the budget; the message names the nearest.
    """
    document = selection.measure(folders, data, keep=target / timing.FILE)
    limits = config.select
    budget = selection.Budget(limits.max_ms, limits.max_log_loss, limits.metric)
    selection_page.decide(document, budget, target)


def promote(
    config: RetrainConfig, selected: Path, candidates: Path, data: Path, target: Path
) -> None:
    """The chosen release into the repository, and live there if it is no worse than what is.

    The live release is measured anew on the same pictures, because vessels came in since it was
    released. What became of it is written to `target`.
    """
    name = json.loads((selected / SELECTION).read_text(encoding="utf-8"))["chosen"]
    repository, candidate = config.repository, open_release(candidates / name)
    told: dict[str, Any] = {"outcome": "released", "name": name, "why": []}
    if not versions(repository):
        release = adopt(candidates / name, repository)
    else:
        live = open_release(repository)
        tolerance, card = config.promote.tolerance, _measured(live, repository, data)
        against = gate.refusals(candidate, live, tolerance=tolerance, live_card=card)
        if against:
            # A release that is not wanted does not fill the repository either.
            write_json(target, told | {"outcome": "not better", "why": against})
            return
        release = adopt(candidates / name, repository)
        promotion.promote(
            repository,
            release.version,
            servers=config.promote.triton,
            tolerance=tolerance,
            live_card=card,
            who="deckwatch retrain",
        )
    write_json(target, told | {"release": release.name, "version": release.version})


def _measured(live: Release, repository: Path, data: Path) -> dict[str, Any]:
    """The scorecard of the live release on the valid pictures of this data set."""
    pictures = evaluation.pictures_of(data, "valid")
    _, card = evaluation.measure(repository, pictures, version=live.version, unknown="leave-out")
    return card
