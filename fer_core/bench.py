"""Measurements of speed, each against a plain way of doing the same, alternating in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_core.config import TrainConfig

if TYPE_CHECKING:
    import torch

    from fer_core.data import FaceDataset
    from fer_core.training.device import Compute

Note = Callable[[str], None]


def bench_train(
    model: str = "seed", batch_size: int = 128, rounds: int = 5, steps: int = 15, note: Note | None = None
) -> dict[str, Any]:
    """Images per second of training, three loops in turn.

    * ours: the whole set as bytes on the device, augmentation in batches, chosen precision, channels_last;
    * dataloader: per-image PIL augmentation in a DataLoader with two workers, our precision and layout;
    * plain: the same DataLoader, float32, default layout.

    Each round times ``steps`` steps of each loop after a warm-up that also empties the loader's prefetched batches;
    the figures are medians over rounds.
    """
    import torch

    from fer_core.data import load, make_split
    from fer_core.models import build, count_macs
    from fer_core.training.device import choose_compute
    from fer_core.training.loop import Training, torch_settings

    say = note or (lambda _: None)
    config = TrainConfig(model=model, batch_size=batch_size)
    dataset = load("synthetic")
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
                for _ in range(6):  # more than the four batches that two workers hold ready
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
    # forward, gradient by inputs, gradient by weights: three times the forward pass, two operations each
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
        order = training._epoch_order(step)
        size = training.config.batch_size
        for start in range(0, len(order) - size + 1, size):
            training._step(order[start : start + size], step, 1e-3)
            step += 1
            yield


class _PilFaces:
    """The plain way: one face at a time, augmented with Pillow; the same changes with the same ranges as ours."""

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
        cos, sin, centre = np.cos(angle) * factor, np.sin(angle) * factor, side / 2
        matrix = (
            cos, -sin, centre - cos * centre + sin * centre + dx,
            sin, cos, centre - sin * centre - cos * centre + dy,
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
    """Best GFLOP/s of a square matrix product over several sizes, in the precision of training."""
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


def bench_live(
    frames: list[Any], model: str, detect_every: int | None = None, rounds: int = 3, note: Note | None = None
) -> dict[str, Any]:
    """Milliseconds per frame of the live path, against a plain way, alternating frame by frame over a clip.

    * ours: search on a reduced frame, every ``detect_every`` frames, all faces in one batch, then drawing;
    * plain: search on the full frame in every frame, one classifier call for each face, default layout; the same
      network and the same drawing.

    Args:
        frames: uint8 RGB (H, W, 3) each.
        model: a model's name or path.
        detect_every: frames from one search to the next; the live default when None.
        rounds: how often the clip is run through; the first is a warm-up and not counted.
        note: called with progress lines.
    """
    from fer_core.config import LiveConfig
    from fer_core.faces import FaceDetector
    from fer_core.inference import Classifier
    from fer_core.live import LiveProcessor, draw
    from fer_core.training.device import cpu_name

    say = note or (lambda _: None)
    config = LiveConfig() if detect_every is None else LiveConfig(detect_every=detect_every)
    classifier = Classifier.load(model)
    live = LiveProcessor(classifier, config=config)
    height, width = frames[0].shape[:2]
    plain_detector = FaceDetector(longest_side=min(4096, max(height, width)))
    plain_classifier = _default_layout(Classifier.load(model))
    ours: list[dict[str, float]] = []
    plain: list[float] = []
    faces: list[int] = []
    for number in range(rounds + 1):
        live.reset()
        for index, frame in enumerate(frames):
            started = time.perf_counter()
            result = live.process(frame, (number * len(frames) + index) / 30)
            processed = time.perf_counter()
            draw(frame, result, mirror=True)
            ended = time.perf_counter()
            plain_ms = _plain_frame(frame, plain_detector, plain_classifier, draw)
            if number:
                ours.append(
                    {
                        **result.milliseconds,
                        "draw": 1000 * (ended - processed),
                        "total": 1000 * (ended - started),
                        "detected": float(result.detected),
                    }
                )
                plain.append(plain_ms)
                faces.append(len(result.faces))
        say(f"round {number}/{rounds}" + (" (warm-up)" if not number else ""))
    totals = np.array([row["total"] for row in ours])
    searched = np.array([row["detected"] > 0 for row in ours])
    return {
        "model": model,
        "faces": float(np.mean(faces)),
        "frames": len(ours),
        "size": [width, height],
        "mean_ms": float(totals.mean()),
        "median_ms": float(np.median(totals)),
        "p95_ms": float(np.percentile(totals, 95)),
        "detect_every": config.detect_every,
        "detect_frame_ms": float(totals[searched].mean()),
        "plain_mean_ms": float(np.mean(plain)),
        "ratio": float(np.mean(plain) / totals.mean()),
        "stages": {name: float(np.mean([row[name] for row in ours])) for name in ("detect", "classify", "draw")},
        "device": cpu_name(),
    }


def _default_layout(classifier: Any) -> Any:
    import torch

    classifier.model.to(memory_format=torch.contiguous_format)
    return classifier


def _plain_frame(frame: Any, detector: Any, classifier: Any, draw: Any) -> float:
    """One frame the plain way; milliseconds."""
    from fer_core.faces import crop_face
    from fer_core.live import FrameResult, LiveFace

    started = time.perf_counter()
    found = []
    for number, face in enumerate(detector.detect(frame, fast=True), 1):
        crop = crop_face(frame, face)
        probabilities = classifier.probabilities(crop)[0]
        best = int(probabilities.argmax())
        found.append(
            LiveFace(
                number, face.box, classifier.labels[best], float(probabilities[best]), False, probabilities,
                probabilities, crop, face.score,
            )
        )  # fmt: skip
    height, width = frame.shape[:2]
    draw(frame, FrameResult(0.0, width, height, classifier.labels, tuple(found)), mirror=True)
    return 1000 * (time.perf_counter() - started)


def bench_infer(models: list[str], rounds: int = 5, note: Note | None = None) -> dict[str, Any]:
    """One face and 64 faces through each engine, one thread, the engines taking turns.

    Engines: ``torch`` (default layout), ``torch_channels_last`` (what the app uses) and ``onnxruntime`` (left out where
    it is not installed). The figures are medians over ``rounds`` turns of 100 calls with one face and 5 with 64.

    Args:
        models: names or paths.
        rounds: turns of each engine.
        note: called with progress lines.

    Returns:
        {model: {engine: {batch1_ms, batch1_spread_ms, batch64_images_per_second, max_probability_difference}}}; the
        difference is against ``torch_channels_last`` on 64 faces.
    """
    import torch

    from fer_core.errors import ConfigError
    from fer_core.inference import Classifier
    from fer_core.inference.export import OnnxClassifier

    say = note or (lambda _: None)
    faces = np.random.default_rng(0).integers(0, 256, (64, 48, 48)).astype(np.uint8)
    threads, result = torch.get_num_threads(), {}
    torch.set_num_threads(1)
    try:
        for name in models:
            ours = Classifier.load(name)
            engines: dict[str, Any] = {"torch": _default_layout(Classifier.load(name)), "torch_channels_last": ours}
            try:
                engines["onnxruntime"] = OnnxClassifier.of(ours)
            except ConfigError as error:
                say(f"onnxruntime is left out. {error}")
            wanted = ours.probabilities(faces)
            one: dict[str, list[float]] = {engine: [] for engine in engines}
            many: dict[str, list[float]] = {engine: [] for engine in engines}
            for number in range(rounds + 1):  # the first turn warms up
                for engine, classifier in engines.items():
                    single, batch = (_seconds(classifier.logits, faces[:n], times) for n, times in ((1, 100), (64, 5)))
                    if number:
                        one[engine].append(1000 * single)
                        many[engine].append(len(faces) / batch)
                say(f"{name}: round {number}/{rounds}" + (" (warm-up)" if not number else ""))
            result[name] = {
                engine: {
                    "batch1_ms": float(np.median(one[engine])),
                    "batch1_spread_ms": [min(one[engine]), max(one[engine])],
                    "batch64_images_per_second": float(np.median(many[engine])),
                    "max_probability_difference": float(np.abs(classifier.probabilities(faces) - wanted).max()),
                }
                for engine, classifier in engines.items()
            }
    finally:
        torch.set_num_threads(threads)
    return result


def _seconds(call: Callable[[Any], object], argument: Any, times: int) -> float:
    """Mean seconds of ``call(argument)``."""
    started = time.perf_counter()
    for _ in range(times):
        call(argument)
    return (time.perf_counter() - started) / times


def clip_of_photos(paths: list[Any], faces: int = 1, length: int = 60, size: tuple[int, int] = (640, 480)) -> list[Any]:
    """A moving clip, uint8 RGB frames, with ``faces`` photographs side by side that sway a little.

    Only photographs in which exactly one face is found are taken, so that the number of faces is the one asked for.
    """
    import cv2

    from fer_core.errors import DataError
    from fer_core.faces import FaceDetector, read_photo

    detector, tiles = FaceDetector(), []
    width, height = size
    tile = min(width // max(1, min(faces, 3)), height // (1 + (faces - 1) // 3))
    for path in paths:
        image = read_photo(path).rgb
        if len(detector.detect(image)) == 1:
            scale = tile / max(image.shape[:2])
            tiles.append(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        if len(tiles) == faces:
            break
    if len(tiles) < faces:
        raise DataError(f"{faces} photographs with one face each are needed; {len(tiles)} were found.")
    frames = []
    for step in range(length):
        canvas = np.full((height, width, 3), 90, np.uint8)
        for index, picture in enumerate(tiles):
            row, column = divmod(index, 3)
            h, w = picture.shape[:2]
            x = round(column * tile + (tile - w) / 2 + 6 * np.sin(step / 9 + index))
            y = round(row * tile + (tile - h) / 2 + 4 * np.cos(step / 7 + index))
            x, y = int(np.clip(x, 0, width - w)), int(np.clip(y, 0, height - h))
            canvas[y : y + h, x : x + w] = picture
        frames.append(canvas)
    return frames
