"""Saliency maps: which pixels of a face a class score depends on. Uses captum, except for Grad-CAM.

All methods explain one logit for the preprocessed face. They compute gradients with respect to the input (or the last
feature map), never the weights, and do not modify the shared network.
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
"""Standard deviation of SmoothGrad's noise as a share of the face's value range; the paper recommends 10–20%."""
INTEGRATION_STEPS: Final = 32
OCCLUSION_PATCH: Final = 8
OCCLUSION_STRIDE: Final = 4


@dataclass(frozen=True, slots=True)
class Method:
    """An attribution method.

    Attributes:
        name: identifier.
        title: display name.
        summary: plain description.
        signed: True if the sign shows evidence for or against the class; False if only the magnitude is meaningful.
        slow: True if it needs tens of passes through the network.
        source: reference.
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
            "How strongly the class score reacts to a small change of each pixel. Sharp but noisy.",
            signed=False,
            slow=False,
            source="Simonyan et al. 2014",
        ),
        Method(
            "smoothgrad",
            "SmoothGrad",
            "The gradient averaged over noisy versions of the face, which cancels out random fluctuations.",
            signed=False,
            slow=True,
            source="Smilkov et al. 2017",
        ),
        Method(
            "integrated_gradients",
            "Integrated gradients",
            "Fades the face in from plain gray and sums each pixel's contribution to the score along the way.",
            signed=True,
            slow=True,
            source="Sundararajan et al. 2017",
        ),
        Method(
            "gradcam",
            "Grad-CAM",
            "Which positions of the last 6×6 feature map support the class, upsampled to the face. Coarse but robust.",
            signed=True,
            slow=False,
            source="Selvaraju et al. 2017",
        ),
        Method(
            "occlusion",
            "Occlusion",
            "Slides a gray patch over the face and records how far the score drops.",
            signed=True,
            slow=True,
            source="Zeiler & Fergus 2014",
        ),
    )
}


@dataclass(frozen=True, eq=False)
class Saliency:
    """Saliency map of one face for one class.

    Attributes:
        method: name in METHODS.
        target: index of the explained class in the classifier's labels.
        label: name of that class.
        values: float32 (48, 48), raw attributions, in logits.
        positive: float32 (48, 48) ≥ 0: evidence for the class (signed methods) or magnitude of the attribution.
        note: why the map is empty or invalid; None if it can be shown.
    """

    method: str
    target: int
    label: str
    values: Maps
    positive: Maps
    note: str | None

    @property
    def scaled(self) -> Maps:
        """``positive`` divided by its maximum, in 0…1; zero for an empty map."""
        top = float(self.positive.max())
        return self.positive / top if top > 0 else self.positive


def target_index(classifier: Classifier, target: str | int | None, logits: npt.NDArray[np.floating]) -> int:
    """Return the index of the class to explain: by name, by index, or the predicted class if None.

    Raises:
        FerError: the classifier has no such class.
    """
    labels = classifier.labels
    if target is None:
        return int(np.argmax(logits))
    if isinstance(target, str):
        wanted = classifier.classes.find(target)
        if wanted is None:
            raise FerError(f"The model has no class '{display_safe(target)}'. Its classes are {', '.join(labels)}.")
        return wanted
    if not 0 <= target < len(labels):
        raise FerError(f"The model has classes 0…{len(labels) - 1}, not {target}.")
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
    """Compute the saliency map of one face.

    Args:
        classifier: the classifier; its network is not modified.
        face: uint8 (48, 48).
        method: a name in METHODS.
        target: class by name or index; the predicted class if None.
        on_progress: called with (done, total) passes by the slow methods.
        should_stop: checked between passes of the slow methods.

    Raises:
        FerError: the method or class is unknown, or the caller stopped it.
        ImageError: the array has the wrong shape or type.
    """
    faces = as_faces(face)[:1]
    index = target_index(classifier, target, classifier.logits(faces)[0])
    values = explain_batch(
        classifier, faces, method, np.array([index]), on_progress=on_progress, should_stop=should_stop
    )[0]
    return make_saliency(method, index, classifier.labels[index], values)


def make_saliency(method: str, target: int, label: str, values: Maps) -> Saliency:
    """Build a saliency map from raw values, with a note if there is nothing to show."""
    title, note = METHODS[method].title, None
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    positive = np.maximum(finite, 0) if METHODS[method].signed else np.abs(finite)
    if not np.isfinite(values).all():
        note = f"{title} returned non-finite values, so there is no map to show. The weights may be damaged."
        positive = np.zeros_like(positive)
    elif not values.any():
        note = f"{title} is zero everywhere: according to this method, no pixel affects the score of '{label}'."
    elif not positive.any():
        note = f"{title} found no evidence for '{label}': every part of the face counts against it."
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
    """Compute raw maps, float32 (N, 48, 48) in logits, of faces uint8 (N, 48, 48) for classes int64 (N,).

    Raises:
        FerError: the method is unknown, or the caller stopped it.
    """
    import torch

    if method not in METHODS:
        raise FerError(f"Unknown method '{method}'. Choose one of {', '.join(METHODS)}.")
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
    """Counts forward passes for progress and cancellation."""

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
    """Return the network as a function for captum that counts its passes."""

    def forward(x: torch.Tensor) -> torch.Tensor:
        steps.step()
        logits: torch.Tensor = classifier.model(x)
        return logits

    return forward


def _gradient(c: Classifier, x: torch.Tensor, targets: torch.Tensor, steps: _Steps, seed: int) -> torch.Tensor:
    """Compute ∂z_t/∂x."""
    from captum.attr import Saliency as CaptumSaliency

    found: torch.Tensor = CaptumSaliency(_counted(c, steps)).attribute(x.requires_grad_(), target=targets, abs=False)
    return found


def _smoothgrad(c: Classifier, x: torch.Tensor, targets: torch.Tensor, steps: _Steps, seed: int) -> torch.Tensor:
    """Average ∂z_t/∂x over noisy inputs; the noise is seeded, so the map is deterministic."""
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
    """Compute (x − x₀) · ∫ ∂z_t/∂x along the line from the baseline x₀ (mean gray) to x."""
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
    """Compute Σ_k α_k A_k, with α_k the spatial mean of ∂z_t/∂A_k (Selvaraju et al. 2017, eq. 1 and 2, before the ReLU).

    A is the last feature map before the final pooling; the sum is upsampled to the face by bicubic interpolation.
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
    """Compute the drop of z_t when an 8×8 patch is set to mean gray, averaged over the patches that cover a pixel."""
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
