"""Activation maximization: the image that maximizes a filter's response, and the faces with the largest responses.

A filter's *response* is its activation at one position, after the batch norm if one follows. Gradient ascent maximizes
the response at the center of the map (Erhan et al. 2009). Without regularization the result is noise, so each step
jitters, blurs and decays the image (Yosinski et al. 2015) and favors low frequencies of the gradient (Olah et al.
2017). A face's response is the maximum over all positions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from fer_core.data import FaceDataset
from fer_core.errors import FerError, ModelError
from fer_core.explanation.contact_sheet import contact_sheet
from fer_core.explanation.layers import FilterProbe, find_convolution
from fer_core.inference import Classifier
from fer_core.preprocess import FACE_SIZE, to_tensor

if TYPE_CHECKING:
    import torch

    from fer_core.models import LayerRow

Progress = Callable[[int, int], None]
Stop = Callable[[], bool]
Preview = Callable[[npt.NDArray[np.uint8]], None]
"""Called every few steps with the current images, uint8 (n, 48, 48)."""
Box = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels of the face; bottom and right are exclusive."""

TOP: Final = 9
_TOGETHER: Final = 128  # images per batch of gradient ascent
_BATCH: Final = 256  # faces per forward pass
_PREVIEW_EVERY: Final = 10  # steps


@dataclass(frozen=True, slots=True)
class AscentSettings:
    """Settings of gradient ascent, tuned by eye on the 128 filters of the last convolution of the shipped ``seed``.

    Attributes:
        steps: number of steps.
        rate: step size: root mean square change over the receptive field, in standard deviations of the pixels.
        jitter: maximum random shift per step, in pixels in each direction.
        blur: standard deviation of the Gaussian blur in pixels, at the first and the last step.
        fade: decay toward mean gray per step, as a share.
        smoothness: exponent s of the gradient's frequency weighting f^−s; 0 disables it.
        seed: seed of the initial noise and the jitter.
    """

    steps: int = 80
    rate: float = 0.2
    jitter: int = 2
    blur: tuple[float, float] = (0.8, 0.3)
    fade: float = 0.04
    smoothness: float = 0.5
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Patterns:
    """Activation maximization results for some filters of one layer.

    Attributes:
        layer: label of the convolution.
        filters: int64 (n,), filter numbers.
        images: uint8 (n, 48, 48), gray pixels.
        curves: float32 (n, steps), the response before each step.
        responses: float32 (n,), maximum responses to the final images.
        dead: bool (n,), True if the response has zero gradient everywhere.
        field: receptive field of the center position, extended by the jitter.
    """

    layer: str
    filters: npt.NDArray[np.int64]
    images: npt.NDArray[np.uint8]
    curves: npt.NDArray[np.float32]
    responses: npt.NDArray[np.float32]
    dead: npt.NDArray[np.bool_]
    field: Box

    def only(self, number: int) -> Patterns:
        """Return the results for one filter number."""
        place = self.filters == number
        return Patterns(
            self.layer, self.filters[place], self.images[place], self.curves[place], self.responses[place],
            self.dead[place], self.field,
        )  # fmt: skip

    def cropped(self) -> npt.NDArray[np.uint8]:
        """Return the images cropped to the receptive field, uint8 (n, h, w)."""
        top, left, bottom, right = self.field
        return self.images[:, top:bottom, left:right]

    def sheet(self, columns: int = 16, side: int = 96) -> npt.NDArray[np.uint8]:
        """Draw all patterns with their numbers on a contact sheet, uint8 (H, W); dead filters are crossed out."""
        return contact_sheet(
            self.cropped(),
            [f"{number} dead" if dead else str(number) for number, dead in zip(self.filters, self.dead, strict=True)],
            columns=columns,
            side=side,
            empty=np.flatnonzero(self.dead).tolist(),
        )

    def note(self, place: int) -> str | None:
        """Return why the filter at this position has no pattern, or None if it has one."""
        if not self.dead[place]:
            return None
        return (
            f"Filter {self.filters[place]} of {self.layer} is dead: its gradient is zero everywhere, "
            "so no pattern activates it."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rows = zip(self.filters, self.responses, self.dead, self.curves, strict=True)
        return {
            "layer": self.layer,
            "dead": int(self.dead.sum()),
            "filters": [
                {"filter": int(number), "response": float(response), "dead": bool(dead), "start": float(curve[0])}
                for number, response, dead, curve in rows
            ],
        }

    def sentence(self) -> str:
        """Return a one-sentence summary with the number of dead filters."""
        n, dead = len(self.filters), int(self.dead.sum())
        words = "none is dead" if not dead else f"{dead} {'is' if dead == 1 else 'are'} dead"
        return f"{n} filter{'s' if n != 1 else ''} of {self.layer}, {words}."


def maximize_activation(
    classifier: Classifier,
    layer: str | None = None,
    filters: Sequence[int] | None = None,
    settings: AscentSettings | None = None,
    *,
    on_progress: Progress | None = None,
    on_preview: Preview | None = None,
    should_stop: Stop | None = None,
) -> Patterns:
    """Find the images that maximize the responses of filters; deterministic for the same settings.

    Args:
        classifier: the classifier; its network is copied, not modified.
        layer: label of a convolution; the last one if None.
        filters: filter numbers; all if None.
        settings: settings of gradient ascent.
        on_progress: called with (done, total) steps.
        on_preview: called every few steps with the current images.
        should_stop: checked at each step.

    Raises:
        ModelError: the layer or a filter does not exist.
        FerError: the caller stopped it.
    """
    row = find_convolution(classifier.model, layer)
    numbers = _checked(row, filters)
    settings = settings or AscentSettings()
    probe = FilterProbe(classifier, row)
    blocks = [numbers[start : start + _TOGETHER] for start in range(0, len(numbers), _TOGETHER)]
    found: list[Patterns] = []
    for place, block in enumerate(blocks):
        ascent = _GradientAscent(classifier, probe, block, settings)
        for step in range(settings.steps):
            if should_stop and should_stop():
                raise FerError("Activation maximization was stopped.")
            ascent.step()
            if on_progress:
                on_progress(place * settings.steps + step + 1, len(blocks) * settings.steps)
            if on_preview and step % _PREVIEW_EVERY == 0:
                on_preview(np.concatenate([*(part.images for part in found), ascent.images()]))
        found.append(ascent.result(row.label))
    return Patterns(
        row.label,
        numbers,
        np.concatenate([part.images for part in found]),
        np.concatenate([part.curves for part in found]),
        np.concatenate([part.responses for part in found]),
        np.concatenate([part.dead for part in found]),
        _union([part.field for part in found]),
    )


def _checked(row: LayerRow, filters: Sequence[int] | None) -> npt.NDArray[np.int64]:
    count = row.output[0]
    numbers = np.arange(count) if filters is None else np.asarray(list(filters), dtype=np.int64)
    if not len(numbers) or numbers.min() < 0 or numbers.max() >= count:
        raise ModelError(f"Layer '{row.label}' has filters 0…{count - 1}, not {list(filters or [])}.")
    return np.asarray(numbers, dtype=np.int64)


class _GradientAscent:
    """Gradient ascent on one batch of images."""

    def __init__(
        self, classifier: Classifier, probe: FilterProbe, filters: npt.NDArray[np.int64], settings: AscentSettings
    ) -> None:
        import torch

        self.probe, self.settings, self.filters = probe, settings, filters
        self.device, self.preprocess = classifier.device, classifier.info.preprocess
        self.random = torch.Generator().manual_seed(settings.seed)
        noise = 0.1 * torch.randn(1, 1, FACE_SIZE, FACE_SIZE, generator=self.random)
        self.x = noise.repeat(len(filters), 1, 1, 1).to(self.device)  # the same initial noise for every filter
        self.chosen = torch.as_tensor(filters, device=self.device)
        self.curve: list[torch.Tensor] = []
        self.seen = torch.zeros(FACE_SIZE, FACE_SIZE, dtype=torch.bool, device=self.device)
        self.moved = torch.zeros(len(filters), dtype=torch.bool, device=self.device)
        self.autocast = torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=_bfloat16(self.device.type))
        frequency = torch.hypot(torch.fft.fftfreq(FACE_SIZE)[:, None], torch.fft.rfftfreq(FACE_SIZE)[None])
        self.waves = (frequency.clamp_min(1 / FACE_SIZE) ** -settings.smoothness).to(self.device)

    def step(self) -> None:
        """Take one step: jitter, ascend, decay, blur, and clip to valid pixels."""
        import torch

        s, done = self.settings, len(self.curve) / max(1, self.settings.steps - 1)
        dy, dx = (int(v) for v in torch.randint(-s.jitter, s.jitter + 1, (2,), generator=self.random))
        moved = torch.roll(self.x, (dy, dx), (2, 3)).contiguous(memory_format=torch.channels_last).requires_grad_()
        with torch.enable_grad(), self.autocast:
            maps = self.probe(moved)
        with torch.enable_grad():
            h, w = maps.shape[2:]
            response = maps[torch.arange(len(maps), device=self.device), self.chosen, h // 2, w // 2].float()
            (gradient,) = torch.autograd.grad(response.sum(), moved, allow_unused=True)
        if gradient is None:
            gradient = torch.zeros_like(moved)
        self.curve.append(response.detach())
        changed = gradient != 0
        self.seen |= changed.any(dim=0)[0]
        self.moved |= changed.flatten(1).any(dim=1)
        gradient = torch.roll(gradient.contiguous(), (-dy, -dx), (2, 3))
        gradient = torch.fft.irfft2(torch.fft.rfft2(gradient) * self.waves, s=(FACE_SIZE, FACE_SIZE))
        area = (
            changed.flatten(1).sum(dim=1).clamp_min(1).view(-1, 1, 1, 1)
        )  # normalize over the receptive field, not the whole image
        size = (gradient.pow(2).sum(dim=(1, 2, 3), keepdim=True) / area).sqrt().clamp_min(1e-12)
        x = (self.x + s.rate * gradient / size) * (1 - s.fade)
        if done < 1:
            x = gaussian_blur(x, s.blur[0] * (1 - done) + s.blur[1] * done)
        p = self.preprocess
        self.x = x.clamp((0 - p.mean) / p.std, (1 - p.mean) / p.std)

    def images(self) -> npt.NDArray[np.uint8]:
        """Return the current images as gray pixels, uint8 (n, 48, 48)."""
        p = self.preprocess
        pixels = (self.x[:, 0].float() * p.std + p.mean) * 255
        return np.asarray(pixels.round().clamp(0, 255).cpu().numpy(), dtype=np.uint8)

    def result(self, label: str) -> Patterns:
        """Return the final images with their curves and responses."""
        import torch

        images = self.images()
        with torch.inference_mode():
            maps = self.probe(to_tensor(images, self.preprocess).to(self.device))
            best = maps.flatten(2).amax(dim=2)[torch.arange(len(maps)), self.chosen]
        return Patterns(
            label,
            self.filters,
            images,
            torch.stack(self.curve, dim=1).float().cpu().numpy(),
            best.float().cpu().numpy(),
            ~self.moved.cpu().numpy(),
            _box(self.seen.cpu().numpy(), self.settings.jitter),
        )


def _bfloat16(device: str) -> bool:
    """Return whether bfloat16 is faster here; the gradient's direction needs no higher precision."""
    from fer_core.training.device import cpu_has_bfloat16

    return device == "cpu" and cpu_has_bfloat16()


def gaussian_blur(x: torch.Tensor, deviation: float) -> torch.Tensor:
    """Blur images float (N, 1, H, W) with a Gaussian of this standard deviation in pixels; edges are mirrored."""
    import torch

    if deviation <= 0:
        return x
    reach = max(1, round(3 * deviation))
    places = torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-places.pow(2) / (2 * deviation**2))
    kernel = kernel / kernel.sum()
    padded = torch.nn.functional.pad(x, (reach, reach, reach, reach), mode="reflect")
    rows = torch.nn.functional.conv2d(padded, kernel.view(1, 1, 1, -1))
    return torch.nn.functional.conv2d(rows, kernel.view(1, 1, -1, 1))


def _box(seen: npt.NDArray[np.bool_], margin: int) -> Box:
    """Return the bounding box of the mask plus a margin; the whole image if the mask is empty."""
    if not seen.any():
        return 0, 0, FACE_SIZE, FACE_SIZE
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return (
        max(0, int(rows[0]) - margin),
        max(0, int(columns[0]) - margin),
        min(FACE_SIZE, int(rows[-1]) + 1 + margin),
        min(FACE_SIZE, int(columns[-1]) + 1 + margin),
    )


def _union(boxes: Sequence[Box]) -> Box:
    return (
        min(b[0] for b in boxes),
        min(b[1] for b in boxes),
        max(b[2] for b in boxes),
        max(b[3] for b in boxes),
    )


# ------------------------------------------------------------------------------------------------ faces of a data set


@dataclass(frozen=True, eq=False)
class TopFaces:
    """Faces of one split with the largest response to each filter of one layer.

    Attributes:
        layer: label of the convolution.
        split: the split searched.
        n: number of faces searched.
        positions: int64 (filters, k), positions in the data set, largest response first; k is min(9, n).
        responses: float32 (filters, k), maximum response over the map.
        places: int64 (filters, k, 2), row and column of the maximum in the map.
        side: height and width of the map.
        lowest: float32 (filters,), smallest response among the n faces.
    """

    layer: str
    split: str
    n: int
    positions: npt.NDArray[np.int64]
    responses: npt.NDArray[np.float32]
    places: npt.NDArray[np.int64]
    side: tuple[int, int]
    lowest: npt.NDArray[np.float32]

    def spot(self, filter_: int, rank: int) -> tuple[float, float]:
        """Return x and y of the maximum response on the face, as shares of its side."""
        row, column = self.places[filter_, rank]
        return float((column + 0.5) / self.side[1]), float((row + 0.5) / self.side[0])

    def to_dict(self, filter_: int, ids: npt.NDArray[np.str_]) -> dict[str, Any]:
        """Return one filter's faces as plain values for JSON; ``ids`` are those of the whole data set."""
        rows = zip(self.positions[filter_], self.responses[filter_], strict=True)
        faces = [{"id": str(ids[position]), "response": float(response)} for position, response in rows]
        return {"faces": faces, "note": self.note(filter_)}

    def note(self, filter_: int) -> str | None:
        """Return a note on a dead or inactive filter, or None."""
        best = float(self.responses[filter_, 0])
        if best == float(self.lowest[filter_]) and self.n > 1:
            return f"Filter {filter_} of {self.layer} is dead: its response is {best:.2f} on all {self.n:,} faces."
        if best <= 0:
            return (
                f"Filter {filter_} of {self.layer} is inactive on these {self.n:,} faces: its largest response is {best:.2f}, "
                "not above zero."
            )
        return None


def top_faces(
    classifier: Classifier,
    dataset: FaceDataset,
    split: str = "valid",
    layer: str | None = None,
    *,
    on_progress: Progress | None = None,
    should_stop: Stop | None = None,
) -> TopFaces:
    """Find the nine faces of a split with the largest responses to each filter of a layer; ties in data set order.

    Raises:
        DataError: the split is unknown or empty.
        ModelError: the layer does not exist.
        FerError: the caller stopped it.
    """
    import torch

    row = find_convolution(classifier.model, layer)
    indices = dataset.indices(split)
    probe = FilterProbe(classifier, row)
    peaks = np.empty((len(indices), row.output[0]), dtype=np.float32)
    where = np.empty((len(indices), row.output[0]), dtype=np.int32)
    for start in range(0, len(indices), _BATCH):
        if should_stop and should_stop():
            raise FerError("The search for faces was stopped.")
        faces = dataset.images[indices[start : start + _BATCH]]
        with torch.inference_mode():
            x = to_tensor(faces, classifier.info.preprocess).to(classifier.device)
            best = probe(x.contiguous(memory_format=torch.channels_last)).flatten(2).max(dim=2)
        peaks[start : start + len(faces)] = best.values.float().cpu().numpy()
        where[start : start + len(faces)] = best.indices.cpu().numpy()
        if on_progress:
            on_progress(start + len(faces), len(indices))
    order = np.argsort(-peaks, axis=0, kind="stable")[:TOP].T  # (filters, k)
    columns = np.arange(row.output[0])[:, None]
    places = where[order, columns].astype(np.int64)
    return TopFaces(
        row.label,
        split,
        len(indices),
        indices[order],
        peaks[order, columns],
        np.stack(np.divmod(places, row.output[2]), axis=2),
        (row.output[1], row.output[2]),
        peaks.min(axis=0),
    )
