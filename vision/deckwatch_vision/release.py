"""A release: one version of every step with its labels, thresholds, digests and provenance.

`release.json` lies at `<model repository>/deckwatch/<version>/release.json`; the paths in it are
relative to the model repository. It is read strictly: a key too many or too few is refused, because
a misspelt threshold would otherwise change every answer in silence.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from deckwatch_vision.errors import ReleaseCorrupt, ReleaseNotFound
from deckwatch_vision.fields import Fields
from deckwatch_vision.fusion import FUSIONS
from deckwatch_vision.heads import HEADS
from deckwatch_vision.species import LabelSet

SCHEMA = 1
WHOLE_PICTURE = ("no_fish", "always")
RUNTIMES = ("onnxruntime", "openvino")
PRECISIONS = ("float32", "float16", "bfloat16", "int8")


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """The fish detector: `input_size` is the canvas side in pixels, thresholds are 0..1."""

    file: str
    architecture: str
    input_size: int
    head: str
    strides: tuple[int, ...]
    candidate_threshold: float
    iou_threshold: float
    max_fish: int


@dataclass(frozen=True, slots=True)
class ClassifierSpec:
    """The species classifier: crops of `input_size` pixels, `context` times the longer side."""

    file: str
    architecture: str
    input_size: int
    context: float
    temperature: float


@dataclass(frozen=True, slots=True)
class FusionSpec:
    """How candidates become fish and picture likelihoods: see fusion.py."""

    method: str
    whole_picture: str
    veto: float
    score_threshold: float
    sharpness: float


@dataclass(frozen=True, slots=True)
class TrainingData:
    """One source of training pictures and what its licence asks for."""

    name: str
    licence: str
    attribution: str
    url: str | None
    pictures: int


@dataclass(frozen=True, slots=True)
class Release:
    """The content of release.json.

    `files` maps paths in the model repository to SHA-256 digests; `runtime` maps a runtime to the
    lowest precision proven equal in accuracy for this release.
    """

    schema: int
    name: str
    version: int
    created: str
    labels: LabelSet
    detector: DetectorSpec
    classifier: ClassifierSpec
    fusion: FusionSpec
    files: dict[str, str]
    training_data: tuple[TrainingData, ...]
    runtime: dict[str, str]
    scorecard: dict[str, Any]

    @classmethod
    def load(cls, path: str | Path) -> Release:
        """Read a release.json.

        Raises:
            ReleaseNotFound: there is no such file; name the release's own.
            ReleaseCorrupt: it is not JSON, or a key is missing, unknown or of the wrong type.
        """
        path = Path(path)
        try:
            given = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise ReleaseNotFound(
                f"no release at {path}. Name a model repository that holds "
                "deckwatch/<version>/release.json"
            ) from None
        except OSError as error:
            raise ReleaseNotFound(
                f"cannot read {path}: {error.strerror}. Name a readable release.json"
            ) from None
        except ValueError as error:
            raise ReleaseCorrupt(
                f"{path}: not valid JSON ({error}). Fetch or export the release again"
            ) from None
        try:
            return cls.from_dict(given)
        except ReleaseCorrupt as error:
            raise ReleaseCorrupt(f"{path}: {error.message}") from None

    @classmethod
    def from_dict(cls, given: object) -> Release:
        """Check and take the content of a release.json.

        Raises:
            ReleaseCorrupt: a key is missing, unknown or of the wrong type; the message names it.
        """
        top = Fields(given, "release")
        schema = top.integer("schema", 1)
        if schema != SCHEMA:
            raise top.refusal("schema", f"schema {SCHEMA}")
        release = cls(
            schema=schema,
            name=top.text("name"),
            version=top.integer("version", 1),
            created=top.text("created"),
            labels=LabelSet.from_list(top.items("labels"), "release.labels"),
            detector=_detector(top.table("detector")),
            classifier=_classifier(top.table("classifier")),
            fusion=_fusion(top.table("fusion")),
            files=_files(top),
            training_data=tuple(
                _training_data(row, f"release.training_data[{place}]")
                for place, row in enumerate(top.items("training_data"))
            ),
            runtime=_runtime(top.table("runtime")),
            scorecard=top.table("scorecard"),
        )
        top.done()
        for part, file in (
            ("detector", release.detector.file),
            ("classifier", release.classifier.file),
        ):
            if file not in release.files:
                raise ReleaseCorrupt(
                    f"release.{part}.file: {file} has no digest in release.files. "
                    "Export the release again"
                )
        return release

    def as_dict(self) -> dict[str, Any]:
        """The content of release.json, in the order of its keys."""
        content = asdict(self)
        content["labels"] = self.labels.as_list()
        content["detector"]["strides"] = list(self.detector.strides)
        content["training_data"] = [asdict(one) for one in self.training_data]
        return content


def verify_files(release: Release, root: str | Path) -> None:
    """Compare every file of the release, under the model repository `root`, with its digest.

    Raises:
        ReleaseCorrupt: a file is missing or differs; the message names it with the first twelve
            digits of both digests and what to do.
    """
    for name, expected in release.files.items():
        path = Path(root, name)
        try:
            found = sha256_file(path)
        except OSError as error:
            raise ReleaseCorrupt(
                f"release {release.name} {release.version}: cannot read {path} "
                f"({error.strerror}). Fetch or export the release again"
            ) from None
        if found != expected:
            raise ReleaseCorrupt(
                f"release {release.name} {release.version}: {path} has SHA-256 {found[:12]}..., "
                f"release.json says {expected[:12]}.... Fetch or export the release again; "
                "files of a release are never changed in place"
            )


def sha256_file(path: str | Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits."""
    import hashlib  # loads OpenSSL: a few ms that reading a release alone need not pay

    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _detector(value: dict[str, Any]) -> DetectorSpec:
    given = Fields(value, "release.detector")
    strides = given.items("strides")
    size = given.integer("input_size", 1)
    if not all(type(stride) is int and stride > 0 and size % stride == 0 for stride in strides):
        raise given.refusal("strides", f"whole numbers that divide input_size {size}")
    spec = DetectorSpec(
        file=given.text("file"),
        architecture=given.text("architecture"),
        input_size=size,
        head=given.choice("head", tuple(HEADS)),
        strides=tuple(strides),
        candidate_threshold=given.number("candidate_threshold", 0.0, 1.0),
        iou_threshold=given.number("iou_threshold", 0.0, 1.0),
        max_fish=given.integer("max_fish", 1),
    )
    given.done()
    return spec


def _classifier(value: dict[str, Any]) -> ClassifierSpec:
    given = Fields(value, "release.classifier")
    spec = ClassifierSpec(
        file=given.text("file"),
        architecture=given.text("architecture"),
        input_size=given.integer("input_size", 1),
        context=given.number("context", 1.0),
        temperature=given.number("temperature", 1e-3),
    )
    given.done()
    return spec


def _fusion(value: dict[str, Any]) -> FusionSpec:
    given = Fields(value, "release.fusion")
    spec = FusionSpec(
        method=given.choice("method", tuple(FUSIONS)),
        whole_picture=given.choice("whole_picture", WHOLE_PICTURE),
        veto=given.number("veto", 0.0, 1.0),
        score_threshold=given.number("score_threshold", 0.0, 1.0),
        sharpness=given.number("sharpness", 1e-3),
    )
    given.done()
    return spec


def _files(top: Fields) -> dict[str, str]:
    files = Fields(top.table("files"), "release.files")
    digests: dict[str, str] = {}
    for name in top.table("files"):
        # A release comes from elsewhere: it must not make us read outside its repository.
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            raise ReleaseCorrupt(
                f"{files.name(name)}: expected a path inside the model repository. "
                "Export the release again"
            )
        digest = files.text(name)
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise files.refusal(name, "a SHA-256 of 64 lower-case hexadecimal digits")
        digests[name] = digest
    return digests


def _training_data(row: object, where: str) -> TrainingData:
    given = Fields(row, where)
    data = TrainingData(
        name=given.text("name"),
        licence=given.text("licence"),
        attribution=given.text("attribution"),
        url=given.text_or_none("url"),
        pictures=given.integer("pictures", 0),
    )
    given.done()
    return data


def _runtime(value: dict[str, Any]) -> dict[str, str]:
    given = Fields(value, "release.runtime")
    proven = {name: given.choice(name, PRECISIONS) for name in RUNTIMES if name in value}
    given.done()
    return proven
