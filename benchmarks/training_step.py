"""A step of our training loop against a bare torch loop with the same net and the same loader.

Ours also clips gradients, averages weights, schedules the learning rate and keeps the books. Both
train whole epochs in turn, loader included, in one process on the same cores.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROUNDS, STEPS = 7, 6
# Pictures as wide as a camera's small stream, and nets as small as may be: the shorter the step,
# the more the loop's own work shows.
WIDTH, HEIGHT = 640, 480
ARMS = {
    "detector, YOLOX-nano, 320 px, batch 8": ("detector", "yolox_nano", 320, 8),
    "classifier, SqueezeNet, 96 px, batch 32": ("classifier", "squeezenet1_1", 96, 32),
}


def measure(rounds: int = ROUNDS, steps: int = STEPS) -> dict[str, Any]:
    """Seconds an epoch of `steps` steps, ours and bare, in turn; the ratio of their medians."""
    from deckwatch_training import runs
    from deckwatch_training.config import TrainConfig
    from deckwatch_training.loop import Training

    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="deckwatch-bench-") as name:
        folder = Path(name)
        for title, (task_name, architecture, size, batch) in ARMS.items():
            data = _write(folder / task_name, pictures=batch * steps)
            config = TrainConfig.model_validate(
                {
                    "task": task_name, "name": task_name,
                    "data": {"train": data, "valid": data, "species": {"NoF": "NoF", "F": "OTHER"},
                             "held_back": 0},
                    "model": {"architecture": architecture, "input_size": size},
                    "run": {"epochs": 10_000, "batch": batch, "workers": 1},
                }
            )  # fmt: skip
            sets = runs.training_data(config)
            task: Any = runs.build_task(config, *sets)
            ours: Training[Any] = Training(task, config, folder, "", _alone())
            bare = runs.build_task(config, *sets)
            found[title] = _interleaved(ours, bare, rounds, steps)
    return {"rounds": rounds, "steps": steps, "arms": found}


def _interleaved(ours: Any, bare: Any, rounds: int, steps: int) -> dict[str, Any]:
    import torch

    from deckwatch_training.training_progress import Progress

    net = bare.net.to(memory_format=bare.net.memory_format)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-4)
    ours.task.steps = bare.steps = lambda: steps
    progress = Progress(ours.run, steps, shown=False)

    def train_ours(epoch: int) -> None:
        ours.epoch, ours.done = epoch, 0
        ours.train_epoch(progress)

    def train_bare(epoch: int) -> None:
        net.train()
        for batch in bare.batches(epoch):
            bare.losses(batch)["loss"].backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    times: dict[str, list[float]] = {"ours": [], "bare": []}
    arms = [("ours", train_ours), ("bare", train_bare)]
    for epoch in range(rounds + 1):
        # Who comes first changes, so that neither always finds the caches of the other.
        for name, train in arms if epoch % 2 else arms[::-1]:
            started = time.perf_counter()
            train(epoch)
            if epoch:  # the first round warms up
                times[name].append(time.perf_counter() - started)
    each = {name: statistics.median(values) for name, values in times.items()}
    pairs = [b / a for a, b in zip(times["ours"], times["bare"], strict=True)]
    batch = ours.run.batch
    return {
        "seconds": {name: [round(value, 4) for value in values] for name, values in times.items()},
        "images_per_s": {name: round(batch * steps / value, 1) for name, value in each.items()},
        "ratio": round(statistics.median(pairs), 3),
    }


def _write(folder: Path, pictures: int) -> Path:
    """Noise with one fish on each picture."""
    from deckwatch_training import catalogue
    from deckwatch_vision.images import encode_jpeg

    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    entries = []
    for i in range(pictures):
        file = f"{i}.jpg"
        pixels = rng.integers(60, 160, (HEIGHT, WIDTH, 3), np.uint8)
        (folder / file).write_bytes(encode_jpeg(pixels))
        x, y = (float(v) for v in rng.integers(0, 300, 2))
        box = catalogue.Box("F", x, y, 200.0, 120.0)
        entries.append(catalogue.Entry(file, WIDTH, HEIGHT, (box,), vessel=f"v{i}"))
    path = folder / catalogue.FILE
    catalogue.write(catalogue.Catalogue(folder, tuple(entries)), path)
    return path


def _alone() -> Any:
    from deckwatch_training.distributed import Group

    return Group()


def render(results: dict[str, Any]) -> str:
    """The table of the results, in Markdown."""
    lines = [
        "| training | bare loop, images/s | ours, images/s | ours : bare |",
        "|---|---|---|---|",
    ]
    for title, arm in results["arms"].items():
        speed = arm["images_per_s"]
        lines.append(f"| {title} | {speed['bare']} | {speed['ours']} | {arm['ratio']:.2f} |")
    lines.append("")
    lines.append(
        f"Median of {results['rounds']} rounds of {results['steps']} steps, in turn, loader "
        "included. Ours also clips gradients and averages weights."
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(render(measure()))
