"""Summarizes a network: every layer with its shapes, parameters and multiply-accumulates."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn

from fer_core.errors import ModelError
from fer_core.models.base import ExpressionModel
from fer_core.preprocess import FACE_SIZE

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer, in the order of the forward pass.

    Attributes:
        name: path of the module in the network, e.g. ``block1.0``.
        kind: class name, e.g. ``Conv2d``.
        input, output: shapes without the batch axis.
        parameters: number of learned parameters.
        macs: multiply-accumulates for one face; 0 for layers that only compare or scale.
        derivation: for convolutions and pooling layers, how the output size follows from the input size.
        call: number of the call of this module, from 1; the seed network uses its pooling layer four times.
        weights: for convolutions and linear layers, how the number of parameters is computed.
    """

    name: str
    kind: str
    input: Shape
    output: Shape
    parameters: int
    macs: int
    derivation: str = ""
    call: int = 1
    weights: str = ""

    @property
    def label(self) -> str:
        """The name, with the number of the call from the second on: ``pool``, ``pool (2)``."""
        return self.name if self.call == 1 else f"{self.name} ({self.call})"

    @property
    def is_convolution(self) -> bool:
        """Whether the layer has filters that slide over an image."""
        return self.kind == "Conv2d"


def output_side(side: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """Return the output size of a convolution or pooling layer: ⌊(W + 2P − K) / S⌋ + 1.

    Raises:
        ModelError: the kernel is larger than the padded input, or a number is out of range.
    """
    if side < 1 or kernel < 1 or padding < 0:
        raise ModelError(f"Side {side} and kernel {kernel} must be at least 1, padding {padding} at least 0.")
    if stride < 1:
        raise ModelError(f"The stride must be at least 1 pixel; got {stride}.")
    if kernel > side + 2 * padding:
        raise ModelError(
            f"A kernel of {kernel} does not fit into an input of {side} with padding {padding} ({side + 2 * padding} in all)."
        )
    return (side + 2 * padding - kernel) // stride + 1


def describe(model: ExpressionModel) -> list[LayerRow]:
    """Return the layers of a network, measured by passing one blank face through a copy of it."""
    network = copy.deepcopy(model).cpu().eval()
    rows: list[LayerRow] = []

    def record(name: str, module: nn.Module, inputs: torch.Tensor, output: torch.Tensor) -> None:
        rows.append(
            LayerRow(
                name=name,
                kind=type(module).__name__,
                input=tuple(inputs.shape[1:]),
                output=tuple(output.shape[1:]),
                parameters=sum(p.numel() for p in module.parameters()),
                macs=_macs(module, output),
                derivation=_derivation(module, inputs),
                call=1 + sum(row.name == name for row in rows),
                weights=_weights(module),
            )
        )

    for name, module in network.named_modules():
        if not list(module.children()) and not isinstance(module, nn.Identity):
            module.register_forward_hook(lambda m, args, out, name=name: record(name, m, args[0], out))
    with torch.inference_mode():
        network(torch.zeros(1, 1, FACE_SIZE, FACE_SIZE))
    return rows


def count_parameters(model: nn.Module) -> int:
    """Return the number of learned parameters of a network."""
    return sum(p.numel() for p in model.parameters())


def count_macs(model: ExpressionModel) -> int:
    """Return the multiply-accumulates for one 48×48 face, in convolutions and linear layers."""
    return sum(row.macs for row in describe(model))


def _macs(module: nn.Module, output: torch.Tensor) -> int:
    if isinstance(module, nn.Conv2d | nn.Linear):
        return int(output[0].numel() * module.weight[0].numel())
    return 0


def _weights(module: nn.Module) -> str:
    """Return a layer's number of parameters as a product: filters · (inputs · kernel² + bias)."""
    if not isinstance(module, nn.Conv2d | nn.Linear):
        return ""
    one = " · ".join(str(side) for side in module.weight.shape[1:])
    return f"{module.weight.shape[0]} · ({one}{' + 1' if module.bias is not None else ''})"


def _derivation(module: nn.Module, inputs: torch.Tensor) -> str:
    if not isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return ""
    side = int(inputs.shape[-1])

    def first(value: int | tuple[int, ...] | str | None) -> int:
        return int(value[0] if isinstance(value, tuple) else value or 0)

    kernel, padding = first(module.kernel_size), first(module.padding)
    stride = first(module.stride) or kernel
    out = output_side(side, kernel, stride, padding)
    return f"⌊({side} + 2·{padding} − {kernel}) / {stride}⌋ + 1 = {out}"
