"""The machine that measures, as far as it explains the numbers."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# Instruction sets that decide how fast a net runs.
FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16")
PACKAGES = (
    "deckwatch",
    "fastapi",
    "litserve",
    "numpy",
    "nvidia-pytriton",
    "onnxruntime",
    "opencv-python-headless",
    "openvino",
    "simplejpeg",
    "tritonclient",
    "uvicorn",
)
# The embedded Triton runs two instances of each step, and the others two workers: with as many
# cores a net has one thread in every arm, and results of larger machines stay comparable.
CORES = 2


def use_cores() -> list[int]:
    """Keep this process, and all that it will start, on the first CORES cores; their numbers."""
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    os.sched_setaffinity(0, cores)
    return cores


def describe(cores_there: int, cores_used: int) -> dict[str, Any]:
    """Processor, memory, and versions of what was measured."""
    info = _fields(Path("/proc/cpuinfo"))
    flags = set(info.get("flags", info.get("Features", "")).split())
    memory_kib = int(_fields(Path("/proc/meminfo"))["MemTotal"].split()[0])
    return {
        "processor": info.get("model name", platform.machine()),
        "cores": cores_there,
        "cores_used": cores_used,
        "flags": {name: name in flags for name in FLAGS},
        "memory_gib": round(memory_kib / 2**20, 1),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def load_average() -> list[float]:
    """Of the last 1, 5 and 15 minutes."""
    return [round(each, 2) for each in os.getloadavg()]


def _fields(path: Path) -> dict[str, str]:
    """The first of each field in a file of `name : value` lines."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # run from the sources, or an extra that is left out
        return None
