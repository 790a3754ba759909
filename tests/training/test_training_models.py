"""Models by name: libraries', packages', functions; and what they start from."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from deckwatch_serving.repository import find_repository, open_release
from deckwatch_training import (
    classifiers,
    cli_train,
    config,
    detectors,
    export,
    onnx_weights,
    registry,
    runs,
    torchvision_detectors,
    weights,
)
from deckwatch_training.config import ModelConfig
from deckwatch_training.weights import Source
from deckwatch_vision.errors import UsageError

SIZE = 64


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small nets are slower on several threads, and far slower on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _classifier(*given: Any) -> Any:
    """A classifier, of which the tests look at the insides."""
    return classifiers.build(*given)


def _detector(*given: Any) -> Any:
    return detectors.build(*given)


def _moved(net: Any) -> Any:
    """The net with batch norms that have seen something, so that folding them shows."""
    generator = torch.Generator().manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_var is not None
            assert module.running_mean is not None
            for values in (module.weight, module.running_var):
                values.data.uniform_(0.8, 1.3, generator=generator)
            for values in (module.bias, module.running_mean):
                values.data.normal_(0, 0.1, generator=generator)
    return net.eval()


def _noise(count: int, size: int = SIZE) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randint(0, 255, (count, size, size, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(
    "name", ["mobilenet_v3_small", "resnet18", "timm:mobilenetv4_conv_small_035", "test_vit"]
)
def test_a_librarys_classifier_learns_exports_and_comes_back_from_onnx(
    name: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    net = _classifier(name, 3, SIZE)
    net.train()
    nn.functional.cross_entropy(net(_noise(4)), torch.tensor([0, 1, 2, 0])).backward()
    assert all(each.grad is not None for each in net.parameters())
    _moved(net)
    path = tmp_path / "model.onnx"
    export.export_classifier(net, SIZE, path)
    assert export.check_parity(net, path, list(_noise(2).numpy()), detector=False).pictures == 2

    again = _classifier(name, 3, SIZE)
    weights.start(again, Source(path), SIZE, ("A", "B", "C"))
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(_noise(3)), net(_noise(3)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "name", ["ssdlite320_mobilenet_v3_large", "fasterrcnn_mobilenet_v3_large_320_fpn"]
)
def test_a_librarys_detector_learns_exports_and_comes_back_from_onnx(
    name: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    net, canvas = _detector(name, 96).train(), _noise(2, 96)
    truths = [torch.tensor([[8.0, 8, 60, 50]]), torch.zeros(0, 4)]
    optimiser = torch.optim.SGD(net.parameters(), 1e-2)
    found = []
    for _ in range(4):
        loss = net.losses(canvas, truths)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        found.append(loss.item())
    assert found[-1] < found[0]
    path = tmp_path / "model.onnx"
    export.export_detector(net, 96, path)
    rows = export.check_parity(net, path, list(canvas.numpy()), detector=True)
    assert rows.max_box_difference < 0.05

    again = _detector(name, 96)
    weights.start(again, Source(path), 96)
    assert again.frozen, "folded batch norms have no statistics to go on from"
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(canvas), net(canvas), rtol=1e-3, atol=1e-2)
    # Frozen, it answers while it learns as it does afterwards.
    norms = [each for each in again.train().modules() if isinstance(each, nn.BatchNorm2d)]
    assert norms
    assert not any(each.training for each in norms)


def test_one_stage_rows_are_what_torchvision_itself_would_find() -> None:
    """Our raw rows, thresholded, hold the boxes of torchvision's own post-processing."""
    torch.manual_seed(0)
    net = _detector("retinanet_resnet50_fpn", 96).eval()
    assert isinstance(net, torchvision_detectors.OneStage)
    # Boxes that differ from the anchors, and scores that differ from each other.
    for head in (net.net.head.regression_head, net.net.head.classification_head):
        for values in head.parameters():
            if values.ndim > 1:
                values.data *= 8
    canvas = _noise(1, 96)
    with torch.no_grad():
        rows = net(canvas)[0]
        net.net.nms_thresh, net.net.score_thresh, net.net.detections_per_img = 2.0, 0.0, 1000
        theirs = net.net(list(net.normalise(canvas)))[0]
    fish = theirs["labels"] == 1
    boxes = rows[:, :4].clamp(0, 96)
    for box, score in list(zip(theirs["boxes"][fish], theirs["scores"][fish], strict=True))[:50]:
        near = (boxes - box).abs().max(1).values
        assert near.min() < 1e-2
        assert (rows[near < 1e-2, 4].sigmoid() - score).abs().min() < 1e-4


@pytest.mark.parametrize("task", ["detector", "classifier"])
def test_the_shipped_release_starts_a_training(task: str) -> None:
    release, repository = open_release(find_repository()), find_repository()
    spec = release.detector if task == "detector" else release.classifier
    codes = release.labels.codes if task == "classifier" else ()
    build: Any = (
        (lambda: _detector(spec.architecture, spec.input_size))
        if task == "detector"
        else (lambda: _classifier(spec.architecture, len(codes), spec.input_size))
    )
    session = onnxruntime.InferenceSession(str(repository / spec.file))
    pixels = _noise(1, spec.input_size)
    theirs = session.run(None, {session.get_inputs()[0].name: pixels.numpy()})[0]
    nets = []
    for given in ("live", repository, repository / spec.file):
        size = spec.input_size
        model = ModelConfig.model_validate(
            {"architecture": spec.architecture, "input_size": size, "weights": given}
        )
        source, net = weights.source(model, task), build()
        assert source.codes == tuple(codes)
        weights.start(net, source, size, codes)
        nets.append(net.eval().state_dict())
    for other in nets[1:]:
        assert all(torch.equal(value, nets[0][key]) for key, value in other.items())
    with torch.no_grad():
        np.testing.assert_allclose(net(pixels).numpy(), theirs, rtol=1e-3, atol=1e-3)


def test_species_that_both_know_keep_their_rows(capsys: pytest.CaptureFixture[str]) -> None:
    repository, codes = find_repository(), ("ALB", "NoF", "SHARK", "OTHER", "YFT")
    release = open_release(repository)
    source = Source(repository / release.classifier.file, codes=release.labels.codes)
    torch.manual_seed(0)
    net, old = _classifier("mobilenet_v2", 5), _classifier("mobilenet_v2", 4)
    untouched = net.head[1].weight.detach().clone()
    weights.start(net, source, 160, codes)
    weights.start(old, source, 160, release.labels.codes)
    rows, before = net.head[1].weight, old.head[1].weight
    for code in ("NoF", "SHARK", "OTHER"):
        assert torch.equal(rows[codes.index(code)], before[release.labels.codes.index(code)])
    for code in ("ALB", "YFT"):
        assert torch.equal(rows[codes.index(code)], untouched[codes.index(code)])
    said = capsys.readouterr().err
    assert "Taken over: NoF, SHARK, OTHER; started from random numbers: ALB, YFT" in said


def test_a_run_starts_another_with_other_species(
    configs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configs / "classifier.yaml"
    runs.train(config.load(path, ["run.epochs=1"]), configs / "first")
    path.write_text(path.read_text().replace("disc: NoF", "disc: RAY"))
    for given in (configs / "first", configs / "first/last.pt"):
        capsys.readouterr()
        loaded = config.load(path, [f"model.weights={given}", "run.epochs=1"])
        task = runs.build_task(loaded, *runs.training_data(loaded))
        first = torch.load(configs / "first/last.pt", weights_only=True)["average"]
        own = task.net.state_dict()
        assert torch.equal(own["features.0.weight"], first["features.0.weight"])
        assert torch.equal(own["head.1.weight"][0], first["head.1.weight"][1])  # OTHER
        assert not torch.equal(own["head.1.weight"][1], first["head.1.weight"][0])  # RAY, new
        assert "Taken over: OTHER, SHARK" in capsys.readouterr().err


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    torch.save(_classifier("resnet18", 3).net.state_dict(), tmp_path / "r.pth")
    net = _classifier("mobilenet_v3_small", 3)
    with pytest.raises(UsageError, match=r"r\.pth fits 0 % of the net only"):
        weights.start(net, Source(tmp_path / "r.pth"), SIZE)
    live = open_release(find_repository()).classifier.file
    with pytest.raises(UsageError, match="exported from another architecture"):
        weights.start(net, Source(find_repository() / live), SIZE)


def test_a_state_dict_of_the_library_with_another_head(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(3)
    given = _classifier("resnet18", 1000).net
    torch.save({"model": given.state_dict()}, tmp_path / "r.pth")
    net = _classifier("resnet18", 3)
    weights.start(net, Source(tmp_path / "r.pth"), SIZE)
    assert torch.equal(net.net.conv1.weight, given.conv1.weight)
    assert "started from random numbers: fc.weight, fc.bias" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("missing.pth", r"no file missing\.pth"),
        ("{tmp}", "holds neither a run"),
        ("{tmp}/notes.pt", "is no file of weights that torch reads"),
    ],
)
def test_a_source_that_is_none_is_named(given: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "notes.pt").write_text("no weights")
    model = ModelConfig.model_validate(
        {"architecture": "resnet18", "input_size": SIZE, "weights": given.format(tmp=tmp_path)}
    )
    with pytest.raises(UsageError, match=message):
        weights.source(model, "classifier")


@pytest.mark.parametrize("name", ["resnet18", "timm:resnet18", "ssdlite320_mobilenet_v3_large"])
def test_without_a_connection_weights_by_name_say_what_to_do(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody listens on these; whatever the machine could reach, the test does not.
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    net: Any = _detector(name, 96) if "ssd" in name else _classifier(name, 3)
    with pytest.raises(UsageError, match=r"could not be had.*give its path as model\.weights"):
        weights.start(net, Source(None, "pretrained"), 96)


def test_names_that_libraries_share_are_told_apart() -> None:
    assert _classifier("resnet18", 3).library == "torchvision"
    assert _classifier("timm:resnet18", 3).library == "timm"
    assert isinstance(_classifier("squeezenet1_1", 3), classifiers.SqueezeNet)
    assert _classifier("torchvision:squeezenet1_1", 3).library == "torchvision"


def test_a_misspelt_name_gets_those_like_it() -> None:
    with pytest.raises(UsageError, match=r"No classifier 'resnet81'.*such as.*resnet18"):
        _classifier("resnet81", 3)
    with pytest.raises(UsageError, match=r"No detector 'retinanet'.*retinanet_resnet50_fpn"):
        _detector("retinanet", 96)


OWN = """
import torch
from torch import nn
from deckwatch_training.classifiers import Classifier
from deckwatch_training.nets import imagenet

class Tiny(Classifier):
    def __init__(self, classes):
        super().__init__()
        self.normalise = imagenet()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 4), nn.ReLU(), nn.Conv2d(8, classes, 1))

    def forward(self, crops):
        return self.body(self.normalise(crops)).mean((2, 3))

def no_net(classes):
    return "net"
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A user's module in the working folder; its name."""
    name = f"own_nets_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return name


def test_a_users_class_trains_by_module_and_name(own: str, configs: Path) -> None:
    loaded = config.load(
        configs / "classifier.yaml", [f"model.architecture={own}:Tiny", "run.epochs=2"]
    )
    net = runs.train(loaded, configs / "own")
    assert type(net).__name__ == "Tiny"
    assert runs.finished(loaded, configs / "own")
    with pytest.raises(UsageError, match="gave a str"):
        _classifier(f"{own}:no_net", 3)
    with pytest.raises(UsageError, match="cannot be loaded"):
        _classifier(f"{own}:Missing", 3)


def test_a_package_adds_a_model_by_entry_point(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    group = "deckwatch.classifiers"
    offered = [EntryPoint("tiny", f"{own}:Tiny", group)]
    monkeypatch.setattr(registry, "entry_points", lambda **by: EntryPoints(offered).select(**by))
    assert "tiny" in classifiers.REGISTRY.names()
    assert type(_classifier("tiny", 3)).__name__ == "Tiny"
    offered.append(EntryPoint("tiny", "elsewhere:Tiny", group))
    with pytest.raises(UsageError, match="Several packages offer a classifier 'tiny'"):
        _classifier("tiny", 3)


def test_a_detector_without_losses_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(detectors.REGISTRY.own, "flat", lambda size: nn.Flatten())
    with pytest.raises(UsageError, match="lacks head, strides, losses"):
        _detector("flat", 96)


def test_the_list_of_models() -> None:
    runner = CliRunner()
    everything = runner.invoke(cli_train.train, ["models"])
    assert everything.exit_code == 0
    for name in ("yolox_nano", "fasterrcnn_resnet50_fpn", "efficientnet_b0", "convnext_tiny"):
        assert f" {name} " in everything.stdout
    some = runner.invoke(cli_train.train, ["models", "yolox_nano"]).stdout.splitlines()
    assert [line.split() for line in some] == [["detector", "yolox_nano", "deckwatch", "0.9", "M"]]
    assert isinstance(runner.invoke(cli_train.train, ["models", "zzz"]).exception, UsageError)


def test_folded_batch_norms_need_a_net_that_can_keep_them(tmp_path: Path) -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(self.conv(x.permute(0, 3, 1, 2).float())).mean((2, 3))

    net = _moved(Plain())
    export.export_classifier(net, 16, tmp_path / "plain.onnx")
    state, folded = onnx_weights.read(tmp_path / "plain.onnx", Plain(), 16)
    assert folded
    other = Plain()
    other.load_state_dict(state, strict=False)
    torch.testing.assert_close(
        other.eval()(_noise(1, 16)), net(_noise(1, 16)), rtol=1e-3, atol=1e-3
    )
    with pytest.raises(UsageError, match="Plain cannot keep them still"):
        weights.start(Plain(), Source(tmp_path / "plain.onnx"), 16)
