"""How long one picture takes on this machine, for several releases side by side.

The whole way of a picture in this process, decoding included, with the runtime that production
would choose here. The releases take turns on every picture, so that whatever else the machine does
hits all of them alike.
"""

from __future__ import annotations

import gc
import hashlib
import json
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deckwatch_serving.cores import available_cores
from deckwatch_serving.local import LocalRecogniser
from deckwatch_serving.net import choose_runtime
from deckwatch_serving.progress import track
from deckwatch_serving.repository import open_release
from deckwatch_vision.errors import UsageError
from deckwatch_vision.release import Release

FILE = "timings.json"
# Pictures that are timed, and how often each; the first rounds warm caches and are thrown away.
PICTURES, REPEATS, WARM_UP = 20, 10, 2


def identity(release: Release) -> str:
    """What decides how fast and how good a release is, as SHA-256: nets and numbers, no names."""
    content = release.as_dict()
    for key in ("name", "version", "created", "scorecard", "training_data"):
        del content[key]
    # Paths hold the version.
    content["files"] = sorted(content["files"].values())
    content["detector"].pop("file")
    content["classifier"].pop("file")
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def hardware() -> dict[str, Any]:
    """The machine, as far as it decides the speed."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:  # not Linux
        pass
    return {"processor": model, "cores": available_cores()}


def sample(pictures: Sequence[Path], count: int) -> list[Path]:
    """Pictures spread evenly over all of them."""
    places = np.linspace(0, len(pictures) - 1, min(count, len(pictures))).round().astype(int)
    return [pictures[int(i)] for i in places]


def measure(
    repositories: Mapping[str, Path],
    pictures: Sequence[Path],
    *,
    count: int = PICTURES,
    repeats: int = REPEATS,
) -> dict[str, Any]:
    """Time every release on `count` of the pictures, `repeats` times; a JSON document.

    `ms` holds every single time in milliseconds, by candidate.

    Raises:
        UsageError: a picture cannot be read.
    """
    chosen = sample(pictures, count)
    try:
        encoded = [path.read_bytes() for path in chosen]
    except OSError as error:
        raise UsageError(f"Cannot read {error.filename}: {error.strerror}.") from None
    nets = {name: LocalRecogniser(path) for name, path in repositories.items()}
    names = list(nets)
    ms: dict[str, list[float]] = {name: [] for name in names}
    gc.collect()
    gc.disable()
    try:
        for turn in track(range(WARM_UP + repeats), "Timing"):
            for place, data in enumerate(encoded):
                # Another one begins every time: the first after a pause is often slower.
                first = (turn + place) % len(names)
                for name in names[first:] + names[:first]:
                    started = time.perf_counter()
                    nets[name].recognise(data)
                    if turn >= WARM_UP:
                        ms[name].append(round(1000 * (time.perf_counter() - started), 3))
    finally:
        gc.enable()
    return {
        "hardware": hardware(),
        "pictures": [path.name for path in chosen],
        "repeats": repeats,
        "releases": {name: _about(net.release) for name, net in nets.items()},
        "ms": ms,
    }


def _about(release: Release) -> dict[str, str]:
    runtime, precision = choose_runtime(release)
    return {"identity": identity(release), "runtime": f"{runtime} {precision}"}


def read(path: Path) -> dict[str, Any]:
    """Timings that were kept.

    Raises:
        UsageError: the file is missing or holds no timings.
    """
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not (isinstance(document["ms"], dict) and isinstance(document["releases"], dict)):
            raise TypeError("ms, releases")
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}. Give kept timings.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} holds no timings of `deckwatch select`: {error!r}.") from None
    return document


def misfits(document: Mapping[str, Any], repositories: Mapping[str, Path]) -> list[str]:
    """Candidates of which these timings know nothing, or of another release."""
    known = document["releases"]
    return [
        name
        for name, path in repositories.items()
        if name not in known
        or not document["ms"].get(name)
        or known[name]["identity"] != identity(open_release(path, verify=False))
    ]


def percentile(times: Iterable[float], share: float) -> float:
    """Percentile of times in ms, to a hundredth."""
    return round(float(np.percentile(list(times), share)), 2)
