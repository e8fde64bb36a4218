"""The parts of a lab report, one function each: material in, HTML out. A part that cannot be made raises a sentence."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from fer_core import charts
from fer_core.charts.theme import ROLE_COLORS
from fer_core.classes import LABELS
from fer_core.config import AugmentConfig
from fer_core.data.cleaning import deduplicated
from fer_core.data.duplicates import has_copy
from fer_core.errors import FerError
from fer_core.evaluation import Evaluation, wilson_interval
from fer_core.evaluation.audit import audit_exact
from fer_core.evaluation.report import confusion_sentences, fear_sentence
from fer_core.explanation import METHODS, REGIONS, region_masks, shares, study_regions
from fer_core.explanation.filter_cache import cached_patterns, cached_top_faces
from fer_core.explanation.filters import Patterns, TopFaces
from fer_core.explanation.layers import convolutions, weights
from fer_core.explanation.photo import overlay
from fer_core.explanation.pictures import grey, sheet
from fer_core.explanation.saliency import explain_batch, make_saliency
from fer_core.formatting import SPLIT_NAMES, duration, percent
from fer_core.images import enlarge
from fer_core.lessons.math_checks import FORMULAS, TOLERANCE, check, check_report
from fer_core.lessons.mathml import to_mathml
from fer_core.models import count_parameters, describe
from fer_core.report import paper
from fer_core.report.material import ACTIVE, Material, repeat_command
from fer_core.training.trainer import LEAK_EXPLANATION

Step = Callable[[int, int], None]
Stop = Callable[[], bool]

_STUDY: Final = 1000  # faces of the region study
_SHOWN: Final = 6  # filters with their faces
_LOG: Final = 96  # lines of the log
_SETTINGS: Final = (
    "epochs", "batch_size", "optimizer", "learning_rate", "weight_decay", "schedule", "label_smoothing", "mixup",
    "ema_decay", "seed",
)  # fmt: skip
"""Always listed; the others where they are not as usual."""
_FACE: Final = 144  # pixels of an overlay


def with_interval(accuracy: float, interval: tuple[float, float], n: int) -> str:
    """``58.7 % (95 % interval 57.1–60.3, n = 3,589)``."""
    low, high = interval
    return f"{percent(accuracy)} (95 % interval {100 * low:.1f}–{100 * high:.1f}, n = {n:,})"


def on_evaluation(found: Evaluation) -> str:
    """The accuracy of an evaluation with its interval."""
    return with_interval(found.accuracy, found.accuracy_ci95, found.n)


# ------------------------------------------------------------------------------------------------ 1 model


def model(m: Material) -> str:
    """Architecture and layer table, every side derived."""
    rows = describe(m.network)
    about = (type(m.network).__doc__ or m.config.model).strip().splitlines()[0].rstrip(".")
    total = count_parameters(m.network)
    macs = sum(row.macs for row in rows)
    derived = [
        [
            row.label, row.kind, _shape(row.input), _shape(row.output), row.derivation,
            (f"{row.weights} = " if row.weights else "") + f"{row.parameters:,}" if row.parameters and row.call == 1 else "",
            f"{row.macs:,}" if row.macs else "",
        ]
        for row in rows
    ]  # fmt: skip
    head = ["Layer", "Kind", "In", "Out", "How the side follows", "Parameters", "Multiply-accumulates"]
    return (
        paper.paragraph(
            f"{m.config.model}: {about}. It has {total:,} parameters and takes {macs / 1e6:.1f} million "
            "multiply-accumulates for one face of 48×48 pixels. The side of each map follows from the side W of the "
            "one before, the padding P, the kernel K and the stride S:"
        )
        + f'<div class="big">{to_mathml(FORMULAS["conv_size"].statement)}</div>'
        + paper.table(head, derived, numbers=(5, 6), kind="layers")
    )


def _shape(sides: tuple[int, ...]) -> str:
    return "×".join(str(side) for side in sides)


# ------------------------------------------------------------------------------------------------ 2 training


def training(m: Material) -> str:
    """Curves and log.

    Raises:
        FerError: no epoch is finished.
    """
    if not m.records:
        raise FerError("No epoch is finished yet, so there are no curves.")
    r = m.records
    honest_loss = [x.honest_loss for x in r if x.honest_loss is not None]
    honest = [x.honest_accuracy for x in r if x.honest_accuracy is not None]
    valid_name = "“validation”" if m.leaky else "validation"
    best = min(r, key=lambda x: (-x.valid_accuracy, x.valid_loss, x.epoch))

    def lines(train: list[float], valid: list[float], unseen: list[float]) -> list[paper.Line]:
        found = [
            paper.Line("train", ROLE_COLORS["train"], "2 4", train),
            paper.Line(valid_name, ROLE_COLORS["valid"], "", valid),
        ]
        return found + ([paper.Line("honest", ROLE_COLORS["honest"], "7 4", unseen)] if unseen else [])

    loss_title = charts.loss_finding([x.train_loss for x in r], [x.valid_loss for x in r], leaky=m.leaky)
    accuracy_title = charts.accuracy_finding([x.valid_accuracy for x in r], honest, leaky=m.leaky)
    drawn = paper.figure(
        paper.line_chart(
            lines([x.train_loss for x in r], [x.valid_loss for x in r], honest_loss), title=loss_title, percent=False
        ),
        f"Loss, cross-entropy in nats. {loss_title}.",
    ) + paper.figure(
        paper.line_chart(
            lines([x.train_accuracy for x in r], [x.valid_accuracy for x in r], honest),
            title=accuracy_title,
            percent=True,
        ),
        f"Accuracy. {accuracy_title}.",
    )
    seconds = sum(x.seconds for x in r)
    augmented = "" if m.config.augment == AugmentConfig.off() else "on augmented faces "
    log = [line for x in r for line in x.log_lines()]
    note = ""
    if len(log) > _LOG:
        log = [*log[: _LOG // 2], "…", *log[-_LOG // 2 :]]
        note = paper.paragraph(f"The log's first and last {_LOG // 2} lines; the run's log.txt has them all.", "soft")
    return (
        paper.paragraph(
            f"{len(r)} of {m.config.epochs} epochs in {duration(seconds)}, {np.mean([x.images_per_second for x in r]):,.0f} "
            f"faces a second. The weights of epoch {best.epoch} were kept, the one with the highest {valid_name} accuracy. "
            f"Training figures are taken {augmented}while the weights change, so they may lie below the others."
        )
        + f'<div class="pair">{drawn}</div>'
        + f'<h3>Log</h3><pre class="log">{paper.text(chr(10).join(log))}</pre>{note}'
    )


# ------------------------------------------------------------------------------------------------ 3 confusion matrix


def confusion(m: Material) -> str:
    """The matrix, the sentences made of it, and each class's figures.

    Raises:
        FerError: there are no predictions.
    """
    name = m.headline
    if name is None:
        raise FerError(m.gaps["predictions"])
    found = m.evaluation(name)
    faces = "faces that were never trained on" if name == "honest" else f"{SPLIT_NAMES[name]} faces"
    sentences = [fear_sentence(found), *confusion_sentences(found)]
    rows = [
        [label, *("–" if v is None else f"{v:.3f}" for v in (s.precision, s.recall, s.f1)), f"{s.n:,}"]
        for label, s in found.per_class.items()
    ]
    macro = "–" if found.macro_f1 is None else f"{found.macro_f1:.3f}"
    made = " The run had not been evaluated; this was done for the report." if m.made_now else ""
    return (
        paper.paragraph(f"On {found.n:,} {faces} the accuracy is {on_evaluation(found)}.{made}")
        + "".join(paper.paragraph(sentence) for sentence in sentences)
        + paper.figure(
            paper.matrix_chart(found.confusion, LABELS, title=f"Confusion matrix, {faces}"),
            f"Confusion matrix on the {faces}; in each cell the share of the row and the number of faces.",
        )
        + '<div class="keep">'
        + paper.table(["Class", "Precision", "Recall", "F1", "Faces"], rows, numbers=(1, 2, 3, 4))
        + paper.paragraph(f"Macro-F1 {macro}; expected calibration error {found.ece:.3f} (15 bins).", "soft")
        + "</div>"
    )


# ------------------------------------------------------------------------------------------------ 4 saliency


def saliency(m: Material, step: Step, stop: Stop) -> str:
    """One face of each class with two maps and the region shares, and the shares over many faces.

    Raises:
        FerError: weights or faces are missing, or it was stopped.
    """
    classifier, dataset = m.need_faces()
    name = m.headline
    places = m.positions(name) if name else None
    if name is None or places is None:
        raise FerError("The evaluated faces are not those of this data set, so none can be shown.")
    chosen = _examples(m, name, places)
    faces = dataset.images[[position for position, _ in chosen]]
    order = [list(classifier.labels).index(LABELS[answer]) for _, answer in chosen]
    targets = np.array(order, dtype=np.int64)
    maps = {method: explain_batch(classifier, faces, method, targets) for method in ("gradient", "gradcam")}
    probabilities = classifier.probabilities(faces)
    masks = region_masks()
    cases = []
    for i, (position, answer) in enumerate(chosen):
        label, said = LABELS[dataset.labels[position]], LABELS[answer]
        pictures = paper.picture(enlarge(faces[i], _FACE), f"A face labelled {label}")
        words = ""
        for method, values in maps.items():
            found = make_saliency(method, int(targets[i]), said, values[i])
            pictures += paper.picture(overlay(faces[i], found, side=_FACE), f"{METHODS[method].title} for {said}")
            part = shares(found.positive, masks) if method == "gradcam" else None
            if part:
                words = ", ".join(f"{region} {percent(share, 0)}" for region, share in part.items())
            elif found.note and method == "gradcam":
                words = found.note
        verdict = "right" if label == said else f"wrong: labelled {label}"
        caption = f"{said}, {percent(float(probabilities[i, targets[i]]), 0)} ({verdict}). Grad-CAM: {words}."
        cases.append(f'<figure class="case">{pictures}<figcaption>{paper.text(caption)}</figcaption></figure>')
    rng = np.random.default_rng(0)
    some = places if len(places) <= _STUDY else np.sort(rng.choice(places, _STUDY, replace=False))
    study = study_regions(classifier, dataset, some, "gradcam", on_progress=step, should_stop=stop)
    rows = [
        [region, percent(study.mean[region]), f"{percent(low)} – {percent(high)}", percent(study.area[region])]
        for region, (low, high) in ((region, study.ci95[region]) for region in REGIONS)
    ]
    return (
        paper.paragraph(
            "Which pixels decide? For each class one face: as it is, the gradient of the answered class's score "
            "(Simonyan et al. 2014), and Grad-CAM (Selvaraju et al. 2017). Shown is the face of each class that the "
            "network answers rightly with the highest probability, so these are its easy cases. The shares say how "
            "much of the Grad-CAM map lies in each region."
        )
        + f'<div class="faces">{"".join(cases)}</div>'
        + '<h3>Are the eyes and the mouth the important features?</h3><div class="keep">'
        + paper.paragraph(study.sentence())
        + '<div class="pair">'
        + paper.share_chart(study.mean, study.area, title="Share of the attribution by region")
        + paper.table(["Region", "Share", "95 % interval", "Area"], rows, numbers=(1, 2, 3))
        + "</div></div>"
    )


def _examples(m: Material, name: str, places: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """For each class with faces: position of one, and what it was answered; the surest right one, else the surest."""
    predictions = m.predictions[name]
    answers, sure = predictions.predicted, predictions.probabilities.max(axis=1)
    found = []
    for label in range(len(LABELS)):
        mine = np.flatnonzero(predictions.labels == label)
        right = mine[answers[mine] == label]
        pool = right if len(right) else mine
        if len(pool):
            best = pool[int(sure[pool].argmax())]
            found.append((int(places[best]), int(answers[best])))
    return found


# ------------------------------------------------------------------------------------------------ 5 filters


def filters(m: Material, step: Step, stop: Stop) -> str:
    """First weights, the last convolution's patterns on one sheet, and a few filters beside their faces.

    Raises:
        FerError: there are no weights, the network has no convolution, or it was stopped.
    """
    classifier = m.need_weights()
    first = convolutions(classifier.model)[0]
    kernels = weights(classifier.model, first)
    patterns = cached_patterns(classifier, on_progress=step, should_stop=stop)
    parts = [
        paper.paragraph(
            f"The {len(kernels)} kernels of the first convolution, {first.label}, {kernels.shape[2]}×{kernels.shape[3]} "
            "weights each: bright adds, dark takes away."
        ),
        paper.figure(
            paper.picture(
                sheet(grey(kernels[:, 0]), [str(i) for i in range(len(kernels))], side=64, smooth=False),
                f"Kernels of {first.label}",
            ),
            f"Weights of {first.label}.",
        ),
        f"<h3>Which patterns activate the filters of the last convolution, {paper.text(patterns.layer)}?</h3>",
        paper.paragraph(
            f"{patterns.sentence()} For each, a picture was changed from noise by {patterns.curves.shape[1]} steps of "
            "gradient ascent (Erhan et al. 2009), with jitter, blur and fading so that structure wins over noise. The "
            f"median response rises from {float(np.median(patterns.curves[:, 0])):.1f} to "
            f"{float(np.median(patterns.responses)):.1f}."
        ),
    ]
    parts += [paper.paragraph(str(patterns.note(int(place)))) for place in np.flatnonzero(patterns.dead)]
    if m.dataset is None:
        parts.append(
            paper.paragraph(f"The faces that activate each filter most cannot be shown. {m.gaps['data']}", "missing")
        )
    else:
        split = next(s for s in ("valid", "test", "train") if m.dataset.counts()[s])
        tops = cached_top_faces(classifier, m.dataset, split, should_stop=stop)
        chosen = _telling(patterns, tops)
        parts.append(
            paper.paragraph(
                f"{len(chosen)} filters beside the nine of {tops.n:,} {SPLIT_NAMES[split]} faces that "
                "activate them most, those with the largest responses:"
            )
        )
        parts.append(f'<div class="filters">{"".join(_filter(patterns, tops, m, number) for number in chosen)}</div>')
    parts.append(
        paper.figure(
            paper.picture(patterns.sheet(), f"Patterns of all filters of {patterns.layer}", "sheet"),
            f"The patterns of all {len(patterns.filters)} filters of {patterns.layer}.",
        )
    )
    return "".join(parts)


def _telling(patterns: Patterns, tops: TopFaces) -> list[int]:
    """Numbers of the filters whose best faces excite them most, dead ones left out."""
    order = np.argsort(-tops.responses[:, 0], kind="stable")
    return sorted(int(number) for number in order[~patterns.dead[order]][:_SHOWN])


def _filter(patterns: Patterns, tops: TopFaces, m: Material, number: int) -> str:
    assert m.dataset is not None
    pattern = patterns.only(number).cropped()[0]
    labels = [LABELS[m.dataset.labels[position]] for position in tops.positions[number]]
    faces = "".join(
        paper.picture(m.dataset.images[position], f"A face labelled {label}")
        for position, label in zip(tops.positions[number], labels, strict=True)
    )
    most = max(set(labels), key=labels.count)
    caption = f"Filter {number}; {labels.count(most)} of {len(labels)} labelled {most}."
    return (
        f'<figure class="filter">{paper.picture(enlarge(pattern, _FACE), f"Pattern of filter {number}")}'
        f'<div class="nine">{faces}<figcaption>{paper.text(caption)}</figcaption></div></figure>'
    )


# ------------------------------------------------------------------------------------------------ 6 mathematics


def mathematics(m: Material) -> str:
    """Every formula with its check, and the lab report's own versions beside."""
    results = {name: check(formula) for name, formula in FORMULAS.items()}
    rows = [
        [paper.text(FORMULAS[name].title), _drawn(FORMULAS[name].statement), f"{r.error:.1e}", _verdict(r.passed)]
        for name, r in results.items()
    ]
    own = []
    for formula in FORMULAS.values():
        found = check_report(formula)
        if found is not None:
            remark = "" if found.passed else paper.paragraph(formula.report_remark, "soft")
            drawn = _drawn(formula.report_statement) + remark
            own.append([paper.text(formula.title), drawn, f"{found.error:.1e}", _verdict(found.passed)])
    passed = sum(result.passed for result in results.values())
    wrong = sum("wrong" in row[3] for row in own)
    return (
        paper.paragraph(
            f"{passed} of {len(results)} formulas pass: the closed form, computed in float64, agrees with central "
            f"differences and with autograd through the layer that the network really uses within {TOLERANCE:.0e} of the "
            "largest value."
        )
        + paper.table(["Of", "Formula", "Error", "Check"], rows, numbers=(2,), raw=True)
        + "<h3>The formulas as the lab report stated them</h3>"
        + paper.paragraph(f"{wrong} of {len(own)} fail the same check.")
        + paper.table(["Of", "Formula", "Error", "Check"], own, numbers=(2,), raw=True)
    )


def _drawn(latex: str) -> str:
    try:
        return to_mathml(latex)
    except FerError:  # a formula that uses something new is shown as it was written
        return f"<pre>{paper.text(latex)}</pre>"


def _verdict(passed: bool) -> str:
    return f'<span class="tag {"right" if passed else "wrong"}">{"✓ right" if passed else "✗ wrong"}</span>'


# ------------------------------------------------------------------------------------------------ 7 and 8


def honesty(m: Material) -> str:
    """The protocol, and what stands between these figures and the truth: leaks, duplicates, chance, choice."""
    c = m.config
    protocol = {
        "official": "official: the data set's own train, validation and test faces",
        "holdout": f"holdout: {percent(c.holdout_share, 0)} of the training faces validate, exact copies kept on one side",
        "leaky": f"leaky: {percent(c.holdout_share, 0)} of the training faces validate and are trained on as well",
    }[c.protocol]
    words = [f"The protocol is {protocol}."]
    if m.split is not None and m.dataset is not None:
        counts = f"{len(m.split.train):,} faces trained, {len(m.split.valid):,} validated"
        honest = f", {len(m.split.honest):,} gave the honest figure" if m.split.honest is not None else ""
        words.append(f"Of {m.dataset.name} {counts}{honest}; content {m.dataset.fingerprint[:16]}….")
    return (
        "".join(paper.paragraph(sentence) for sentence in words)
        + paper.box("How far to trust the figures", _cautions(m), warn=m.leaky)
        + _figures_table(m)
        + _settings(m)
    )


def _cautions(m: Material) -> list[str]:
    found = []
    if m.leaky:
        found.append(LEAK_EXPLANATION)
    if m.split is not None and m.split.warning and not m.leaky:
        found.append(m.split.warning)
    if m.dataset is not None and m.split is not None:
        audit = audit_exact(m.dataset)
        groups = audit.groups
        if not m.leaky and not m.split.warning:
            copies = int(has_copy(groups, m.split.valid, m.split.train).sum())
            found.append(
                f"{copies:,} of the {len(m.split.valid):,} validation faces have an exact copy among the training faces."
            )
        test = np.flatnonzero(m.dataset.split == "test")
        if "test" in m.predictions and len(test):
            copies = int(has_copy(groups, test, np.union1d(m.split.train, m.split.valid)).sum())
            found.append(
                f"{copies:,} of the {len(test):,} test faces have an exact copy among the training or validation faces; "
                "the deduplicated figure leaves them out."
            )
        found.append(
            f"In the whole data set {audit.redundant:,} images are redundant copies, {len(audit.conflict_groups):,} groups "
            f"of copies carry different labels, and {len(audit.blank):,} images are blank."
        )
    else:
        found.append(f"Leaks and duplicates were not counted. {m.gaps['data']}")
    if m.headline:
        found.append(_chance(m.evaluation(m.headline)))
    if "test" in m.predictions:
        found.append("The weights were chosen on the validation faces; the test faces were read once, at the end.")
    elif not m.leaky:
        found.append(
            "The epoch was chosen on the same validation faces that give the figure, so it is a little too good; "
            "the test faces were not touched."
        )
    if m.state not in ("finished", *ACTIVE) and len(m.records) < m.config.epochs:
        found.append(f"The training was {m.state} after {len(m.records)} of {m.config.epochs} epochs.")
    found.append("One seed: another one gives another figure. Compare models on several seeds and with a paired test.")
    return found


def _chance(found: Evaluation) -> str:
    half = 100 * (found.accuracy_ci95[1] - found.accuracy_ci95[0]) / 2
    sigma = 100 * math.sqrt(found.accuracy * (1 - found.accuracy) / found.n)
    return (
        f"On {found.n:,} faces chance alone moves an accuracy by {sigma:.1f} points (one standard deviation); the 95 % "
        f"interval is ±{half:.1f} points wide. Smaller differences mean nothing."
    )


def _figures_table(m: Material) -> str:
    rows = []
    for name in m.predictions:
        found = m.evaluation(name)
        title = {"valid": "“Validation” (trained on)" if m.leaky else "Validation", "honest": "Honest", "test": "Test"}[
            name
        ]
        rows.append([title, on_evaluation(found), "" if name != "valid" or not m.leaky else "memory, not skill"])
        places = m.positions(name)
        if name != "honest" and not m.leaky and places is not None and m.dataset is not None:
            alone = np.isin(places, deduplicated(m.dataset, places))
            n, right = int(alone.sum()), int((m.predictions[name].predicted == m.predictions[name].labels)[alone].sum())
            if n:
                rows.append([f"{title}, deduplicated", with_interval(right / n, wilson_interval(right, n), n), ""])
    if not rows:
        return paper.paragraph(m.gaps["predictions"], "missing")
    return f'<div class="keep">{paper.table(["Faces", "Accuracy", ""], rows)}</div>'


def _settings(m: Material) -> str:
    values, usual = m.config.to_dict(), type(m.config)().to_dict()
    rows = []
    for name, field in type(m.config).model_fields.items():
        elsewhere = name in ("data", "model", "protocol", "augment", "preprocess")
        if elsewhere or (name not in _SETTINGS and values[name] == usual[name]):
            continue
        rows.append([field.title or name, _setting(values[name])])
    augment = [
        f"{(field.title or name).lower()} {_setting(values['augment'][name])}"
        for name, field in type(m.config.augment).model_fields.items()
        if values["augment"][name]
    ]
    rows.append(["Augmentation", ", ".join(augment) or "none"])
    rows.append(["Preprocessing", f"(pixel / 255 − {m.config.preprocess.mean:g}) / {m.config.preprocess.std:g}"])
    return "<h3>Settings</h3>" + paper.table([], rows, kind="keys")


def _setting(value: object) -> str:
    return (
        {True: "yes", False: "no"}[value]
        if isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def environment(m: Material) -> str:
    """Machine, versions, and the command that repeats the run."""
    found = m.run.environment()
    versions = found.get("versions")
    rows = [
        [title, str(found[key])]
        for key, title in (
            ("device_name", "Processor"), ("device", "Device"), ("precision", "Precision"), ("threads", "Threads")
        )
        if key in found
    ]  # fmt: skip
    if isinstance(versions, dict):
        rows.append(["Versions", ", ".join(f"{name} {number}" for name, number in versions.items())])
    rows.append(["Run", m.run.id])
    return (
        paper.table([], rows, kind="keys")
        + "<h3>To repeat it</h3>"
        + f"<pre>{paper.text(repeat_command(m.config))}</pre>"
        + paper.paragraph(
            "The same settings and seed on the same machine with the same number of threads give the same weights, bit "
            "for bit; on another machine the figures differ within chance.",
            "soft",
        )
    )
