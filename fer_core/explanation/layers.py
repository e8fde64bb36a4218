"""What each layer of a network answers to a face, and its weights as pictures.

Everything here works on a private copy of the network: hooks are set on the copy, and the network that other threads
use is neither switched nor marked, whatever happens on the way.
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
    """What one layer answered to one face.

    Attributes:
        layer: the layer, as :func:`fer_core.models.describe` tells of it.
        values: float32, (channels, h, w) for maps, (features,) behind the flattening.
    """

    layer: LayerRow
    values: Maps


def convolutions(model: ExpressionModel) -> list[LayerRow]:
    """The convolutional layers, in the order in which a face passes them."""
    return [row for row in describe(model) if row.is_convolution]


def last_convolution(model: ExpressionModel) -> LayerRow:
    """The last convolution whose output is still a picture (squeeze-and-excitation's see one single place).

    Raises:
        ModelError: the network has none.
    """
    found = [row for row in convolutions(model) if row.output[-1] > 1]
    if not found:
        raise ModelError(f"{type(model).__name__} has no convolutional layer, so it has no filters to show.")
    return found[-1]


def find_convolution(model: ExpressionModel, label: str | None) -> LayerRow:
    """The convolution of this label, or the last one when None.

    Raises:
        ModelError: there is no such convolution; the message lists those there are.
    """
    if label is None:
        return last_convolution(model)
    found = {row.label: row for row in convolutions(model)}
    if label not in found:
        raise ModelError(f"The network has no convolutional layer '{label}'. It has: {', '.join(found) or 'none'}.")
    return found[label]


def weights(model: ExpressionModel, layer: LayerRow) -> Maps:
    """The weights of a convolution, float32 (filters, input channels, kernel, kernel)."""
    module: Any = model.get_submodule(layer.name)
    kernels: Maps = module.weight.detach().float().cpu().numpy()
    return kernels


def activations(classifier: Classifier, face: npt.NDArray[np.generic]) -> list[Activation]:
    """What every layer answers to one face uint8 (48, 48), in the order in which the face passes them.

    Raises:
        ImageError: the array is not a face.
    """
    import torch

    rows = describe(classifier.model)
    network = private_copy(classifier)
    found: list[torch.Tensor] = []
    for module in network.modules():
        if not list(module.children()) and not isinstance(module, torch.nn.Identity):
            module.register_forward_hook(
                lambda _, __, output: found.append(output.clone())
            )  # an in-place layer may follow
    with torch.inference_mode():
        network(to_tensor(as_faces(face)[:1], classifier.info.preprocess).to(classifier.device))
    return [
        Activation(row, output[0].float().cpu().numpy().copy()) for row, output in zip(rows, found, strict=True)
    ]  # fmt: skip


def private_copy(classifier: Classifier) -> ExpressionModel:
    """A copy of the network in evaluation mode, on which hooks may be set; its weights ask for no gradient."""
    return copy.deepcopy(classifier.model).eval().requires_grad_(False)


class _Reached(Exception):  # not an error: it ends a forward pass that has gone far enough
    """Carries what the layer answered out of the forward pass."""

    def __init__(self, output: torch.Tensor) -> None:
        self.output = output


class FilterProbe:
    """A private copy of a network that runs up to one convolution and answers with its filters' responses.

    Where a batch norm follows the convolution directly, the response is taken behind it: that is what the network goes
    on with, and a negative scale there turns more into less. The activation is left out, so that a filter at rest
    still shows which way is up.
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
        """Responses float (N, filters, h, w) to pictures on the network's scale, float (N, 1, 48, 48)."""
        self._calls = 0
        try:
            self.network(x)
        except _Reached as reached:
            return reached.output
        raise ModelError(f"The layer '{self.layer.label}' was not reached; the network takes another path now.")


def _batch_norm_behind(classifier: Classifier, layer: LayerRow) -> tuple[str, int] | None:
    """Name and call of the batch norm that takes this convolution's output, if one does; seen in one blank face's pass."""
    import torch

    network = private_copy(classifier)
    calls: dict[str, int] = {}
    output: torch.Tensor | None = None
    found: tuple[str, int] | None = None

    def look(name: str, module: torch.nn.Module, given: torch.Tensor, answer: torch.Tensor) -> None:
        nonlocal output, found
        calls[name] = calls.get(name, 0) + 1
        if (name, calls[name]) == (layer.name, layer.call):
            output = answer
        elif output is not None and given is output and isinstance(module, torch.nn.BatchNorm2d):
            found = name, calls[name]

    for name, module in network.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda m, args, answer, name=name: look(name, m, args[0], answer))
    with torch.no_grad():
        network(torch.zeros(1, 1, FACE_SIZE, FACE_SIZE, device=classifier.device))
    return found
