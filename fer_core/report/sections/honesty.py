"""Part 7: the protocol, and what stands between these figures and the truth: leaks, duplicates, chance, choice."""

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
"""Settings that are always listed; the others where they are not the default."""


def honesty(data: ReportData) -> str:
    """The protocol, cautions, the figures on every split, and the settings."""
    c = data.config
    protocol = {
        "official": "official: the data set's own train, validation and test faces",
        "holdout": f"holdout: {percent(c.holdout_share, 0)} of the training faces validate, exact copies kept on one side",
        "leaky": f"leaky: {percent(c.holdout_share, 0)} of the training faces validate and are trained on as well",
    }[c.protocol]
    if c.protocol == "official" and data.dataset is not None and not data.dataset.counts()["valid"]:
        protocol = f"official; the data set has no validation faces, so {percent(c.holdout_share, 0)} of its training faces validate"
    sentences = [f"The protocol is {protocol}."]
    if data.split is not None and data.dataset is not None:
        counts = f"{len(data.split.train):,} faces trained, {len(data.split.valid):,} validated"
        honest = f", {len(data.split.leak_free):,} gave the honest figure" if data.split.leak_free is not None else ""
        sentences.append(f"Of {data.dataset.name} {counts}{honest}; content {data.dataset.fingerprint[:16]}….")
    if data.config.class_map:
        sentences.append(f"The classes are made from those of the data: {describe(data.config.class_map)}.")
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
            copies = int(has_duplicate(groups, data.split.valid, data.split.train).sum())
            found.append(
                f"{copies:,} of the {len(data.split.valid):,} validation faces have an exact copy among the training faces."
            )
        test = np.flatnonzero(data.dataset.split == "test")
        if "test" in data.predictions and len(test):
            copies = int(has_duplicate(groups, test, np.union1d(data.split.train, data.split.valid)).sum())
            found.append(
                f"{copies:,} of the {len(test):,} test faces have an exact copy among the training or validation faces; "
                "the deduplicated figure leaves them out."
            )
        found.append(
            f"In the whole data set {audit.duplicates:,} images are redundant copies, {len(audit.conflict_groups):,} groups "
            f"of copies carry different labels, and {len(audit.blank):,} images are blank."
        )
    else:
        found.append(f"Leaks and duplicates were not counted. {data.gaps['data']}")
    if data.headline:
        found.append(_chance(data.evaluation(data.headline)))
    if "test" in data.predictions:
        found.append("The weights were chosen on the validation faces; the test faces were read once, at the end.")
    elif not data.leaky:
        found.append(
            "The epoch was chosen on the same validation faces that give the figure, so it is a little too good; "
            "the test faces were not touched."
        )
    if data.state not in ("finished", *ACTIVE) and len(data.records) < data.config.epochs:
        found.append(f"The training was {data.state} after {len(data.records)} of {data.config.epochs} epochs.")
    found.append("One seed: another one gives another figure. Compare models on several seeds and with a paired test.")
    return found


def _chance(found: Evaluation) -> str:
    half = 100 * (found.accuracy_ci95[1] - found.accuracy_ci95[0]) / 2
    sigma = 100 * math.sqrt(found.accuracy * (1 - found.accuracy) / found.n)
    return (
        f"On {found.n:,} faces chance alone moves an accuracy by {sigma:.1f} points (one standard deviation); the 95% "
        f"interval is ±{half:.1f} points wide. Smaller differences mean nothing."
    )


def _accuracies(data: ReportData) -> list[list[str]]:
    rows = []
    for name in data.predictions:
        found = data.evaluation(name)
        title = {
            "valid": "“Validation” (trained on)" if data.leaky else "Validation",
            "honest": "Honest",
            "test": "Test",
        }[name]
        rows.append([title, accuracy(found), "" if name != "valid" or not data.leaky else "memory, not skill"])
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
