"""Compare two models on the same faces: what changed, and whether the difference is significant."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import streamlit as st

from fer_core import charts
from fer_core.errors import FerError
from fer_core.evaluation.compare import Comparison
from fer_core.evaluation.compare import compare as compare_predictions
from fer_core.formatting import percent_with_interval
from pages.ui.evaluate.faces import from_to, wall_of
from pages.ui.evaluate.subject import Subject, evaluated, model_names
from pages.ui.shell import cache, session
from pages.ui.shell.charts import chart, dark_theme
from pages.ui.shell.errors import error_boundary
from pages.ui.shell.formatting import plain
from pages.ui.shell.pickers import one_of
from pages.ui.shell.runs import all_runs


def compare(subject: Subject) -> None:
    """Compare with another model on the same faces: what changed, and whether the difference is significant."""
    with error_boundary("comparing two models"):
        others = {model: name for model, name in model_names().items() if model != subject.model}
        names = {model: name for model, name in others.items() if _shares_classes(model, subject)}
        if not names:
            why = "No other model shares a class with these data." if others else "There is only one model."
            st.info(f"{why} Train another one to compare with.", icon=":material/compare:")
            st.page_link("pages/train.py", label="Train a network", icon=":material/model_training:")
            return
        other = st.selectbox(
            "Compare with",
            list(names),
            index=list(names).index(_other_choice(subject.model, names)),
            format_func=lambda model: names.get(model, model),
            key="compare-with",
            help="The baseline: gains and losses are those of the model selected at the top.",
        )
        source = cache.dataset(session.data_source())
        first = evaluated(other, names[other], source, subject.split, subject.tta, subject.cleaning, subject.extra)
        found = compare_predictions(first.predictions, subject.predictions)
        _outcome(first, subject, found)


def _shares_classes(model: str, subject: Subject) -> bool:
    """Whether a model shares a class with the data."""
    from fer_core.evaluation.matching import match_classes
    from fer_core.inference import read_info, resolve_model

    try:
        classes = read_info(resolve_model(model, session.workspace())).classes
        match_classes(classes, subject.dataset.classes, subject.extra)
    except FerError:
        return False
    return True


def _other_choice(model: str, names: dict[str, str]) -> str:
    """Return the default baseline: the weights the run was initialized from, else the model in use, else the newest run."""
    runs = all_runs()
    initial = None
    with suppress(FerError):
        initial = next((run.config.init_from for run in runs if run.id == model), None)
    for other in (initial, cache.model_in_use(), *(run.id for run in runs if run.state == "finished")):
        if other in names:
            return str(other)
    return next(iter(names))


def _outcome(first: Subject, second: Subject, found: Comparison) -> None:
    left, right = st.columns([3, 2], gap="large")
    gained, lost = len(found.gained), len(found.lost)
    with left:
        title = f"{second.name} against {first.name}: {gained:,} faces gained, {lost:,} lost"
        chart(
            charts.matrix_difference(found.matrix_difference, found.classes, title, dark=dark_theme()),
            key="difference",
            height=charts.matrix_height(len(found.classes)) - 90,
        )
    with right:
        for who, accuracy in ((first, found.accuracies[0]), (second, found.accuracies[1])):
            interval = who.report.evaluation.accuracy_ci95
            st.metric(who.name, percent_with_interval(accuracy, interval))
        st.write(plain(found.test.sentence(f"“{first.name}”", f"“{second.name}”")))
        if found.relabeled:
            st.caption(
                f"The two use different labels for {found.relabeled:,} faces; the labels of the model at the top count."
            )
        st.caption(
            "Each cell shows how many more (+) or fewer (−) faces it has. On the diagonal, more is better; elsewhere, fewer."
        )
    st.subheader("Changed predictions")
    still_wrong = np.setdiff1d(found.changed, np.concatenate([found.gained, found.lost]))
    flips = {
        "gained": (f"Now correct ({gained:,})", found.gained),
        "lost": (f"Now wrong ({lost:,})", found.lost),
        "still_wrong": (f"Still wrong, different prediction ({len(still_wrong):,})", still_wrong),
    }
    flip = one_of("Change", {name: title for name, (title, _) in flips.items()}, key="flips")
    places = flips[flip][1]
    if not len(places):
        st.info("No prediction changed this way.", icon=":material/info:")
        return
    captions = [from_to(found.classes, found.first[i], found.second[i]) for i in places]
    faces = np.searchsorted(second.positions, _positions(second, found.ids[places]))
    st.caption(
        f"Prediction of {plain(first.name)} → prediction of {plain(second.name)}; the dot has the color of the label."
    )
    wall_of(second, faces, captions, key=f"flips-{flip}-{first.key}-{second.key}")


def _positions(subject: Subject, ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    order = {str(face): int(place) for face, place in zip(subject.predictions.ids, subject.positions, strict=True)}
    return np.array([order[str(face)] for face in ids], dtype=np.int64)
