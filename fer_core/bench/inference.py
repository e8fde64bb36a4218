"""Measures milliseconds per face and faces per second of each engine on one thread."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fer_core.inference.engines import TorchEngine
from fer_core.workspace import Workspace

if TYPE_CHECKING:
    from fer_core.inference import CheckpointInfo
    from fer_core.inference.engines import Engine
    from fer_core.models import ExpressionModel

Note = Callable[[str], None]


def bench_infer(
    models: list[str], rounds: int = 5, note: Note | None = None, *, workspace: Workspace
) -> dict[str, Any]:
    """Measure one face and 64 faces through each engine on one thread, alternating between engines.

    Engines: ``torch`` (the network as trained, default memory layout), ``torch_channels_last`` (batch norm folded; used while
    there is no ONNX file) and ``onnxruntime`` (used otherwise). The figures are medians over ``rounds`` rounds of 100 calls with
    one face and 5 calls with 64.

    Args:
        models: names or paths.
        rounds: rounds of each engine.
        note: receives progress messages.

    Returns:
        {model: {engine: {batch1_ms, batch1_spread_ms, batch64_images_per_second, max_probability_difference}}}; the
        difference is from ``torch_channels_last`` on 64 faces.
    """
    import torch

    from fer_core.inference import Classifier, load_checkpoint, resolve_model, softmax
    from fer_core.inference.engines import OnnxEngine
    from fer_core.inference.export import onnx_bytes

    say = note or (lambda _: None)
    faces = np.random.default_rng(0).integers(0, 256, (64, 48, 48)).astype(np.uint8)
    threads, result = torch.get_num_threads(), {}
    torch.set_num_threads(1)
    try:
        for name in models:
            network, info = load_checkpoint(resolve_model(name, workspace))
            ours = TorchEngine(copy.deepcopy(network), info.preprocess, fold=True)
            engines: dict[str, Engine] = {"torch": plain_engine(network, info), "torch_channels_last": ours}
            engines["onnxruntime"] = OnnxEngine(onnx_bytes(Classifier(copy.deepcopy(network), info)))
            wanted = softmax(ours.run(faces, "logits"), info.temperature)
            one: dict[str, list[float]] = {engine: [] for engine in engines}
            many: dict[str, list[float]] = {engine: [] for engine in engines}
            for number in range(rounds + 1):  # the first round is a warm-up
                for engine, computing in engines.items():
                    single, batch = (_seconds(computing, faces[:n], times) for n, times in ((1, 100), (64, 5)))
                    if number:
                        one[engine].append(1000 * single)
                        many[engine].append(len(faces) / batch)
                say(f"{name}: round {number}/{rounds}" + (" (warm-up)" if not number else ""))
            result[name] = {
                engine: {
                    "batch1_ms": float(np.median(one[engine])),
                    "batch1_spread_ms": [min(one[engine]), max(one[engine])],
                    "batch64_images_per_second": float(np.median(many[engine])),
                    "max_probability_difference": float(
                        np.abs(softmax(computing.run(faces, "logits"), info.temperature) - wanted).max()
                    ),
                }
                for engine, computing in engines.items()
            }
    finally:
        torch.set_num_threads(threads)
    return result


def plain_engine(network: ExpressionModel, info: CheckpointInfo) -> TorchEngine:
    """Return the network as a plain PyTorch program would run it: default memory layout, batch norm not folded."""
    return TorchEngine(network, info.preprocess, channels_last=False)


def _seconds(engine: Engine, faces: npt.NDArray[np.uint8], times: int) -> float:
    """Return the mean seconds to compute the logits of ``faces``."""
    started = time.perf_counter()
    for _ in range(times):
        engine.run(faces, "logits")
    return (time.perf_counter() - started) / times
