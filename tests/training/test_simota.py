from __future__ import annotations

import numpy as np
import torch

from deckwatch_training import simota
from deckwatch_vision.boxes import iou
from deckwatch_vision.heads import decode_heads

STRIDES = (8, 16, 32)


def test_boxes_in_torch_are_those_of_production() -> None:
    rng = np.random.default_rng(0)
    heads = rng.normal(0, 1, (84, 5)).astype(np.float32)
    cells = simota.grid(64, STRIDES)
    for kind, decode in simota.DECODERS.items():
        ours = decode(torch.from_numpy(heads), cells).numpy()
        theirs, scores = decode_heads(heads, kind, 64, STRIDES, 1e-6)
        assert len(theirs) == len(ours)
        order = np.argsort(-heads[:, 4])
        again = np.argsort(-scores)
        np.testing.assert_allclose(ours[order], theirs[again], rtol=1e-4, atol=1e-3)


def test_every_fish_is_learnt_by_cells_at_its_place() -> None:
    cells = simota.grid(64, STRIDES)
    truth = torch.tensor([[4.0, 4, 28, 20], [30, 30, 60, 62], [1, 50, 5, 54]])
    heads = torch.zeros(len(cells), 5)
    rows, fish = simota.assign(simota.decode_yolox(heads, cells), heads[:, 4], truth, cells)
    assert set(fish.tolist()) == {0, 1, 2}
    assert len(set(rows.tolist())) == len(rows), "a cell learns one fish"
    centres = (cells[rows, :2] + 0.5) * cells[rows, 2:]
    middle = (truth[fish, :2] + truth[fish, 2:]) / 2
    side = (truth[fish, 2:] - truth[fish, :2]) / 2
    reach = torch.maximum(side, simota.CENTRE * cells[rows, 2:])
    assert ((centres - middle).abs() <= reach).all()


def test_a_picture_without_fish_has_a_loss_on_scores_alone() -> None:
    heads = torch.zeros(1, 84, 5, requires_grad=True)
    parts = simota.loss(heads, [torch.zeros(0, 4)], simota.grid(64, STRIDES))
    assert parts["box"] == 0
    parts["loss"].backward()
    assert heads.grad is not None
    assert heads.grad[..., :4].abs().sum() == 0
    assert (heads.grad[..., 4] > 0).all()


def test_descending_the_loss_finds_the_fish() -> None:
    cells, truth = simota.grid(64, STRIDES), torch.tensor([[8.0, 8, 40, 30], [40, 36, 60, 60]])
    heads = torch.zeros(1, len(cells), 5, requires_grad=True)
    optimiser = torch.optim.Adam([heads], 0.1)
    for _ in range(150):
        optimiser.zero_grad()
        simota.loss(heads, [truth], cells)["loss"].backward()
        optimiser.step()
    boxes, scores = decode_heads(heads[0].detach().numpy(), "yolox", 64, STRIDES, 0.8)
    assert len(scores) >= 2
    overlap = iou(truth.numpy(), boxes)
    assert (overlap.max(1) > 0.9).all(), "every fish is found"
    assert (overlap.max(0) > 0.9).all(), "nothing else is"
