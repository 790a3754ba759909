"""Where a net is trained and how exactly: device, mixed precision, loss scaling."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from deckwatch_training.config import RunConfig
from deckwatch_vision.errors import UsageError


@dataclass(frozen=True)
class Device:
    """A device and the type of the net's arithmetic on it; None: float32 throughout."""

    device: torch.device
    precision: torch.dtype | None

    @property
    def on_gpu(self) -> bool:
        """Whether it is a GPU."""
        return self.device.type == "cuda"

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Around forward and loss."""
        if self.precision is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.precision)

    def scaler(self) -> torch.amp.GradScaler:
        """Scales the loss where gradients would vanish in float16; else lets all pass."""
        half = self.precision == torch.float16
        return torch.amp.GradScaler(self.device.type, enabled=half)

    def move(self, batch: Any) -> Any:
        """A batch, in whatever lists and tuples, on the device."""
        if not self.on_gpu:
            return batch
        if isinstance(batch, Tensor):
            return batch.to(self.device, non_blocking=True)
        if isinstance(batch, list | tuple):
            return type(batch)(self.move(each) for each in batch)
        return batch


def choose(run: RunConfig, local: int = 0) -> Device:
    """The device and precision that a configuration asks for; local: which GPU of the machine.

    Raises:
        UsageError: a GPU is asked for and there is none.
    """
    there = torch.cuda.is_available()
    if run.device == "cuda" and not there:
        raise UsageError(
            "run.device is cuda, and torch sees no GPU here. Set run.device to auto or cpu, or "
            "install a torch for your driver."
        )
    on_gpu = there and run.device != "cpu"
    device = torch.device("cuda", local) if on_gpu else torch.device("cpu")
    if run.precision != "auto":
        named = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
        return Device(device, named[run.precision])
    if not on_gpu:
        return Device(device, None)
    return Device(device, torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16)


def of(net: nn.Module) -> torch.device:
    """Where a net lies; the CPU where it has no parameters."""
    return next((parameter.device for parameter in net.parameters()), torch.device("cpu"))
