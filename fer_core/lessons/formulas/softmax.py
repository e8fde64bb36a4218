"""Formulas of softmax, cross-entropy, label smoothing and temperature."""

from __future__ import annotations

from typing import Final

import numpy as np

from fer_core.lessons.formulas.formula import Array, Formula, Inputs, without


def _softmax(z: Array) -> Array:
    e = np.exp(z - z.max())
    return np.asarray(e / e.sum())


def _one_hot_inputs(rng: np.random.Generator) -> Inputs:
    return {"z": rng.normal(0, 2, 7), "y": np.eye(7)[rng.integers(7)], "T": np.array(1.7), "a": np.array(0.1)}


def _ce(i: Inputs) -> float:
    return float(-np.sum(i["y"] * np.log(_softmax(i["z"]))))


def _smoothed(i: Inputs) -> Array:
    return np.asarray((1 - i["a"]) * i["y"] + i["a"] / len(i["y"]))


def _ce_autograd(i: Inputs, smoothing: float = 0.0) -> Array:
    import torch

    z = torch.tensor(i["z"][None], requires_grad=True)
    loss = torch.nn.functional.cross_entropy(z, torch.tensor([int(i["y"].argmax())]), label_smoothing=smoothing)
    (gradient,) = torch.autograd.grad(loss, z)
    return np.asarray(gradient.numpy()[0])


def _single_term(i: Inputs) -> float:
    """Compute −y_t ln ŷ_t as a function of z_t alone, for any scalar y_t (not necessarily one-hot)."""
    z = i["rest"].copy()
    z[0] = float(i["zt"])
    return float(-i["yt"] * np.log(_softmax(z)[0]))


def _single_inputs(rng: np.random.Generator) -> Inputs:
    return {"zt": np.array(rng.normal()), "rest": rng.normal(0, 2, 7), "yt": np.array(0.6)}


def _single_probability(i: Inputs) -> Array:
    z = i["rest"].copy()
    z[0] = float(i["zt"])
    return np.asarray(_softmax(z)[0])


def _single_autograd(i: Inputs) -> Array:
    import torch

    zt = torch.tensor(float(i["zt"]), dtype=torch.float64, requires_grad=True)
    z = torch.cat([zt[None], torch.tensor(i["rest"][1:])])
    (gradient,) = torch.autograd.grad(-float(i["yt"]) * torch.log_softmax(z, 0)[0], zt)
    return np.asarray(gradient.numpy())


def _temperature_autograd(i: Inputs) -> Array:
    import torch

    t = torch.tensor(float(i["T"]), dtype=torch.float64, requires_grad=True)
    logits = torch.tensor(i["z"])[None] / t
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor([int(i["y"].argmax())]))
    (gradient,) = torch.autograd.grad(loss, t)
    return np.asarray(gradient.numpy())


FORMULAS: Final = (
    Formula(
        name="softmax_cross_entropy", title="Softmax with cross-entropy",
        statement=r"\frac{\partial L}{\partial z_t} = \hat y_t - y_t, \qquad L = -\sum_k y_k \ln \hat y_k",
        symbols={r"z": "logits", r"\hat y = \mathrm{softmax}(z)": "probabilities", "y": "one-hot target"},
        steps=(
            r"\ln \hat y_k = z_k - \ln \sum_j e^{z_j}",
            r"\frac{\partial \ln \hat y_k}{\partial z_t} = [k = t] - \hat y_t",
            r"\frac{\partial L}{\partial z_t} = -\sum_k y_k ([k = t] - \hat y_t) = -y_t + \hat y_t \sum_k y_k = \hat y_t - y_t",
            r"\text{The last step needs the sum over all classes, with } \sum_k y_k = 1.",
        ),
        variable="z", inputs=without(_one_hot_inputs, "T", "a"), one_hot="y", closed=lambda i: np.asarray(_softmax(i["z"]) - i["y"]),
        function=_ce, autograd=_ce_autograd,
        report=lambda i: np.asarray(_softmax(i["z"]) - i["y"]),
        report_statement=r"\frac{\partial L}{\partial z_t} = \hat y_t - y_t",
        report_remark="Correct for the loss summed over classes, but the report derives it from a single term (see the next formula).",
    ),
    Formula(
        name="softmax_single_term", title="Single term of the cross-entropy",
        statement=r"\frac{\partial L_t}{\partial z_t} = y_t (\hat y_t - 1), \qquad L_t = -y_t \ln \hat y_t",
        symbols={r"L_t": "the term of class t alone", r"y_t": "its target", r"\hat y_t": "its probability"},
        steps=(
            r"\frac{\partial \ln \hat y_t}{\partial z_t} = 1 - \hat y_t",
            r"\frac{\partial L_t}{\partial z_t} = -y_t (1 - \hat y_t)",
        ),
        variable="zt", inputs=_single_inputs,
        closed=lambda i: np.asarray(i["yt"] * (_single_probability(i) - 1)),
        function=_single_term, autograd=_single_autograd,
        report=lambda i: np.asarray(_single_probability(i) - i["yt"]),
        report_statement=r"\frac{\partial L_t}{\partial z_t} = \hat y_t - y_t",
        report_remark="The report differentiates this term but states the result for the sum; they agree only if yₜ = 1.",
    ),
    Formula(
        name="label_smoothing", title="Label smoothing",
        statement=r"\frac{\partial L}{\partial z_t} = \hat y_t - \Big( (1 - \alpha) y_t + \frac{\alpha}{C} \Big)",
        symbols={r"\alpha": "share of the target distributed evenly", "C": "number of classes"},
        steps=(
            r"\text{Smoothing only changes the target: } y_t' = (1 - \alpha) y_t + \alpha / C, \text{ which still sums to 1.}",
            r"\text{So the derivative is } \hat y_t - y_t' \text{ as before.}",
        ),
        variable="z", inputs=without(_one_hot_inputs, "T"), one_hot="y", limits={"a": (0.0, 1.0)}, closed=lambda i: np.asarray(_softmax(i["z"]) - _smoothed(i)),
        function=lambda i: float(-np.sum(_smoothed(i) * np.log(_softmax(i["z"])))),
        autograd=lambda i: _ce_autograd(i, float(i["a"])),
    ),
    Formula(
        name="temperature", title="Temperature",
        statement=r"\frac{\partial L}{\partial T} = \frac{1}{T^2} \Big( z_y - \sum_k p_k z_k \Big), \qquad p = \mathrm{softmax}(z / T)",
        symbols={"T": "temperature", "z_y": "logit of the true class", "p": "probabilities at this temperature"},
        steps=(
            r"L = -\frac{z_y}{T} + \ln \sum_k e^{z_k / T}",
            r"\frac{\partial L}{\partial T} = \frac{z_y}{T^2} - \sum_k p_k \frac{z_k}{T^2}",
        ),
        variable="T", inputs=without(_one_hot_inputs, "a"), one_hot="y", limits={"T": (0.05, 100.0)},
        closed=lambda i: np.asarray((np.sum(i["y"] * i["z"]) - np.sum(_softmax(i["z"] / i["T"]) * i["z"])) / i["T"] ** 2),
        function=lambda i: float(-np.sum(i["y"] * np.log(_softmax(i["z"] / i["T"])))),
        autograd=_temperature_autograd,
    ),
)  # fmt: skip
