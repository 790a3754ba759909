"""The configs that Triton reads: right by its own parser, by the release, and by the nets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from deckwatch_serving.configs import labels_file, render, write_configs
from deckwatch_serving.repository import live_version, open_release
from tests.tiny_release import write_release_file, write_tiny_release

STEPS = ("detect", "decode", "crop", "detector", "classifier", "fuse")


def parse(path: Path) -> model_config_pb2.ModelConfig:
    """What Triton would read: an unknown field or a wrong type is an error."""
    return text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())


def both_profiles(repository: Path) -> tuple[model_config_pb2.ModelConfig, ...]:
    ensemble = repository / "deckwatch"
    return parse(ensemble / "config.pbtxt"), parse(ensemble / "configs" / "gpu.pbtxt")


def test_what_ships_is_what_the_release_renders(repository: Path) -> None:
    rendered = dict(render(repository, open_release(repository)))
    assert {name: (repository / name).read_text() for name in rendered} == rendered


@pytest.mark.parametrize("step", STEPS)
def test_every_step_serves_the_live_version_alone(repository: Path, step: str) -> None:
    for path in (repository / step).rglob("*.pbtxt"):
        config = parse(path)
        assert config.name == step
        assert list(config.version_policy.specific.versions) == [live_version(repository)]
        assert config.backend == "onnxruntime" or (config.backend == "python" and config.output)


def test_both_profiles_have_the_same_tensors_outside(repository: Path) -> None:
    cpu, gpu = both_profiles(repository)
    assert list(cpu.input) == list(gpu.input)
    assert list(cpu.output) == list(gpu.output)
    assert cpu.parameters == gpu.parameters
    assert [each.name for each in cpu.output] == [
        "LIKELIHOODS",
        "BOXES",
        "SCORES",
        "FISH_LIKELIHOODS",
        "SIZE",
        "RELEASE",
    ]


def test_the_ensemble_tells_its_release(repository: Path) -> None:
    release = open_release(repository)
    for config in both_profiles(repository):
        assert config.parameters["release_name"].string_value == release.name
        assert config.parameters["labels"].string_value.split(",") == list(release.labels.codes)
        assert list(config.output[0].dims) == [len(release.labels)]
        labels = (repository / "deckwatch" / config.output[0].label_filename).read_text().split()
        assert labels == list(release.labels.codes)


def test_every_chain_fits_together(repository: Path) -> None:
    """Each step gets what it asks for from the steps before it, all of one version."""
    for ensemble in both_profiles(repository):
        known = {each.name for each in ensemble.input}
        for step in ensemble.ensemble_scheduling.step:
            config = parse(repository / step.model_name / "config.pbtxt")
            assert step.model_version == live_version(repository)
            assert set(step.input_map) == {each.name for each in config.input}
            assert set(step.output_map) <= {each.name for each in config.output}
            assert set(step.input_map.values()) <= known
            known |= set(step.output_map.values())
        assert {each.name for each in ensemble.output} <= known


@pytest.mark.parametrize("name", ["detector", "classifier"])
def test_nets_on_gpus(repository: Path, name: str) -> None:
    """onnxruntime's backend refuses a config that differs from the net in a name or dimension."""
    release = open_release(repository)
    cpu = parse(repository / name / "config.pbtxt")
    gpu = parse(repository / name / "configs" / "gpu.pbtxt")
    for ours, theirs in zip((*cpu.input, *cpu.output), (*gpu.input, *gpu.output), strict=True):
        assert (ours.name, ours.data_type) == (theirs.name, theirs.data_type)
        assert fits(ours.dims, theirs.dims)  # the python step leaves open what a release decides
    assert gpu.max_batch_size >= (release.detector.max_fish + 1 if name == "classifier" else 2)
    graph = onnx.load(repository / getattr(release, name).file).graph
    for value, tensor in ((graph.input[0], gpu.input[0]), (graph.output[0], gpu.output[0])):
        shape = value.type.tensor_type.shape.dim
        assert value.name == tensor.name
        assert not shape[0].dim_value  # the batch is free
        for each, dim in zip(list(shape)[1:], tensor.dims, strict=True):
            assert each.dim_value in (0, dim)  # 0: free in the net, where Triton takes any
    (tensorrt,) = gpu.optimization.execution_accelerators.gpu_execution_accelerator
    assert tensorrt.name == "tensorrt"
    assert tensorrt.parameters["precision_mode"] == "FP16"
    side = gpu.input[0].dims[0]
    shape = f"{gpu.input[0].name}:{gpu.max_batch_size}x{side}x{side}x3"
    assert tensorrt.parameters["trt_profile_max_shapes"] == shape


def test_what_ships_can_hold_a_release_of_any_size(tmp_path: Path) -> None:
    """Side by side: only the ensemble and the nets on GPUs say what a release decides."""
    first = write_tiny_release(tmp_path)
    other = write_tiny_release(tmp_path, version=2, canvas=160, crop=48, configs=False)
    alike = write_tiny_release(tmp_path, version=3, configs=False)
    write_configs(tmp_path, first, [other, alike])
    for step in STEPS:
        assert list(versions_of(tmp_path / step / "config.pbtxt")) == [1, 2, 3]
    for net in ("detector", "classifier"):
        assert list(versions_of(tmp_path / net / "configs" / "gpu.pbtxt")) == [1, 3]
    for config in both_profiles(tmp_path):
        assert list(config.version_policy.specific.versions) == [1]
    unchanged = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.pbtxt")}
    assert write_configs(tmp_path, first, [other, alike]) == []
    assert {path: path.stat().st_mtime_ns for path in unchanged} == unchanged


def test_a_release_that_shared_its_labels_file_keeps_it(tmp_path: Path) -> None:
    """The first releases had deckwatch/labels.txt among their files."""
    release = write_tiny_release(tmp_path, configs=False)
    (tmp_path / "deckwatch" / "1" / "labels.txt").rename(tmp_path / "deckwatch" / "labels.txt")
    files = dict(release.files)
    files["deckwatch/labels.txt"] = files.pop("deckwatch/1/labels.txt")
    release = replace(release, files=files)
    write_release_file(tmp_path, release)
    write_configs(tmp_path, open_release(tmp_path))
    for config in both_profiles(tmp_path):
        assert config.output[0].label_filename == "labels.txt"
    assert labels_file(release) == "deckwatch/labels.txt"


def versions_of(path: Path) -> list[int]:
    return list(parse(path).version_policy.specific.versions)


def fits(open_: Iterable[int], fixed: Iterable[int]) -> bool:
    return all(one in (-1, other) for one, other in zip(open_, fixed, strict=True))


def test_a_new_release_takes_over_and_leaves_the_old_steps(tmp_path: Path) -> None:
    write_tiny_release(tmp_path)
    second = write_tiny_release(tmp_path, version=2, name="second", configs=False)
    assert live_version(tmp_path) == 1
    written = write_configs(tmp_path, second)
    assert live_version(tmp_path) == 2
    assert all(each.is_file() for each in written)
    assert written[-1] == tmp_path / "deckwatch" / "config.pbtxt", "what says it is live comes last"
    assert (tmp_path / "detect" / "1" / "model.py").is_file()
    assert not list(tmp_path.rglob("*.new"))
