"""SimOTA: which cells of a dense head learn which fish, and the loss that follows.

Source: Ge et al., "YOLOX" (arXiv 2107.08430), section 2.3, simplified from OTA (2103.14259). For
every fish the k cells of least cost learn it, where k is the sum of its ten best overlaps.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_iou, generalized_box_iou_loss

# Cells whose centre lies within this many strides of a fish's centre may learn it.
CENTRE = 1.5
# How many overlaps are summed to k, and the weight of the overlap in a cell's cost.
TOP, OVERLAP = 10, 3.0
# Out of reach, yet finite: a fish with no cell in its centre region falls back on cells inside it.
FAR = 1e5
# The box loss against the binary cross-entropy of the score.
BOX_WEIGHT = 5.0


def grid(size: int, strides: tuple[int, ...]) -> Tensor:
    """Cells of all levels, [A, 3]: x, y (in cells) and the stride, row-major, level by level."""
    rows = []
    for stride in strides:
        side = torch.arange(size // stride, dtype=torch.float32)
        y, x = torch.meshgrid(side, side, indexing="ij")
        rows.append(torch.stack((x, y, torch.full_like(x, stride)), -1).reshape(-1, 3))
    return torch.cat(rows)


def decode_yolox(heads: Tensor, cells: Tensor) -> Tensor:
    """Raw heads [..., A, 5] to boxes [..., A, 4] in canvas pixels (vision's decoding, in torch)."""
    stride = cells[:, 2:]
    centre = (heads[..., :2] + cells[:, :2]) * stride
    half = heads[..., 2:4].clamp(max=8).exp() * stride / 2
    return torch.cat((centre - half, centre + half), -1)


def decode_ltrb(heads: Tensor, cells: Tensor) -> Tensor:
    """Distances to the four sides, in strides, from the centre of each cell."""
    stride = cells[:, 2:]
    centre = (cells[:, :2] + 0.5) * stride
    return torch.cat((centre - heads[..., :2] * stride, centre + heads[..., 2:4] * stride), -1)


DECODERS = {"yolox": decode_yolox, "ltrb": decode_ltrb}


@torch.no_grad()
def assign(boxes: Tensor, logits: Tensor, truth: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
    """Give cells to fish: (indices of the cells that learn, the fish each learns).

    boxes [A, 4] and logits [A] are the net's present answer, truth [N, 4] the fish of the picture.
    """
    centres = (cells[:, :2] + 0.5) * cells[:, 2:]
    inside = (
        (centres[:, None] > truth[None, :, :2]) & (centres[:, None] < truth[None, :, 2:])
    ).all(2)
    middle = (truth[:, :2] + truth[:, 2:]) / 2
    near = ((centres[:, None] - middle).abs() < CENTRE * cells[:, None, 2:]).all(2)
    rows = (inside | near).any(1).nonzero().squeeze(1)
    if not len(rows):
        return rows, rows
    overlap = box_iou(boxes[rows], truth)
    score = F.binary_cross_entropy_with_logits(
        logits[rows], torch.ones_like(logits[rows]), reduction="none"
    )
    cost = score[:, None] - OVERLAP * overlap.clamp(min=1e-8).log()
    cost += FAR * ~(inside & near)[rows]
    chosen = torch.zeros_like(cost, dtype=torch.bool)
    best = overlap.topk(min(TOP, len(rows)), 0).values.sum(0).int().clamp(min=1).tolist()
    order = cost.topk(min(TOP, len(rows)), 0, largest=False).indices
    for fish, k in enumerate(best):
        chosen[order[:k, fish], fish] = True
    # A cell wanted by several fish learns the cheapest.
    several = chosen.sum(1) > 1
    chosen[several] = False
    chosen[several, cost[several].argmin(1)] = True
    learn = chosen.any(1)
    return rows[learn], chosen[learn].float().argmax(1)


def loss(
    heads: Tensor, truths: list[Tensor], cells: Tensor, decode: str = "yolox"
) -> dict[str, Tensor]:
    """The loss of a batch: raw heads [N, A, 5] against the boxes of each picture.

    GIoU on the assigned cells and binary cross-entropy on all, both over the number of assigned
    cells. Returns {"loss", "box", "score"}.
    """
    boxes = DECODERS[decode](heads, cells)
    target = torch.zeros_like(heads[..., 4])
    got, wanted = [], []
    for i, truth in enumerate(truths):
        if not len(truth):
            continue
        rows, fish = assign(boxes[i].detach(), heads[i, :, 4].detach(), truth, cells)
        target[i, rows] = 1.0
        got.append(boxes[i, rows])
        wanted.append(truth[fish])
    count = max(1, sum(len(rows) for rows in got))
    box = heads.sum() * 0
    if got:
        box = generalized_box_iou_loss(torch.cat(got), torch.cat(wanted), reduction="sum") / count
    score = F.binary_cross_entropy_with_logits(heads[..., 4], target, reduction="sum") / count
    return {"loss": BOX_WEIGHT * box + score, "box": box.detach(), "score": score.detach()}
