"""Nets without batch norm that start from random numbers."""

from __future__ import annotations

import torch
from torch import nn

from deckwatch_training import classifiers, detectors, weights
from deckwatch_training.starting import unit_variance

# What reaches the head must depend on the picture: otherwise nothing can be learnt from it.


def _told_apart(net: nn.Module, features: nn.Module, size: int) -> float:
    """How much the features of two pictures differ, over how much they vary."""
    kept: list[torch.Tensor] = []
    hook = features.register_forward_hook(lambda _m, _i, out: kept.append(out))
    dark = torch.full((1, size, size, 3), 60, dtype=torch.uint8)
    bright = dark.clone()
    bright[:, size // 4 : size // 2] = 220
    with torch.inference_mode():
        net.eval()(torch.cat((dark, bright)))
    hook.remove()
    out = kept[0]
    return float((out[0] - out[1]).abs().mean() / (out.abs().mean() + 1e-12))


def test_what_reaches_a_detectors_head_depends_on_the_picture() -> None:
    torch.manual_seed(0)
    net = detectors.YOLOXDetector("nano", 96)
    deepest = [m for m in net.net.backbone.modules() if isinstance(m, nn.Conv2d)][-1]
    before = _told_apart(net, deepest, 96)
    assert unit_variance(net, 96) > 40
    assert _told_apart(net, deepest, 96) > max(0.2, 5 * before)


def test_the_start_is_taken_where_a_configuration_names_no_weights() -> None:
    torch.manual_seed(0)
    net = detectors.YOLOXDetector("nano", 96)
    plain = [p.clone() for p in net.parameters()]
    weights.start(net, weights.Source(None, "none"), 96)
    assert not all(torch.equal(a, b) for a, b in zip(plain, net.parameters(), strict=True))


def test_layers_come_out_with_unit_variance_and_nothing_else_is_touched() -> None:
    torch.manual_seed(0)
    net = classifiers.build("mobilenet_v2", 5, 64)
    head = [p.clone() for p in net.head.parameters()]  # type: ignore[union-attr]
    mode = net.training
    unit_variance(net, 64)
    assert net.training == mode
    for old, new in zip(head, net.head.parameters(), strict=True):  # type: ignore[union-attr]
        assert torch.equal(old, new)
    again = [p.clone() for p in net.parameters()]
    torch.manual_seed(0)
    twin = classifiers.build("mobilenet_v2", 5, 64)
    unit_variance(twin, 64)
    assert all(torch.equal(a, b) for a, b in zip(again, twin.parameters(), strict=True))


def test_a_net_with_batch_norm_keeps_its_own_start() -> None:
    torch.manual_seed(0)
    net = classifiers.build("resnet18", 3, 64)
    before = [p.clone() for p in net.parameters()]
    assert unit_variance(net, 64) == 0
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
