"""Several processes that train one net, started by torchrun; without it there is just one.

torchrun --nproc-per-node 2 --no-python deckwatch train detector --config FILE
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed as dist

from deckwatch_vision.errors import UsageError

# A validation of many pictures on the first process keeps the others waiting.
PATIENCE = datetime.timedelta(hours=4)


@dataclass(frozen=True)
class Group:
    """This process among all; `local`: among those of its machine."""

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def share(self, value: Any) -> Any:
        """The first process's value, in every process."""
        if self.world == 1:
            return value
        held = [value]
        dist.broadcast_object_list(held, src=0, device=self._carrier())
        return held[0]

    def gather(self, value: Any) -> list[Any]:
        """Every process's value, in order of rank."""
        if self.world == 1:
            return [value]
        held: list[Any] = [None] * self.world
        dist.all_gather_object(held, value)
        return held

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """The mean over all processes."""
        if self.world == 1:
            return values
        dist.all_reduce(values)
        return values / self.world

    def _carrier(self) -> torch.device:
        return (
            torch.device("cuda", self.local)
            if dist.get_backend() == "nccl"
            else torch.device("cpu")
        )


@contextlib.contextmanager
def joined(batch: int, parts: int, device: str) -> Iterator[Group]:
    """The group that torchrun's variables name, for the time of a training.

    batch: examples a step over all processes, which must divide by the processes and by `parts`;
    device: "auto", "cpu" or "cuda".

    Raises:
        UsageError: it does not divide.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if batch % (world * parts):
        raise UsageError(
            f"run.batch is {batch}; with {world} processes and run.accumulate {parts} give a "
            f"multiple of {world * parts}."
        )
    if world == 1:
        yield Group()
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    on_gpu = device != "cpu" and torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE)
    try:
        yield Group(dist.get_rank(), world, local)
    finally:
        dist.destroy_process_group()
