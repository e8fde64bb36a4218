"""Formula of the optimizer step."""

from __future__ import annotations

from typing import Final

import numpy as np

from fer_core.lessons.formulas.formula import Array, Formula, Inputs


def _adam_step(i: Inputs) -> Array:
    """Return the weights after three AdamW steps, computed explicitly."""
    w, m, v = i["w"].copy(), np.zeros_like(i["w"]), np.zeros_like(i["w"])
    rate, b1, b2, eps, decay = 0.01, 0.9, 0.999, 1e-8, 0.05
    for t, g in enumerate(i["gradients"], start=1):
        w = w * (1 - rate * decay)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        w = w - rate * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
    return w


def _adam_torch(i: Inputs) -> Array:
    import torch

    w = torch.nn.Parameter(torch.tensor(i["w"]))
    optimizer = torch.optim.AdamW([w], lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05)
    for g in i["gradients"]:
        w.grad = torch.tensor(g)
        optimizer.step()
    return np.asarray(w.detach().numpy())


FORMULAS: Final = (
    Formula(
        name="adamw", title="AdamW's step",
        statement=r"w \leftarrow (1 - \eta\lambda)\, w - \eta\, \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \varepsilon}",
        symbols={
            r"m \leftarrow \beta_1 m + (1 - \beta_1) g": "moving average of the gradients",
            r"v \leftarrow \beta_2 v + (1 - \beta_2) g^2": "moving average of their squares",
            r"\eta, \lambda": "learning rate and weight decay", "t": "step number, starting at 1",
        },
        steps=(
            r"\text{Both averages start at 0, so after } t \text{ steps they are biased by a factor } 1 - \beta^t; \text{ dividing corrects that.}",
            r"\text{Weight decay acts on the weight directly, not through } m \text{ and } v \text{ (Loshchilov & Hutter 2019).}",
        ),
        variable="w", inputs=lambda rng: {"w": rng.normal(size=5), "gradients": rng.normal(size=(3, 5))},
        closed=_adam_step, function=None, autograd=_adam_torch,
    ),
)  # fmt: skip
