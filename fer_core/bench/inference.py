"""Milliseconds for a face and faces per second, for each engine on one thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_core.workspace import Workspace

if TYPE_CHECKING:
    pass

Note = Callable[[str], None]


def bench_infer(
    models: list[str], rounds: int = 5, note: Note | None = None, *, workspace: Workspace
) -> dict[str, Any]:
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
            ours = Classifier.load(name, workspace=workspace)
            engines: dict[str, Any] = {
                "torch": default_layout(Classifier.load(name, workspace=workspace)),
                "torch_channels_last": ours,
            }
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


def default_layout(classifier: Any) -> Any:
    """The classifier with its network in PyTorch's default memory layout."""
    import torch

    classifier.model.to(memory_format=torch.contiguous_format)
    return classifier


def _seconds(call: Callable[[Any], object], argument: Any, times: int) -> float:
    """Mean seconds of ``call(argument)``."""
    started = time.perf_counter()
    for _ in range(times):
        call(argument)
    return (time.perf_counter() - started) / times
