"""Formulas of the output sizes of convolution and pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from fer_core.lessons.formulas.formula import Array, Formula, Inputs

_SIZES: Final = np.array(
    [[w, k, s, p] for w in (5, 12, 13, 48) for k in (1, 2, 3, 5) for s in (1, 2, 3) for p in (0, 1, 2) if 2 * p <= k],
    dtype=np.float64,
)


def _conv_sizes(i: Inputs) -> Array:
    w, k, s, p = i["sizes"].T
    return np.asarray(np.floor((w + 2 * p - k) / s) + 1)


def _layer_sizes(kind: str) -> Callable[[Inputs], Array]:
    def run(i: Inputs) -> Array:
        import torch

        found = []
        for w, k, s, p in i["sizes"].astype(int):
            layer = torch.nn.Conv2d(1, 1, k, s, p) if kind == "conv" else torch.nn.MaxPool2d(k, s, p)
            found.append(layer(torch.zeros(1, 1, w, w)).shape[-1])
        return np.array(found, dtype=np.float64)

    return run


FORMULAS: Final = (
    Formula(
        name="conv_size", title="Output size of a convolution",
        statement=r"W' = \left\lfloor \frac{W + 2P - K}{S} \right\rfloor + 1",
        symbols={"W": "input size", "K": "kernel size", "P": "padding on each side", "S": "stride"},
        steps=(
            r"\text{With padding the input is } W + 2P \text{ wide.}",
            r"\text{A kernel of size } K \text{ starts at position } 0 \text{ and at most at } W + 2P - K.",
            r"\text{With stride } S \text{ the positions are } 0, S, 2S, \dots \le W + 2P - K, \text{ a total of } \lfloor (W + 2P - K) / S \rfloor + 1.",
        ),
        variable="sizes", inputs=lambda rng: {"sizes": _SIZES[_SIZES[:, 1] <= _SIZES[:, 0] + 2 * _SIZES[:, 3]]},
        closed=_conv_sizes, function=None, autograd=_layer_sizes("conv"),
    ),
    Formula(
        name="pool_size", title="Output size of pooling",
        statement=r"W' = \left\lfloor \frac{W + 2P - K}{S} \right\rfloor + 1, \qquad \text{usually } S = K, P = 0",
        symbols={"W": "input size", "K": "window size", "P": "padding on each side", "S": "stride"},
        steps=(r"\text{The window moves like a kernel, so the same count applies.}",),
        variable="sizes", inputs=lambda rng: {"sizes": _SIZES[_SIZES[:, 1] <= _SIZES[:, 0] + 2 * _SIZES[:, 3]]},
        closed=_conv_sizes, function=None, autograd=_layer_sizes("pool"),
    ),
)  # fmt: skip
