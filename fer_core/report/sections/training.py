"""Part 2: learning curves and training log."""

from __future__ import annotations

from typing import Final

import numpy as np

from fer_core.charts import Curve, Quantity, accuracy_finding, loss_finding
from fer_core.config import AugmentConfig
from fer_core.errors import FerError
from fer_core.formatting import duration
from fer_core.report.data import ReportData
from fer_core.report.rendering import render
from fer_core.report.svg import line_chart

_LOG: Final = 96  # maximum number of log lines


def training(data: ReportData) -> str:
    """Render learning curves and training log.

    Raises:
        FerError: no epoch is finished.
    """
    records = data.records
    if not records:
        raise FerError("No epoch is finished yet, so there are no curves.")
    honest = [r.honest_accuracy for r in records if r.honest_accuracy is not None]
    loss = loss_finding([r.train_loss for r in records], [r.valid_loss for r in records], leaky=data.leaky)
    accuracy = accuracy_finding([r.valid_accuracy for r in records], honest, leaky=data.leaky)
    log = [line for r in records for line in r.log_lines()]
    shortened = _LOG // 2 if len(log) > _LOG else None
    return render(
        "sections/training.html",
        records=records,
        planned=data.config.epochs,
        duration=duration(sum(r.seconds for r in records)),
        faces_per_second=float(np.mean([r.images_per_second for r in records])),
        best=min(records, key=lambda r: (-r.valid_accuracy, r.valid_loss, r.epoch)),
        valid_name=_valid_name(data),
        augmented=data.config.augment != AugmentConfig.off(),
        loss_chart=line_chart(_curves(data, "loss"), "loss", title=loss),
        loss_finding=loss,
        accuracy_chart=line_chart(_curves(data, "accuracy"), "accuracy", title=accuracy),
        accuracy_finding=accuracy,
        log=[*log[:shortened], "…", *log[-shortened:]] if shortened else log,
        shortened=shortened,
    )


def _valid_name(data: ReportData) -> str:
    return "“validation”" if data.leaky else "validation"


def _curves(data: ReportData, quantity: Quantity) -> list[Curve]:
    epochs = [r.epoch for r in data.records]
    curves = [
        Curve("train", "train", epochs, [getattr(r, f"train_{quantity}") for r in data.records]),
        Curve(_valid_name(data), "valid", epochs, [getattr(r, f"valid_{quantity}") for r in data.records]),
    ]
    honest = [value for r in data.records if (value := getattr(r, f"honest_{quantity}")) is not None]
    return [*curves, Curve("leak-free", "honest", epochs[: len(honest)], honest)] if honest else curves
