"""Measures training images per second, against a DataLoader and a plain loop."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_core.config import TrainConfig
from fer_core.workspace import Workspace

if TYPE_CHECKING:
    import torch

    from fer_core.data import FaceDataset
    from fer_core.training.device import Compute

Note = Callable[[str], None]


def bench_train(
    model: str = "seed",
    batch_size: int = 128,
    rounds: int = 5,
    steps: int = 15,
    note: Note | None = None,
    *,
    workspace: Workspace,
) -> dict[str, Any]:
    """Measure training images per second of three loops, alternating.

    * ours: the whole set as bytes on the device, batched augmentation, chosen precision, channels_last;
    * dataloader: per-image PIL augmentation in a DataLoader with two workers, our precision and layout;
    * plain: the same DataLoader, float32, default memory layout.

    Each round times ``steps`` steps of each loop after a warm-up that also consumes the loader's prefetched batches; the figures
    are medians over rounds.
    """
    import torch

    from fer_core.data import load, make_split
    from fer_core.models import build, count_macs
    from fer_core.training.device import choose_compute
    from fer_core.training.loop import Training, torch_settings

    say = note or (lambda _: None)
    config = TrainConfig(model=model, batch_size=batch_size)
    dataset = load("synthetic", workspace=workspace)
    compute = choose_compute(config)
    speeds: dict[str, list[float]] = {"ours": [], "dataloader": [], "plain": []}
    peaks: list[float] = []
    with torch_settings(compute):
        training = Training(config, dataset, make_split(dataset, "official", 0.1, 0), compute)
        loops = {
            "ours": _our_steps(training),
            "dataloader": _dataloader_steps(dataset, config, compute, compute.precision == "bfloat16", True),
            "plain": _dataloader_steps(dataset, config, compute, False, False),
        }
        for number in range(rounds):
            for name, loop in loops.items():
                for _ in range(6):  # more than the four batches that two workers prefetch
                    next(loop)
                _wait(compute)
                started = time.perf_counter()
                for _ in range(steps):
                    next(loop)
                _wait(compute)
                speeds[name].append(steps * batch_size / (time.perf_counter() - started))
            peaks.append(_matmul_peak(compute))
            say(
                f"round {number + 1}/{rounds}: "
                + ", ".join(f"{name} {values[-1]:,.0f} images/s" for name, values in speeds.items())
            )
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    # forward pass, gradient by inputs, gradient by weights: three times the forward pass, two operations each
    flop_per_image = 6 * count_macs(build(model))
    achieved = medians["ours"] * flop_per_image / 1e9
    return {
        "model": model,
        "batch_size": batch_size,
        "images_per_second": medians["ours"],
        "plain_images_per_second": medians["plain"],
        "ratio": medians["ours"] / medians["plain"],
        "dataloader_images_per_second": medians["dataloader"],
        "spread": {name: [min(values), max(values)] for name, values in speeds.items()},
        "rounds": rounds,
        "matmul_gflops": max(peaks),
        "achieved_gflops": achieved,
        "fraction_of_peak": achieved / max(peaks),
        "device": compute.device_name,
        "precision": compute.precision,
        "threads": compute.threads,
        "torch": torch.__version__,
    }


def _wait(compute: Compute) -> None:
    if compute.device == "cuda":
        import torch

        torch.cuda.synchronize()


def _our_steps(training: Any) -> Iterator[None]:
    training.model.train()
    step = 0
    while True:
        order = training.epoch_order(step)
        size = training.config.batch_size
        for start in range(0, len(order) - size + 1, size):
            training.train_step(order[start : start + size], step, 1e-3)
            step += 1
            yield


class _PilFaces:
    """The plain implementation: augments one face at a time with Pillow, with the same ranges as ours."""

    def __init__(self, dataset: FaceDataset, config: TrainConfig) -> None:
        indices = dataset.indices("train")
        self.images, self.labels, self.config = dataset.images[indices], dataset.labels[indices], config

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        import torch
        from PIL import Image

        change, rng = self.config.augment, np.random.default_rng()
        face = Image.fromarray(self.images[index])
        if change.flip and rng.random() < 0.5:
            face = face.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        angle = np.deg2rad(rng.uniform(-change.rotation, change.rotation))
        factor = 1 / rng.uniform(1 - change.scale, 1 + change.scale)
        side = self.images.shape[1]
        dx, dy = rng.uniform(-change.shift, change.shift, 2) * side
        cos, sin, center = np.cos(angle) * factor, np.sin(angle) * factor, side / 2
        matrix = (
            cos, -sin, center - cos * center + sin * center + dx,
            sin, cos, center - sin * center - cos * center + dy,
        )  # fmt: skip
        face = face.transform(face.size, Image.Transform.AFFINE, matrix, resample=Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.asarray(face, dtype=np.float32) / 255).unsqueeze(0)
        prepare = self.config.preprocess
        return (pixels - prepare.mean) / prepare.std, int(self.labels[index])


def _dataloader_steps(
    dataset: FaceDataset, config: TrainConfig, compute: Compute, bfloat16: bool, channels_last: bool
) -> Iterator[None]:
    import torch
    from torch.utils.data import DataLoader

    from fer_core.models import build

    layout = torch.channels_last if channels_last else torch.contiguous_format
    device = torch.device(compute.device)
    model = build(config.model).to(device).train()
    model.to(memory_format=layout)  # type: ignore[call-overload]  # missing in torch's stubs
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loader: Any = DataLoader(
        _PilFaces(dataset, config),  # type: ignore[arg-type]  # any object with len and [] will do
        batch_size=config.batch_size,
        shuffle=True,
        num_workers=2,
        drop_last=True,
        persistent_workers=True,
    )
    while True:
        for pixels, labels in loader:
            x = pixels.to(device).contiguous(memory_format=layout)
            with torch.autocast(compute.device, dtype=torch.bfloat16, enabled=bfloat16):
                logits = model(x)
            loss = torch.nn.functional.cross_entropy(
                logits.float(), labels.to(device), label_smoothing=config.label_smoothing
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            yield


def _matmul_peak(compute: Compute) -> float:
    """Return the best GFLOP/s of square matrix products of several sizes, in the training precision."""
    import torch

    dtype = torch.bfloat16 if compute.precision == "bfloat16" else torch.float32
    best = 0.0
    for size in (1024, 2048, 4096):
        a = torch.randn(size, size, device=compute.device).to(dtype)
        b = torch.randn(size, size, device=compute.device).to(dtype)
        a @ b
        for _ in range(2):
            _wait(compute)
            started = time.perf_counter()
            a @ b
            _wait(compute)
            best = max(best, 2 * size**3 / (time.perf_counter() - started) / 1e9)
    return best
