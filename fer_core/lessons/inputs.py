"""Inputs of the formulas: entered by the user, or taken from a real network processing a real face."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from fer_core.errors import FerError
from fer_core.lessons.formulas import Array, Formula, Inputs
from fer_core.models import output_side
from fer_core.preprocess import to_tensor

if TYPE_CHECKING:
    from fer_core.inference import Classifier

MAX_EDITABLE_SIZE: Final = 16
"""Maximum number of values of an input that users can edit."""
SIZE_COLUMNS: Final = ("W", "K", "S", "P")
"""Columns of the input ``sizes``: input size, kernel size, stride, padding."""


def editable_inputs(formula: Formula) -> tuple[str, ...]:
    """Return the inputs that users can edit: short, and not derived from others."""
    inputs = formula.inputs(np.random.default_rng(0))
    derived = formula.derive(inputs) if formula.derive else {}
    return tuple(
        name
        for name, value in inputs.items()
        if name not in derived and value.ndim <= 1 and value.size <= MAX_EDITABLE_SIZE
    )


def complete_inputs(formula: Formula, values: Inputs) -> Inputs:
    """Validate values entered by the user and add the derived inputs.

    Args:
        formula: the formula that the inputs belong to.
        values: every input that is not derived, float64.

    Raises:
        FerError: a value is missing, not finite or out of range, a one-hot input is not one-hot, or a size is
            impossible.
    """
    inputs = {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}
    for name, value in inputs.items():
        if not value.size or not np.isfinite(value).all():
            raise FerError(f"{name} must have a finite number in every field.")
        low, high = formula.limits.get(name, (-1e6, 1e6))
        if value.min() < low or value.max() > high:
            raise FerError(f"{name} must be between {low:g} and {high:g}, not {_extreme(value, low, high):g}.")
    if formula.one_hot:
        target = inputs[formula.one_hot]
        if not (np.isin(target, (0, 1)).all() and target.sum() == 1):
            raise FerError(f"{formula.one_hot} must be one-hot: exactly one 1, and 0 elsewhere.")
    if "sizes" in inputs:
        _check_sizes(inputs["sizes"], pooling=formula.name == "pool_size")
    if formula.derive:
        inputs.update(formula.derive(inputs))
    return inputs


def _extreme(value: Array, low: float, high: float) -> float:
    return float(value.min() if value.min() < low else value.max())


def _check_sizes(sizes: Array, *, pooling: bool) -> None:
    if (sizes != np.floor(sizes)).any() or sizes.max() > 4096:
        raise FerError("Sizes must be whole numbers of at most 4096.")
    for side, kernel, stride, padding in sizes.astype(int):
        output_side(side, kernel, stride, padding)  # raises for impossible sizes
        if pooling and 2 * padding > kernel:
            raise FerError(
                f"Padding {padding} is too large for a pooling window of {kernel}, which would lie entirely in the padding. "
                f"Use at most half of the window ({kernel // 2})."
            )


def inputs_from_network(
    formula: Formula,
    classifier: Classifier,
    faces: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    index: int,
    seed: int = 0,
) -> Inputs:
    """Take the inputs of a formula from a network processing a face.

    Args:
        formula: the formula.
        classifier: the network.
        faces: uint8 (N, 48, 48).
        labels: int64 (N,).
        index: index of the face; the calibration error uses the first 200 faces.
        seed: seed for inputs that do not occur in inference (targets, upstream gradients).

    Raises:
        FerError: the network has no such layer.
    """
    maker = _MAKERS.get(formula.name) or next((m for prefix, m in _MAKERS.items() if formula.name.startswith(prefix)))
    drawn = formula.inputs(np.random.default_rng(seed))
    measured = maker(classifier, faces, labels, index)
    return complete_inputs(formula, {name: measured.get(name, value) for name, value in drawn.items()})


def _logits(classifier: Classifier, faces: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], index: int) -> Inputs:
    z = classifier.logits(faces[index])[0].astype(np.float64)
    return {"z": z, "y": np.eye(len(z))[labels[index]], "T": np.array(classifier.temperature)}


def _single_term(
    classifier: Classifier, faces: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], index: int
) -> Inputs:
    """Put the labeled class first, with the target that label smoothing of 0.1 gives it."""
    z = classifier.logits(faces[index])[0].astype(np.float64)
    order = [int(labels[index]), *(k for k in range(len(z)) if k != labels[index])]
    return {"zt": np.array(z[order[0]]), "rest": z[order], "yt": np.array(0.9 + 0.1 / len(z))}


def _batch_norm(
    classifier: Classifier, faces: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], index: int
) -> Inputs:
    """Take six positions of the channel with the largest variance at the first batch norm."""
    import torch

    layer, seen = _input_of(classifier, faces[index], torch.nn.BatchNorm2d)
    maps = seen[0].reshape(len(seen[0]), -1)
    channel = int(maps.std(axis=1).argmax())
    places = np.linspace(0, maps.shape[1] - 1, 8).astype(int)[1:-1]
    scale, shift = (float(values[channel].item()) for values in (layer.weight, layer.bias))
    return {"x": maps[channel, places], "gamma": np.array(scale), "beta": np.array(shift)}


def _activation(
    classifier: Classifier, faces: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], index: int
) -> Inputs:
    import torch

    _, seen = _input_of(classifier, faces[index], torch.nn.LeakyReLU)
    values = seen[0, 0].ravel()
    values = values[np.abs(values) > 1e-3]  # the derivative is discontinuous at 0
    return {"x": values[np.linspace(0, len(values) - 1, 8).astype(int)]}


def _dropout(classifier: Classifier, faces: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], index: int) -> Inputs:
    import torch

    layer, seen = _input_of(classifier, faces[index], torch.nn.Dropout)
    values = seen.ravel()
    return {"x": np.sort(values[values != 0])[-8:], "p": np.array(float(layer.p))}


def _adamw(classifier: Classifier, faces: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], index: int) -> Inputs:
    """Take five weights of the last layer, and their gradients for the face, mirrored and at half contrast."""
    import torch

    face = faces[index].astype(np.float64)
    views = [face, face[:, ::-1], (face + face.mean()) / 2]
    x = to_tensor(np.stack(views).astype(np.uint8), classifier.info.preprocess)
    model = copy.deepcopy(classifier.model).cpu().double()
    weight = model.classifier.weight.requires_grad_(True)
    target = torch.tensor([int(labels[index])])
    gradients = []
    for view in x.double():
        loss = torch.nn.functional.cross_entropy(model(view[None]), target)
        (gradient,) = torch.autograd.grad(loss, weight)
        gradients.append(gradient[int(labels[index])].numpy())
    strongest = np.argsort(-np.abs(gradients[0]))[:5]
    row = weight[int(labels[index])].detach().numpy()
    return {"w": row[strongest], "gradients": np.stack([g[strongest] for g in gradients])}


def _gradcam(classifier: Classifier, faces: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], index: int) -> Inputs:
    import torch

    model = classifier.model
    with torch.inference_mode():
        maps = model.features(to_tensor(faces[index], classifier.info.preprocess).to(classifier.device))
    if model.classifier.in_features != maps.shape[1]:
        raise FerError(
            f"'{classifier.info.architecture}' has more than global average pooling and one linear layer after its maps, "
            "so the short form of α does not apply. Choose the compact network."
        )
    return {"A": maps[0].double().cpu().numpy(), "W": model.classifier.weight.detach().double().cpu().numpy()}


def _sizes(kind: str) -> Callable[..., Inputs]:
    def run(classifier: Classifier, faces: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], index: int) -> Inputs:
        import torch

        kinds = (torch.nn.Conv2d,) if kind == "conv" else (torch.nn.MaxPool2d, torch.nn.AvgPool2d)
        rows = []
        for layer, seen in _inputs_of(classifier, faces[index], kinds):
            kernel, stride, padding = (_first(v) for v in (layer.kernel_size, layer.stride, layer.padding))
            rows.append([seen.shape[-1], kernel, stride or kernel, padding])
        if not rows:
            raise FerError(
                f"'{classifier.info.architecture}' has no layer of this kind. Choose a network that has one."
            )
        return {"sizes": np.array(rows, dtype=np.float64)}

    return run


def _first(value: Any) -> int:
    return int(value[0] if isinstance(value, tuple) else value or 0)


def _calibration(
    classifier: Classifier, faces: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], index: int
) -> Inputs:
    shown = slice(0, 200)
    return {
        "p": classifier.probabilities(faces[shown]).astype(np.float64),
        "label": labels[shown].astype(np.float64),
    }


def _input_of(classifier: Classifier, face: npt.NDArray[np.uint8], kind: type[Any]) -> tuple[Any, Array]:
    """Return the first layer of a kind and its input."""
    found = _inputs_of(classifier, face, (kind,))
    if not found:
        raise FerError(f"'{classifier.info.architecture}' has no {kind.__name__}. Choose a network that has one.")
    return found[0]


def _inputs_of(
    classifier: Classifier, face: npt.NDArray[np.uint8], kinds: tuple[type[Any], ...]
) -> list[tuple[Any, Array]]:
    """Return the layers of some kinds with their inputs, float64, using a private copy of the network."""
    import torch

    model = copy.deepcopy(classifier.model).cpu()
    found: list[tuple[Any, Array]] = []
    for layer in model.modules():
        if isinstance(layer, kinds):
            layer.register_forward_hook(
                lambda module, arguments, _: found.append((module, arguments[0].double().numpy().copy()))
            )
    with torch.inference_mode():
        model(to_tensor(face, classifier.info.preprocess))
    return found


_MAKERS: Final[dict[str, Callable[..., Inputs]]] = {
    "conv_size": _sizes("conv"),
    "pool_size": _sizes("pool"),
    "softmax_single_term": _single_term,
    "softmax_cross_entropy": _logits,
    "label_smoothing": _logits,
    "temperature": _logits,
    "leaky_relu": _activation,
    "dropout": _dropout,
    "adamw": _adamw,
    "gradcam": _gradcam,
    "ece": _calibration,
    "bn_": _batch_norm,
}
