"""The training loop: plain torch, for any task that offers batches and a loss.

A checkpoint after every epoch (and, if wished, between) holds all that the loop knows; the same
command continues from it and gives the same loss curve as an uninterrupted run, since all
randomness of an epoch comes from (seed, epoch). Checkpoints replace each other by a rename, so
kill -9 leaves a whole one.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from deckwatch_training import checkpoints, devices, weights
from deckwatch_training.averaging import Average
from deckwatch_training.config import RunConfig, TrainConfig
from deckwatch_training.distributed import Group
from deckwatch_training.schedules import schedule
from deckwatch_training.training_progress import Progress
from deckwatch_training.training_report import Report
from deckwatch_vision.errors import UsageError

Net = TypeVar("Net", bound=nn.Module)


class Task(Protocol[Net]):
    """What the loop trains."""

    net: Net

    def batches(self, epoch: int, start: int = 0) -> Iterable[Any]:
        """This process's parts of the epoch's steps from `start` on, `run.accumulate` a step.

        Always the same for the same epoch, wherever it starts.
        """

    def steps(self) -> int:
        """Steps an epoch."""

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """At least "loss", the scalar to minimise."""

    def validate(self, net: Net) -> dict[str, float]:
        """Metrics on held-back data, the first being the one that counts (more is better)."""


class _Step(nn.Module):
    """A step's loss as a module's forward, which is where data parallelism hooks itself in."""

    def __init__(self, task: Task[Any]):
        super().__init__()
        self.net = task.net
        self.task = task

    def forward(self, batch: Any) -> dict[str, Tensor]:
        return self.task.losses(batch)


class Training(Generic[Net]):
    """A training in progress: what is learnt, and how far it is."""

    def __init__(
        self, task: Task[Net], config: TrainConfig, folder: Path, digest: str, group: Group
    ):
        run = config.run
        self.task, self.config, self.run, self.folder = task, config, run, folder
        self.digest, self.group = digest, group
        self.device = devices.choose(run, group.local)
        layout = getattr(task.net, "memory_format", torch.contiguous_format)
        # In place, so that the task's net is the one that learns.
        self.net: Net = task.net.to(self.device.device).to(memory_format=layout)
        self.average = Average(self.net, run.ema)
        self.optimiser = torch.optim.AdamW(_groups(self.net, run), lr=run.lr)
        self.scaler = self.device.scaler()
        self.step: nn.Module = _Step(task)
        if group.world > 1:
            self.step = DistributedDataParallel(self.step)
        self.epoch = self.done = 0  # whole epochs, and steps of the one under way
        self.sums: dict[str, Tensor] = {}
        self.best, self.stale = -math.inf, 0
        self.stopped = self.settled = False

    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.stopped or self.epoch >= self.run.epochs

    def restore(self, state: dict[str, Any]) -> None:
        """Continue where a checkpoint stands."""
        self.net.load_state_dict(state["net"])
        self.average.net.load_state_dict(state["average"])
        self.average.updates = state["updates"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.epoch, self.best = state["epoch"], state["best"]
        # Older checkpoints have none of the following.
        self.stale, self.stopped = state.get("stale", 0), state.get("stopped", False)
        self.settled = state.get("settled", False)
        if state.get("scaler"):
            self.scaler.load_state_dict(state["scaler"])
        if within := state.get("within"):
            self.done = within["steps"]
            self.sums = {k: v.to(self.device.device) for k, v in within["sums"].items()}
            if len(within["generators"]) == self.group.world:
                checkpoints.set_generators(within["generators"][self.group.rank])

    def save(self) -> None:
        """Write `last.pt`."""
        state = {
            "config": self.config.model_dump(mode="json"), "digest": self.digest,
            "epoch": self.epoch, "best": self.best, "net": self.net.state_dict(),
            "average": self.average.net.state_dict(),
            "updates": self.average.updates, "optimiser": self.optimiser.state_dict(),
            "stale": self.stale, "stopped": self.stopped, "settled": self.settled,
            "scaler": self.scaler.state_dict(),
        }  # fmt: skip
        if self.done:
            generators = self.group.gather(checkpoints.generators())
            state["within"] = {"steps": self.done, "sums": self.sums, "generators": generators}
        if self.group.first:
            checkpoints.save(self.folder / checkpoints.LAST, state)

    def train_epoch(self, progress: Progress) -> dict[str, float]:
        """One epoch, or what is left of it: the mean of every loss."""
        steps = self.task.steps()
        total = self.run.epochs * steps
        if not self.done:
            # Dropout too must not depend on where a run was interrupted.
            seed = self.run.seed * 100_003 + self.epoch
            torch.manual_seed(seed + self.group.rank * 1_000_003)
            self.sums = {}
        self.net.train()
        progress.begin(self.epoch, self.done)
        for parts in _steps(self.task.batches(self.epoch, self.done), self.run.accumulate):
            step = self.epoch * steps + self.done
            for group in self.optimiser.param_groups:
                group["lr"] = self.run.lr * schedule(step, total, self.run)
            self._learn(parts)
            self.done += 1
            progress.step(self.done, self.sums)
            every = self.run.checkpoint_steps
            if every and self.done % every == 0 and self.done < steps:
                self.save()
        names = sorted(self.sums)
        means = self.group.mean(torch.stack([self.sums[name] for name in names])) / steps
        found = dict(zip(names, means.tolist(), strict=True))
        if not all(math.isfinite(value) for value in found.values()):
            raise UsageError(
                f"The loss is {found['loss']} in epoch {self.epoch + 1}: the training fell apart. "
                "Lower run.lr, raise run.warmup_steps, or set run.precision to float32."
            )
        return {name: round(found[name], 5) for name in self.sums}

    def _learn(self, parts: list[Any]) -> None:
        """One step of the optimiser."""
        for i, part in enumerate(parts):
            alone = i + 1 < len(parts) and isinstance(self.step, DistributedDataParallel)
            quiet = self.step.no_sync() if alone else contextlib.nullcontext()  # type: ignore[operator]
            with quiet:
                with self.device.autocast():
                    losses = self.step(self.device.move(part))
                loss = losses["loss"] if len(parts) == 1 else losses["loss"] / len(parts)
                self.scaler.scale(loss).backward()
            for name, value in losses.items():
                # Read at the end of the epoch only: reading makes a GPU wait.
                mean = value.detach().double() / len(parts)
                self.sums[name] = self.sums[name] + mean if name in self.sums else mean
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.net.parameters(), self.run.grad_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.average.update(self.net)

    def validate(self) -> dict[str, float]:
        """The metrics of the averaged net, and what follows from them: the best, or the end."""
        metrics: dict[str, float] | None = None
        if self.group.first:
            metrics = self.task.validate(self.average.net)
        metrics = dict(self.group.share(metrics))
        score = next(iter(metrics.values()), 0.0)
        self.stale = 0 if score > self.best else self.stale + 1
        if score >= self.best:
            self.best = score
            if self.group.first:
                state = {"net": self.average.net.state_dict(), "metrics": metrics}
                checkpoints.save(self.folder / checkpoints.BEST, state)
        self.stopped = 0 < self.run.patience <= self.stale
        return metrics

    def settle(self) -> Net:
        """The result: the average at the end, or with `run.patience` that of the best epoch."""
        path = self.folder / checkpoints.BEST
        if self.run.patience and not self.settled and self.group.share(path.exists()):
            self.average.net.load_state_dict(weights.read_checkpoint(path)["net"])
            self.settled = True
            self.save()
        return self.average.net.cpu().eval()


def train(
    task: Task[Net],
    config: TrainConfig,
    folder: Path,
    *,
    digest: str,
    fresh: bool = False,
    group: Group | None = None,
    report: Report | None = None,
) -> Net:
    """Train to the end of the schedule and return the averaged net, on the CPU.

    `digest` identifies the run (see `runs.digest`). `folder` receives `last.pt` (continued by the
    same command), `best.pt` (weights of the best validation), `log.jsonl`, `config.yaml` and
    `curves.png`. group: the processes that train together; report: who hears of every epoch.

    Raises:
        UsageError: `last.pt` is of another digest (`fresh` starts anew instead), or the loss is no
            longer a number.
    """
    group, report = group or Group(), report or Report(folder, config)
    run = config.run
    folder.mkdir(parents=True, exist_ok=True)
    if fresh and group.first:
        checkpoints.clear(folder)
    group.share(None)  # nobody reads before the first has cleared
    training = Training(task, config, folder, digest, group)
    if state := checkpoints.read(folder, digest):
        training.restore(state)
    if not training.finished():
        if group.first:
            report.begin(digest)
        with Progress(run, task.steps(), shown=group.first) as progress:
            while not training.finished():
                _one_epoch(training, progress, report)
        if group.first:
            report.end()
    return training.settle()


def _one_epoch(training: Training[Any], progress: Progress, report: Report) -> None:
    run, started = training.run, time.monotonic()
    left = training.task.steps() - training.done
    row: dict[str, float] = {"epoch": training.epoch + 1}
    row |= training.train_epoch(progress)
    speed = left * run.batch / max(1e-9, time.monotonic() - started)
    training.epoch, training.done = training.epoch + 1, 0
    validated = training.epoch % run.validate_every == 0 or training.epoch == run.epochs
    if validated:
        row |= training.validate()
    row["seconds"] = round(time.monotonic() - started, 1)
    row["images_per_s"] = round(speed, 1)
    # The log comes first: killed between the two, the epoch is trained again and logged once.
    if training.group.first:
        checkpoints.log(training.folder / checkpoints.LOG, row)
    training.save()
    if training.group.first:
        progress.line(row)
        report.epoch(row, validated=validated)


def load_net(net: Net, folder: Path) -> Net:
    """Fill a net with the weights at the end of a run.

    Raises:
        UsageError: the folder holds no run, or one of another architecture.
    """
    checkpoints.averaged(net, folder)
    return net.eval()


def _steps(batches: Iterable[Any], parts: int) -> Iterator[list[Any]]:
    """The batches, so many a step."""
    held: list[Any] = []
    for batch in batches:
        held.append(batch)
        if len(held) == parts:
            yield held
            held = []


def _groups(net: nn.Module, run: RunConfig) -> list[dict[str, Any]]:
    # Biases and scales are not decayed: pulling them to zero only slows the fit.
    decayed = [p for p in net.parameters() if p.ndim > 1]
    free = [p for p in net.parameters() if p.ndim <= 1]
    return [
        {"params": decayed, "weight_decay": run.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
