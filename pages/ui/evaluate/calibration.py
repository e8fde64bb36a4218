"""How sure the model may be: reliability, temperature, and the threshold for “not sure”."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import streamlit as st

from fer_core import charts
from fer_core.evaluation import Evaluation, Predictions
from fer_core.evaluation.calibration import fit_temperature, risk_coverage
from fer_core.evaluation.metrics import reliability_bins
from fer_core.formatting import percent
from fer_core.jobs import ACTIVE
from pages.ui.evaluate.subject import Subject, predictions_of
from pages.ui.shell import session
from pages.ui.shell.charts import chart
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.runs import all_runs


def certainty(subject: Subject) -> None:
    """Reliability, temperature, and the threshold below which the model says "not sure"."""
    with error_boundary("drawing the certainty"):
        left, right = st.columns(2, gap="large")
        with left:
            _calibration(subject)
        with right:
            _threshold(subject)


def _why_not_stored(subject: Subject) -> str | None:
    """Why nothing can be stored with this model, or None."""
    run = next((run for run in all_runs() if run.id == subject.model), None)
    if run is None:
        return "A shipped model keeps the settings it came with. Choose a run to store this with it."
    if run.state in ACTIVE:
        return "This run still trains and replaces its weights. Store this when it has ended."
    return None


def _calibration(subject: Subject) -> None:
    predictions = subject.predictions
    result = subject.report.evaluation
    chart(
        charts.reliability(reliability_bins(predictions.probabilities, predictions.labels), result.ece),
        key="reliability",
        height=360,
    )
    st.caption(
        "Each point is one fifteenth of the confidence scale; the larger, the more faces. On the dotted line the model "
        "is right as often as it says."
    )
    st.markdown("**Temperature**")
    if not subject.dataset.counts()["valid"]:
        st.info("The data has no validation faces to fit a temperature on.", icon=":material/info:")
        return
    valid = _validation(subject)
    fitted = fit_temperature(valid.logits, valid.labels)
    stored = predictions.temperature
    same = abs(stored - fitted) < 5e-4
    before, after = (
        Evaluation.of(replace(predictions, temperature=t), subject.split) for t in (1.0 if same else stored, fitted)
    )
    st.write(
        f"Dividing the logits by **{fitted:.3f}** (fitted on {len(valid.labels):,} validation faces) takes the ECE here "
        f"from {before.ece:.3f} to **{after.ece:.3f}** and the loss from {before.loss:.3f} to **{after.loss:.3f}** nats. "
        "No answer changes, only how sure it is."
    )
    if subject.split == "valid":
        st.caption("Fitted and measured on the same faces here; the test split shows it on others.")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _store_button(
            subject,
            "temperature",
            float(fitted),
            same=same,
            help="From then on every page, command and export uses it.",
        )
        st.caption(f"Stored now: {stored:.3f}{', the fitted one' if same else ''}", width="content")


def _validation(subject: Subject) -> Predictions:
    if subject.split == "valid":
        return subject.predictions
    return predictions_of(subject.model, subject.name, subject.dataset, "valid", subject.tta, subject.extra)


def _store_button(
    subject: Subject, field: Literal["temperature", "abstain_below"], value: float, *, same: bool, help: str
) -> None:
    """A button that writes a fitted value into the model's file; idle where that may not be, or where it is there."""
    reason = _why_not_stored(subject)
    if st.button(
        "Store with the model",
        icon=":material/save:",
        key=f"store-{field}",
        disabled=reason is not None or same,
        help=reason or help,
    ):
        from fer_core.inference.sensitivity import store_calibration

        changes: dict[str, float] = {field: value}
        store_calibration(subject.path, subject.report.sensitivity, **changes)
        session.notify("Stored with the model.")
        st.rerun()  # the whole page: its figures rest on what was stored


def _threshold(subject: Subject) -> None:
    stored = subject.report.abstain_below
    curve = risk_coverage(subject.predictions.probabilities, subject.predictions.labels)
    place = st.container()
    threshold = st.slider(
        "Say “not sure” below this confidence",
        min_value=0.0,
        max_value=1.0,
        value=float(stored),
        step=0.01,
        format="percent",
        key=f"threshold-{subject.path}-{stored}",
    )
    with place:
        chart(charts.risk_coverage(curve, threshold), key="risk-coverage", height=360)
    coverage, risk = curve.at(threshold)
    if risk is None:
        st.write("At this threshold the model would never answer.")
    else:
        st.write(
            f"Of {len(subject.predictions.labels):,} faces **{percent(coverage)}** get an answer, and "
            f"**{percent(1 - risk)}** of the answers are right; the others are told “not sure”."
        )
    same = abs(threshold - stored) < 1e-9
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _store_button(
            subject,
            "abstain_below",
            float(threshold),
            same=same,
            help="Upload, video, webcam and the command line then say “not sure” below it.",
        )
        st.caption(f"Stored now: {percent(stored, 0)}", width="content")
