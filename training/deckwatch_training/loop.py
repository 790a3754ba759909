"""The training loop: plain torch, for any task that offers batches and a loss.

A checkpoint after every epoch holds all that the loop knows; the same command continues from it and
gives the same loss curve as an uninterrupted run, since all randomness of an epoch comes from
(seed, epoch). Checkpoints replace each other by a rename, so kill -9 leaves a whole one.
"""

from __future__ import annotations

import copy
import json
import math
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from deckwatch_training.config import RunConfig, TrainConfig
from deckwatch_vision.errors import UsageError

Net = TypeVar("Net", bound=nn.Module)


class Task(Protocol[Net]):
    """What the loop trains."""

    net: Net

    def batches(self, epoch: int) -> Iterable[Any]:
        """The batches of an epoch, always the same for the same epoch."""

    def steps(self) -> int:
        """Batches an epoch."""

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """At least "loss", the scalar to minimise."""

    def validate(self, net: Net) -> dict[str, float]:
        """Metrics on held-back data, the first being the one that counts (more is better)."""


class Average(Generic[Net]):
    """Exponential moving average of a net's weights, with the usual ramp at the start."""

    def __init__(self, net: Net, decay: float):
        self.net = copy.deepcopy(net).eval()
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Move a little towards the net."""
        self.updates += 1
        # Ramp of the published YOLOX training: young averages forget fast.
        decay = self.decay * (1 - math.exp(-self.updates / 500))
        own, new = self.net.state_dict(), net.state_dict()
        for key, value in own.items():
            if value.dtype.is_floating_point:
                value.lerp_(new[key], 1 - decay)
            else:
                value.copy_(new[key])


def train(
    task: Task[Net], config: TrainConfig, folder: Path, *, digest: str, fresh: bool = False
) -> Net:
    """Train to the end of the schedule and return the averaged net.

    `digest` identifies the run (see `runs.digest`). `folder` receives `last.pt` (continued by the
    same command), `best.pt` (weights of the best validation) and `log.jsonl`. Raises UsageError
    where `last.pt` is of another digest; `fresh` starts anew instead.
    """
    run = config.run
    if run.threads:
        torch.set_num_threads(run.threads)
    folder.mkdir(parents=True, exist_ok=True)
    net = task.net.to(memory_format=getattr(task.net, "memory_format", torch.contiguous_format))
    average = Average(net, run.ema)
    optimiser = torch.optim.AdamW(_groups(net, run), lr=run.lr)
    last = folder / "last.pt"
    epoch, best = 0, -math.inf
    if last.exists() and not fresh:
        epoch, best = _restore(last, digest, net, average, optimiser)
    total = run.epochs * task.steps()
    for epoch in range(epoch, run.epochs):  # noqa: B020 - continues where the checkpoint stood
        started = time.monotonic()
        # Dropout too must not depend on where a run was interrupted.
        torch.manual_seed(run.seed * 100_003 + epoch)
        net.train()
        sums: dict[str, float] = {}
        for i, batch in enumerate(task.batches(epoch)):
            step = epoch * task.steps() + i
            for group in optimiser.param_groups:
                group["lr"] = run.lr * schedule(step, total, run)
            losses = task.losses(batch)
            losses["loss"].backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(net.parameters(), run.grad_norm)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            average.update(net)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach())
        row: dict[str, float] = {"epoch": epoch + 1}
        row |= {name: round(value / task.steps(), 5) for name, value in sums.items()}
        if (epoch + 1) % run.validate_every == 0 or epoch + 1 == run.epochs:
            metrics = task.validate(average.net)
            row |= metrics
            if (score := next(iter(metrics.values()))) >= best:
                best = score
                save(folder / "best.pt", {"net": average.net.state_dict(), "metrics": metrics})
        row["seconds"] = round(time.monotonic() - started, 1)
        save(
            last,
            {
                "config": config.model_dump(mode="json"), "digest": digest,
                "epoch": epoch + 1, "best": best, "net": net.state_dict(),
                "average": average.net.state_dict(), "updates": average.updates,
                "optimiser": optimiser.state_dict(),
            },
        )  # fmt: skip
        _log(folder / "log.jsonl", row, run.epochs)
    return average.net


def schedule(step: int, total: int, run: RunConfig) -> float:
    """Learning rate over `run.lr`: linear warm-up, then a cosine down to `lr_end`."""
    if step < run.warmup_steps:
        return (step + 1) / run.warmup_steps
    share = (step - run.warmup_steps) / max(1, total - run.warmup_steps)
    return run.lr_end + (1 - run.lr_end) * 0.5 * (1 + math.cos(math.pi * share))


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint so that a reader only ever sees a whole one."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


def load_net(net: Net, folder: Path) -> Net:
    """Fill a net with the averaged weights at the end of a run.

    Raises UsageError where the folder holds no run.
    """
    path = folder / "last.pt"
    if not path.exists():
        raise UsageError(f"{folder} holds no finished run (last.pt). Run `deckwatch train` first.")
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["average"])
    return net.eval()


def _groups(net: nn.Module, run: RunConfig) -> list[dict[str, Any]]:
    # Biases and scales are not decayed: pulling them to zero only slows the fit.
    decayed = [p for p in net.parameters() if p.ndim > 1]
    free = [p for p in net.parameters() if p.ndim <= 1]
    return [
        {"params": decayed, "weight_decay": run.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]


def _restore(
    path: Path,
    digest: str,
    net: nn.Module,
    average: Average[Any],
    optimiser: torch.optim.Optimizer,
) -> tuple[int, float]:
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["digest"] != digest:
        raise UsageError(
            f"{path} was made by another configuration or from other pictures. Give another "
            "--out folder, or --fresh to start anew in this one."
        )
    net.load_state_dict(state["net"])
    average.net.load_state_dict(state["average"])
    average.updates = state["updates"]
    optimiser.load_state_dict(state["optimiser"])
    return state["epoch"], state["best"]


def _log(path: Path, row: dict[str, float], epochs: int) -> None:
    rows = path.read_text().splitlines() if path.exists() else []
    # An epoch that a killed run had logged but not saved is logged once.
    rows = [text for text in rows if json.loads(text)["epoch"] < row["epoch"]]
    path.write_text("".join(text + "\n" for text in [*rows, json.dumps(row)]))
    shown = "  ".join(f"{name} {value:g}" for name, value in row.items() if name != "epoch")
    sys.stderr.write(f"epoch {row['epoch']:.0f}/{epochs}  {shown}\n")
    sys.stderr.flush()
