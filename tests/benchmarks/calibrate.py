"""Calibrate a frozen checkpoint on PublicTest: ``python -m tests.benchmarks.calibrate CHECKPOINT fer2013.zip``.

Writes temperature, threshold and the validation figures into the checkpoint's record; its weights stay as they are.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from fer_core.data import load
from fer_core.evaluation import predict_indices, wilson_interval
from fer_core.evaluation.calibration import RiskCoverage, fit_temperature, risk_coverage
from fer_core.evaluation.metrics import cross_entropy
from fer_core.inference import Classifier, softmax
from fer_core.inference.checkpoint import CheckpointInfo, read_info, update_info

WITHHELD = 0.1
"""Share of the PublicTest predictions that a shipped model withholds at least."""


def threshold_withholding(curve: RiskCoverage, share: float) -> float:
    """The lowest threshold in steps of 0.01 below which at least ``share`` of the predictions lie."""
    steps = (float(step) for step in np.round(np.arange(0, 1.01, 0.01), 2))
    return next(step for step in steps if 1 - curve.at(step)[0] >= share)


def calibrate(path: Path, source: str) -> CheckpointInfo:
    """Fit temperature, then threshold, on the validation split of ``source`` and store both in the checkpoint."""
    dataset = load(source)
    predictions = predict_indices(Classifier.load(path), dataset, dataset.indices("valid"))
    hits = predictions.predicted == predictions.labels
    valid = {
        "n": len(hits),
        "accuracy": float(hits.mean()),
        "accuracy_ci95": list(wilson_interval(int(hits.sum()), len(hits))),
        "loss": cross_entropy(predictions.logits, predictions.labels),  # before calibration, as training records it
    }
    temperature = fit_temperature(predictions.logits, predictions.labels)
    curve = risk_coverage(softmax(predictions.logits, temperature), predictions.labels)
    return update_info(
        path,
        temperature=temperature,
        abstain_below=threshold_withholding(curve, WITHHELD),
        metrics={**read_info(path).metrics, "valid": valid},
    )


if __name__ == "__main__":
    record = calibrate(Path(sys.argv[1]), sys.argv[2])
    print(f"temperature {record.temperature:.4f}, threshold {record.abstain_below:.2f}, {record.metrics['valid']}")
