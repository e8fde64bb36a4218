"""Formulas of the activation function and dropout."""

from __future__ import annotations

from typing import Final

import numpy as np

from fer_core.lessons.formulas.formula import Array, Formula, Inputs


def _leaky_autograd(i: Inputs) -> Array:
    import torch

    from fer_core.models import build

    # the network's own activation
    layer = next(m for m in build("seed").modules() if isinstance(m, torch.nn.LeakyReLU))
    x = torch.tensor(i["x"], requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(x), x, grad_outputs=torch.tensor(i["g"]))
    return np.asarray(gradient.numpy())


def _dropout_layer_mean(i: Inputs) -> Array:
    """Return the mean output of the real layer: its two possible values weighted by their probabilities."""
    import torch

    p = float(i["p"])
    layer = torch.nn.Dropout(p).train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        x = torch.tensor(i["x"])
        draws = torch.stack([layer(x) for _ in range(64)])
    kept = torch.where(draws != 0, draws, torch.nan).nanmean(dim=0)  # value of a kept entry
    return np.asarray((1 - p) * kept.numpy())


FORMULAS: Final = (
    Formula(
        name="leaky_relu", title="LeakyReLU",
        statement=r"\frac{\partial L}{\partial x_i} = g_i \cdot \begin{cases} 1 & x_i > 0 \\ 0.2 & x_i < 0 \end{cases}",
        symbols={"g_i": "upstream gradient", "0.2": "slope of the network's activation for negative inputs"},
        steps=(r"f(x) = \max(0, x) + 0.2 \min(0, x) \text{ is linear on either side of 0.}",),
        variable="x",
        inputs=lambda rng: {"x": rng.choice([-1, 1], 8) * rng.uniform(0.1, 2, 8), "g": rng.normal(size=8)},
        closed=lambda i: np.asarray(i["g"] * np.where(i["x"] > 0, 1.0, 0.2)),
        function=lambda i: float(np.sum(i["g"] * np.where(i["x"] > 0, i["x"], 0.2 * i["x"]))),
        autograd=_leaky_autograd,
    ),
    Formula(
        name="dropout", title="Dropout preserves the mean",
        statement=r"\mathbb E\Big[\frac{m_i}{1 - p}\, x_i\Big] = x_i, \qquad m_i \sim \mathrm{Bernoulli}(1 - p)",
        symbols={"p": "probability that an entry is dropped", "m_i": "1 if entry i is kept, else 0"},
        steps=(
            r"\mathbb E[m_i] = 1 - p",
            r"\text{Dividing kept entries by } 1 - p \text{ makes the mean } x_i, \text{ so inference needs no change.}",
        ),
        variable="x", inputs=lambda rng: {"x": rng.uniform(0.5, 2, 8), "p": np.array(0.5)}, limits={"p": (0.0, 0.9)},
        closed=lambda i: np.asarray((1 - i["p"]) * (i["x"] / (1 - i["p"])) + i["p"] * 0), function=None,
        autograd=_dropout_layer_mean,
    ),
)  # fmt: skip
