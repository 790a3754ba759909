"""One YAML file says all about a training run; `key.sub=value` on the command line overrides it.

The defaults below are the documentation: every field with its meaning. Misspelt keys are refused.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from deckwatch_vision.errors import UsageError


def _expand(value: object) -> object:
    """`$DECKWATCH_DATA/...` in a path is taken from the environment."""
    return os.path.expandvars(value) if isinstance(value, str) else value


ExpandedPath = Annotated[Path, BeforeValidator(_expand)]


class Section(BaseModel):
    """Part of a configuration: immutable, and no key that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(Section):
    """Which pictures, and what on them is what."""

    train: ExpandedPath  # COCO JSON
    valid: ExpandedPath  # COCO JSON, never trained on, never calibrated on
    species: dict[str, str]  # the data set's category -> species code; NoF: no fish
    held_back: float = Field(
        default=0.1, ge=0, lt=0.9
    )  # share of train kept for calibration, by group
    split_seed: int = 0
    name: str = ""
    licence: str = ""
    attribution: str = ""
    url: str | None = None

    @property
    def fish(self) -> tuple[str, ...]:
        """The categories that are fish."""
        return tuple(name for name, code in self.species.items() if code != "NoF")


class ModelConfig(Section):
    """Which net; `weights`: a file to start from ("none": random numbers)."""

    architecture: str
    input_size: int = Field(gt=0)
    weights: ExpandedPath | Literal["none"] = "none"
    context: float = Field(
        default=1.3, ge=1
    )  # classifier: side of the crop over the longer side of a box


class ViewsConfig(Section):
    """What random views of the training pictures vary (see views.py and crops.py)."""

    scale: tuple[float, float] = (0.6, 1.6)
    mosaic: float = Field(default=0.5, ge=0, le=1)
    plain_share: float = Field(default=0.15, ge=0, le=1)  # the last share of the epochs: no mosaic
    flip: float = Field(default=0.5, ge=0, le=1)
    light: float = 0.25
    contrast: float = 0.25
    colour: float = 0.4
    hue: float = 6.0
    jitter: float = 0.15  # classifier: boxes are off by up to this share of their side
    turn: float = 15.0  # classifier: degrees


class RunConfig(Section):
    """The loop."""

    epochs: int = Field(default=30, gt=0)
    batch: int = Field(default=8, gt=0)
    lr: float = Field(default=4e-4, gt=0)
    lr_end: float = 0.02  # share of lr that the cosine ends at
    weight_decay: float = 5e-4
    warmup_steps: int = 100
    grad_norm: float = 10.0
    ema: float = 0.998  # 0: none
    label_smoothing: float = 0.0  # classifier
    seed: int = 0
    threads: int = 0  # 0: all cores
    workers: int = 1
    validate_every: int = 5  # epochs


_NOT_DECISIVE: dict[str, Any] = {
    "name": True,
    "data": {"train", "valid", "name", "licence", "attribution", "url"},
    "model": {"weights"},
    "run": {"threads", "workers"},
}


class TrainConfig(Section):
    """A training run."""

    task: Literal["detector", "classifier"]
    name: str
    data: DataConfig
    model: ModelConfig
    views: ViewsConfig = ViewsConfig()
    run: RunConfig = RunConfig()

    def identity(self) -> dict[str, Any]:
        """What decides the result of the run, but for the content of the files it names.

        Left out are the places of files, words for people, and what only changes the speed; and
        everything at its default, so that a new option does not disown older checkpoints.
        """
        return self.model_dump(mode="json", exclude_defaults=True, exclude=_NOT_DECISIVE)


class ReleaseConfig(Section):
    """A release: two finished runs, calibrated and packed."""

    name: str
    version: int = Field(default=1, gt=0)
    detector: Path  # configuration of the detector's run, relative to this file
    classifier: Path
    detector_run: Path  # folder of the run, relative to the working folder
    classifier_run: Path
    labels: list[dict[str, Any]] = []  # species that vision.species does not know
    max_fish: int = Field(default=48, gt=0)
    parity_pictures: int = Field(default=50, gt=0)
    card: str  # the model card's own words: what it cannot do


def load(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a training run's configuration.

    Raises UsageError naming the file and the key where it is missing or wrong.
    """
    document = read_yaml(path)
    for item in overrides:
        key, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f"{item!r} is no override. Write key.sub=value, e.g. run.epochs=20.")
        target = document
        *parents, last = key.split(".")
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = yaml.safe_load(value)
    return checked(TrainConfig, document, path)


def load_release(path: Path) -> ReleaseConfig:
    """Read a release's configuration.

    Raises UsageError naming the file and the key where it is missing or wrong.
    """
    return checked(ReleaseConfig, read_yaml(path), path)


Config = TypeVar("Config", bound=Section)


def checked(kind: type[Config], document: dict[str, Any], path: Path) -> Config:
    """A section from a mapping; `path` is for the message.

    Raises:
        UsageError: a key is missing, unknown or of the wrong kind; the message names file and key.
    """
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path}: {where}: {first['msg']} (given: {first['input']!r}).") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping.

    Raises UsageError naming the file where it cannot be read or is none.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UsageError(
            f"Cannot read {path}: {error.strerror}. Give a file with --config."
        ) from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is no YAML: {error}.") from None
    if not isinstance(document, dict):
        raise UsageError(f"{path} holds no mapping. See training/configs for examples.")
    return document
