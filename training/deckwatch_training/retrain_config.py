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

    path: ExpandedPath = Field(description="File or folder to import.")
    format: str = Field(default="auto", description="As `deckwatch data import --format`.")
    labels: ExpandedPath | None = Field(
        default=None, description="YAML of their name: our code; none: the names are codes."
    )
    split: str | None = Field(
        default=None, description="The split of every picture: train, calibrate, valid or test."
    )
    vessel: str | None = Field(default=None, description="The vessel of every picture.")
    source: str | None = Field(default=None, description="Where the pictures come from, in words.")
    licence: str | None = Field(default=None, description="Licence of the pictures.")

    @field_validator("split")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value not in (None, *SPLITS):
            raise ValueError(f"one of {', '.join(SPLITS)}")
        return value


class SplitConfig(Section):
    """How pictures are divided; whole vessels, cameras and near duplicates stay together."""

    keep: bool = Field(default=False, description="Take the splits that the sources name.")
    shares: dict[str, float] = Field(
        default={"train": 0.7, "calibrate": 0.1, "valid": 0.2},
        description="Share of the pictures for each split.",
    )
    seed: int = Field(default=0, description="Another seed, another division.")


class AugmentConfig(Section):
    """More training pictures before the training, as `augment_data` makes them."""

    steps: ExpandedPath | None = Field(
        default=None, description="Recipe; none: the one that comes with Deckwatch."
    )
    copies: int = Field(default=1, ge=1, description="Changed copies of every training picture.")
    seed: int = Field(default=0, description="The same seed makes the same copies.")
    sensitive_factor: float = Field(
        default=1.0, gt=0, description="How many times as much a sensitive species weighs."
    )
    equal_vessels: bool = Field(default=False, description="Every vessel weighs the same.")
    workers: int = Field(default=0, ge=0, description="Pictures at once; 0: one a core.")
    engine: Literal["local", "ray"] = Field(
        default="local", description="`ray`: on the cluster of RAY_ADDRESS."
    )


class CropConfig(Section):
    """Pictures that have a species but no boxes are cut to their fish for the classifiers."""

    model: ExpandedPath | None = Field(
        default=None,
        description="Model repository, or run of a detector, that finds the fish; none: the live "
        "release.",
    )
    no_fish: Literal["skip", "whole"] = Field(
        default="whole", description="What becomes of pictures on which it finds none."
    )


class CandidateConfig(Section):
    """One net to train: `model`, `views` and `run` as in training.md."""

    name: str = Field(pattern=_NAME, description="Name of its folders.")
    model: ModelConfig = Field(description="Which net, at which size, from which weights.")
    views: ViewsConfig = Field(default=ViewsConfig(), description="What random views vary.")
    run: RunConfig = Field(default=RunConfig(), description="The training loop.")


class SelectConfig(Section):
    """The budget: the best candidate within it is released."""

    max_ms: float | None = Field(
        default=None, gt=0, description="Longest p50 for one picture on this machine, ms."
    )
    max_log_loss: float | None = Field(
        default=None, gt=0, description="Highest log loss of pictures of unseen vessels."
    )
    metric: str | None = Field(
        default=None, description="What best means; none: the log loss of pictures."
    )


class PromoteConfig(Section):
    """Whether the chosen release may replace the live one."""

    tolerance: float = Field(
        default=0.0, ge=0, description="What a metric may be worse by; see releases.md."
    )
    triton: list[str] = Field(
        default=[], description="HTTP addresses of running Triton servers that swap at once."
    )


class RetrainConfig(Section):
    """From pictures to a released model."""

    name: str = Field(pattern=_NAME, description="Name of the release.")
    work: ExpandedPath | None = Field(
        default=None, description="Folder of what is kept between runs; none: runs/NAME."
    )
    repository: ExpandedPath = Field(
        default=Path("model_repository"), description="Where the release goes live."
    )
    sources: list[SourceConfig] = Field(min_length=1, description="Pictures and their labels.")
    data_name: str = Field(default="", description="Name of the data, for the release.")
    licence: str = Field(default="", description="Licence of the data.")
    attribution: str = Field(default="", description="Whom to credit for the data.")
    url: str | None = Field(default=None, description="Where the data is published.")
    split: SplitConfig = Field(default=SplitConfig(), description="Who is on which side.")
    held_back: float = Field(
        default=0.1, ge=0, lt=0.9,
        description="Share of the training pictures, in whole groups, that thresholds are chosen "
        "on, where no split is `calibrate`.",
    )  # fmt: skip
    held_back_seed: int = Field(default=0, description="Which groups those are.")
    augment: AugmentConfig | None = Field(default=None, description="None: no copies.")
    crop: CropConfig | None = Field(default=None, description="None: nothing is cut beforehand.")
    detectors: list[CandidateConfig] = Field(min_length=1, description="Detectors to train.")
    classifiers: list[CandidateConfig] = Field(
        min_length=1, description="Classifiers to train; each is tried with each detector."
    )
    select: SelectConfig = Field(default=SelectConfig(), description="The budget.")
    promote: PromoteConfig = Field(default=PromoteConfig(), description="The gate.")
    labels: list[dict[str, Any]] = Field(
        default=[],
        description="Species that Deckwatch does not know: code, common_name, scientific_name, "
        "fao_code, camio_label, sensitive.",
    )
    max_fish: int = Field(default=48, gt=0, description="Most fish reported on one picture.")
    card: str = Field(
        description="The model card's own words: what the release is for, what it cannot do."
    )

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
