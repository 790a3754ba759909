"""Random numbers to start from, such that a deep net without batch norm learns at all.

The usual start shrinks what passes through every layer. Batch norm undoes that; in nets whose batch
norms were folded into the convolutions (`nets`, `yolox`) nothing does, and what reaches the head no
longer depends on the picture. Layer-sequential unit variance (Mishkin and Matas, "All you need is a
good init", 2016, arXiv 1511.06422) scales each layer once, so that its output varies by one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)
_CANVASES = 4
# Below this a layer passes nothing on, and scaling it up would only amplify rounding.
_LEAST = 1e-8


@torch.no_grad()
def unit_variance(net: nn.Module, size: int) -> int:
    """Scale every convolution that an activation follows and no norm; returns how many.

    Last layers are left alone: their scale and bias belong to the loss. size: of the net's canvas,
    pixels.
    """
    convolutions = [
        conv
        for module in net.modules()
        if isinstance(module, nn.Sequential)
        for conv, after in zip(module, list(module)[1:], strict=False)
        if isinstance(conv, nn.Conv2d) and not isinstance(after, _NORMS)
    ]
    if not convolutions:
        return 0
    hooks = []
    for conv in convolutions:
        if conv.groups == 1:
            nn.init.orthogonal_(conv.weight)
        else:
            nn.init.normal_(conv.weight)
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)
        hooks.append(conv.register_forward_hook(_scale))
    training = net.training
    # Called in the order of the layers, so that each sees what those before it now pass on.
    net.eval()(_canvases(size))
    for hook in hooks:
        hook.remove()
    net.train(training)
    return len(convolutions)


def _scale(conv: nn.Module, _given: Any, out: Tensor) -> Tensor:
    deviation = float(out.std())
    if not isinstance(conv, nn.Conv2d) or deviation < _LEAST:
        return out
    conv.weight /= deviation
    return out / deviation  # the bias is zero


def _canvases(size: int) -> Tensor:
    """Smooth coloured noise, uint8 [N, S, S, 3], in place of photographs; always the same."""
    generator = torch.Generator().manual_seed(0)
    canvas = torch.full((_CANVASES, 3, size, size), 114.0)
    for cells, strength in ((3, 45.0), (9, 30.0), (size // 4, 18.0), (size, 8.0)):
        noise = torch.randn((_CANVASES, 3, cells, cells), generator=generator)
        canvas += strength * F.interpolate(noise, (size, size), mode="bilinear")
    return canvas.clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous()
