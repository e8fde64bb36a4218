"""Formulas of Grad-CAM's weights and the expected calibration error."""

from __future__ import annotations

from typing import Final

import numpy as np

from fer_core.lessons.formulas.formula import Array, Formula, Inputs


def _gradcam_autograd(i: Inputs) -> Array:
    """Compute α_k through the real head of ``compact``: global average pooling and one linear layer."""
    import torch

    from fer_core.models import build

    model = build("compact", widths=(16, 16, len(i["A"])), blocks=(1, 1, 1)).double().eval()
    with torch.no_grad():
        model.classifier.weight.copy_(torch.tensor(i["W"]))
    maps = torch.tensor(i["A"][None], requires_grad=True)
    (gradient,) = torch.autograd.grad(model.head(maps)[0, 2], maps)
    return np.asarray(gradient[0].mean(dim=(1, 2)).numpy())


def _ece_inputs(rng: np.random.Generator) -> Inputs:
    z = rng.normal(0, 1.5, (200, 7))
    e = np.exp(z)
    return {"p": e / e.sum(axis=1, keepdims=True), "label": rng.integers(0, 7, 200).astype(np.float64)}


def _ece_by_hand(i: Inputs) -> Array:
    total, bins = 0.0, 15
    for b in range(bins):
        inside = [n for n, row in enumerate(i["p"]) if b / bins < row.max() <= (b + 1) / bins]
        if inside:
            right = np.mean([i["p"][n].argmax() == i["label"][n] for n in inside])
            total += len(inside) / len(i["p"]) * abs(right - np.mean([i["p"][n].max() for n in inside]))
    return np.asarray(total)


def _ece_metric(i: Inputs) -> Array:
    from fer_core.evaluation.metrics import expected_calibration_error

    return np.asarray(expected_calibration_error(i["p"], i["label"].astype(np.int64)))


FORMULAS: Final = (
    Formula(
        name="gradcam", title="Grad-CAM's weights",
        statement=r"\alpha_k = \frac1{hw} \sum_{i,j} \frac{\partial z_c}{\partial A_k^{ij}} = \frac{W_{ck}}{hw}",
        symbols={"A_k": "feature map k of size h × w", "W": "weights of the last linear layer", "z_c": "logit of class c"},
        steps=(
            r"\text{With global average pooling } z_c = \sum_k W_{ck} \frac1{hw} \sum_{i,j} A_k^{ij} + b_c.",
            r"\frac{\partial z_c}{\partial A_k^{ij}} = \frac{W_{ck}}{hw} \text{ at every position, and so is the mean.}",
        ),
        variable="A", inputs=lambda rng: {"A": rng.uniform(0, 1, (16, 6, 6)), "W": rng.normal(size=(7, 16))},
        closed=lambda i: np.asarray(i["W"][2] / (i["A"].shape[1] * i["A"].shape[2])), function=None,
        autograd=_gradcam_autograd,
    ),
    Formula(
        name="ece", title="Expected calibration error",
        statement=r"\mathrm{ECE} = \sum_b \frac{n_b}{N}\, |\mathrm{acc}_b - \mathrm{conf}_b|",
        symbols={"b": "one of 15 equal bins of the top probability", "n_b": "number of faces in bin b"},
        steps=(r"\text{A calibrated model is correct on 70\% of the faces that it predicts with 70\% confidence.}",),
        variable="p", inputs=_ece_inputs, closed=_ece_by_hand, function=None, autograd=_ece_metric,
    ),
)  # fmt: skip
