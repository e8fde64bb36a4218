"""Saliency: which pixels of a face decide a class score. Attribution methods come from captum, Grad-CAM is ours.

All methods explain one logit of the classifier, on the face exactly as the network sees it. They ask for gradients by
the input (or by the last feature map), never by the weights, and switch nothing on the shared network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from fer_core.errors import FerError
from fer_core.formatting import display_safe
from fer_core.inference import Classifier
from fer_core.preprocess import as_faces, to_tensor

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int], None]
Maps = npt.NDArray[np.float32]

SMOOTHGRAD_SAMPLES: Final = 32
SMOOTHGRAD_NOISE: Final = 0.15
"""Deviation of SmoothGrad's noise as a share of the face's own range, the middle of the paper's 10–20%."""
INTEGRATION_STEPS: Final = 32
OCCLUSION_PATCH: Final = 8
OCCLUSION_STRIDE: Final = 4


@dataclass(frozen=True, slots=True)
class Method:
    """A way of explaining.

    Attributes:
        name, title: for programs and for people.
        summary: what it does, in plain words.
        signed: whether the sign of a value means for or against the class; otherwise only the size means something.
        slow: whether it takes tens of passes through the network.
        source: the paper.
    """

    name: str
    title: str
    summary: str
    signed: bool
    slow: bool
    source: str


METHODS: Final[dict[str, Method]] = {
    method.name: method
    for method in (
        Method(
            "gradient",
            "Gradient",
            "How strongly the class score would react if each pixel changed a little. Sharp, but noisy.",
            signed=False,
            slow=False,
            source="Simonyan et al. 2014",
        ),
        Method(
            "smoothgrad",
            "SmoothGrad",
            "The gradient averaged over slightly noisy copies of the face, so that chance reactions cancel out.",
            signed=False,
            slow=True,
            source="Smilkov et al. 2017",
        ),
        Method(
            "integrated_gradients",
            "Integrated gradients",
            "Fades the face in from plain grey and adds up what each pixel contributes to the score on the way.",
            signed=True,
            slow=True,
            source="Sundararajan et al. 2017",
        ),
        Method(
            "gradcam",
            "Grad-CAM",
            "Which places of the last 6×6 feature map speak for the class, enlarged to the face. Coarse, but steady.",
            signed=True,
            slow=False,
            source="Selvaraju et al. 2017",
        ),
        Method(
            "occlusion",
            "Occlusion",
            "Covers the face with a grey patch, place by place, and records how far the score falls.",
            signed=True,
            slow=True,
            source="Zeiler & Fergus 2014",
        ),
    )
}


@dataclass(frozen=True, eq=False)
class Saliency:
    """One map for one face and one class.

    Attributes:
        method: name in METHODS.
        target: index of the explained class in the classifier's labels.
        label: its name.
        values: float32 (48, 48), as the method gives them, in logits.
        positive: float32 (48, 48) ≥ 0: what speaks for the class (signed methods) or the size of the reaction.
        note: says in words that the map is empty or broken; None when it can be shown.
    """

    method: str
    target: int
    label: str
    values: Maps
    positive: Maps
    note: str | None

    @property
    def scaled(self) -> Maps:
        """``positive`` divided by its largest value, in 0…1; all zero for an empty map."""
        top = float(self.positive.max())
        return self.positive / top if top > 0 else self.positive


def target_index(classifier: Classifier, target: str | int | None, logits: npt.NDArray[np.floating]) -> int:
    """The class to explain: by name, by index, or the predicted one when None.

    Raises:
        FerError: the classifier has no such class.
    """
    labels = classifier.labels
    if target is None:
        return int(np.argmax(logits))
    if isinstance(target, str):
        wanted = classifier.classes.find(target)
        if wanted is None:
            raise FerError(f"The model has no class '{display_safe(target)}'. It knows: {', '.join(labels)}.")
        return wanted
    if not 0 <= target < len(labels):
        raise FerError(f"The model has {len(labels)} classes; {target} is not one of 0…{len(labels) - 1}.")
    return int(target)


def explain(
    classifier: Classifier,
    face: npt.NDArray[np.generic],
    method: str = "gradcam",
    target: str | int | None = None,
    *,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Saliency:
    """The map of one face uint8 (48, 48).

    Args:
        classifier: its network is not changed.
        face: uint8 (48, 48).
        method: a name in METHODS.
        target: class by name or index; the predicted one when None.
        on_progress: called with (done, total) passes by the slow methods.
        should_stop: asked between passes of the slow methods.

    Raises:
        FerError: the method or class is unknown, or it was stopped.
        ImageError: the array is not a face.
    """
    faces = as_faces(face)[:1]
    index = target_index(classifier, target, classifier.logits(faces)[0])
    values = explain_batch(
        classifier, faces, method, np.array([index]), on_progress=on_progress, should_stop=should_stop
    )[0]
    return make_saliency(method, index, classifier.labels[index], values)


def make_saliency(method: str, target: int, label: str, values: Maps) -> Saliency:
    """A record from raw values; says in words when there is nothing to show."""
    title, note = METHODS[method].title, None
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    positive = np.maximum(finite, 0) if METHODS[method].signed else np.abs(finite)
    if not np.isfinite(values).all():
        note = f"{title} gave values that are not numbers, so there is no map to show. The weights may be damaged."
        positive = np.zeros_like(positive)
    elif not values.any():
        note = f"{title} gave zero everywhere: as far as this method can see, no pixel moves the score for '{label}'."
    elif not positive.any():
        note = f"{title} found nothing that speaks for '{label}': every part of the face speaks against it."
    return Saliency(method, target, label, values.astype(np.float32), positive.astype(np.float32), note)


def explain_batch(
    classifier: Classifier,
    faces: npt.NDArray[np.generic],
    method: str,
    targets: npt.NDArray[np.int64],
    *,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
    seed: int = 0,
) -> Maps:
    """Raw maps float32 (N, 48, 48) of faces uint8 (N, 48, 48) for classes int64 (N,), in logits.

    Raises:
        FerError: the method is unknown, or it was stopped.
    """
    import torch

    if method not in METHODS:
        raise FerError(f"There is no method '{method}'. Known: {', '.join(METHODS)}.")
    x = to_tensor(np.ascontiguousarray(as_faces(faces)), classifier.info.preprocess).to(classifier.device)
    t = torch.as_tensor(np.asarray(targets, dtype=np.int64), device=classifier.device)
    steps = _Steps(on_progress, should_stop)
    with torch.enable_grad():
        maps = {
            "gradient": _gradient,
            "smoothgrad": _smoothgrad,
            "integrated_gradients": _integrated_gradients,
            "gradcam": _gradcam,
            "occlusion": _occlusion,
        }[method](classifier, x, t, steps, seed)
    result: Maps = maps.detach().reshape(len(x), *x.shape[2:]).float().cpu().numpy()
    return result


class _Steps:
    """Counts passes through the network for progress and stopping."""

    def __init__(self, on_progress: Progress | None, should_stop: Callable[[], bool] | None) -> None:
        self.on_progress, self.should_stop = on_progress, should_stop
        self.done, self.total = 0, 1

    def expect(self, total: int) -> None:
        self.total = total

    def step(self) -> None:
        if self.should_stop and self.should_stop():
            raise FerError("The explanation was stopped.")
        self.done += 1
        if self.on_progress:
            self.on_progress(min(self.done, self.total), self.total)


def _counted(classifier: Classifier, steps: _Steps) -> Callable[[torch.Tensor], torch.Tensor]:
    """The network as captum calls it, counting passes."""

    def forward(x: torch.Tensor) -> torch.Tensor:
        steps.step()
        logits: torch.Tensor = classifier.model(x)
        return logits

    return forward


def _gradient(c: Classifier, x: torch.Tensor, targets: torch.Tensor, steps: _Steps, seed: int) -> torch.Tensor:
    """∂z_t/∂x."""
    from captum.attr import Saliency as CaptumSaliency

    found: torch.Tensor = CaptumSaliency(_counted(c, steps)).attribute(x.requires_grad_(), target=targets, abs=False)
    return found


def _smoothgrad(c: Classifier, x: torch.Tensor, targets: torch.Tensor, steps: _Steps, seed: int) -> torch.Tensor:
    """Mean of ∂z_t/∂x over noisy copies; the noise is seeded, so the same face gives the same map."""
    import torch
    from captum.attr import NoiseTunnel
    from captum.attr import Saliency as CaptumSaliency

    steps.expect(SMOOTHGRAD_SAMPLES // 8)
    spread = float((x.max() - x.min()).item()) * SMOOTHGRAD_NOISE
    tunnel = NoiseTunnel(CaptumSaliency(_counted(c, steps)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found: torch.Tensor = tunnel.attribute(
            x.requires_grad_(),
            nt_type="smoothgrad",
            nt_samples=SMOOTHGRAD_SAMPLES,
            nt_samples_batch_size=8,
            stdevs=spread,
            target=targets,
            abs=False,
        )
    return found


def _integrated_gradients(
    c: Classifier, x: torch.Tensor, targets: torch.Tensor, steps: _Steps, seed: int
) -> torch.Tensor:
    """(x − x₀) · ∫ ∂z_t/∂x along the line from x₀, plain grey of the training mean, to x."""
    import torch
    from captum.attr import IntegratedGradients

    steps.expect(max(1, INTEGRATION_STEPS // 8))
    found: torch.Tensor = IntegratedGradients(_counted(c, steps)).attribute(
        x.requires_grad_(),
        baselines=torch.zeros_like(x),
        target=targets,
        n_steps=INTEGRATION_STEPS,
        internal_batch_size=8 * len(x),
    )
    return found


def _gradcam(c: Classifier, x: torch.Tensor, targets: torch.Tensor, steps: _Steps, seed: int) -> torch.Tensor:
    """Σ_k α_k A_k with α_k the mean over places of ∂z_t/∂A_k (Selvaraju et al. 2017, eq. 1 and 2, before the ReLU).

    A is the last feature map before the final pooling; the sum is enlarged smoothly to the face.
    """
    import torch

    steps.step()
    with torch.no_grad():
        maps = c.model.features(x)
    maps = maps.detach().requires_grad_()  # (N, K, h, w)
    scores = c.model.head(maps).gather(1, targets[:, None]).sum()
    (gradient,) = torch.autograd.grad(scores, maps)
    weighted = (gradient.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1, keepdim=True)  # (N, 1, h, w)
    return torch.nn.functional.interpolate(weighted, size=x.shape[2:], mode="bicubic", align_corners=False)


def _occlusion(c: Classifier, x: torch.Tensor, targets: torch.Tensor, steps: _Steps, seed: int) -> torch.Tensor:
    """Fall of z_t when an 8×8 patch is set to plain grey, mean over the patches that cover a pixel."""
    import torch
    from captum.attr import Occlusion

    places = ((x.shape[2] - OCCLUSION_PATCH + OCCLUSION_STRIDE - 1) // OCCLUSION_STRIDE + 1) ** 2
    steps.expect(places // 16 + 2)
    with torch.no_grad():
        found: torch.Tensor = Occlusion(_counted(c, steps)).attribute(
            x,
            sliding_window_shapes=(1, OCCLUSION_PATCH, OCCLUSION_PATCH),
            strides=(1, OCCLUSION_STRIDE, OCCLUSION_STRIDE),
            baselines=0,
            target=targets,
            perturbations_per_eval=16,
        )
    return found
