"""Making and measuring releases: two runs in, a calibrated, checked and described release out."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from deckwatch_serving.configs import write_configs
from deckwatch_serving.net import open_net
from deckwatch_serving.repository import open_release
from deckwatch_training import calibrate, config, export, runs, scorecard
from deckwatch_training.classification import codes
from deckwatch_training.config import ReleaseConfig, TrainConfig
from deckwatch_training.crops import cut, examples
from deckwatch_training.dataset import DataSet, read_coco
from deckwatch_training.loop import load_net
from deckwatch_training.model_card import model_card
from deckwatch_training.pipeline import Net, run_detector
from deckwatch_vision.boxes import letterbox
from deckwatch_vision.errors import UsageError
from deckwatch_vision.release import (
    ClassifierSpec,
    DetectorSpec,
    FusionSpec,
    Release,
    TrainingData,
    sha256_file,
)
from deckwatch_vision.species import DEMO, NCFM, LabelSet

DETECTOR_FILE, CLASSIFIER_FILE = "detector/{}/model.onnx", "classifier/{}/model.onnx"
LABELS_FILE = "deckwatch/labels.txt"


def make(path: Path, repository: Path, version: int | None = None) -> Release:
    """Export the runs that the configuration at `path` names into a model repository.

    Both nets are written as ONNX and proven equal to torch, every free number is chosen on the
    held-back pictures, the scorecard is measured on the valid set, and release.json, labels.txt and
    MODEL_CARD.md are written. Raises UsageError where a run is unfinished or parity fails.
    """
    release_config = config.load_release(path)
    detector_config = config.load(path.parent / release_config.detector)
    classifier_config = config.load(path.parent / release_config.classifier)
    if detector_config.data != classifier_config.data:
        raise UsageError(
            f"{release_config.detector} and {release_config.classifier} name different data: what "
            "is held back from one net would be known to the other. Give both the same `data`."
        )
    data = detector_config.data
    draft = _draft(release_config, version, detector_config, classifier_config)
    parity = _write_nets(draft, repository, release_config, detector_config, classifier_config)
    detector, classifier = open_nets(draft, repository)
    _, held_back = runs.training_data(detector_config)
    release, notes = calibrate.calibrate(
        draft,
        run_detector(detector, held_back.pictures, draft),
        classifier,
        scorecard.box_logits(classifier, examples(held_back, data.species, boxes_only=True), draft),
        scorecard.fish_only(held_back, data.species),
        scorecard.picture_labels(held_back, data.species, draft),
    )
    valid = scorecard.evaluate(
        detector, classifier, read_coco(data.valid, split="valid"), data.species, release
    )
    card = {"valid": valid, "held_back": notes, "parity": parity}
    release = replace(release, scorecard=export.as_json(card))
    return write(release, repository, release_config.card)


def write(release: Release, repository: Path, words: str) -> Release:
    """Write labels.txt, release.json with every file's digest, MODEL_CARD.md, Triton's configs."""
    folder = repository / "deckwatch" / str(release.version)
    folder.mkdir(parents=True, exist_ok=True)
    (repository / LABELS_FILE).write_text("".join(code + "\n" for code in release.labels.codes))
    files = {name: sha256_file(repository / name) for name in release.files}
    release = replace(release, files=files)
    text = json.dumps(release.as_dict(), indent=2, ensure_ascii=False) + "\n"
    (folder / "release.json").write_text(text)
    (folder / "MODEL_CARD.md").write_text(model_card(release, words))
    write_configs(repository, release)
    return release


def open_nets(release: Release, repository: Path) -> tuple[Net, Net]:
    """The two ONNX nets of a release, in float32 on all cores."""
    return (
        open_net(repository / release.detector.file, threads=0),
        open_net(repository / release.classifier.file, threads=0),
    )


def evaluate(
    repository: Path, data: DataSet, species: dict[str, str], version: int | None = None
) -> dict[str, Any]:
    """The scorecard of a release that stands in a repository."""
    release = open_release(repository, version)
    detector, classifier = open_nets(release, repository)
    return scorecard.evaluate(detector, classifier, data, species, release)


def label_set(names: Sequence[str], extra: Sequence[dict[str, Any]]) -> LabelSet:
    """The species of these codes: the user's own first, then those that Deckwatch knows.

    Raises UsageError naming a code that nobody describes.
    """
    known = {one.code: asdict(one) for one in (*NCFM, *DEMO)} | {row["code"]: row for row in extra}
    missing = [code for code in names if code not in known]
    if missing:
        raise UsageError(
            f"No description of the species {', '.join(missing)}. Add each under `labels` with "
            "code, common_name, scientific_name, fao_code, camio_label and sensitive."
        )
    return LabelSet.from_list([known[code] for code in names])


def _draft(
    given: ReleaseConfig, version: int | None, detector: TrainConfig, classifier: TrainConfig
) -> Release:
    """The release before calibration: every free number at a neutral value."""
    from deckwatch_training import detectors

    number = version or given.version
    net = detectors.build(detector.model.architecture, detector.model.input_size)
    files = (DETECTOR_FILE.format(number), CLASSIFIER_FILE.format(number), LABELS_FILE)
    data = detector.data
    train, _ = runs.training_data(detector)
    return Release(
        schema=1,
        name=given.name,
        version=number,
        created=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        labels=label_set(codes(classifier), given.labels),
        detector=DetectorSpec(
            files[0], detector.model.architecture, detector.model.input_size, net.head,
            net.strides, 0.1, 0.6, given.max_fish,
        ),
        classifier=ClassifierSpec(
            files[1], classifier.model.architecture, classifier.model.input_size,
            classifier.model.context, 1.0,
        ),
        fusion=FusionSpec("noisy_or", "no_fish", 0.0, 0.3, 1.0),
        files=dict.fromkeys(files, ""),
        training_data=(
            TrainingData(data.name, data.licence, data.attribution, data.url, len(train)),
        ),
        runtime={"onnxruntime": "float32"},
        scorecard={},
    )  # fmt: skip


def _write_nets(
    release: Release,
    repository: Path,
    given: ReleaseConfig,
    detector_config: TrainConfig,
    classifier_config: TrainConfig,
) -> dict[str, Any]:
    """Export both nets and prove on photographs of the valid set that they answer as torch does."""
    detector = load_net(runs.build_detector(detector_config), given.detector_run)
    classifier = load_net(runs.build_classifier(classifier_config), given.classifier_run)
    size, crop_size = release.detector.input_size, release.classifier.input_size
    export.export_detector(detector, size, repository / release.detector.file)
    export.export_classifier(classifier, crop_size, repository / release.classifier.file)
    valid = read_coco(detector_config.data.valid, split="valid").pictures[: given.parity_pictures]
    canvases = [letterbox(picture.pixels(), size)[0] for picture in valid]
    species = detector_config.data.species
    crops = [
        cut(example, crop_size, release.classifier.context)
        for example in examples(DataSet(valid), species, boxes_only=True)[: given.parity_pictures]
    ]
    checks = (
        (detector, release.detector.file, canvases, True),
        (classifier, release.classifier.file, crops, False),
    )
    return {
        name.split("/")[0]: export.check_parity(
            net, repository / name, inputs, detector=is_detector
        ).as_dict()
        for net, name, inputs, is_detector in checks
    }
