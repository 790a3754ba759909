"""Running and planning the stages of a retraining, and what became of them."""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deckwatch_training import retrain_report, stages
from deckwatch_training.evaluation import read_json
from deckwatch_training.retrain import LEDGER, Retraining
from deckwatch_training.stages import Outcome
from deckwatch_vision.errors import DeckwatchError, UsageError


@dataclass(frozen=True)
class Ending:
    """How a retraining ended, in words for standard output."""

    released: bool
    text: str


def plan(retraining: Retraining) -> list[str]:
    """A line for every stage: whether it would run, and why."""
    outcomes = stages.plan(retraining.stages(), retraining.folder / LEDGER)
    return [f"{each.state:9}  {each.name:32}  {each.reason}".rstrip() for each in outcomes]


def run(retraining: Retraining) -> Ending:
    """Run what must be run, and write the report.

    Raises:
        UsageError: another process works in the same folder, or the configuration asks for what is
            not there.
        DeckwatchError: what a stage could not do. The report says so too.
    """
    done: list[Outcome] = []

    def tell(outcome: Outcome) -> None:
        done.append(outcome)
        took = f" in {outcome.seconds:.1f} s ({outcome.reason})" if outcome.reason else ""
        _say(f"{outcome.name}: {outcome.state}{took}")

    with _alone(retraining.folder):
        try:
            stages.run(
                retraining.stages(),
                retraining.folder / LEDGER,
                tell,
                starting=lambda name, why: _say(f"{name}: {why}"),
            )
        except DeckwatchError as error:
            retrain_report.write(retraining, done, {"outcome": "failed", "why": [error.message]})
            raise
        ending = read_json(retraining.outcome)
        page = retrain_report.write(retraining, done, ending)
    return Ending(ending["outcome"] == "released", _told(ending, done, page))


def _told(ending: dict[str, Any], done: Sequence[Outcome], page: Path) -> str:
    ran = sum(outcome.state == "done" for outcome in done)
    lines = [f"{ran} of {len(done)} stages ran, {len(done) - ran} were unchanged."]
    if ending["outcome"] == "released":
        when = "" if ran else " already"
        lines.append(
            f"{ending['release']} {ending['version']} is{when} released: {ending['name']}."
        )
    else:
        lines.append(f"Not better, nothing released: {ending['name']}.")
    lines += [f"  {why}" for why in ending["why"]]
    return "\n".join([*lines, f"Report: {page}"])


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two runs in one folder would take each other's checkpoints away; a lock ends with its run."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"Another retraining is at work in {folder}. Wait for it, or give this one another "
                "`work` folder."
            ) from None
        yield


def _say(text: str) -> None:
    sys.stderr.write(f"retrain: {text}\n")
    sys.stderr.flush()
