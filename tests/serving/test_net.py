"""Nets in this process: runtimes, threads, and what is said of a broken one."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deckwatch_serving import net
from deckwatch_serving.cores import available_cores
from deckwatch_serving.local import LocalRecogniser
from deckwatch_serving.net import choose_runtime, open_net
from deckwatch_serving.repository import open_release
from deckwatch_vision.errors import BrokenImage, MissingExtra, ReleaseCorrupt, UsageError
from deckwatch_vision.images import encode_jpeg
from tests.tiny_release import tiny_picture


@pytest.mark.parametrize("file", ["detector", "classifier"])
def test_runtimes_agree(repository: Path, file: str) -> None:
    release = open_release(repository)
    spec = getattr(release, file)
    side = spec.input_size
    batch = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    path = repository / spec.file
    outputs = [
        open_net(path, threads=1, runtime=each)(batch) for each in ("onnxruntime", "openvino")
    ]
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-3, atol=1e-3)
    assert outputs[0].dtype == np.float32


def test_threads_may_share_a_net(repository: Path) -> None:
    release = open_release(repository)
    side = release.classifier.input_size
    batches = np.random.default_rng(0).integers(0, 256, (8, 1, side, side, 3), dtype=np.uint8)
    for runtime in ("onnxruntime", "openvino"):
        run = open_net(repository / release.classifier.file, threads=1, runtime=runtime)
        alone = [run(each) for each in batches]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(run, batches))
        np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_file_that_is_no_net(tmp_path: Path, runtime: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no net at all")
    with pytest.raises(ReleaseCorrupt, match=r"model\.onnx cannot be loaded by .*export"):
        open_net(path, threads=1, runtime=runtime)


def test_pairs_that_do_not_exist(tiny_repository: Path) -> None:
    path = tiny_repository / "detector" / "1" / "model.onnx"
    with pytest.raises(UsageError, match="No onnxruntime in bfloat16; expected one of"):
        open_net(path, threads=1, precision="bfloat16")
    with pytest.raises(UsageError, match="No tensorflow in float32"):
        open_net(path, threads=1, runtime="tensorflow")


def test_openvino_missing(tiny_repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match="pip install"):
        open_net(tiny_repository / "detector" / "1" / "model.onnx", threads=1, runtime="openvino")


def test_bfloat16_only_where_proven_and_in_hardware(
    tiny_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = open_release(tiny_repository)
    proven = replace(release, runtime={"onnxruntime": "float32", "openvino": "bfloat16"})
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr(net, "_CPUINFO", cpuinfo)

    cpuinfo.write_text("flags\t\t: fpu avx512f avx512_bf16\nbugs\t\t:\n")
    assert choose_runtime(proven) == ("openvino", "bfloat16")
    assert choose_runtime(release) == ("onnxruntime", "float32")
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert choose_runtime(proven) == ("onnxruntime", "float32")
    monkeypatch.undo()

    monkeypatch.setattr(net, "_CPUINFO", cpuinfo)
    cpuinfo.write_text("flags\t\t: fpu avx512f\nbugs\t\t: avx512_bf16\n")
    assert choose_runtime(proven) == ("onnxruntime", "float32")
    monkeypatch.setenv("DECKWATCH_RUNTIME", "openvino")
    assert choose_runtime(proven) == ("openvino", "float32")
    monkeypatch.setenv("DECKWATCH_RUNTIME", "onnx")
    with pytest.raises(UsageError, match="'onnx'; expected one of: onnxruntime, openvino"):
        choose_runtime(proven)


def test_a_release_without_cpuinfo(
    tiny_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(net, "_CPUINFO", tmp_path / "none")
    assert not net.has_bfloat16()


def test_cores_are_what_the_affinity_leaves() -> None:
    command = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    command += "from deckwatch_serving.cores import available_cores; print(available_cores())"
    found = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    assert found.stdout == "1\n"
    assert available_cores() >= 1


def test_cores_are_what_the_container_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "cpu.max"
    monkeypatch.setattr("deckwatch_serving.cores._CPU_MAX", limit)
    unlimited = available_cores()
    limit.write_text("max 100000\n")
    assert available_cores() == unlimited
    limit.write_text("50000 100000\n")
    assert available_cores() == 1


def test_recognition_in_this_process(tiny_repository: Path) -> None:
    recogniser = LocalRecogniser(tiny_repository, threads=1)
    data = encode_jpeg(tiny_picture(fish=1, species=("RAY",)))
    result = recogniser.recognise(data, file="deck.jpg")
    assert (result.label, result.image.file) == ("RAY", "deck.jpg")
    assert (result.release.name, result.release.version) == ("tiny", 1)
    assert {each.label for each in result.fish} == {"RAY"}
    with ThreadPoolExecutor(4) as pool:
        assert set(map(str, pool.map(recogniser.recognise, [data] * 8))) == {
            str(recogniser.recognise(data))
        }
    with pytest.raises(BrokenImage):
        recogniser.recognise(data[:1000])


def test_recognition_imports_nothing_it_does_not_need() -> None:
    """Cold start is a promise of `classify`; these would each cost a tenth of it."""
    heavy = ("tritonclient", "typer", "rich", "openvino", "onnx", "torch", "fastapi", "pydantic")
    command = "import sys, deckwatch_serving.local, deckwatch_serving.net, onnxruntime; "
    command += f"print([each for each in {heavy} if each in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"
