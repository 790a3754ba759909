"""YOLOX, rebuilt in plain torch: backbone, feature pyramid and decoupled head, without batch norm.

Architecture: Ge et al., "YOLOX: Exceeding YOLO Series in 2021" (arXiv 2107.08430). The nano size
uses depthwise-separable convolutions. The published COCO weights come with their batch norm folded
into the convolutions, so the net here has none either: a convolution with a bias, then SiLU.

The head is class-agnostic ("fish"): its raw output a row is (dx, dy, log w, log h, logit); see
`deckwatch_vision.heads`, head "yolox", for the decoding.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deckwatch_vision.errors import UsageError

STRIDES = (8, 16, 32)
# Depth and width of the sizes that share this graph (paper, table 3 and appendix).
SIZES = {"nano": (1, 0.25, True), "tiny": (1, 0.375, False), "s": (1, 0.5, False)}
# The prior probability that a cell holds a fish, as for focal loss (arXiv 1708.02002, section 4.1).
PRIOR = 0.01


class Conv(nn.Sequential):
    """A convolution that keeps the size at stride 1, and SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups),
            nn.SiLU(inplace=True),
        )


def spatial(inputs: int, outputs: int, stride: int, depthwise: bool) -> nn.Module:
    """A 3x3 convolution, or its depthwise-separable form."""
    if not depthwise:
        return Conv(inputs, outputs, 3, stride)
    return nn.Sequential(Conv(inputs, inputs, 3, stride, groups=inputs), Conv(inputs, outputs, 1))


class Bottleneck(nn.Module):
    """1x1, then 3x3, with a way around both where `shortcut` is set."""

    def __init__(self, channels: int, shortcut: bool, depthwise: bool):
        super().__init__()
        self.reduce = Conv(channels, channels, 1)
        self.spatial = spatial(channels, channels, 1, depthwise)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.spatial(self.reduce(x))
        return y + x if self.shortcut else y


class CSP(nn.Module):
    """Cross-stage-partial block: half of the channels pass `depth` bottlenecks, half pass none."""

    def __init__(self, inputs: int, outputs: int, depth: int, shortcut: bool, depthwise: bool):
        super().__init__()
        hidden = outputs // 2
        self.deep = Conv(inputs, hidden, 1)
        self.flat = Conv(inputs, hidden, 1)
        self.blocks = nn.Sequential(
            *(Bottleneck(hidden, shortcut, depthwise) for _ in range(depth))
        )
        self.join = Conv(2 * hidden, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        joined: Tensor = self.join(torch.cat((self.blocks(self.deep(x)), self.flat(x)), 1))
        return joined


class SPP(nn.Module):
    """Spatial pyramid pooling: the same features seen through windows of 5, 9 and 13 cells."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.reduce = Conv(inputs, inputs // 2, 1)
        self.join = Conv(inputs * 2, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        # Windows of 9 and 13 are windows of 5 taken two and three times, at a fraction of the work.
        five = F.max_pool2d(x, 5, 1, 2)
        nine = F.max_pool2d(five, 5, 1, 2)
        joined: Tensor = self.join(torch.cat((x, five, nine, F.max_pool2d(nine, 5, 1, 2)), 1))
        return joined


class Backbone(nn.Module):
    """CSPDarknet: features at strides 8, 16 and 32."""

    def __init__(self, base: int, depth: int, depthwise: bool):
        super().__init__()
        self.stem = Conv(12, base, 3)
        self.dark2 = self._stage(base, depth, depthwise)
        self.dark3 = self._stage(base * 2, depth * 3, depthwise)
        self.dark4 = self._stage(base * 4, depth * 3, depthwise)
        self.dark5 = nn.Sequential(
            spatial(base * 8, base * 16, 2, depthwise),
            SPP(base * 16, base * 16),
            CSP(base * 16, base * 16, depth, False, depthwise),
        )

    @staticmethod
    def _stage(inputs: int, depth: int, depthwise: bool) -> nn.Sequential:
        return nn.Sequential(
            spatial(inputs, inputs * 2, 2, depthwise),
            CSP(inputs * 2, inputs * 2, depth, True, depthwise),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # "Focus": every 2x2 patch becomes four times the channels (column by column).
        x = torch.cat(
            (x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]), 1
        )
        eight = self.dark3(self.dark2(self.stem(x)))
        sixteen = self.dark4(eight)
        return eight, sixteen, self.dark5(sixteen)


class Pyramid(nn.Module):
    """Path-aggregation feature pyramid: coarse to fine, then back."""

    def __init__(self, base: int, depth: int, depthwise: bool):
        super().__init__()
        c3, c4, c5 = base * 4, base * 8, base * 16
        self.lateral5 = Conv(c5, c4, 1)
        self.down4 = CSP(2 * c4, c4, depth, False, depthwise)
        self.lateral4 = Conv(c4, c3, 1)
        self.down3 = CSP(2 * c3, c3, depth, False, depthwise)
        self.stride3 = spatial(c3, c3, 2, depthwise)
        self.up4 = CSP(2 * c3, c4, depth, False, depthwise)
        self.stride4 = spatial(c4, c4, 2, depthwise)
        self.up5 = CSP(2 * c4, c5, depth, False, depthwise)

    def forward(self, features: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        f3, f4, f5 = features
        p5 = self.lateral5(f5)
        p4 = self.lateral4(self.down4(torch.cat((_double(p5), f4), 1)))
        n3 = self.down3(torch.cat((_double(p4), f3), 1))
        n4 = self.up4(torch.cat((self.stride3(n3), p4), 1))
        return n3, n4, self.up5(torch.cat((self.stride4(n4), p5), 1))


class Head(nn.Module):
    """The decoupled head of one level; its class branch is left out (one class: a fish)."""

    def __init__(self, inputs: int, width: int, depthwise: bool):
        super().__init__()
        self.stem = Conv(inputs, width, 1)
        self.branch = nn.Sequential(
            spatial(width, width, 1, depthwise), spatial(width, width, 1, depthwise)
        )
        self.box = nn.Conv2d(width, 4, 1)
        self.fish = nn.Conv2d(width, 1, 1)
        # As in that paper: the bias starts at the logit of the prior, the weights next to nothing.
        for last in (self.box, self.fish):
            nn.init.normal_(last.weight, std=0.01)
        self.fish.bias.data.fill_(math.log(PRIOR / (1 - PRIOR)))  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        x = self.branch(self.stem(x))
        return torch.cat((self.box(x), self.fish(x)), 1)


class YOLOX(nn.Module):
    """Canvas in, raw heads out.

    `forward` takes float RGB [N, 3, S, S] normalised with ImageNet's mean and deviation, S a
    multiple of 32, and gives [N, A, 5] with A the cells of strides 8, 16 and 32 in row-major order.
    """

    head = "yolox"
    strides = STRIDES

    def __init__(self, size: str = "nano"):
        super().__init__()
        if size not in SIZES:
            raise UsageError(f"No YOLOX of size {size!r}. Use one of: {', '.join(SIZES)}.")
        depth, width, depthwise = SIZES[size]
        base = int(64 * width)
        self.backbone = Backbone(base, depth, depthwise)
        self.pyramid = Pyramid(base, depth, depthwise)
        self.heads = nn.ModuleList(Head(base * scale, base * 4, depthwise) for scale in (4, 8, 16))

    def forward(self, x: Tensor) -> Tensor:
        levels = self.pyramid(self.backbone(x))
        rows = [head(f).flatten(2) for head, f in zip(self.heads, levels, strict=True)]
        return torch.cat(rows, 2).transpose(1, 2)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def load_coco(net: YOLOX, path: Path) -> None:
    """Fill a nano net with the published COCO weights (80 classes, batch norm folded).

    The file names its convolutions by the order of the graph, `c.Conv_<n>.weight`; the same order
    as this net's own, but for the class branch of each head, which a one-class net leaves out.
    The objectness becomes the score of a fish.

    Raises UsageError where the file's shapes are not those of the net.
    """
    state = torch.load(path, map_location="cpu", weights_only=True)
    numbers = sorted({int(key.split("_")[1].split(".")[0]) for key in state})
    if len(numbers) < 3 * 12:
        raise UsageError(f"{path} holds {len(numbers)} convolutions, too few for YOLOX.")
    kept = numbers[:-36]  # a head holds 12 convolutions: stem, 4 + 1 for the class, 4 + 1 + 1
    for level in range(3):
        head = numbers[len(numbers) - 36 + 12 * level :][:12]
        kept += [head[0], *head[6:12]]
    own = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    if len(own) != len(kept):
        raise UsageError(f"{path} holds {len(kept)} usable convolutions, the net {len(own)}.")
    for module, number in zip(own, kept, strict=True):
        weight, bias = state[f"c.Conv_{number}.weight"], state[f"c.Conv_{number}.bias"]
        if weight.shape != module.weight.shape or module.bias is None:
            raise UsageError(
                f"{path}: convolution {number} is {tuple(weight.shape)}, "
                f"the net's is {tuple(module.weight.shape)}. Are these the weights of YOLOX-nano?"
            )
        with torch.no_grad():
            module.weight.copy_(weight.float())
            module.bias.copy_(bias.float())
