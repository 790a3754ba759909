"""How much memory `augment_data` takes for a large data set: 100,000 label rows, 20,000 pictures.

The pictures are simulated and small (their pixels are not what could grow with the data set). The
command runs as a user would run it; the resident memory of all its processes is added up ten times
a second. Pages that they share count for each, so the sum is more than is really taken.

    python -m benchmarks.memory [--pictures 20000] [--rows 100000]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from deckwatch_training.label_files import LabelRow, LabelWriter
from deckwatch_vision.images import encode_jpeg

LIMIT_MIB = 1024
SIZE = (96, 64)
_COMMAND = "from deckwatch_training.cli_augment import main; main()"


def measure(pictures: int = 20_000, rows: int = 100_000, workers: int = 2) -> dict[str, Any]:
    """Run the command; its largest resident memory in MiB, and how long it took."""
    with tempfile.TemporaryDirectory(prefix="deckwatch-memory-") as name:
        folder = Path(name)
        _simulate(folder, pictures, rows)
        began = time.monotonic()
        running = subprocess.Popen(
            [
                sys.executable, "-c", _COMMAND, "--input_folder", folder / "photos",
                "--output_folder", folder / "more", "--label_file", folder / "labels.csv",
                "--new_label_and_weights_file", folder / "more.csv", "--copies", "1",
                "--workers", str(workers),
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        watch = _Watch(running.pid)
        _, told = running.communicate()
        watch.stop()
        if running.returncode:
            raise RuntimeError(told.decode())
        summary = json.loads((folder / "more" / "summary.json").read_text())
    return {
        "pictures": pictures, "rows": rows, "rows_written": summary["rows"], "workers": workers,
        "peak_mib": round(watch.peak / 2**20, 1), "processes": watch.processes,
        "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip


def render(results: dict[str, Any]) -> str:
    """In a sentence."""
    met = "within" if results["peak_mib"] <= LIMIT_MIB else "**over**"
    return (
        f"{results['rows']:,} label rows of {results['pictures']:,} pictures: at most "
        f"{results['peak_mib']:.0f} MiB resident in {results['processes']} processes, {met} "
        f"{LIMIT_MIB} MiB; {results['seconds']:.0f} s."
    )


def _simulate(folder: Path, pictures: int, rows: int) -> None:
    rng = np.random.default_rng(0)
    width, height = SIZE
    species = ("ALB", "BET", "DOL", "LAG", "SHARK", "YFT", "OTHER")
    with LabelWriter(folder / "labels.csv", weights=False) as writer:
        for i in range(pictures):
            name = f"boat-{i % 40}/{i:06}.jpg"
            pixels = rng.integers(0, 255, (8, 12, 3), np.uint8).repeat(8, 0).repeat(8, 1)
            path = folder / "photos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_jpeg(np.ascontiguousarray(pixels)))
            # Spread over the pictures as evenly as whole numbers allow.
            for _ in range((i + 1) * rows // pictures - i * rows // pictures):
                x, y = (float(v) for v in rng.integers((0, 0), (width - 30, height - 20)))
                label = species[int(rng.integers(len(species)))]
                writer.write(LabelRow(name, label, f"boat-{i % 40}", (x, y, 30.0, 20.0)))


class _Watch:
    """Adds up the resident memory of a process and its children."""

    def __init__(self, process: int):
        self.peak = self.processes = 0
        self._process = process
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.1):
            found = _tree(self._process)
            self.processes = max(self.processes, len(found))
            self.peak = max(self.peak, sum(map(_resident, found)))


def _tree(process: int) -> list[int]:
    found = [process]
    for each in found:  # grows while it is read
        try:
            tasks = Path(f"/proc/{each}/task")
            for task in tasks.iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:  # it ended meanwhile
            continue
    return found


def _resident(process: int) -> int:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * 4096


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    print(render(measure(options.pictures, options.rows, options.workers)))


if __name__ == "__main__":
    main()
