"""The Experiments page: choice of an experiment, the prediction, and the outcome with its curves."""

from __future__ import annotations

from functools import partial

import streamlit as st

from fer_core.data.reading import Reading
from fer_core.formatting import duration
from fer_core.lessons.experiments import Experiment, Result, experiments, results
from fer_core.lessons.experiments.curves import experiment_figure
from fer_core.lessons.experiments.job import run_in_subprocess
from pages.ui.review.classes import data_caption
from pages.ui.shell import cache, session
from pages.ui.shell.background import Report, Stop, Task, background, discard
from pages.ui.shell.charts import chart
from pages.ui.shell.formatting import plain, source_name
from pages.ui.shell.limits import limits
from pages.ui.shell.limits.trainings import training_slot
from pages.ui.shell.pickers import one_of

_WORK = "experiment"


def choose() -> Experiment:
    """Draw the choice of an experiment and its description."""
    known = experiments()
    name = one_of("Experiment", {name: one.title for name, one in known.items()}, key="experiment-name")
    experiment = known[name]
    st.subheader(experiment.title)
    st.write(experiment.story)
    return experiment


def predict(experiment: Experiment) -> int | None:
    """Draw the prediction; None until the user answers."""
    with st.container(border=True):
        return st.radio(
            f"**Predict.** {experiment.question}",
            range(len(experiment.choices)),
            format_func=experiment.choices.__getitem__,
            index=None,
            key=f"experiment-prediction-{experiment.name}",
        )


def outcome(experiment: Experiment, prediction: int | None) -> None:
    """Draw the button that runs the experiment, its progress, and its outcome."""
    if prediction is None:
        st.caption("Choose an answer to run the experiment.")
        return
    source = session.data_source()
    dataset = cache.dataset(source)
    data_caption(dataset)
    result = results.get(experiment, dataset, session.workspace())
    if result is None:
        st.caption(
            f"Two trainings on up to {experiment.faces:,} faces of {plain(source_name(source))}, "
            f"{experiment.configs()[0].epochs} epochs each: one to three minutes on two processor cores."
        )
        found = background(
            _WORK,
            (experiment.name, dataset.cache_key),
            "Run the experiment",
            partial(_task, experiment.name, source, cache.reading_in_use(source)),
            doing="training",
            icon=":material/science:",
        )
        result = found if isinstance(found, Result) else None
    if result is not None:
        _show(experiment, result, prediction)
        if st.button("Run it again", icon=":material/replay:", type="tertiary", help="Discards the cached result."):
            results.delete(experiment, dataset, session.workspace())
            discard(_WORK)
            st.rerun()


def _task(name: str, source: str, reading: Reading) -> Task:
    """Create the task: its thread starts a process and reports its progress."""
    now, workspace = limits(), session.workspace()
    now.count("training")

    def work(report: Report, stop: Stop) -> Result | None:
        with training_slot(now):
            return run_in_subprocess(name, source, report, stop, workspace=workspace, reading=reading)

    return work


def _show(experiment: Experiment, result: Result, prediction: int) -> None:
    answer = experiment.answer(result.arms)
    if answer == prediction:
        st.success(f"As you predicted: {experiment.choices[answer]}.", icon=":material/check_circle:")
    else:
        st.info(
            f"You predicted: {experiment.choices[prediction]}. The outcome: {experiment.choices[answer]}.",
            icon=":material/lightbulb:",
        )
    st.write(plain(experiment.explain(result.arms)))
    left, right = st.columns(2, gap="large")
    with left:
        chart(experiment_figure(result.arms, "accuracy"), key="experiment-accuracy")
    with right:
        chart(experiment_figure(result.arms, "loss"), key="experiment-loss")
    st.caption(
        f"{result.arms[0].n_train:,} training faces of {plain(result.data_name)}, {len(result.arms[0].records)} epochs, "
        f"{duration(result.seconds)}. Command: `fer-lab experiment {experiment.name}`"
    )
