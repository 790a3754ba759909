"""`deckwatch retrain`: from pictures to a released model, every stage only if it must.

import -> check -> split -> augment -> train every detector -> crop -> train every classifier ->
export, calibrate and evaluate every pair -> select -> promote. What the stages leave behind lies
in one work folder, with a ledger (`stages.Ledger`) that knows what each of them was made from: the
same command continues after an interruption and does nothing where nothing has changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from deckwatch_serving.repository import versions
from deckwatch_training import (
    catalogue,
    checkpoints,
    fish_finder,
    retrain_data,
    retrain_release,
    runs,
)
from deckwatch_training.config import DataConfig, TrainConfig
from deckwatch_training.label_files import LABELS_AND_WEIGHTS
from deckwatch_training.retrain_config import CandidateConfig, CropConfig, RetrainConfig
from deckwatch_training.stages import Stage
from deckwatch_vision.errors import UsageError
from deckwatch_vision.species import NO_FISH

Task = Literal["detector", "classifier"]
LEDGER = "stages.json"


class Retraining:
    """The stages of a configuration, and where each leaves what it makes."""

    def __init__(self, config: RetrainConfig):
        self.config = config
        self.folder = config.folder
        self.imported = self.folder / "imported"
        self.checks = self.folder / "check.json"
        self.split = self.folder / "split"
        self.augmented = self.folder / "augmented"
        self.crops = self.folder / "crops"
        self.runs = self.folder / "runs"
        self.candidates = self.folder / "candidates"
        self.selection = self.folder / "selection"
        self.outcome = self.folder / "outcome.json"

    @property
    def pairs(self) -> list[tuple[CandidateConfig, CandidateConfig]]:
        """Every detector with every classifier."""
        config = self.config
        return [(one, other) for one in config.detectors for other in config.classifiers]

    def stages(self) -> list[Stage]:
        """In the order in which they run."""
        config = self.config
        found = [*self._data_stages()]
        found += [self._train("detector", each, self._training) for each in config.detectors]
        if config.crop:
            found.append(self._crop(config.crop))
        found += [self._train("classifier", each, self._looking) for each in config.classifiers]
        found += [self._export(*pair) for pair in self.pairs]
        return [*found, self._select(), self._promote()]

    @property
    def _training(self) -> Path:
        """The data set that detectors learn from."""
        return self.augmented if self.config.augment else self.split

    @property
    def _looking(self) -> Path:
        """The data set that classifiers learn from."""
        return self.crops if self.config.crop else self._training

    def _data_stages(self) -> list[Stage]:
        config, sources = self.config, self.config.sources
        files: dict[str, Any] = {}
        for i, source in enumerate(sources):
            files |= {
                f"source {i + 1}": source.model_dump(mode="json"),
                str(source.path): source.path,
            }
            if source.labels:
                files[str(source.labels)] = source.labels
        found = [
            Stage(
                "import", files | self._described(), (self.imported,),
                lambda: retrain_data.import_sources(config, self.imported),
            ),
            Stage(
                "check", {"data": self.imported}, (self.checks,),
                lambda: retrain_data.check(self.imported, self.checks),
            ),
            Stage(
                "split", {"data": self.imported, "split": config.split.model_dump(mode="json")},
                (self.split,),
                lambda: retrain_data.split(config.split, self.imported, self.split),
            ),
        ]  # fmt: skip
        if config.augment:
            given: dict[str, Any] = {"data": self.split, "augment": _decisive(config.augment)}
            if config.augment.steps:
                given["steps"] = config.augment.steps
            found.append(
                Stage(
                    "augment", given, (self.augmented,),
                    lambda: retrain_data.augment(config, self.split, self.augmented),
                )
            )  # fmt: skip
        return found

    def _described(self) -> dict[str, Any]:
        config = self.config
        return {
            "data set": [config.data_name, config.licence, config.attribution, config.url],
            "labels": config.labels,
        }

    def _crop(self, settings: CropConfig) -> Stage:
        model = settings.model or self.config.repository
        given: dict[str, Any] = {"data": self._training, "crop": settings.model_dump(mode="json")}
        if settings.model:
            # Its content, not only its name. The live release is no input, as for `promote`: or
            # every release would make the crops, and all that follows, anew.
            given["model"] = fish_finder.find(settings.model).identity
        elif not versions(self.config.repository):  # before hours of training, not after
            raise UsageError(
                f"`crop` names no model, and {self.config.repository} has no live release yet that "
                "could find the fish. Give crop.model: a model repository, or a detector's run."
            )
        return Stage(
            "crop",
            given,
            (self.crops,),
            lambda: retrain_data.crop(self.config, model, self._training, self.crops),
        )

    def run_folder(self, candidate: CandidateConfig) -> Path:
        """Where the training of a candidate lies."""
        return self.runs / candidate.name

    def train_config(self, task: Task, candidate: CandidateConfig) -> TrainConfig:
        """The configuration of a candidate's training, once its data set is there."""
        config = self.config
        data = self._training if task == "detector" else self._looking
        codes = {*catalogue.read(self.split).labels(), NO_FISH}
        weights = data / LABELS_AND_WEIGHTS
        return TrainConfig(
            task=task,
            name=candidate.name,
            data=DataConfig(
                train=data / catalogue.FILE,
                valid=self.split / catalogue.FILE,
                species={code: code for code in sorted(codes, key=str.casefold)},
                weights=weights if weights.exists() else None,
                held_back=config.held_back,
                split_seed=config.held_back_seed,
                name=config.data_name,
                licence=config.licence,
                attribution=config.attribution,
                url=config.url,
            ),
            model=candidate.model,
            views=candidate.views,
            run=candidate.run,
        )

    def _train(self, task: Task, candidate: CandidateConfig, data: Path) -> Stage:
        settings = candidate.model_dump(mode="json", exclude={"run": {"threads", "workers"}})
        given: dict[str, Any] = {
            "data": data,
            "candidate": settings,
            "held back": [self.config.held_back, self.config.held_back_seed],
        }
        if isinstance(candidate.model.weights, Path):
            given["weights"] = candidate.model.weights
        folder = self.run_folder(candidate)

        def run() -> None:
            _continue(self.train_config(task, candidate), folder)

        return Stage(f"train {candidate.name}", given, (folder / "last.pt",), run)

    def candidate_folder(self, detector: CandidateConfig, classifier: CandidateConfig) -> Path:
        """Where the exported pair lies, a model repository of its own."""
        return self.candidates / f"{detector.name}+{classifier.name}"

    def _export(self, detector: CandidateConfig, classifier: CandidateConfig) -> Stage:
        folder = self.candidate_folder(detector, classifier)

        def run() -> None:
            retrain_release.export(
                self.config,
                (self.train_config("detector", detector), self.run_folder(detector)),
                (self.train_config("classifier", classifier), self.run_folder(classifier)),
                folder,
            )

        return Stage(
            f"export {folder.name}",
            {
                "detector": self.run_folder(detector) / "last.pt",
                "classifier": self.run_folder(classifier) / "last.pt",
                "data": self.split,
                "release": [self.config.name, self.config.card, self.config.max_fish],
            } | self._described(),
            (folder,),
            run,
        )  # fmt: skip

    def _select(self) -> Stage:
        folders = {each.name: each for each in (self.candidate_folder(*p) for p in self.pairs)}
        return Stage(
            "select",
            {**folders, "budget": self.config.select.model_dump(mode="json")},
            (self.selection,),
            lambda: retrain_release.select(self.config, folders, self.split, self.selection),
        )

    def _promote(self) -> Stage:
        # What is live is no input: a release that somebody rolled back must not come back by
        # itself when nothing else has changed.
        return Stage(
            "promote",
            {
                "choice": self.selection,
                "repository": str(self.config.repository),
                "tolerance": self.config.promote.tolerance,
            },
            (self.outcome,),
            lambda: retrain_release.promote(
                self.config, self.selection, self.candidates, self.split, self.outcome
            ),
        )


def _continue(config: TrainConfig, folder: Path) -> None:
    """Train, from where the folder stands unless it is of another configuration or other data."""
    try:
        checkpoints.read(folder, runs.digest(config, *runs.training_data(config)))
        fresh = False
    except UsageError:
        fresh = True
    runs.train(config, folder, fresh=fresh)


def _decisive(section: Any) -> dict[str, Any]:
    """Without what only changes the speed."""
    found: dict[str, Any] = section.model_dump(mode="json", exclude={"workers", "engine", "steps"})
    return found
