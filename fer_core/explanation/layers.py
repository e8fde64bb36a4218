"""Activations and weights of a network's layers.

All functions register their hooks on a private copy of the network, so a network shared between threads is never
modified.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fer_core.errors import ModelError
from fer_core.inference import Classifier
from fer_core.models import LayerRow, describe
from fer_core.preprocess import FACE_SIZE, as_faces, to_tensor

if TYPE_CHECKING:
    import torch

    from fer_core.models import ExpressionModel

Maps = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Activation:
    """Activation of one layer for one face.

    Attributes:
        layer: description of the layer from :func:`fer_core.models.describe`.
        values: float32, (channels, h, w) for feature maps, (features,) after flattening.
    """

    layer: LayerRow
    values: Maps


def convolutions(model: ExpressionModel) -> list[LayerRow]:
    """Return the convolutional layers in forward order."""
    return [row for row in describe(model) if row.is_convolution]


def last_convolution(model: ExpressionModel) -> LayerRow:
    """Return the last convolution with a spatial output, ignoring squeeze-and-excitation layers (1×1 outputs).

    Raises:
        ModelError: the network has no such layer.
    """
    found = [row for row in convolutions(model) if row.output[-1] > 1]
    if not found:
        raise ModelError(f"{type(model).__name__} has no convolutional layer, so it has no filters to show.")
    return found[-1]


def find_convolution(model: ExpressionModel, label: str | None) -> LayerRow:
    """Return the convolution with this label, or the last one if None.

    Raises:
        ModelError: it does not exist; the message lists the existing ones.
    """
    if label is None:
        return last_convolution(model)
    found = {row.label: row for row in convolutions(model)}
    if label not in found:
        raise ModelError(f"The network has no convolutional layer '{label}'. It has: {', '.join(found) or 'none'}.")
    return found[label]


def weights(model: ExpressionModel, layer: LayerRow) -> Maps:
    """Return the weights of a convolution, float32 (filters, input channels, kernel, kernel)."""
    module: Any = model.get_submodule(layer.name)
    kernels: Maps = module.weight.detach().float().cpu().numpy()
    return kernels


def activations(classifier: Classifier, face: npt.NDArray[np.generic]) -> list[Activation]:
    """Compute the activations of every layer for one face uint8 (48, 48), in forward order.

    Raises:
        ImageError: the array has the wrong shape or type.
    """
    import torch

    rows = describe(classifier.model)
    network = private_copy(classifier)
    found: list[torch.Tensor] = []
    for module in network.modules():
        if not list(module.children()) and not isinstance(module, torch.nn.Identity):
            module.register_forward_hook(
                lambda _, __, output: found.append(output.clone())
            )  # clone: a following in-place layer would overwrite it
    with torch.inference_mode():
        network(to_tensor(as_faces(face)[:1], classifier.info.preprocess).to(classifier.device))
    return [
        Activation(row, output[0].float().cpu().numpy().copy()) for row, output in zip(rows, found, strict=True)
    ]  # fmt: skip


def private_copy(classifier: Classifier) -> ExpressionModel:
    """Copy the network in evaluation mode without gradients of weights, so hooks can be registered safely."""
    return copy.deepcopy(classifier.model).eval().requires_grad_(False)


class _Reached(Exception):  # not an error: ends the forward pass early
    """Carries a layer's output out of the forward pass."""

    def __init__(self, output: torch.Tensor) -> None:
        self.output = output


class FilterProbe:
    """Runs a private copy of a network up to one convolution and returns the responses of its filters.

    If a batch norm directly follows the convolution, the response is taken after it, since a negative scale there flips
    the sign. It is taken before the activation function, so inactive filters still have a gradient.
    """

    def __init__(self, classifier: Classifier, layer: LayerRow) -> None:
        self.layer = layer
        self.network = private_copy(classifier)
        norm = _batch_norm_behind(classifier, layer)
        self.normalized = norm is not None
        name, self._wanted = norm or (layer.name, layer.call)
        self._calls = 0
        self.network.get_submodule(name).register_forward_hook(self._count)

    def _count(self, module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> None:
        self._calls += 1
        if self._calls == self._wanted:
            raise _Reached(output)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return responses float (N, filters, h, w) to preprocessed images float (N, 1, 48, 48)."""
        self._calls = 0
        try:
            self.network(x)
        except _Reached as reached:
            return reached.output
        raise ModelError(f"The layer '{self.layer.label}' was not reached: the network's forward pass has changed.")


def _batch_norm_behind(classifier: Classifier, layer: LayerRow) -> tuple[str, int] | None:
    """Return name and call number of the batch norm directly after a convolution, found by tracing a blank face."""
    import torch

    network = private_copy(classifier)
    calls: dict[str, int] = {}
    output: torch.Tensor | None = None
    found: tuple[str, int] | None = None

    def trace(name: str, module: torch.nn.Module, inputs: torch.Tensor, result: torch.Tensor) -> None:
        nonlocal output, found
        calls[name] = calls.get(name, 0) + 1
        if (name, calls[name]) == (layer.name, layer.call):
            output = result
        elif output is not None and inputs is output and isinstance(module, torch.nn.BatchNorm2d):
            found = name, calls[name]

    for name, module in network.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda m, args, result, name=name: trace(name, m, args[0], result))
    with torch.no_grad():
        network(torch.zeros(1, 1, FACE_SIZE, FACE_SIZE, device=classifier.device))
    return found
