"""The mathematics behind the network, each formula checked live: closed form against central differences and autograd.

A :class:`Formula` holds a derivative in closed form (NumPy, float64), the function it is the derivative of, and the
same derivative as PyTorch's autograd gives it through the layer the networks really use. :func:`check` compares them.
Where the lab report states a formula, it stands beside ours as ``report``, and the same check decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer_core.errors import FerError

Array = npt.NDArray[np.float64]
Inputs = dict[str, Array]
STEP: Final = 1e-5
"""Half-width of the central differences; the error of (f(x+h) - f(x-h)) / 2h is of order h², rounding of order ε/h."""
TOLERANCE: Final = 1e-6


@dataclass(frozen=True)
class Formula:
    """One formula with everything needed to check it.

    Attributes:
        name: for programs.
        title: for people.
        statement: the closed form in LaTeX.
        symbols: what each symbol means, in words.
        steps: the derivation in LaTeX, one step after the other.
        variable: which input the derivative is by.
        inputs: draws inputs from a random generator.
        closed: the closed form: inputs -> derivative, the shape of ``inputs[variable]``.
        function: the scalar function of the inputs that is differentiated; None where the formula is no derivative.
        autograd: the same value through PyTorch's real layer or optimiser.
        report: the lab report's closed form, where it states one.
        report_statement: that in LaTeX.
        report_remark: what is right or wrong about it; the check, not this sentence, decides.
        derive: works out the inputs that follow from the others (the mean of a batch); None where none does.
        one_hot: name of the input that must be a single 1 among zeros, if there is one.
        limits: smallest and largest value of inputs that cannot be just any number; both are allowed.
    """

    name: str
    title: str
    statement: str
    symbols: dict[str, str]
    steps: tuple[str, ...]
    variable: str
    inputs: Callable[[np.random.Generator], Inputs]
    closed: Callable[[Inputs], Array]
    function: Callable[[Inputs], float] | None
    autograd: Callable[[Inputs], Array]
    report: Callable[[Inputs], Array] | None = None
    report_statement: str = ""
    report_remark: str = ""
    derive: Callable[[Inputs], Inputs] | None = None
    one_hot: str = ""
    limits: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How far the closed form lies from the truth.

    Attributes:
        name: of the formula.
        passed: both errors are at most ``tolerance``.
        error: the larger of the two.
        tolerance: relative to the largest value, or absolute where that is below 1.
        numeric_error: against central differences; None where the formula is no derivative.
        autograd_error: against autograd through the real layer.
    """

    name: str
    passed: bool
    error: float
    tolerance: float
    numeric_error: float | None
    autograd_error: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"name": self.name, "passed": self.passed, "error": self.error, "tolerance": self.tolerance}


def central_differences(
    function: Callable[[Inputs], float], inputs: Inputs, variable: str, step: float = STEP
) -> Array:
    """(f(x + h) − f(x − h)) / 2h for every entry of ``inputs[variable]``."""
    x = inputs[variable]
    result = np.empty_like(x)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        result[place] = (function({**inputs, variable: up}) - function({**inputs, variable: down})) / (2 * step)
    return result


def difference(a: Array, b: Array) -> float:
    """Largest difference, relative to the largest value where that is above 1; infinite for NaN or other shapes."""
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    scale = max(1.0, float(np.abs(b).max(initial=0.0)))
    return float(np.abs(a - b).max(initial=0.0)) / scale


def check(
    formula: Formula,
    *,
    closed: Callable[[Inputs], Array] | None = None,
    inputs: Inputs | None = None,
    seed: int = 0,
    step: float = STEP,
) -> CheckResult:
    """Compare a closed form (the formula's own if none is given) with central differences and with autograd."""
    inputs = inputs if inputs is not None else formula.inputs(np.random.default_rng(seed))
    value = (closed or formula.closed)(inputs)
    numeric = None
    if formula.function is not None:
        numeric = difference(value, central_differences(formula.function, inputs, formula.variable, step))
    auto = difference(value, formula.autograd(inputs))
    error = max(auto, numeric or 0.0)
    return CheckResult(formula.name, error <= TOLERANCE, error, TOLERANCE, numeric, auto)


def check_all(seed: int = 0) -> list[CheckResult]:
    """Check every formula."""
    return [check(formula, seed=seed) for formula in FORMULAS.values()]


def check_report(formula: Formula, seed: int = 0) -> CheckResult | None:
    """Check the lab report's version; None where it states none."""
    return check(formula, closed=formula.report, seed=seed) if formula.report else None


def error_by_step(formula: Formula, inputs: Inputs | None = None, seed: int = 0) -> tuple[Array, Array]:
    """Step sizes and the error of the central differences at each: the plot that shows truncation against rounding.

    Steps so large that the function is not defined there (a variance below zero) are left out.

    Raises:
        FerError: the formula is no derivative.
    """
    if formula.function is None:
        raise FerError(f"'{formula.title}' is no derivative, so it has no step size.")
    inputs = inputs if inputs is not None else formula.inputs(np.random.default_rng(seed))
    steps = np.logspace(-1, -12, 34)
    exact = formula.closed(inputs)
    # A step larger than a variance leaves where the function is defined.
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = np.array(
            [
                difference(central_differences(formula.function, inputs, formula.variable, float(h)), exact)
                for h in steps
            ]
        )
    defined = np.isfinite(errors)
    return steps[defined], errors[defined]


_PROSE: Final = re.compile(r"\\text\{([^{}]*)\}")


def as_prose(step: str) -> str | None:
    """A step that is a sentence, as Markdown with its formulas between dollars, so that it can wrap; None for a formula."""
    if r"\text{" not in step:
        return None
    shown = []
    for odd, part in enumerate(_PROSE.split(step)):  # formula, words, formula, words, …
        core = part.strip(" ,.:;")
        if odd % 2 or not core:
            shown.append(part.replace(r"\%", "%"))
        else:
            shown.append(f"${core}${part.strip()[len(core) :]}")
    return "".join(shown).strip()


# --- batch normalisation with the lab report's loss L = (1/m) Σ (y_i − γ x̂_i − β)²

EPS: Final = 1e-5


def _bn_inputs(rng: np.random.Generator) -> Inputs:
    x, y = rng.normal(1.0, 2.0, 6), rng.normal(size=6)
    values = {"x": x, "y": y, "gamma": np.array(1.3), "beta": np.array(-0.4), "g": rng.normal(size=6)}
    return {**values, **_bn_derived(values)}


def _bn_derived(i: Inputs) -> Inputs:
    mu, var = i["x"].mean(), i["x"].var()
    return {"mu": np.array(mu), "var": np.array(var), "xhat": _normalised(i["x"], mu, var)}


def _normalised(x: Array, mu: Any, var: Any) -> Array:
    return np.asarray((x - mu) / np.sqrt(var + EPS))


def _loss(i: Inputs, xhat: Array) -> float:
    return float(np.mean((i["y"] - i["gamma"] * xhat - i["beta"]) ** 2))


def _loss_of_x(i: Inputs) -> float:
    return _loss(i, _normalised(i["x"], i["x"].mean(), i["x"].var()))


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


def _tensors(i: Inputs) -> dict[str, Any]:
    import torch

    return {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in i.items()}


def _bn_layer(gamma: float, beta: float) -> Any:
    """The layer the networks use, for one channel, in float64 and training mode."""
    import torch

    layer = torch.nn.BatchNorm1d(1, eps=EPS).double().train()
    with torch.no_grad():
        layer.weight.fill_(gamma)
        layer.bias.fill_(beta)
    return layer


def _bn_autograd(variable: str) -> Callable[[Inputs], Array]:
    """Autograd through the real layer for x, γ, β; through the written-out graph for what lies inside the layer."""

    def run(i: Inputs) -> Array:
        import torch

        t = _tensors(i)
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

    t = _tensors(i)
    out = _bn_layer(float(i["gamma"]), float(i["beta"]))(t["x"][:, None])[:, 0]
    (gradient,) = torch.autograd.grad(out, t["x"], grad_outputs=t["g"].detach())
    return np.asarray(gradient.numpy())


_BN_SYMBOLS: Final = {
    r"x_i": "input i of m in the batch",
    r"\mu, \sigma^2": "mean and variance of the inputs over the batch",
    r"\hat x_i = (x_i - \mu) / \sqrt{\sigma^2 + \varepsilon}": "normalised input",
    r"\gamma, \beta": "learned scale and shift",
    r"y_i": "target",
    r"L = \frac1m \sum_i (y_i - \gamma \hat x_i - \beta)^2": "the report's loss",
}


def _report_d_xhat(i: Inputs) -> Array:
    """With the stray sum: −(2γ/m) Σ_j (y_j − γ x̂_j − β), the same for every i."""
    value = -2 * i["gamma"] / len(i["x"]) * np.sum(i["y"] - i["gamma"] * i["xhat"] - i["beta"])
    return np.full_like(i["xhat"], value)


def _report_d_x(i: Inputs) -> Array:
    return _report_d_xhat(i) / np.sqrt(i["var"] + EPS)


# --- softmax, cross-entropy, label smoothing, temperature


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
    """−y_t ln ŷ_t as a function of z_t alone, with y_t a number, not one of a one-hot vector."""
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


# --- activation, dropout, optimiser, Grad-CAM, sizes, calibration


def _leaky_autograd(i: Inputs) -> Array:
    import torch

    from fer_core.models import build

    # the network's own activation
    layer = next(m for m in build("seed").modules() if isinstance(m, torch.nn.LeakyReLU))
    x = torch.tensor(i["x"], requires_grad=True)
    (gradient,) = torch.autograd.grad(layer(x), x, grad_outputs=torch.tensor(i["g"]))
    return np.asarray(gradient.numpy())


def _dropout_layer_mean(i: Inputs) -> Array:
    """What the real layer gives on average: its two possible values, weighted by how likely it is to give them."""
    import torch

    p = float(i["p"])
    layer = torch.nn.Dropout(p).train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        x = torch.tensor(i["x"])
        draws = torch.stack([layer(x) for _ in range(64)])
    kept = torch.where(draws != 0, draws, torch.nan).nanmean(dim=0)  # the value of an entry that is kept
    return np.asarray((1 - p) * kept.numpy())


def _adam_step(i: Inputs) -> Array:
    """Three steps of AdamW by hand; the weights after them."""
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


def _gradcam_autograd(i: Inputs) -> Array:
    """α_k through the real head of ``compact``: global average pooling and one linear layer."""
    import torch

    from fer_core.models import build

    model = build("compact", widths=(16, 16, len(i["A"])), blocks=(1, 1, 1)).double().eval()
    with torch.no_grad():
        model.classifier.weight.copy_(torch.tensor(i["W"]))
    maps = torch.tensor(i["A"][None], requires_grad=True)
    (gradient,) = torch.autograd.grad(model.head(maps)[0, 2], maps)
    return np.asarray(gradient[0].mean(dim=(1, 2)).numpy())


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


def _at(name: str) -> Callable[[Inputs], float]:
    """The report's loss as a function of one inner quantity, the others held."""

    def function(i: Inputs) -> float:
        if name == "mu":
            var = np.mean((i["x"] - i["mu"]) ** 2)
            return _loss(i, _normalised(i["x"], i["mu"], var))
        if name == "var":
            return _loss(i, _normalised(i["x"], i["mu"], i["var"]))
        return _loss(i, i["xhat"])

    return function


def _without(draw: Callable[[np.random.Generator], Inputs], *names: str) -> Callable[[np.random.Generator], Inputs]:
    """The same inputs less those that a formula does not use."""
    return lambda rng: {name: value for name, value in draw(rng).items() if name not in names}


def _make() -> dict[str, Formula]:
    bn: dict[str, Any] = {"symbols": _BN_SYMBOLS, "inputs": _without(_bn_inputs, "g"), "derive": _bn_derived}
    right = "The check agrees with the report."
    formulas = [
        Formula(
            name="conv_size", title="Output size of a convolution",
            statement=r"W' = \left\lfloor \frac{W + 2P - K}{S} \right\rfloor + 1",
            symbols={"W": "side of the input", "K": "side of the kernel", "P": "padding on each side", "S": "stride"},
            steps=(
                r"\text{With padding the input is } W + 2P \text{ wide.}",
                r"\text{A kernel of side } K \text{ has its first place at } 0 \text{ and its last at most at } W + 2P - K.",
                r"\text{Steps of } S \text{ give places } 0, S, 2S, \dots \le W + 2P - K, \text{ that is } \lfloor (W + 2P - K) / S \rfloor + 1.",
            ),
            variable="sizes", inputs=lambda rng: {"sizes": _SIZES[_SIZES[:, 1] <= _SIZES[:, 0] + 2 * _SIZES[:, 3]]},
            closed=_conv_sizes, function=None, autograd=_layer_sizes("conv"),
        ),
        Formula(
            name="pool_size", title="Output size of a pooling",
            statement=r"W' = \left\lfloor \frac{W + 2P - K}{S} \right\rfloor + 1, \qquad \text{usually } S = K, P = 0",
            symbols={"W": "side of the input", "K": "side of the window", "P": "padding on each side", "S": "stride"},
            steps=(r"\text{The window moves like a kernel, so the same count of places holds.}",),
            variable="sizes", inputs=lambda rng: {"sizes": _SIZES[_SIZES[:, 1] <= _SIZES[:, 0] + 2 * _SIZES[:, 3]]},
            closed=_conv_sizes, function=None, autograd=_layer_sizes("pool"),
        ),
        Formula(
            name="bn_d_xhat", title="Batch norm: ∂L/∂x̂ᵢ",
            statement=r"\frac{\partial L}{\partial \hat x_i} = -\frac{2\gamma}{m}\,(y_i - \gamma \hat x_i - \beta)",
            steps=(
                r"L = \frac1m \sum_j (y_j - \gamma \hat x_j - \beta)^2",
                r"\text{Only the term } j = i \text{ holds } \hat x_i, \text{ so no sum is left:}",
                r"\frac{\partial L}{\partial \hat x_i} = \frac1m \cdot 2\,(y_i - \gamma \hat x_i - \beta) \cdot (-\gamma)",
            ),
            variable="xhat", closed=_d_xhat, function=_at("xhat"), autograd=_bn_autograd("xhat"),
            report=_report_d_xhat,
            report_statement=r"\frac{\partial L}{\partial \hat x_i} = -\frac{2\gamma}{m} \sum_j (y_j - \gamma \hat x_j - \beta)",
            report_remark="The report keeps a sum that only one term of survives the differentiation.", **bn,
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
            report_remark=right, **bn,
        ),
        Formula(
            name="bn_d_mu", title="Batch norm: ∂L/∂μ",
            statement=r"\frac{\partial L}{\partial \mu} = -\frac{1}{\sqrt{\sigma^2 + \varepsilon}} \sum_i \frac{\partial L}{\partial \hat x_i} + \frac{\partial L}{\partial \sigma^2} \cdot \frac{-2}{m} \sum_i (x_i - \mu)",
            steps=(
                r"\mu \text{ acts on every } \hat x_i \text{ directly, and through } \sigma^2 = \tfrac1m \sum_i (x_i - \mu)^2.",
                r"\frac{\partial \hat x_i}{\partial \mu} = -(\sigma^2 + \varepsilon)^{-1/2}, \qquad \frac{\partial \sigma^2}{\partial \mu} = -\frac2m \sum_i (x_i - \mu)",
                r"\text{The second is } 0 \text{ at the batch's own mean, so that path adds nothing.}",
            ),
            variable="mu", closed=_d_mu, function=_at("mu"), autograd=_bn_autograd("mu"),
            report=_d_mu,
            report_statement=r"\frac{\partial L}{\partial \mu} = -\frac{1}{\sqrt{\sigma^2 + \varepsilon}} \sum_i \frac{\partial L}{\partial \hat x_i} + \frac{\partial L}{\partial \sigma^2} \cdot \frac{-2}{m} \sum_i (x_i - \mu)",
            report_remark=right, **bn,
        ),
        Formula(
            name="bn_d_x", title="Batch norm: ∂L/∂xᵢ",
            statement=r"\frac{\partial L}{\partial x_i} = \frac{\partial L}{\partial \hat x_i} \frac{1}{\sqrt{\sigma^2 + \varepsilon}} + \frac{\partial L}{\partial \sigma^2} \frac{2 (x_i - \mu)}{m} + \frac{\partial L}{\partial \mu} \frac1m",
            steps=(
                r"x_i \text{ reaches } L \text{ on three paths: through } \hat x_i, \text{ through } \sigma^2, \text{ through } \mu.",
                r"\frac{\partial \hat x_i}{\partial x_i} = \frac{1}{\sqrt{\sigma^2 + \varepsilon}}, \quad \frac{\partial \sigma^2}{\partial x_i} = \frac{2 (x_i - \mu)}{m}, \quad \frac{\partial \mu}{\partial x_i} = \frac1m",
                r"\text{The chain rule adds the three.}",
            ),
            variable="x", closed=_d_x, function=_loss_of_x, autograd=_bn_autograd("x"),
            report=_report_d_x,
            report_statement=r"\frac{\partial L}{\partial x_i} = -\frac{2\gamma}{m \sqrt{\sigma^2 + \varepsilon}} \sum_j (y_j - \gamma \hat x_j - \beta)",
            report_remark="The report keeps the stray sum and drops the paths through μ and σ².", **bn,
        ),
        Formula(
            name="bn_d_gamma", title="Batch norm: ∂L/∂γ",
            statement=r"\frac{\partial L}{\partial \gamma} = -\frac2m \sum_i (y_i - \gamma \hat x_i - \beta)\, \hat x_i",
            steps=(r"\gamma \text{ stands in every term: } \frac{\partial}{\partial \gamma} (y_i - \gamma \hat x_i - \beta)^2 = -2 (y_i - \gamma \hat x_i - \beta)\, \hat x_i",),
            variable="gamma",
            closed=lambda i: np.asarray(-2 * np.mean((i["y"] - i["gamma"] * i["xhat"] - i["beta"]) * i["xhat"])),
            function=_loss_of_x, autograd=_bn_autograd("gamma"),
            report=lambda i: np.asarray(-2 * np.mean((i["y"] - i["gamma"] * i["xhat"] - i["beta"]) * i["xhat"])),
            report_statement=r"\frac{\partial L}{\partial \gamma} = -\frac2m \sum_i (y_i - \gamma \hat x_i - \beta)\, \hat x_i",
            report_remark=right, **bn,
        ),
        Formula(
            name="bn_d_beta", title="Batch norm: ∂L/∂β",
            statement=r"\frac{\partial L}{\partial \beta} = -\frac2m \sum_i (y_i - \gamma \hat x_i - \beta)",
            steps=(r"\beta \text{ stands in every term: } \frac{\partial}{\partial \beta} (y_i - \gamma \hat x_i - \beta)^2 = -2 (y_i - \gamma \hat x_i - \beta)",),
            variable="beta",
            closed=lambda i: np.asarray(-2 * np.mean(i["y"] - i["gamma"] * i["xhat"] - i["beta"])),
            function=_loss_of_x, autograd=_bn_autograd("beta"),
            report=lambda i: np.asarray(-2 * np.mean(i["y"] - i["gamma"] * i["xhat"] - i["beta"])),
            report_statement=r"\frac{\partial L}{\partial \beta} = -\frac2m \sum_i (y_i - \gamma \hat x_i - \beta)",
            report_remark=right, **bn,
        ),
        Formula(
            name="bn_upstream", title="Batch norm for any upstream gradient",
            statement=r"\frac{\partial L}{\partial x_i} = \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}} \Big( g_i - \tfrac1m \sum_j g_j - \hat x_i \tfrac1m \sum_j g_j \hat x_j \Big)",
            symbols={**_BN_SYMBOLS, "g_i": "upstream gradient ∂L/∂(γ x̂ᵢ + β)"},
            steps=(
                r"\frac{\partial L}{\partial \hat x_i} = \gamma g_i",
                r"\text{Put } \partial L / \partial \sigma^2 \text{ and } \partial L / \partial \mu \text{ into the three paths and use } x_i - \mu = \hat x_i \sqrt{\sigma^2 + \varepsilon}:",
                r"\frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}} \Big( g_i - \tfrac1m \sum_j g_j - \hat x_i \tfrac1m \sum_j g_j \hat x_j \Big)",
            ),
            variable="x", inputs=_without(_bn_inputs, "y"), derive=_bn_derived, closed=_d_x_upstream,
            function=lambda i: float(np.sum(i["g"] * (i["gamma"] * _normalised(i["x"], i["x"].mean(), i["x"].var()) + i["beta"]))),
            autograd=_upstream_autograd,
        ),
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
            variable="z", inputs=_without(_one_hot_inputs, "T", "a"), one_hot="y", closed=lambda i: np.asarray(_softmax(i["z"]) - i["y"]),
            function=_ce, autograd=_ce_autograd,
            report=lambda i: np.asarray(_softmax(i["z"]) - i["y"]),
            report_statement=r"\frac{\partial L}{\partial z_t} = \hat y_t - y_t",
            report_remark="Right for the loss summed over classes; the report derives it from a single term (see the next formula).",
        ),
        Formula(
            name="softmax_single_term", title="One term of the cross-entropy alone",
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
            report_remark="The report differentiates this term but states the result of the sum; they agree only where yₜ = 1.",
        ),
        Formula(
            name="label_smoothing", title="Label smoothing",
            statement=r"\frac{\partial L}{\partial z_t} = \hat y_t - \Big( (1 - \alpha) y_t + \frac{\alpha}{C} \Big)",
            symbols={r"\alpha": "share of the target spread evenly", "C": "number of classes"},
            steps=(
                r"\text{Smoothing only changes the target: } y_t' = (1 - \alpha) y_t + \alpha / C, \text{ which still sums to 1.}",
                r"\text{So } \hat y_t - y_t' \text{ as before.}",
            ),
            variable="z", inputs=_without(_one_hot_inputs, "T"), one_hot="y", limits={"a": (0.0, 1.0)}, closed=lambda i: np.asarray(_softmax(i["z"]) - _smoothed(i)),
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
            variable="T", inputs=_without(_one_hot_inputs, "a"), one_hot="y", limits={"T": (0.05, 100.0)},
            closed=lambda i: np.asarray((np.sum(i["y"] * i["z"]) - np.sum(_softmax(i["z"] / i["T"]) * i["z"])) / i["T"] ** 2),
            function=lambda i: float(-np.sum(i["y"] * np.log(_softmax(i["z"] / i["T"])))),
            autograd=_temperature_autograd,
        ),
        Formula(
            name="leaky_relu", title="LeakyReLU",
            statement=r"\frac{\partial L}{\partial x_i} = g_i \cdot \begin{cases} 1 & x_i > 0 \\ 0.2 & x_i < 0 \end{cases}",
            symbols={"g_i": "upstream gradient", "0.2": "slope of the network's activation for negative inputs"},
            steps=(r"f(x) = \max(0, x) + 0.2 \min(0, x) \text{ is a line on either side of 0.}",),
            variable="x",
            inputs=lambda rng: {"x": rng.choice([-1, 1], 8) * rng.uniform(0.1, 2, 8), "g": rng.normal(size=8)},
            closed=lambda i: np.asarray(i["g"] * np.where(i["x"] > 0, 1.0, 0.2)),
            function=lambda i: float(np.sum(i["g"] * np.where(i["x"] > 0, i["x"], 0.2 * i["x"]))),
            autograd=_leaky_autograd,
        ),
        Formula(
            name="dropout", title="Dropout keeps the mean",
            statement=r"\mathbb E\Big[\frac{m_i}{1 - p}\, x_i\Big] = x_i, \qquad m_i \sim \mathrm{Bernoulli}(1 - p)",
            symbols={"p": "probability that an entry is dropped", "m_i": "1 if entry i is kept, else 0"},
            steps=(
                r"\mathbb E[m_i] = 1 - p",
                r"\text{Dividing kept entries by } 1 - p \text{ makes the mean } x_i, \text{ so nothing changes at test time.}",
            ),
            variable="x", inputs=lambda rng: {"x": rng.uniform(0.5, 2, 8), "p": np.array(0.5)}, limits={"p": (0.0, 0.9)},
            closed=lambda i: np.asarray((1 - i["p"]) * (i["x"] / (1 - i["p"])) + i["p"] * 0), function=None,
            autograd=_dropout_layer_mean,
        ),
        Formula(
            name="adamw", title="AdamW's step",
            statement=r"w \leftarrow (1 - \eta\lambda)\, w - \eta\, \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \varepsilon}",
            symbols={
                r"m \leftarrow \beta_1 m + (1 - \beta_1) g": "running mean of the gradients",
                r"v \leftarrow \beta_2 v + (1 - \beta_2) g^2": "running mean of their squares",
                r"\eta, \lambda": "learning rate and weight decay", "t": "number of the step, from 1",
            },
            steps=(
                r"\text{Both means start at 0, so after } t \text{ steps they hold only a share } 1 - \beta^t \text{ of the truth; dividing undoes that.}",
                r"\text{The decay acts on the weight itself, not through } m \text{ and } v \text{ (Loshchilov & Hutter 2019).}",
            ),
            variable="w", inputs=lambda rng: {"w": rng.normal(size=5), "gradients": rng.normal(size=(3, 5))},
            closed=_adam_step, function=None, autograd=_adam_torch,
        ),
        Formula(
            name="gradcam", title="Grad-CAM's weights",
            statement=r"\alpha_k = \frac1{hw} \sum_{i,j} \frac{\partial z_c}{\partial A_k^{ij}} = \frac{W_{ck}}{hw}",
            symbols={"A_k": "feature map k of size h × w", "W": "weights of the last linear layer", "z_c": "logit of class c"},
            steps=(
                r"\text{With global average pooling } z_c = \sum_k W_{ck} \frac1{hw} \sum_{i,j} A_k^{ij} + b_c.",
                r"\frac{\partial z_c}{\partial A_k^{ij}} = \frac{W_{ck}}{hw} \text{ at every place, and so is the mean.}",
            ),
            variable="A", inputs=lambda rng: {"A": rng.uniform(0, 1, (16, 6, 6)), "W": rng.normal(size=(7, 16))},
            closed=lambda i: np.asarray(i["W"][2] / (i["A"].shape[1] * i["A"].shape[2])), function=None,
            autograd=_gradcam_autograd,
        ),
        Formula(
            name="ece", title="Expected calibration error",
            statement=r"\mathrm{ECE} = \sum_b \frac{n_b}{N}\, |\mathrm{acc}_b - \mathrm{conf}_b|",
            symbols={"b": "one of 15 equal bins of the top probability", "n_b": "faces in it"},
            steps=(r"\text{In a calibrated model, of the faces answered with 70 \% confidence 70 \% are right.}",),
            variable="p", inputs=_ece_inputs, closed=_ece_by_hand, function=None, autograd=_ece_metric,
        ),
    ]  # fmt: skip
    return {formula.name: formula for formula in formulas}


FORMULAS: Final[dict[str, Formula]] = _make()

TOPICS: Final[dict[str, tuple[str, ...]]] = {
    "Sizes": ("conv_size", "pool_size"),
    "Batch norm": ("bn_d_xhat", "bn_d_var", "bn_d_mu", "bn_d_x", "bn_d_gamma", "bn_d_beta", "bn_upstream"),
    "Softmax and loss": ("softmax_cross_entropy", "softmax_single_term", "label_smoothing", "temperature"),
    "Layers": ("leaky_relu", "dropout"),
    "Optimiser": ("adamw",),
    "Explanation and trust": ("gradcam", "ece"),
}
"""The formulas in the order of a lecture: heading -> names."""
