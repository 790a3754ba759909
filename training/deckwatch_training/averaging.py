"""The average of a net's weights over its training: what a run ends with."""

from __future__ import annotations

import copy
import math
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

Net = TypeVar("Net", bound=nn.Module)


class Average(Generic[Net]):
    """Exponential moving average of a net's weights, with the usual ramp at the start."""

    def __init__(self, net: Net, decay: float):
        self.net = copy.deepcopy(net).eval()
        self.decay = decay
        self.updates = 0
        self._pairs: list[tuple[Tensor, Tensor]] = []

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Move a little towards the net, which must be the same one every time."""
        if not self._pairs:
            new = net.state_dict()
            self._pairs = [(own, new[key]) for key, own in self.net.state_dict().items()]
        self.updates += 1
        # Ramp of the published YOLOX training: young averages forget fast.
        decay = self.decay * (1 - math.exp(-self.updates / 500))
        for own, new_one in self._pairs:
            if own.dtype.is_floating_point:
                own.lerp_(new_one, 1 - decay)
            else:
                own.copy_(new_one)
