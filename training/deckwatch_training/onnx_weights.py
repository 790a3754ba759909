"""The weights of an exported net, back into the net: so that a release can be fine-tuned.

The exporter keeps the names of most tensors, merges equal ones, writes the weights of linear layers
transposed, and folds a batch norm into the convolution before it. All of that is undone here; only
the statistics of a folded batch norm are gone, so it becomes an identity with the bias of the
convolution, to be kept as it is (`Net.frozen`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from deckwatch_vision.errors import UsageError

BatchNorm = nn.modules.batchnorm._BatchNorm


def read(path: Path, net: nn.Module, size: int) -> tuple[dict[str, Tensor], bool]:
    """(a state dict for `net`, whether batch norms were folded) from an exported file.

    size: side of the net's input, for a dry run that tells the order of its layers.

    Raises:
        UsageError: the file cannot be read, or was exported from another net.
    """
    try:
        graph = onnx.load(path).graph
    except Exception as error:
        raise UsageError(f"{path} is no ONNX file: {error}.") from error
    export = _Export(path, graph, net, size)
    folded = export.convolutions()
    export.linear()
    export.groups()
    return export.state, folded


class _Layers:
    """Which layers ran, in order, and which batch norm took which convolution's output."""

    def __init__(self) -> None:
        self.convolutions: list[tuple[str, nn.Module]] = []
        self.linear: list[tuple[str, nn.Module]] = []
        self.norms: dict[str, tuple[str, nn.Module]] = {}
        self.groups: list[tuple[str, nn.Module]] = []
        self._last: tuple[str, int] = ("", 0)

    def hook(self, name: str) -> Any:
        """What to call when a layer has run."""

        def ran(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if isinstance(module, nn.Conv2d):
                self.convolutions.append((name, module))
                self._last = name, id(output)
            elif isinstance(module, nn.Linear):
                self.linear.append((name, module))
            elif isinstance(module, nn.GroupNorm):
                self.groups.append((name, module))
            elif id(inputs[0]) == self._last[1]:
                self.norms[self._last[0]] = name, module

        return ran


def _layers(net: nn.Module, size: int) -> _Layers:
    found = _Layers()
    hooks = [
        module.register_forward_hook(found.hook(name))
        for name, module in net.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear | nn.GroupNorm | BatchNorm)
    ]
    was = net.training
    try:
        with torch.no_grad():
            net.eval()(torch.zeros((1, size, size, 3), dtype=torch.uint8))
    finally:
        net.train(was)
        for hook in hooks:
            hook.remove()
    return found


class _Export:
    """An exported graph beside the net that it came from; `state` fills up."""

    def __init__(self, path: Path, graph: onnx.GraphProto, net: nn.Module, size: int):
        self.path, self.graph = path, graph
        self.tensors = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        for node in graph.node:
            # Equal tensors are stored once; the other name is an Identity of the first.
            if node.op_type == "Identity" and node.input[0] in self.tensors:
                self.tensors[node.output[0]] = self.tensors[node.input[0]]
        self.own = net.state_dict()
        self.state = {key: self._tensor(key) for key in self.tensors if key in self.own}
        self.layers = _layers(net, size)

    def convolutions(self) -> bool:
        """Fill in folded convolutions and their batch norms; whether there were any."""
        nodes = [each for each in self.graph.node if each.op_type == "Conv"]
        layers = self.layers
        if all(each.input[1] in self.own for each in nodes):
            return False
        if len(nodes) != len(layers.convolutions):
            raise UsageError(
                f"{self.path} has {len(nodes)} convolutions, the net {len(layers.convolutions)}: "
                "it was exported from another architecture. Change model.architecture or "
                "model.weights."
            )
        for node, (name, module) in zip(nodes, layers.convolutions, strict=True):
            if node.input[1] in self.own or f"{name}.weight" in self.state:
                continue
            self.state[f"{name}.weight"] = self._tensor(node.input[1])
            bias = self._tensor(node.input[2])
            if name not in layers.norms:
                self.state[f"{name}.bias"] = bias
                continue
            if module.bias is not None:
                self.state[f"{name}.bias"] = torch.zeros_like(bias)
            self.state |= _identity(*layers.norms[name], bias)
        return True

    def linear(self) -> None:
        """Fill in the weights of linear layers that were written transposed."""
        nodes = [
            each
            for each in self.graph.node
            if each.op_type in ("MatMul", "Gemm") and each.input[1] in self.tensors
        ]
        if len(nodes) != len(self.layers.linear):
            return  # what is missing is named by `weights.start`
        for node, (name, module) in zip(nodes, self.layers.linear, strict=True):
            if node.input[1] in self.own or f"{name}.weight" in self.state:
                continue
            values = self._tensor(node.input[1]).T.contiguous()
            if values.shape == module.weight.shape:
                self.state[f"{name}.weight"] = values

    def groups(self) -> None:
        """Fill in the scales and biases of group norms, which stand behind an instance norm."""
        nodes = [each for each in self.graph.node if each.op_type == "InstanceNormalization"]
        if len(nodes) != len(self.layers.groups):
            return
        users: dict[str, Any] = {}
        for each in self.graph.node:
            users |= dict.fromkeys(each.input, each)
        for node, (name, _) in zip(nodes, self.layers.groups, strict=True):
            # instance norm -> reshape -> times the scale -> plus the bias
            for _ in range(3):
                node = users[node.output[0]]
                part = {"Mul": "weight", "Add": "bias"}.get(node.op_type)
                constant = [each for each in node.input if each in self.tensors]
                key = f"{name}.{part}"
                if constant and key in self.own and key not in self.state:
                    self.state[key] = self._tensor(constant[0]).flatten()

    def _tensor(self, name: str) -> Tensor:
        return torch.from_numpy(np.array(self.tensors[name]))


def _identity(name: str, norm: nn.Module, bias: Tensor) -> dict[str, Tensor]:
    """A batch norm that adds `bias` and does nothing else."""
    one = torch.ones_like(bias)
    return {
        f"{name}.weight": one,
        f"{name}.bias": bias,
        f"{name}.running_mean": torch.zeros_like(bias),
        f"{name}.running_var": one - norm.eps,  # type: ignore[operator]
    }
