"""Going through a data set for conflicts, with a model or with answers that were recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from deckwatch_serving.progress import track
from deckwatch_training.catalogue import Catalogue, Entry
from deckwatch_training.conflicts import OVERLAP, Conflict, compare, rank
from deckwatch_training.recorded_answers import RecordedAnswers
from deckwatch_vision.errors import ImageError
from deckwatch_vision.result import Result

Answer = Callable[[Entry], Result | None]


@dataclass
class Findings:
    """Conflicts, ranked; pictures compared and without an answer; codes the model lacks."""

    conflicts: list[Conflict] = field(default_factory=list)
    compared: int = 0
    unanswered: int = 0
    unknown: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    release: str = ""


def find(
    data: Catalogue,
    *,
    repository: Path | None = None,
    answers: str | None = None,
    least: float = 0.0,
    overlap: float = OVERLAP,
) -> Findings:
    """Compare every picture's labels with its answer.

    Args:
        data: what people say.
        repository: whose live release is asked; None looks for it.
        answers: where recorded answers are, instead of asking a release.
        least: conflicts of less certainty are left out.
        overlap: IoU from which two boxes are of the same fish.

    Raises:
        UsageError: there are no recorded answers there.
        ReleaseNotFound: there is no release.
    """
    answer = _recorded(data, answers) if answers else _asking(data, repository)
    found = Findings()
    conflicts: list[Conflict] = []
    releases: set[str] = set()
    for entry in track(data.entries, "comparing", len(data)):
        try:
            result = answer(entry)
        except (ImageError, OSError) as error:
            found.problems.append(f"{data.path(entry)}: {error}")
            continue
        if result is None:
            found.unanswered += 1
            continue
        found.compared += 1
        releases.add(f"{result.release.name} {result.release.version}")
        found.unknown |= {box.label for box in entry.boxes} - result.likelihoods.keys()
        conflicts += [
            each for each in compare(entry, result, overlap=overlap) if each.certainty >= least
        ]
    found.conflicts = rank(conflicts)
    found.release = ", ".join(sorted(releases))
    return found


def _asking(data: Catalogue, repository: Path | None) -> Answer:
    from deckwatch_serving.local import LocalRecogniser

    recogniser = LocalRecogniser(repository)
    return lambda entry: recogniser.recognise(data.path(entry).read_bytes(), file=entry.file)


def _recorded(data: Catalogue, location: str) -> Answer:
    recorded = RecordedAnswers(location)
    return lambda entry: recorded.of(data, entry)
