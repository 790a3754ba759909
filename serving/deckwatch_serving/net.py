"""One net on the processor: uint8 in, float32 out, on onnxruntime or OpenVINO."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from deckwatch_vision.errors import MissingExtra, ReleaseCorrupt, UsageError

if TYPE_CHECKING:
    import numpy as np
    import onnxruntime
    from numpy.typing import NDArray

    from deckwatch_vision.release import Release

RUNTIME_VARIABLE = "DECKWATCH_RUNTIME"
_CPUINFO = Path("/proc/cpuinfo")
# Instruction sets on which OpenVINO computes in bfloat16; elsewhere it would only be emulated.
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


class Net(Protocol):
    """A net: a batch of uint8 pictures [N,H,W,3] to its float32 output [N,...].

    May be called from several threads at once.
    """

    def __call__(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]: ...


def choose_runtime(release: Release) -> tuple[str, str]:
    """The runtime and precision to use here, such as ("openvino", "bfloat16").

    OpenVINO in bfloat16 where the release says that its accuracy was proven equal, this processor
    has the instructions, and OpenVINO is installed; else onnxruntime in float32. DECKWATCH_RUNTIME
    (onnxruntime or openvino) overrules the choice of runtime, never that of precision. A release
    whose nets are quantised (int8) runs on the runtime that they were measured on.

    Raises:
        UsageError: DECKWATCH_RUNTIME names no runtime, or another than the nets are quantised for.
    """
    if release.runtime.get("onnxruntime") == "int8":
        return _quantised(release)
    proven = release.runtime.get("openvino") == "bfloat16" and has_bfloat16()
    named = os.environ.get(RUNTIME_VARIABLE)
    if named:
        if named not in _OPENERS:
            raise UsageError(
                f"{RUNTIME_VARIABLE} is {named!r}; expected one of: {', '.join(_OPENERS)}."
            )
        return named, "bfloat16" if named == "openvino" and proven else "float32"
    if proven and importlib.util.find_spec("openvino") is not None:
        return "openvino", "bfloat16"
    return "onnxruntime", "float32"


def _quantised(release: Release) -> tuple[str, str]:
    named = os.environ.get(RUNTIME_VARIABLE) or "onnxruntime"
    if named != "onnxruntime":
        raise UsageError(
            f"{RUNTIME_VARIABLE} is {named!r}, but the nets of release {release.name} "
            f"{release.version} are quantised (int8) and measured on onnxruntime alone. "
            f"Unset {RUNTIME_VARIABLE}."
        )
    return "onnxruntime", "int8"


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 matrices in hardware."""
    try:
        text = _CPUINFO.read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    start = text.find("flags")
    return not _BFLOAT16_FLAGS.isdisjoint(text[start : text.find("\n", start)].split())


def open_net(
    path: Path, *, threads: int, runtime: str = "onnxruntime", precision: str = "float32"
) -> Net:
    """Load the ONNX file at `path`.

    Args:
        path: an ONNX net with one uint8 input and one float32 output.
        threads: processor threads for one call.
        runtime: "onnxruntime" or "openvino".
        precision: "float32", "int8" for a quantised net on onnxruntime, or "bfloat16" on OpenVINO.

    Raises:
        ReleaseCorrupt: the file is no net that this runtime can load.
        MissingExtra: the runtime is not installed.
        UsageError: a runtime or precision that does not exist.
    """
    if runtime not in _OPENERS or precision not in _PRECISIONS[runtime]:
        pairs = ", ".join(f"{name} in {each}" for name in _OPENERS for each in _PRECISIONS[name])
        raise UsageError(f"No {runtime} in {precision}; expected one of: {pairs}.")
    return _OPENERS[runtime](path, threads, precision)


def net_output_shape(path: Path) -> list[int]:
    """Dimensions of the net's output, -1 where one is free.

    Raises:
        ReleaseCorrupt: the file is no net that onnxruntime can load.
    """
    shape = _session(path, threads=1).get_outputs()[0].shape
    return [each if isinstance(each, int) else -1 for each in shape]


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads would take the cores from Triton's other steps.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors only: standard error is for our own messages
    try:
        return onnxruntime.InferenceSession(
            path, sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's own classes derive from Exception only
        raise _unusable(path, "onnxruntime", error) from error


def _open_onnxruntime(path: Path, threads: int, precision: str) -> Net:
    session = _session(path, threads)
    (source,), (target,) = session.get_inputs(), session.get_outputs()

    def run(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        outputs: list[NDArray[np.float32]] = session.run([target.name], {source.name: batch})
        return outputs[0]

    return run


def _open_openvino(path: Path, threads: int, precision: str) -> Net:
    try:
        import openvino
    except ImportError:
        raise MissingExtra(
            f"OpenVINO ({RUNTIME_VARIABLE}=openvino) is not installed. "
            "Install it with: pip install openvino"
        ) from None
    try:
        model = openvino.Core().compile_model(
            path,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                "PERFORMANCE_HINT": "LATENCY",
                "ENABLE_CPU_PINNING": False,  # pinned instances would share one core
            },
        )
    except RuntimeError as error:
        raise _unusable(path, "OpenVINO", error) from error
    requests = threading.local()  # an infer request serves one thread at a time

    def run(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        request = getattr(requests, "request", None)
        if request is None:
            request = requests.request = model.create_infer_request()
        output: NDArray[np.float32] = request.infer([batch], share_inputs=True)[0]
        return output

    return run


def _unusable(path: Path, runtime: str, error: Exception) -> ReleaseCorrupt:
    return ReleaseCorrupt(
        f"{path} cannot be loaded by {runtime}: {str(error).splitlines()[0]}. "
        "Fetch or export the release again."
    )


_OPENERS: dict[str, Callable[[Path, int, str], Net]] = {
    "onnxruntime": _open_onnxruntime,
    "openvino": _open_openvino,
}
_PRECISIONS = {"onnxruntime": ("float32", "int8"), "openvino": ("float32", "bfloat16")}
