"""What a filter looks for: the picture that excites it most, found by gradient ascent, and the faces that do.

A filter's *response* to a picture is what it answers at one place, behind the batch norm where one follows. Ascent
raises the response at the middle of the map (Erhan et al. 2009); without restraint that ends in noise, so the picture
is moved about at each step, blurred and faded (Yosinski et al. 2015), and the gradient's coarse waves are preferred to
its fine ones (Olah et al. 2017). A face's response is its largest one over all places.
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
"""Called now and then with the pictures so far, uint8 (n, 48, 48)."""
Box = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels of the face; bottom and right are outside."""

TOP: Final = 9
_TOGETHER: Final = 128  # pictures of one ascent
_BATCH: Final = 256  # faces of one forward pass
_PREVIEW_EVERY: Final = 10  # steps


@dataclass(frozen=True, slots=True)
class AscentSettings:
    """Settings of the ascent; chosen by looking at the 128 filters of the shipped seed's last convolution.

    Attributes:
        steps: of gradient ascent.
        rate: how far a step goes, in deviations of the pixels: its mean size over what the filter sees.
        jitter: the picture is moved by up to so many pixels each way, anew at each step.
        blur: deviation in pixels of the Gaussian blur after each step, at the beginning and at the end.
        fade: share by which the picture's distance from plain grey shrinks at each step.
        smoothness: waves of frequency f count f^-smoothness times; 0 takes the gradient as it is.
        seed: of the noise it begins from and of the jitter.
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
    """What the ascent found for some filters of one layer.

    Attributes:
        layer: label of the convolution.
        filters: int64 (n,), numbers of the filters.
        images: uint8 (n, 48, 48), grey pixels as of a face.
        curves: float32 (n, steps), the response before each step.
        responses: float32 (n,), to the finished pictures, at their best place.
        dead: bool (n,), nothing in the picture moves the filter.
        field: what part of the picture the filter at the middle sees, with the jitter's room.
    """

    layer: str
    filters: npt.NDArray[np.int64]
    images: npt.NDArray[np.uint8]
    curves: npt.NDArray[np.float32]
    responses: npt.NDArray[np.float32]
    dead: npt.NDArray[np.bool_]
    field: Box

    def only(self, number: int) -> Patterns:
        """The one filter of this number."""
        place = self.filters == number
        return Patterns(
            self.layer, self.filters[place], self.images[place], self.curves[place], self.responses[place],
            self.dead[place], self.field,
        )  # fmt: skip

    def cropped(self) -> npt.NDArray[np.uint8]:
        """The pictures without what the filter cannot see, uint8 (n, h, w)."""
        top, left, bottom, right = self.field
        return self.images[:, top:bottom, left:right]

    def sheet(self, columns: int = 16, side: int = 96) -> npt.NDArray[np.uint8]:
        """All patterns under their numbers, uint8 (H, W); dead filters are crossed out."""
        return contact_sheet(
            self.cropped(),
            [f"{number} dead" if dead else str(number) for number, dead in zip(self.filters, self.dead, strict=True)],
            columns=columns,
            side=side,
            empty=np.flatnonzero(self.dead).tolist(),
        )

    def note(self, place: int) -> str | None:
        """What must be said about the filter at this place instead of showing a pattern; None where there is one."""
        if not self.dead[place]:
            return None
        return (
            f"Filter {self.filters[place]} of {self.layer} is dead: nothing in the picture moves it, "
            "so there is no pattern that activates it."
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
        """How many filters there are, and how many are dead."""
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
    """The pictures that excite filters most, all in one batch; the same settings give the same pictures.

    Args:
        classifier: its network is not touched; the work is done on a copy.
        layer: label of a convolution, the last one when None.
        filters: which filters, all when None.
        settings: of the ascent.
        on_progress: called with (done, total) steps.
        on_preview: called now and then with the pictures so far.
        should_stop: asked at each step.

    Raises:
        ModelError: there is no such layer or filter.
        FerError: it was stopped.
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
                raise FerError("The search for patterns was stopped.")
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
        raise ModelError(
            f"The layer '{row.label}' has the filters 0…{count - 1}; {list(filters or [])} asks for others."
        )
    return np.asarray(numbers, dtype=np.int64)


class _GradientAscent:
    """One batch of pictures on its way up."""

    def __init__(
        self, classifier: Classifier, probe: FilterProbe, filters: npt.NDArray[np.int64], settings: AscentSettings
    ) -> None:
        import torch

        self.probe, self.settings, self.filters = probe, settings, filters
        self.device, self.preprocess = classifier.device, classifier.info.preprocess
        self.random = torch.Generator().manual_seed(settings.seed)
        noise = 0.1 * torch.randn(1, 1, FACE_SIZE, FACE_SIZE, generator=self.random)
        self.x = noise.repeat(len(filters), 1, 1, 1).to(self.device)  # the same noise for each filter
        self.chosen = torch.as_tensor(filters, device=self.device)
        self.curve: list[torch.Tensor] = []
        self.seen = torch.zeros(FACE_SIZE, FACE_SIZE, dtype=torch.bool, device=self.device)
        self.moved = torch.zeros(len(filters), dtype=torch.bool, device=self.device)
        self.autocast = torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=_bfloat16(self.device.type))
        frequency = torch.hypot(torch.fft.fftfreq(FACE_SIZE)[:, None], torch.fft.rfftfreq(FACE_SIZE)[None])
        self.waves = (frequency.clamp_min(1 / FACE_SIZE) ** -settings.smoothness).to(self.device)

    def step(self) -> None:
        """Jitter, climb, fade, blur, and keep to pixels that can be shown."""
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
        area = changed.flatten(1).sum(dim=1).clamp_min(1).view(-1, 1, 1, 1)  # what the filter sees is as large as it is
        size = (gradient.pow(2).sum(dim=(1, 2, 3), keepdim=True) / area).sqrt().clamp_min(1e-12)
        x = (self.x + s.rate * gradient / size) * (1 - s.fade)
        if done < 1:
            x = gaussian_blur(x, s.blur[0] * (1 - done) + s.blur[1] * done)
        p = self.preprocess
        self.x = x.clamp((0 - p.mean) / p.std, (1 - p.mean) / p.std)

    def images(self) -> npt.NDArray[np.uint8]:
        """Grey pixels uint8 (n, 48, 48)."""
        p = self.preprocess
        pixels = (self.x[:, 0].float() * p.std + p.mean) * 255
        return np.asarray(pixels.round().clamp(0, 255).cpu().numpy(), dtype=np.uint8)

    def result(self, label: str) -> Patterns:
        """The finished pictures and how they came about."""
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
    """Whether half precision is quicker here; the climb's direction needs no more."""
    from fer_core.training.device import cpu_has_bfloat16

    return device == "cpu" and cpu_has_bfloat16()


def gaussian_blur(x: torch.Tensor, deviation: float) -> torch.Tensor:
    """Pictures float (N, 1, H, W) blurred with a Gaussian of this deviation in pixels; edges are mirrored."""
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
    """The smallest box around what is seen, with a margin; the whole picture where nothing is."""
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
    """The faces of one split that excite each filter of one layer most.

    Attributes:
        layer: label of the convolution.
        split: whose faces were looked at.
        n: how many.
        positions: int64 (filters, k), places in the data set, strongest first; k is 9, or n where there are fewer.
        responses: float32 (filters, k), the largest response over all places of the map.
        places: int64 (filters, k, 2), row and column of the map where it was reached.
        side: sides of the map, (h, w).
        lowest: float32 (filters,), the smallest of the n faces' responses.
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
        """Where on the face, in shares of its side from the left and from the top, the filter answered."""
        row, column = self.places[filter_, rank]
        return float((column + 0.5) / self.side[1]), float((row + 0.5) / self.side[0])

    def to_dict(self, filter_: int, ids: npt.NDArray[np.str_]) -> dict[str, Any]:
        """One filter's faces as plain values for JSON; ``ids`` are those of the whole data set."""
        rows = zip(self.positions[filter_], self.responses[filter_], strict=True)
        faces = [{"id": str(ids[position]), "response": float(response)} for position, response in rows]
        return {"faces": faces, "note": self.note(filter_)}

    def note(self, filter_: int) -> str | None:
        """What is odd about a filter on these faces; None where nothing is."""
        best = float(self.responses[filter_, 0])
        if best == float(self.lowest[filter_]) and self.n > 1:
            return (
                f"Filter {filter_} of {self.layer} is dead: it answers {best:.2f} to every one of the {self.n:,} faces."
            )
        if best <= 0:
            return (
                f"Filter {filter_} of {self.layer} never rises above zero on these {self.n:,} faces (at most {best:.2f}): "
                "these are the faces that leave it least cold."
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
    """For every filter of a layer the nine faces of a split with the largest responses; of equal ones, the first.

    Raises:
        DataError: the split is unknown or empty.
        ModelError: there is no such layer.
        FerError: it was stopped.
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
