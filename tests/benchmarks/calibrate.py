"""Calibrate a frozen checkpoint on PublicTest: ``python -m tests.benchmarks.calibrate CHECKPOINT fer2013.zip``.

Writes prior, default sensitivity, temperature and threshold by sensitivity, and the validation figures into the
checkpoint's record; its weights stay as they are. A network that learned people's votes is held against the majority of
FER+'s votes, any other against the labels.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from fer_core.data import FaceDataset, load
from fer_core.evaluation import Predictions, wilson_interval
from fer_core.evaluation.calibration import SENSITIVITIES, RiskCoverage, fit_temperature, risk_coverage
from fer_core.evaluation.evaluate import Outputs, model_outputs
from fer_core.evaluation.matching import match_classes
from fer_core.evaluation.metrics import cross_entropy
from fer_core.inference import Classifier, softmax
from fer_core.inference.checkpoint import CalibrationPoint, CheckpointInfo, read_info, update_info
from fer_core.inference.sensitivity import Adjustment, calibration_at

WITHHELD = 0.1
"""Share of the PublicTest predictions that a shipped model withholds at least."""
ALLOWED_LOSS = 0.015
"""What the default sensitivity of a model for votes may cost in accuracy on PublicTest."""


def threshold_withholding(curve: RiskCoverage, share: float) -> float:
    """The lowest threshold in steps of 0.01 below which at least ``share`` of the predictions lie."""
    steps = (float(step) for step in np.round(np.arange(0, 1.01, 0.01), 2))
    return next(step for step in steps if 1 - curve.at(step)[0] >= share)


def class_shares(info: CheckpointInfo, dataset: FaceDataset) -> tuple[float, ...]:
    """Share of each of the model's classes among the labels of the training faces, in the model's order."""
    counts = np.bincount(dataset.labels[dataset.indices("train")], minlength=len(dataset.classes))
    at = info.classes.positions_in(dataset.classes)
    shares = [0.0 if place is None else counts[place] / counts.sum() for place in at]
    return tuple(float(share) for share in shares)


def default_sensitivity(accuracy_at: dict[float, float]) -> float:
    """The largest sensitivity whose accuracy is at most ``ALLOWED_LOSS`` below that at 0."""
    return max(tau for tau, found in accuracy_at.items() if found >= accuracy_at[0.0] - ALLOWED_LOSS)


def calibrate(path: Path, source: str) -> CheckpointInfo:
    """Fit everything on the validation split of ``source`` and store it in the checkpoint."""
    dataset = load(source, truth=read_info(path).target)
    info = update_info(path, prior=class_shares(read_info(path), dataset), sensitivity=0.0, calibration=())
    valid = dataset.indices("valid")
    raw = model_outputs(Classifier.load(path), dataset, valid)
    match = match_classes(info.classes, dataset.classes)

    def at(sensitivity: float) -> Predictions:
        outputs = Outputs(raw.ids, raw.logits, info.classes, Adjustment.of(info, sensitivity))
        return outputs.predictions(match, dataset.labels[valid])

    points = []
    for sensitivity in SENSITIVITIES:
        predictions = at(sensitivity)
        temperature = fit_temperature(predictions.logits, predictions.labels)
        curve = risk_coverage(softmax(predictions.logits, temperature), predictions.labels)
        points.append(
            CalibrationPoint(
                sensitivity=sensitivity,
                temperature=temperature,
                abstain_below=threshold_withholding(curve, WITHHELD),
            )
        )
    default = 0.0
    if info.target == "votes":
        steps = (round(float(tau), 1) for tau in np.arange(0, 1.05, 0.1))
        default = default_sensitivity({tau: float((at(tau).predicted == at(tau).labels).mean()) for tau in steps})
    predictions = at(0.0)
    hits = predictions.predicted == predictions.labels
    figures = {
        "n": len(hits),
        "accuracy": float(hits.mean()),
        "accuracy_ci95": list(wilson_interval(int(hits.sum()), len(hits))),
        "loss": cross_entropy(predictions.logits, predictions.labels),  # before calibration, as training records it
    }
    table = info.model_copy(update={"calibration": tuple(points)})
    temperature, threshold = calibration_at(table, default)
    return update_info(
        path,
        sensitivity=default,
        calibration=[point.to_dict() for point in points],
        temperature=temperature,
        abstain_below=threshold,
        metrics={**info.metrics, "valid": figures},
    )


if __name__ == "__main__":
    record = calibrate(Path(sys.argv[1]), sys.argv[2])
    print(f"default sensitivity {record.sensitivity}, {record.metrics['valid']}")
    for name, share in zip(record.labels, record.prior, strict=True):
        print(f"{name}: {share:.4f}")
    for point in record.calibration:
        print(f"at {point.sensitivity}: temperature {point.temperature:.4f}, threshold {point.abstain_below:.2f}")
