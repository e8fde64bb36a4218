"""Calibration: reliability diagram, temperature, and the threshold for “not sure”."""

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
from pages.ui.shell.identity import without_paths
from pages.ui.shell.runs import all_runs


def certainty(subject: Subject) -> None:
    """Draw the reliability diagram, the temperature and the threshold for "not sure"."""
    with error_boundary("drawing the calibration"):
        left, right = st.columns(2, gap="large")
        with left:
            _calibration(subject)
        with right:
            _threshold(subject)


def _why_not_stored(subject: Subject) -> str | None:
    """Return why this model cannot be changed, or None."""
    run = next((run for run in all_runs() if run.id == subject.model), None)
    if run is None:
        return "Shipped models are read-only. Choose a run to save this with its weights."
    if run.state in ACTIVE:
        return "This run is still training and replaces its weights. Save this after it ends."
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
        "Each point is one of 15 confidence bins; larger points have more faces. On the dotted line, confidence equals "
        "accuracy."
    )
    st.markdown("**Temperature**")
    if not subject.dataset.counts()["valid"]:
        st.info("The data have no validation faces to fit a temperature on.", icon=":material/info:")
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
        "The predictions stay the same; only their confidence changes."
    )
    if subject.split == "valid":
        st.caption("Fitted and measured on the same faces; see the test split for an independent measurement.")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _store_button(
            subject,
            "temperature",
            float(fitted),
            same=same,
            help="Every page, command and export then uses it.",
        )
        st.caption(f"Saved: {stored:.3f}{' (the fitted one)' if same else ''}", width="content")


def _validation(subject: Subject) -> Predictions:
    if subject.split == "valid":
        return subject.predictions
    return predictions_of(subject.model, subject.name, subject.dataset, "valid", subject.tta, subject.extra)


def _store_button(
    subject: Subject, field: Literal["temperature", "abstain_below"], value: float, *, same: bool, help: str
) -> None:
    """Draw a button that saves a fitted value to the model's file; disabled if the file is read-only or has the value."""
    reason = _why_not_stored(subject)
    pressed = st.button(
        "Save to the model",
        icon=":material/save:",
        key=f"store-{field}",
        disabled=reason is not None or same,
        help=reason or help,
    )
    if pressed and reason is None:  # a browser may press a disabled button
        from fer_core.inference.sensitivity import store_calibration

        changes: dict[str, float] = {field: value}
        store_calibration(subject.path, subject.report.sensitivity, **changes)
        session.notify("Saved to the model.")
        st.rerun()  # rerun the whole page: its figures depend on the saved value


def _threshold(subject: Subject) -> None:
    stored = subject.report.abstain_below
    curve = risk_coverage(subject.predictions.probabilities, subject.predictions.labels)
    place = st.container()
    threshold = st.slider(
        "“Not sure” below this confidence",
        min_value=0.0,
        max_value=1.0,
        value=float(stored),
        step=0.01,
        format="percent",
        key=f"threshold-{without_paths(str(subject.path))}-{stored}",
    )
    with place:
        chart(charts.risk_coverage(curve, threshold), key="risk-coverage", height=360)
    coverage, risk = curve.at(threshold)
    if risk is None:
        st.write("At this threshold the model abstains from every prediction.")
    else:
        st.write(
            f"The model predicts **{percent(coverage)}** of {len(subject.predictions.labels):,} faces and is correct on "
            f"**{percent(1 - risk)}** of those; the rest are “not sure”."
        )
    same = abs(threshold - stored) < 1e-9
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _store_button(
            subject,
            "abstain_below",
            float(threshold),
            same=same,
            help="Upload, video, webcam and the command line then show “not sure” below it.",
        )
        st.caption(f"Saved: {percent(stored, 0)}", width="content")
