"""Batch normalization with the lab report's loss L = (1/m) Σ (y_i − γ x̂_i − β)²."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from fer_core.lessons.formulas.formula import Array, Formula, Inputs, as_tensors, without

EPS: Final = 1e-5


def _bn_inputs(rng: np.random.Generator) -> Inputs:
    x, y = rng.normal(1.0, 2.0, 6), rng.normal(size=6)
    values = {"x": x, "y": y, "gamma": np.array(1.3), "beta": np.array(-0.4), "g": rng.normal(size=6)}
    return {**values, **_bn_derived(values)}


def _bn_derived(i: Inputs) -> Inputs:
    mu, var = i["x"].mean(), i["x"].var()
    return {"mu": np.array(mu), "var": np.array(var), "xhat": _normalize(i["x"], mu, var)}


def _normalize(x: Array, mu: Any, var: Any) -> Array:
    return np.asarray((x - mu) / np.sqrt(var + EPS))


def _loss(i: Inputs, xhat: Array) -> float:
    return float(np.mean((i["y"] - i["gamma"] * xhat - i["beta"]) ** 2))


def _loss_of_x(i: Inputs) -> float:
    return _loss(i, _normalize(i["x"], i["x"].mean(), i["x"].var()))


def _d_xhat(i: Inputs) -> Array:
    m = len(i["x"])
    return np.asarray(-2 * i["gamma"] / m * (i["y"] - i["gamma"] * i["xhat"] - i["beta"]))


def _d_var(i: Inputs) -> Array:
    return np.asarray(np.sum(_d_xhat(i) * (i["x"] - i["mu"])) * -0.5 * (i["var"] + EPS) ** -1.5)


def _d_mu(i: Inputs) -> Array:
    through_var = _d_var(i) * np.mean(-2 * (i["x"] - i["mu"]))
    return np.asarray(np.sum(_d_xhat(i)) * -1 / np.sqrt(i["var"] + EPS) + through_var)


def _d_x(i: Inputs) -> Array:
    m = len(i["x"])
    direct = _d_xhat(i) / np.sqrt(i["var"] + EPS)
    return np.asarray(direct + _d_var(i) * 2 * (i["x"] - i["mu"]) / m + _d_mu(i) / m)


def _d_x_upstream(i: Inputs) -> Array:
    s = np.sqrt(i["var"] + EPS)
    g = i["g"] * i["gamma"]
    return np.asarray((g - g.mean() - i["xhat"] * np.mean(g * i["xhat"])) / s)


def _bn_layer(gamma: float, beta: float) -> Any:
    """Return the networks' batch norm layer for one channel, in float64 and training mode."""
    import torch

    layer = torch.nn.BatchNorm1d(1, eps=EPS).double().train()
    with torch.no_grad():
        layer.weight.fill_(gamma)
        layer.bias.fill_(beta)
    return layer


def _bn_autograd(variable: str) -> Callable[[Inputs], Array]:
    """Differentiate through the real layer for x, γ, β, and through an explicit graph for quantities inside the layer."""

    def run(i: Inputs) -> Array:
        import torch

        t = as_tensors(i)
        if variable in ("x", "gamma", "beta"):
            layer = _bn_layer(float(i["gamma"]), float(i["beta"]))
            loss = ((t["y"] - layer(t["x"][:, None])[:, 0]) ** 2).mean()
            source = {"x": t["x"], "gamma": layer.weight, "beta": layer.bias}[variable]
            (gradient,) = torch.autograd.grad(loss, source)
            return np.asarray(gradient.detach().numpy().reshape(i[variable].shape))
        if variable == "mu":  # σ² is the mean square distance from μ, so it moves with μ
            var = ((t["x"] - t["mu"]) ** 2).mean()
            xhat = (t["x"] - t["mu"]) / torch.sqrt(var + EPS)
        elif variable == "var":
            xhat = (t["x"] - t["mu"]) / torch.sqrt(t["var"] + EPS)
        else:
            xhat = t["xhat"]
        loss = ((t["y"] - t["gamma"] * xhat - t["beta"]) ** 2).mean()
        (gradient,) = torch.autograd.grad(loss, t[variable])
        return np.asarray(gradient.numpy())

    return run


def _upstream_autograd(i: Inputs) -> Array:
    import torch

    t = as_tensors(i)
    out = _bn_layer(float(i["gamma"]), float(i["beta"]))(t["x"][:, None])[:, 0]
    (gradient,) = torch.autograd.grad(out, t["x"], grad_outputs=t["g"].detach())
    return np.asarray(gradient.numpy())


_BN_SYMBOLS: Final = {
    r"x_i": "input i of m in the batch",
    r"\mu, \sigma^2": "mean and variance of the inputs over the batch",
    r"\hat x_i = (x_i - \mu) / \sqrt{\sigma^2 + \varepsilon}": "normalized input",
    r"\gamma, \beta": "learned scale and shift",
    r"y_i": "target",
    r"L = \frac1m \sum_i (y_i - \gamma \hat x_i - \beta)^2": "the report's loss",
}


def _report_d_xhat(i: Inputs) -> Array:
    """Compute the report's version with the extra sum: −(2γ/m) Σ_j (y_j − γ x̂_j − β), the same for every i."""
    value = -2 * i["gamma"] / len(i["x"]) * np.sum(i["y"] - i["gamma"] * i["xhat"] - i["beta"])
    return np.full_like(i["xhat"], value)


def _report_d_x(i: Inputs) -> Array:
    return _report_d_xhat(i) / np.sqrt(i["var"] + EPS)


def _at(name: str) -> Callable[[Inputs], float]:
    """Return the report's loss as a function of one inner quantity, with the others fixed."""

    def function(i: Inputs) -> float:
        if name == "mu":
            var = np.mean((i["x"] - i["mu"]) ** 2)
            return _loss(i, _normalize(i["x"], i["mu"], var))
        if name == "var":
            return _loss(i, _normalize(i["x"], i["mu"], i["var"]))
        return _loss(i, i["xhat"])

    return function


_RIGHT: Final = "The check agrees with the report."
_COMMON: Final[dict[str, Any]] = {"symbols": _BN_SYMBOLS, "inputs": without(_bn_inputs, "g"), "derive": _bn_derived}

FORMULAS: Final = (
    Formula(
        name="bn_d_xhat", title="Batch norm: ∂L/∂x̂ᵢ",
        statement=r"\frac{\partial L}{\partial \hat x_i} = -\frac{2\gamma}{m}\,(y_i - \gamma \hat x_i - \beta)",
        steps=(
            r"L = \frac1m \sum_j (y_j - \gamma \hat x_j - \beta)^2",
            r"\text{Only the term } j = i \text{ depends on } \hat x_i, \text{ so the sum disappears:}",
            r"\frac{\partial L}{\partial \hat x_i} = \frac1m \cdot 2\,(y_i - \gamma \hat x_i - \beta) \cdot (-\gamma)",
        ),
        variable="xhat", closed=_d_xhat, function=_at("xhat"), autograd=_bn_autograd("xhat"),
        report=_report_d_xhat,
        report_statement=r"\frac{\partial L}{\partial \hat x_i} = -\frac{2\gamma}{m} \sum_j (y_j - \gamma \hat x_j - \beta)",
        report_remark="The report keeps the sum, but only one of its terms depends on x̂ᵢ.", **_COMMON,
    ),
    Formula(
        name="bn_d_var", title="Batch norm: ∂L/∂σ²",
        statement=r"\frac{\partial L}{\partial \sigma^2} = -\tfrac12 (\sigma^2 + \varepsilon)^{-3/2} \sum_i \frac{\partial L}{\partial \hat x_i} (x_i - \mu)",
        steps=(
            r"\hat x_i = (x_i - \mu)(\sigma^2 + \varepsilon)^{-1/2}",
            r"\frac{\partial \hat x_i}{\partial \sigma^2} = -\tfrac12 (x_i - \mu)(\sigma^2 + \varepsilon)^{-3/2}",
            r"\text{All } \hat x_i \text{ depend on } \sigma^2, \text{ so the chain rule sums over } i.",
        ),
        variable="var", closed=_d_var, function=_at("var"), autograd=_bn_autograd("var"),
        report=_d_var,
        report_statement=r"\frac{\partial L}{\partial \sigma^2} = -\tfrac12 (\sigma^2 + \varepsilon)^{-3/2} \sum_i \frac{\partial L}{\partial \hat x_i} (x_i - \mu)",
        report_remark=_RIGHT, **_COMMON,
    ),
    Formula(
        name="bn_d_mu", title="Batch norm: ∂L/∂μ",
        statement=r"\frac{\partial L}{\partial \mu} = -\frac{1}{\sqrt{\sigma^2 + \varepsilon}} \sum_i \frac{\partial L}{\partial \hat x_i} + \frac{\partial L}{\partial \sigma^2} \cdot \frac{-2}{m} \sum_i (x_i - \mu)",
        steps=(
            r"\mu \text{ affects every } \hat x_i \text{ directly and through } \sigma^2 = \tfrac1m \sum_i (x_i - \mu)^2.",
            r"\frac{\partial \hat x_i}{\partial \mu} = -(\sigma^2 + \varepsilon)^{-1/2}, \qquad \frac{\partial \sigma^2}{\partial \mu} = -\frac2m \sum_i (x_i - \mu)",
            r"\text{The second is } 0 \text{ at the batch mean, so that path contributes nothing.}",
        ),
        variable="mu", closed=_d_mu, function=_at("mu"), autograd=_bn_autograd("mu"),
        report=_d_mu,
        report_statement=r"\frac{\partial L}{\partial \mu} = -\frac{1}{\sqrt{\sigma^2 + \varepsilon}} \sum_i \frac{\partial L}{\partial \hat x_i} + \frac{\partial L}{\partial \sigma^2} \cdot \frac{-2}{m} \sum_i (x_i - \mu)",
        report_remark=_RIGHT, **_COMMON,
    ),
    Formula(
        name="bn_d_x", title="Batch norm: ∂L/∂xᵢ",
        statement=r"\frac{\partial L}{\partial x_i} = \frac{\partial L}{\partial \hat x_i} \frac{1}{\sqrt{\sigma^2 + \varepsilon}} + \frac{\partial L}{\partial \sigma^2} \frac{2 (x_i - \mu)}{m} + \frac{\partial L}{\partial \mu} \frac1m",
        steps=(
            r"x_i \text{ affects } L \text{ along three paths: through } \hat x_i, \text{ through } \sigma^2, \text{ through } \mu.",
            r"\frac{\partial \hat x_i}{\partial x_i} = \frac{1}{\sqrt{\sigma^2 + \varepsilon}}, \quad \frac{\partial \sigma^2}{\partial x_i} = \frac{2 (x_i - \mu)}{m}, \quad \frac{\partial \mu}{\partial x_i} = \frac1m",
            r"\text{The chain rule adds the three.}",
        ),
        variable="x", closed=_d_x, function=_loss_of_x, autograd=_bn_autograd("x"),
        report=_report_d_x,
        report_statement=r"\frac{\partial L}{\partial x_i} = -\frac{2\gamma}{m \sqrt{\sigma^2 + \varepsilon}} \sum_j (y_j - \gamma \hat x_j - \beta)",
        report_remark="The report keeps the extra sum and omits the paths through μ and σ².", **_COMMON,
    ),
    Formula(
        name="bn_d_gamma", title="Batch norm: ∂L/∂γ",
        statement=r"\frac{\partial L}{\partial \gamma} = -\frac2m \sum_i (y_i - \gamma \hat x_i - \beta)\, \hat x_i",
        steps=(r"\gamma \text{ occurs in every term: } \frac{\partial}{\partial \gamma} (y_i - \gamma \hat x_i - \beta)^2 = -2 (y_i - \gamma \hat x_i - \beta)\, \hat x_i",),
        variable="gamma",
        closed=lambda i: np.asarray(-2 * np.mean((i["y"] - i["gamma"] * i["xhat"] - i["beta"]) * i["xhat"])),
        function=_loss_of_x, autograd=_bn_autograd("gamma"),
        report=lambda i: np.asarray(-2 * np.mean((i["y"] - i["gamma"] * i["xhat"] - i["beta"]) * i["xhat"])),
        report_statement=r"\frac{\partial L}{\partial \gamma} = -\frac2m \sum_i (y_i - \gamma \hat x_i - \beta)\, \hat x_i",
        report_remark=_RIGHT, **_COMMON,
    ),
    Formula(
        name="bn_d_beta", title="Batch norm: ∂L/∂β",
        statement=r"\frac{\partial L}{\partial \beta} = -\frac2m \sum_i (y_i - \gamma \hat x_i - \beta)",
        steps=(r"\beta \text{ occurs in every term: } \frac{\partial}{\partial \beta} (y_i - \gamma \hat x_i - \beta)^2 = -2 (y_i - \gamma \hat x_i - \beta)",),
        variable="beta",
        closed=lambda i: np.asarray(-2 * np.mean(i["y"] - i["gamma"] * i["xhat"] - i["beta"])),
        function=_loss_of_x, autograd=_bn_autograd("beta"),
        report=lambda i: np.asarray(-2 * np.mean(i["y"] - i["gamma"] * i["xhat"] - i["beta"])),
        report_statement=r"\frac{\partial L}{\partial \beta} = -\frac2m \sum_i (y_i - \gamma \hat x_i - \beta)",
        report_remark=_RIGHT, **_COMMON,
    ),
    Formula(
        name="bn_upstream", title="Batch norm for any upstream gradient",
        statement=r"\frac{\partial L}{\partial x_i} = \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}} \Big( g_i - \tfrac1m \sum_j g_j - \hat x_i \tfrac1m \sum_j g_j \hat x_j \Big)",
        symbols={**_BN_SYMBOLS, "g_i": "upstream gradient ∂L/∂(γ x̂ᵢ + β)"},
        steps=(
            r"\frac{\partial L}{\partial \hat x_i} = \gamma g_i",
            r"\text{Substitute } \partial L / \partial \sigma^2 \text{ and } \partial L / \partial \mu \text{ into the three paths and use } x_i - \mu = \hat x_i \sqrt{\sigma^2 + \varepsilon}:",
            r"\frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}} \Big( g_i - \tfrac1m \sum_j g_j - \hat x_i \tfrac1m \sum_j g_j \hat x_j \Big)",
        ),
        variable="x", inputs=without(_bn_inputs, "y"), derive=_bn_derived, closed=_d_x_upstream,
        function=lambda i: float(np.sum(i["g"] * (i["gamma"] * _normalize(i["x"], i["x"].mean(), i["x"].var()) + i["beta"]))),
        autograd=_upstream_autograd,
    ),
)  # fmt: skip
