"""One YAML file says all about a training run; `key.sub=value` on the command line overrides it.

Every field carries its meaning, from which docs/training.md is written. Misspelt keys are refused.
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
# A file of such a name is meant by ./NAME.
NamedWeights = Literal["none", "pretrained", "imagenet", "coco", "live"]


class Section(BaseModel):
    """Part of a configuration: immutable, and no key that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(Section):
    """Which pictures, and what on them is what."""

    train: ExpandedPath = Field(description="The data set's JSON, or its folder.")
    valid: ExpandedPath = Field(
        description="The data set that is measured on; never trained on, never calibrated on."
    )
    species: dict[str, str] = Field(
        description="The data set's label: species code. `NoF` stands for no fish."
    )
    held_back: float = Field(
        default=0.1, ge=0, lt=0.9,
        description="Share of the training pictures kept for calibration, in whole groups, where "
        "the data set has no split `calibrate`.",
    )  # fmt: skip
    split_seed: int = Field(default=0, description="Seed of what is held back.")
    weights: ExpandedPath | None = Field(
        default=None,
        description="Label and weights file (CSV) of `augment_data` or `deckwatch data balance`, "
        "for `run.sampling: weights`.",
    )
    cache_mb: int = Field(
        default=4096, ge=0,
        description="Memory for decoded pictures. What does not fit is decoded anew every time.",
    )  # fmt: skip
    name: str = Field(default="", description="For the model card.")
    licence: str = Field(default="", description="For the model card.")
    attribution: str = Field(default="", description="For the model card.")
    url: str | None = Field(default=None, description="For the model card.")

    @property
    def fish(self) -> tuple[str, ...]:
        """The categories that are fish."""
        return tuple(name for name, code in self.species.items() if code != "NoF")


class ModelConfig(Section):
    """Which net, and what it starts from."""

    architecture: str = Field(description="A name of `deckwatch train models`.")
    input_size: int = Field(gt=0, description="Side of the detector's canvas or of a crop, pixels.")
    weights: NamedWeights | ExpandedPath = Field(
        default="none",
        description="What training starts from: `none` (random numbers), `pretrained` (the "
        "library's own, downloaded; `imagenet` and `coco` ask for those), `live` (the release that "
        "is live), or a path: a file of weights (.pth, .pt), a run's folder or its `last.pt`, an "
        "exported `model.onnx`, or a release's model repository.",
    )
    context: float = Field(
        default=1.3, ge=1,
        description="Classifier: side of the crop over the longer side of the box.",
    )  # fmt: skip


class ViewsConfig(Section):
    """What random views of the training pictures vary."""

    scale: tuple[float, float] = Field(
        default=(0.6, 1.6), description="Detector: range of the scale over that of the letterbox."
    )
    mosaic: float = Field(
        default=0.5, ge=0, le=1, description="Detector: share of views made of four pictures."
    )
    plain_share: float = Field(
        default=0.15, ge=0, le=1,
        description="Detector: the last share of the epochs has no mosaics.",
    )  # fmt: skip
    flip: float = Field(default=0.5, ge=0, le=1, description="Share that is mirrored.")
    light: float = Field(default=0.25, description="Largest relative change of brightness.")
    contrast: float = Field(default=0.25, description="Largest relative change of contrast.")
    colour: float = Field(default=0.4, description="Largest relative change of saturation.")
    hue: float = Field(default=6.0, description="Largest turn of the hue, in steps of 2 degrees.")
    jitter: float = Field(
        default=0.15, description="Classifier: boxes are off by up to this share of their side."
    )
    turn: float = Field(default=15.0, description="Classifier: largest rotation, degrees.")


class RunConfig(Section):
    """The loop."""

    epochs: int = Field(default=30, gt=0, description="Times that the training data is seen.")
    batch: int = Field(
        default=8, gt=0, description="Pictures or crops a step, over all processes together."
    )
    accumulate: int = Field(
        default=1, gt=0,
        description="Each step's batch is worked through in so many parts, for nets that fit the "
        "memory with a smaller batch only.",
    )  # fmt: skip
    sampling: Literal["natural", "sqrt", "class", "vessel", "weights"] | None = Field(
        default=None,
        description="How often each example is seen in an epoch: `natural` (once), `sqrt` (a "
        "species with the square root of its share), `class` (all species alike), `vessel` (all "
        "species of a vessel alike, and all vessels), `weights` (as `data.weights` says). Left "
        "out: `weights` with `data.weights`, else `sqrt` for a classifier, `natural` for a "
        "detector.",
    )
    lr: float = Field(default=4e-4, gt=0, description="Highest learning rate (AdamW).")
    lr_end: float = Field(default=0.02, description="Share of `lr` that the cosine ends at.")
    weight_decay: float = Field(
        default=5e-4, description="Of weights; biases and scales have none."
    )
    warmup_steps: int = Field(default=100, description="Steps of a linear rise to `lr`.")
    grad_norm: float = Field(default=10.0, description="Gradients are clipped to this norm.")
    ema: float = Field(
        default=0.998, ge=0, lt=1,
        description="Decay of the moving average of the weights, which is the result. 0: none.",
    )  # fmt: skip
    label_smoothing: float = Field(
        default=0.0, description="Classifier: share given to all classes."
    )
    validate_every: int = Field(
        default=5, gt=0, description="Epochs from validation to validation."
    )
    patience: int = Field(
        default=0, ge=0,
        description="Stop after so many validations without a better one, and keep the weights of "
        "the best. 0: train to the end and keep the last.",
    )  # fmt: skip
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="`auto`: a GPU where there is one."
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto",
        description="Of the net's arithmetic; `auto`: mixed precision on a GPU (bfloat16, or "
        "float16 with loss scaling on GPUs that lack it), float32 on a CPU.",
    )
    seed: int = Field(default=0, description="Of all randomness.")
    threads: int = Field(default=0, ge=0, description="Of the CPU; 0: all cores.")
    workers: int = Field(default=1, ge=0, description="Processes that prepare batches.")
    checkpoint_steps: int = Field(
        default=0, ge=0,
        description="Also write a checkpoint every so many steps within an epoch, for long epochs.",
    )  # fmt: skip


# What changes where the run lies, what it is called or how fast it is, but not what it learns.
_NOT_DECISIVE: dict[str, Any] = {
    "name": True,
    "data": {"train", "valid", "weights", "cache_mb", "name", "licence", "attribution", "url"},
    "model": {"weights"},
    "run": {"threads", "workers", "device", "checkpoint_steps"},
    "tune": True,
}


class TrainConfig(Section):
    """A training run."""

    task: Literal["detector", "classifier"] = Field(description="What is trained.")
    name: str = Field(description="Of the run: its folder and its name in MLflow.")
    data: DataConfig
    model: ModelConfig
    views: ViewsConfig = ViewsConfig()
    run: RunConfig = RunConfig()
    tune: dict[str, Any] = Field(
        default={}, description="Ranges for `deckwatch tune`: key: {low, high, log} or a list."
    )

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
        _override(document, key, value)
    return checked(TrainConfig, document, path)


def _override(document: dict[str, Any], key: str, value: str) -> None:
    *parents, last = key.split(".")
    target = document
    for parent in parents:
        target = target.setdefault(parent, {})
        if not isinstance(target, dict):
            raise UsageError(f"{key}={value}: {parent} is a value, not a section of the file.")
    try:
        target[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise UsageError(f"{key}={value}: {value!r} is no value in YAML. Try quotes.") from None


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
