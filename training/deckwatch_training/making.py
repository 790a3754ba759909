"""The parts of making a release: the nets' files, the numbers chosen, the scorecard, INT8."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from deckwatch_serving import gate
from deckwatch_serving.net import open_net
from deckwatch_serving.repository import ENSEMBLE
from deckwatch_training import calibrate, catalogue, export, quantise, runs, scorecard
from deckwatch_training.classification import codes
from deckwatch_training.config import TrainConfig
from deckwatch_training.crops import cut, examples
from deckwatch_training.dataset import DataSet, read_coco
from deckwatch_training.loop import load_net
from deckwatch_training.pipeline import Net, run_detector
from deckwatch_training.quantise import Inputs, spread
from deckwatch_training.simulate import is_simulated
from deckwatch_vision.boxes import letterbox
from deckwatch_vision.errors import UsageError
from deckwatch_vision.release import (
    ClassifierSpec,
    DetectorSpec,
    FusionSpec,
    Release,
    TrainingData,
)
from deckwatch_vision.species import DEMO, NCFM, LabelSet

NETS = ("detector", "classifier")
# A finished training: its configuration, and the folder of the run.
Trained = tuple[TrainConfig, Path]


@dataclass(frozen=True)
class Making:
    """What a release is made from; see `releases.make_from` for the fields."""

    name: str
    version: int
    detector: Trained
    classifier: Trained
    repository: Path
    labels: Sequence[dict[str, Any]] = ()
    max_fish: int = 48
    parity_pictures: int = 50

    def held_back(self) -> DataSet:
        """The pictures that numbers are chosen on; neither net has learnt from them.

        Raises:
            UsageError: one has, or the two runs disagree on the species or the valid set.
        """
        mine, theirs = self.detector[0], self.classifier[0]
        if (mine.data.species, mine.data.valid) != (theirs.data.species, theirs.data.valid):
            raise UsageError(
                f"{mine.name} and {theirs.name} name different data: their `data.species` or "
                "`data.valid` differ. Give both the same."
            )
        _, held_back = runs.training_data(mine)
        learnt, _ = runs.training_data(theirs)
        both = {p.group for p in held_back.pictures} & {p.group for p in learnt.pictures}
        if both:
            raise UsageError(
                f"{mine.name} and {theirs.name} name different data: what is held back from the "
                f"detector, such as {min(both)}, is known to the classifier. Give both the same "
                "`data`, or mark the same vessels with the split `calibrate` in both data sets."
            )
        return held_back

    def draft(self) -> Release:
        """The release before calibration: every free number at a neutral value."""
        from deckwatch_training import detectors

        detector, classifier = self.detector[0], self.classifier[0]
        net = detectors.build(detector.model.architecture, detector.model.input_size)
        files = [f"{name}/{self.version}/model.onnx" for name in NETS]
        return Release(
            schema=1,
            name=self.name,
            version=self.version,
            created=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            labels=label_set(codes(classifier), self.labels),
            detector=DetectorSpec(
                files[0], detector.model.architecture, detector.model.input_size, net.head,
                net.strides, 0.1, 0.6, self.max_fish,
            ),
            classifier=ClassifierSpec(
                files[1], classifier.model.architecture, classifier.model.input_size,
                classifier.model.context, 1.0,
            ),
            fusion=FusionSpec("noisy_or", "no_fish", 0.0, 0.3, 1.0),
            files=dict.fromkeys((*files, f"{ENSEMBLE}/{self.version}/labels.txt"), ""),
            training_data=_training_data(detector, classifier),
            runtime={"onnxruntime": "float32"},
            scorecard={},
        )  # fmt: skip

    def write_nets(self, release: Release) -> dict[str, Any]:
        """Export both nets and prove on the valid set that they answer as torch does.

        Raises:
            UsageError: a run is unfinished, or a net differs.
        """
        detector = load_net(runs.build_detector(self.detector[0]), self.detector[1])
        classifier = load_net(runs.build_classifier(self.classifier[0]), self.classifier[1])
        size, crop_size = release.detector.input_size, release.classifier.input_size
        files = (release.detector.file, release.classifier.file)
        paths = [self.repository / file for file in files]
        export.export_detector(detector, size, paths[0])
        export.export_classifier(classifier, crop_size, paths[1])
        canvases, crops = self._inputs(release, self._valid(), self.parity_pictures)
        alike = (
            export.check_parity(detector, paths[0], canvases, detector=True),
            export.check_parity(classifier, paths[1], crops, detector=False),
        )
        return {name: parity.as_dict() for name, parity in zip(NETS, alike, strict=True)}

    def measured(self, draft: Release, held_back: DataSet) -> Release:
        """The draft with all numbers chosen on held-back pictures, and its scorecard."""
        species = self.detector[0].data.species
        detector, classifier = open_nets(draft, self.repository)
        boxes = examples(held_back, species, boxes_only=True)
        release, notes = calibrate.calibrate(
            draft,
            run_detector(detector, held_back.pictures, draft),
            classifier,
            scorecard.box_logits(classifier, boxes, draft),
            scorecard.fish_only(held_back, species),
            scorecard.picture_labels(held_back, species, draft),
        )
        valid = scorecard.evaluate(detector, classifier, self._valid(), species, release)
        return replace(release, scorecard={"valid": valid, "held_back": notes})

    def in_int8(
        self, nets: Sequence[str], draft: Release, float32: Release, held_back: DataSet
    ) -> Release:
        """The release with these nets quantised, and in its scorecard what that costs and gains.

        The numbers are chosen anew, since a quantised net answers a little otherwise. The float32
        files stay, for GPUs and to compare with.
        """
        inputs = dict(zip(NETS, self._inputs(draft, held_back, quantise.LARGEST), strict=True))
        figures: dict[str, Any] = {}
        quantised = replace(draft, runtime={"onnxruntime": "int8"})
        for name in NETS:
            if name not in nets:
                continue
            spec = draft.detector if name == "detector" else draft.classifier
            file = f"{name}/{self.version}/{quantise.FILE}"
            paths = self.repository / spec.file, self.repository / file
            quantise.quantise(*paths, inputs[name])
            figures[name] = quantise.time_ratio(*paths, inputs[name])
            changed: dict[str, Any] = {name: replace(spec, file=file)}
            quantised = replace(quantised, files=quantised.files | {file: ""}, **changed)
        release = self.measured(quantised, held_back)
        cost = accuracy_cost(float32.scorecard["valid"], release.scorecard["valid"])
        return replace(release, scorecard=release.scorecard | {"int8": figures | {"cost": cost}})

    def _valid(self) -> DataSet:
        return read_coco(self.detector[0].data.valid, split="valid")

    def _inputs(self, release: Release, data: DataSet, most: int) -> tuple[Inputs, Inputs]:
        """What the detector and the classifier get to see of a data set: canvases and crops."""
        size, context = release.classifier.input_size, release.classifier.context
        canvas = release.detector.input_size
        boxes = examples(data, self.detector[0].data.species, boxes_only=True)
        return (
            [letterbox(picture.pixels(), canvas)[0] for picture in spread(data.pictures, most)],
            [cut(box, size, context) for box in spread(boxes, most)],
        )


def accuracy_cost(float32: dict[str, Any], int8: dict[str, Any]) -> dict[str, dict[str, float]]:
    """By each of the gate's metrics: the value before and after, and how much it is worse."""
    found = {}
    for metric in gate.METRICS:
        before, after = metric.of(float32), metric.of(int8)
        if before is not None and after is not None:
            worse = before - after if metric.higher_is_better else after - before
            row = {"float32": before, "int8": after, "worse_by": round(worse, 4)}
            found[f"{metric.section}.{metric.key}"] = row
    return found


def open_nets(release: Release, repository: Path) -> tuple[Net, Net]:
    """The two ONNX nets of a release, on all cores, on onnxruntime whatever this machine has."""
    return (
        open_net(repository / release.detector.file, threads=0),
        open_net(repository / release.classifier.file, threads=0),
    )


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


def _training_data(*trained: TrainConfig) -> tuple[TrainingData, ...]:
    """Every source once, with what its licence asks for; the name says so where it is simulated."""
    found: dict[tuple[str, str], TrainingData] = {}
    for each in trained:
        data, held = each.data, catalogue.read(each.data.train)
        # What the configuration does not say the data set may know itself.
        name = data.name or str(held.info.get("name") or data.train.parent.name)
        if is_simulated(held) and gate.SIMULATED not in name.lower():
            name = f"{name} ({gate.SIMULATED})"
        learnt, _ = runs.training_data(each)
        row = TrainingData(
            name,
            data.licence or str(held.info.get("licence") or "not stated"),
            data.attribution or str(held.info.get("attribution") or "not stated"),
            data.url or held.info.get("url"),
            len(learnt),
        )
        found.setdefault((row.name, row.licence), row)
    return tuple(found.values())
