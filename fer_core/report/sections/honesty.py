"""Part 7: protocol and caveats (leaks, duplicates, chance, model selection), and settings."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from fer_core.data.class_map import describe
from fer_core.data.cleaning import deduplicated
from fer_core.data.duplicates import has_duplicate
from fer_core.evaluation import Evaluation, wilson_interval
from fer_core.evaluation.audit import audit_exact
from fer_core.formatting import percent
from fer_core.jobs import ACTIVE
from fer_core.report.data import ReportData
from fer_core.report.rendering import accuracy, accuracy_with_n, render
from fer_core.training.trainer import LEAK_EXPLANATION

_ALWAYS_LISTED: Final = (
    "epochs", "batch_size", "optimizer", "learning_rate", "weight_decay", "schedule", "label_smoothing", "mixup",
    "ema_decay", "seed",
)  # fmt: skip
"""Settings that are always listed; others are listed if they differ from the default."""


def honesty(data: ReportData) -> str:
    """Render protocol, caveats, accuracies on every split, and settings."""
    c = data.config
    protocol = {
        "official": "official: the data set's own training, validation and test split",
        "holdout": f"holdout: {percent(c.holdout_share, 0)} of the training faces are held out for validation, with exact duplicates on the same side",
        "leaky": f"leaky: {percent(c.holdout_share, 0)} of the training faces are used for validation as well as for training",
    }[c.protocol]
    if c.protocol == "official" and data.dataset is not None and not data.dataset.counts()["valid"]:
        protocol = f"official; the data set has no validation split, so {percent(c.holdout_share, 0)} of its training faces are held out"
    sentences = [f"The protocol is {protocol}."]
    if data.split is not None and data.dataset is not None:
        counts = f"{len(data.split.train):,} faces for training, {len(data.split.valid):,} for validation"
        honest = (
            f", {len(data.split.leak_free):,} for the leak-free accuracy" if data.split.leak_free is not None else ""
        )
        sentences.append(
            f"Faces from {data.dataset.name}: {counts}{honest}. Dataset fingerprint {data.dataset.fingerprint[:16]}…."
        )
    if data.config.class_map:
        sentences.append(f"A class map changes the data's classes: {describe(data.config.class_map)}.")
    return render(
        "sections/honesty.html",
        sentences=sentences,
        cautions=_cautions(data),
        leaky=data.leaky,
        accuracies=_accuracies(data),
        no_accuracies=data.gaps.get("predictions"),
        settings=_settings(data),
    )


def _cautions(data: ReportData) -> list[str]:
    found = []
    if data.leaky:
        found.append(LEAK_EXPLANATION)
    if data.split is not None and data.split.warning and not data.leaky:
        found.append(data.split.warning)
    if data.dataset is not None and data.split is not None:
        audit = audit_exact(data.dataset)
        groups = audit.groups
        if not data.leaky and not data.split.warning:
            duplicates = int(has_duplicate(groups, data.split.valid, data.split.train).sum())
            found.append(
                f"{duplicates:,} of {len(data.split.valid):,} validation faces are exact duplicates of training faces."
            )
        test = np.flatnonzero(data.dataset.split == "test")
        if "test" in data.predictions and len(test):
            duplicates = int(has_duplicate(groups, test, np.union1d(data.split.train, data.split.valid)).sum())
            found.append(
                f"{duplicates:,} of {len(test):,} test faces are exact duplicates of training or validation faces; "
                "the deduplicated accuracy excludes them."
            )
        found.append(
            f"The whole data set has {audit.duplicates:,} duplicates, {len(audit.conflict_groups):,} groups of duplicates "
            f"with conflicting labels, and {len(audit.blank):,} blank images."
        )
    else:
        found.append(f"Leaks and duplicates could not be counted. {data.gaps['data']}")
    if data.headline:
        found.append(_chance(data.evaluation(data.headline)))
    if "test" in data.predictions:
        found.append(
            "The weights were selected on the validation faces; the test faces were evaluated once, at the end."
        )
    elif not data.leaky:
        found.append(
            "The epoch was selected on the same validation faces, so the accuracy is slightly optimistic. "
            "The test faces were not used."
        )
    if data.state not in ("finished", *ACTIVE) and len(data.records) < data.config.epochs:
        found.append(f"Training was {data.state} after {len(data.records)} of {data.config.epochs} epochs.")
    found.append(
        "This is a single seed; another seed gives another accuracy. Compare models over several seeds and with a paired test."
    )
    return found


def _chance(found: Evaluation) -> str:
    half = 100 * (found.accuracy_ci95[1] - found.accuracy_ci95[0]) / 2
    sigma = 100 * math.sqrt(found.accuracy * (1 - found.accuracy) / found.n)
    return (
        f"With {found.n:,} faces the accuracy has a standard deviation of {sigma:.1f} points from sampling alone; the 95% "
        f"interval is ±{half:.1f} points. Smaller differences are not meaningful."
    )


def _accuracies(data: ReportData) -> list[list[str]]:
    rows = []
    for name in data.predictions:
        found = data.evaluation(name)
        title = {
            "valid": "“Validation” (training faces)" if data.leaky else "Validation",
            "honest": "Leak-free",
            "test": "Test",
        }[name]
        rows.append(
            [title, accuracy(found), "" if name != "valid" or not data.leaky else "memorization, not generalization"]
        )
        places = data.positions(name)
        if name != "honest" and not data.leaky and places is not None and data.dataset is not None:
            alone = np.isin(places, deduplicated(data.dataset, places))
            n, right = (
                int(alone.sum()),
                int((data.predictions[name].predicted == data.predictions[name].labels)[alone].sum()),
            )
            if n:
                rows.append([f"{title}, deduplicated", accuracy_with_n(right / n, wilson_interval(right, n), n), ""])
    return rows


def _settings(data: ReportData) -> list[list[str]]:
    values, usual = data.config.to_dict(), type(data.config)().to_dict()
    rows = []
    for name, field in type(data.config).model_fields.items():
        elsewhere = name in ("data", "model", "protocol", "augment", "preprocess", "class_map")
        if elsewhere or (name not in _ALWAYS_LISTED and values[name] == usual[name]):
            continue
        rows.append([field.title or name, _setting(values[name])])
    augment = [
        f"{(field.title or name).lower()} {_setting(values['augment'][name])}"
        for name, field in type(data.config.augment).model_fields.items()
        if values["augment"][name]
    ]
    rows.append(["Augmentation", ", ".join(augment) or "none"])
    rows.append(["Preprocessing", f"(pixel / 255 − {data.config.preprocess.mean:g}) / {data.config.preprocess.std:g}"])
    return rows


def _setting(value: object) -> str:
    return (
        {True: "yes", False: "no"}[value]
        if isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
