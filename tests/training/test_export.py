"""Making releases: versions side by side, what is live, simulated data, INT8."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace as with_fields
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import typer
import yaml
from typer.testing import CliRunner

from deckwatch_serving import gate
from deckwatch_serving.local import LocalRecogniser
from deckwatch_serving.net import RUNTIME_VARIABLE, choose_runtime, net_output_shape, open_net
from deckwatch_serving.promotion import promote
from deckwatch_serving.repository import live_version, open_release, versions
from deckwatch_training import (
    calibrate,
    cli_export,
    config,
    evaluation,
    making,
    quantise,
    releases,
    runs,
)
from deckwatch_training.dataset import read_coco
from deckwatch_vision.errors import UsageError
from tests.training.conftest import SPECIES, write_data

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two finished runs and the configurations that name them."""
    folder = tmp_path_factory.mktemp("trained")
    train, valid = write_data(folder / "train", 16, 0), write_data(folder / "valid", 6, 1)
    common = {
        "data": {
            "train": str(train), "valid": str(valid), "species": SPECIES, "held_back": 0.6,
            "name": "bars and discs", "licence": "CC0", "attribution": "made by the tests",
        },
        "run": {"epochs": 2, "batch": 4, "workers": 0, "threads": 1, "warmup_steps": 2,
                "ema": 0.5, "validate_every": 2},
    }  # fmt: skip
    models = {
        "detector": {"architecture": "yolox_nano", "input_size": 64},
        "classifier": {"architecture": "squeezenet1_1", "input_size": 64, "context": 1.2},
    }
    for task, model in models.items():
        path = folder / f"{task}.yaml"
        path.write_text(yaml.safe_dump(common | {"task": task, "name": task, "model": model}))
        runs.train(config.load(path), folder / "runs" / task)
    release = {
        "name": "bars", "detector": "detector.yaml", "classifier": "classifier.yaml",
        "detector_run": str(folder / "runs/detector"),
        "classifier_run": str(folder / "runs/classifier"),
        "parity_pictures": 3, "card": "Made by the tests.",
    }  # fmt: skip
    (folder / "release.yaml").write_text(yaml.safe_dump(release))
    return folder


def trained_pair(folder: Path) -> dict[str, releases.Trained]:
    return {
        task: (config.load(folder / f"{task}.yaml"), folder / "runs" / task)
        for task in ("detector", "classifier")
    }


def export(*arguments: object) -> str:
    app = typer.Typer()
    command: Callable[..., None] = cli_export.export
    app.command()(command)
    result = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_first_release_is_live_and_the_next_waits(trained: Path, tmp_path: Path) -> None:
    given = ("-c", trained / "release.yaml", "--repository", tmp_path)
    assert "Release bars 1 stands in" in (said := export(*given))
    assert "It is live." in said
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.pbtxt")}
    picture = (trained / "valid/pictures/IMG_0000.jpg").read_bytes()
    answer = LocalRecogniser(tmp_path).recognise(picture)

    said = export(*given)
    assert "Release bars 2 stands in" in said
    assert f"deckwatch promote 2 --repository {tmp_path}" in said
    assert live_version(tmp_path) == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.pbtxt")} == before
    assert LocalRecogniser(tmp_path).recognise(picture).as_dict() == answer.as_dict()
    first, second = open_release(tmp_path, 1), open_release(tmp_path, 2)
    assert set(first.files).isdisjoint(second.files)
    # The same nets, measured on the same pictures: nothing speaks against it.
    assert gate.refusals(second, first, tolerance=0.0) == []
    promote(tmp_path, 2)
    assert live_version(tmp_path) == 2


def test_a_version_is_not_overwritten_by_accident(trained: Path, tmp_path: Path) -> None:
    pair = trained_pair(trained)
    told: dict[str, Any] = {
        "name": "bars", "card": "x", "parity_pictures": 1, "repository": tmp_path, **pair,
    }  # fmt: skip
    first = releases.make_from(**told, version=4)
    with pytest.raises(UsageError, match=r"has a version 4 already.*--version 5.*--overwrite"):
        releases.make_from(**told, version=4)
    again = releases.make_from(**told | {"card": "y"}, version=4, overwrite=True)
    assert again.files == first.files
    assert "y" in (tmp_path / "deckwatch/4/MODEL_CARD.md").read_text()
    assert versions(tmp_path) == [4]
    assert live_version(tmp_path) == 4


def test_an_export_that_was_cut_off_leaves_no_release(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(calibrate, "calibrate", cut)
    with pytest.raises(KeyboardInterrupt):
        releases.make(trained / "release.yaml", tmp_path)
    assert (tmp_path / "detector/1/model.onnx").is_file()
    assert versions(tmp_path) == []


def test_what_is_held_back_from_one_net_is_unknown_to_the_other(
    trained: Path, tmp_path: Path
) -> None:
    pair = trained_pair(trained)
    net, folder = pair["classifier"]
    data = net.data.model_copy(update={"held_back": 0.2})
    told: dict[str, Any] = {
        "name": "bars", "card": "x", "repository": tmp_path, "detector": pair["detector"],
    }  # fmt: skip
    with pytest.raises(UsageError, match=r"such as boat-\d, is known to the classifier"):
        releases.make_from(**told, classifier=(net.model_copy(update={"data": data}), folder))
    data = net.data.model_copy(update={"species": {**SPECIES, "disc": "OTHER"}})
    with pytest.raises(UsageError, match=r"their `data\.species` or `data\.valid` differ"):
        releases.make_from(**told, classifier=(net.model_copy(update={"data": data}), folder))
    assert versions(tmp_path) == []


def test_simulated_data_is_called_so(trained: Path, tmp_path: Path) -> None:
    pair = trained_pair(trained)
    source = pair["detector"][0].data.train
    document = json.loads(source.read_text())
    document["info"] = {"source": "simulated", "image_root": str(source.parent)}
    drawn = tmp_path / "drawn.json"
    drawn.write_text(json.dumps(document))

    def named(**changes: Any) -> list[str]:
        nets = [
            (net.model_copy(update={"data": net.data.model_copy(update=changes)}), at)
            for net, at in pair.values()
        ]
        draft = making.Making("bars", 1, nets[0], nets[1], tmp_path).draft()
        return [data.name for data in draft.training_data]

    assert named() == ["bars and discs"]
    assert named(train=drawn) == ["bars and discs (simulated)"]
    assert named(train=drawn, name="Simulated decks") == ["Simulated decks"]
    assert named(train=source, name="") == ["train"], "the folder, where nobody says more"


@pytest.fixture(scope="module")
def int8(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("int8")
    said = export("-c", trained / "release.yaml", "--repository", folder, "--quantise", "int8")
    assert "INT8, detector:" in said
    assert "INT8, classifier:" in said
    assert "INT8, picture.log_loss:" in said
    return folder


def test_int8_is_measured_and_used(int8: Path, trained: Path) -> None:
    release = open_release(int8)
    assert release.detector.file == "detector/1/model.int8.onnx"
    assert release.classifier.file == "classifier/1/model.int8.onnx"
    assert {"detector/1/model.onnx", "classifier/1/model.onnx"} <= set(release.files)
    assert choose_runtime(release) == ("onnxruntime", "int8")
    figures = release.scorecard["int8"]
    for name in ("detector", "classifier"):
        assert figures[name]["ratio"] > 0
        assert figures[name]["float32_ms"] > 0
    card = release.scorecard["valid"]
    for metric in gate.METRICS:
        value = metric.of(card)
        if value is not None:
            row = figures["cost"][f"{metric.section}.{metric.key}"]
            assert row["int8"] == pytest.approx(value, abs=1e-4)
            sign = 1 if metric.higher_is_better else -1
            assert row["worse_by"] == pytest.approx(sign * (row["float32"] - row["int8"]), abs=2e-4)
    picture = (trained / "valid/pictures/IMG_0010.jpg").read_bytes()
    answer = LocalRecogniser(int8).recognise(picture)
    assert sum(answer.likelihoods.values()) == pytest.approx(1, abs=1e-4)


def test_int8_nets_compute_in_integers_but_for_the_last_layers(int8: Path, trained: Path) -> None:
    crops = np.stack([np.full((64, 64, 3), value, np.uint8) for value in (0, 60, 120, 240)])
    for name in ("detector", "classifier"):
        folder = int8 / name / "1"
        graph = onnx.load(folder / quantise.FILE).graph
        makers = {output: node for node in graph.node for output in node.output}
        layers = [node for node in graph.node if node.op_type == "Conv"]
        quantised = [n for n in layers if makers[n.input[0]].op_type == "DequantizeLinear"]
        assert len(quantised) > len(layers) / 2
        assert makers[graph.output[0].name].op_type not in ("QuantizeLinear", "DequantizeLinear")
        assert net_output_shape(folder / quantise.FILE) == net_output_shape(folder / "model.onnx")
        whole = open_net(folder / "model.onnx", threads=1)(crops)
        small = open_net(folder / quantise.FILE, threads=1, precision="int8")(crops)
        assert whole.shape == small.shape
        assert not np.array_equal(whole, small)
        assert np.corrcoef(whole.ravel(), small.ravel())[0, 1] > 0.98


def test_one_net_alone_in_int8(trained: Path, tmp_path: Path) -> None:
    release = releases.make(trained / "release.yaml", tmp_path, quantise=("classifier",))
    assert release.detector.file == "detector/1/model.onnx"
    assert release.classifier.file == "classifier/1/model.int8.onnx"
    assert "detector/1/model.int8.onnx" not in release.files
    assert set(release.scorecard["int8"]) == {"classifier", "cost"}
    picture = (trained / "valid/pictures/IMG_0010.jpg").read_bytes()
    assert LocalRecogniser(tmp_path).recognise(picture).release.version == 1
    with pytest.raises(UsageError, match=r"No net 'fuse'.*detector, classifier"):
        releases.make(trained / "release.yaml", tmp_path, quantise=("fuse",))


def test_int8_runs_where_it_was_measured_alone(int8: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUNTIME_VARIABLE, "openvino")
    with pytest.raises(UsageError, match=r"measured on onnxruntime alone.*Unset"):
        LocalRecogniser(int8)


def test_too_few_pictures_for_int8_are_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="INT8 needs at least 8 held-back pictures"):
        quantise.quantise(tmp_path / "a.onnx", tmp_path / "b.onnx", [])


def test_spread_takes_from_everywhere() -> None:
    assert quantise.spread(list(range(100)), 5) == [0, 25, 50, 74, 99]
    assert quantise.spread([1, 2], 5) == [1, 2]
    assert quantise.spread([], 5) == []


def test_the_scorecard_says_what_it_was_measured_on(int8: Path, trained: Path) -> None:
    """The gate compares by it: evaluating anew gives the same."""
    release = open_release(int8)
    valid = read_coco(config.load(trained / "detector.yaml").data.valid, split="valid")
    assert gate.scorecard(release)["data"]["digest"] == valid.digest()
    _, card = evaluation.measure(int8, valid, SPECIES)
    assert gate.worse(card, gate.scorecard(release), tolerance=0.0) == []
    other = with_fields(release, scorecard={"valid": card | {"data": {"digest": "other"}}})
    assert "different pictures" in gate.refusals(other, release)[0]
