"""The one YAML file behind `deckwatch retrain`: sources, splits, candidates, budget, release.

The fields below are the documentation; a key that is not known is refused. Paths are relative to
the file itself, but for `work`, `repository` and what the environment fills in.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from deckwatch_training.catalogue import SPLITS
from deckwatch_training.config import (
    ExpandedPath,
    ModelConfig,
    RunConfig,
    Section,
    ViewsConfig,
    checked,
    read_yaml,
)

# What one more candidate costs is a training; names become folders.
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


class SourceConfig(Section):
    """Where pictures and labels come from, as `deckwatch data import` takes them."""

    path: ExpandedPath
    format: str = "auto"
    labels: ExpandedPath | None = None  # YAML of their name: our code
    split: str | None = None  # every picture of the source is of this split
    vessel: str | None = None
    source: str | None = None
    licence: str | None = None

    @field_validator("split")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value not in (None, *SPLITS):
            raise ValueError(f"one of {', '.join(SPLITS)}")
        return value


class SplitConfig(Section):
    """How pictures are divided; whole vessels, cameras and near duplicates stay together."""

    keep: bool = False  # take the splits that the sources name
    shares: dict[str, float] = {"train": 0.7, "calibrate": 0.1, "valid": 0.2}
    seed: int = 0


class AugmentConfig(Section):
    """More training pictures before the training, as `augment_data` makes them."""

    steps: ExpandedPath | None = None  # recipe; none: the one that comes with Deckwatch
    copies: int = Field(default=1, ge=1)
    seed: int = 0
    sensitive_factor: float = Field(default=1.0, gt=0)
    equal_vessels: bool = False
    workers: int = Field(default=0, ge=0)  # 0: one a core
    engine: Literal["local", "ray"] = "local"


class CropConfig(Section):
    """Pictures that have a species but no boxes are cut to their fish for the classifiers."""

    model: ExpandedPath | None = None  # model repository of the detector; none: the live release
    no_fish: Literal["skip", "whole"] = "whole"


class CandidateConfig(Section):
    """One net to train. The rest of its configuration is shared."""

    name: str = Field(pattern=_NAME)
    model: ModelConfig
    views: ViewsConfig = ViewsConfig()
    run: RunConfig = RunConfig()


class SelectConfig(Section):
    """The budget: the best candidate within it is released."""

    max_ms: float | None = Field(default=None, gt=0)  # p50 of one picture on this machine
    max_log_loss: float | None = Field(default=None, gt=0)
    metric: str | None = None  # what "best" means; none: the picture's log loss


class PromoteConfig(Section):
    """Whether the chosen release may replace the live one."""

    tolerance: float = Field(default=0.0, ge=0)
    triton: list[str] = []  # addresses of running servers that swap at once


class RetrainConfig(Section):
    """From pictures to a released model."""

    name: str = Field(pattern=_NAME)
    work: ExpandedPath | None = None  # what is kept between runs [default: runs/NAME]
    repository: ExpandedPath = Path("model_repository")  # where the release goes live
    sources: list[SourceConfig] = Field(min_length=1)
    data_name: str = ""
    licence: str = ""
    attribution: str = ""
    url: str | None = None
    split: SplitConfig = SplitConfig()
    held_back: float = Field(default=0.1, ge=0, lt=0.9)  # where no split is "calibrate"
    held_back_seed: int = 0
    augment: AugmentConfig | None = None
    crop: CropConfig | None = None
    detectors: list[CandidateConfig] = Field(min_length=1)
    classifiers: list[CandidateConfig] = Field(min_length=1)
    select: SelectConfig = SelectConfig()
    promote: PromoteConfig = PromoteConfig()
    labels: list[dict[str, Any]] = []  # species that Deckwatch does not know
    max_fish: int = Field(default=48, gt=0)
    card: str  # the model card's own words: what the release is for, what it cannot do

    @property
    def folder(self) -> Path:
        """What is kept between runs."""
        return self.work or Path("runs") / self.name

    @field_validator("detectors", "classifiers")
    @classmethod
    def _one_of_a_name(cls, value: list[CandidateConfig]) -> list[CandidateConfig]:
        names = [each.name for each in value]
        if len(set(names)) < len(names):
            raise ValueError("every candidate needs a name of its own")
        return value


def load(path: Path) -> RetrainConfig:
    """Read a configuration; paths in it are made relative to its folder.

    Raises:
        UsageError: the file cannot be read, or a key is wrong; the message names file and key.
    """
    found = checked(RetrainConfig, read_yaml(path), path)
    beside = path.parent

    def at(given: Path | None) -> Path | None:
        return given if given is None or given.is_absolute() else beside / given

    sources = [
        each.model_copy(update={"path": at(each.path), "labels": at(each.labels)})
        for each in found.sources
    ]
    update: dict[str, Any] = {"sources": sources}
    if found.augment:
        update["augment"] = found.augment.model_copy(update={"steps": at(found.augment.steps)})
    if found.crop:
        update["crop"] = found.crop.model_copy(update={"model": at(found.crop.model)})
    return found.model_copy(update=update)
