"""The search for suspect labels and its results."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from fer_core.errors import FerError
from fer_core.evaluation.audit import ExactAudit, SuspectLabels, find_suspect_labels
from fer_core.formatting import duration, percent
from fer_core.jobs import ACTIVE
from pages.ui.audit.grids import PER_PAGE, marked_tile, wall_of
from pages.ui.components.gallery import Group, pager
from pages.ui.review.review import read_review
from pages.ui.shell import cache, session
from pages.ui.shell.errors import error_boundary, guarded, show_pending_error
from pages.ui.shell.formatting import plain
from pages.ui.shell.limits.trainings import start_beside

if TYPE_CHECKING:
    from fer_core.data import FaceDataset
    from fer_core.training.out_of_fold import OutOfFold


def search_of(dataset: FaceDataset) -> OutOfFold:
    """Draw the search for suspect labels in a data set."""
    from fer_core.training import out_of_fold

    return out_of_fold.find(dataset, workspace=session.workspace())


@st.cache_resource(max_entries=3, show_spinner="Ranking the labels…")
def _suspects(key: str, path: str, _dataset: FaceDataset, _search: OutOfFold) -> SuspectLabels:
    positions, probabilities = _search.read()
    return find_suspect_labels(_dataset.labels[positions], probabilities, positions)


def show_suspects(dataset: FaceDataset, found: ExactAudit, *, following: bool = False) -> None:
    """Draw the search in its current state; ``following`` during polling."""
    with error_boundary("looking for suspect labels"):
        show_pending_error()
        job = search_of(dataset)
        now = job.state
        if following and now not in ACTIVE:
            st.rerun()  # rerun the whole page once, which ends the polling
        if now == "finished":
            _suspect_wall(dataset, job)
            return
        st.write(
            "Trains three networks, each on two thirds of the training faces, and predicts the held-out third. A label "
            "that a confident prediction contradicts is suspect (confident learning)."
        )
        if now in ACTIVE:
            status = job.status
            left = f" · {duration(status.seconds_left)} left" if status.seconds_left else ""
            share = min(1.0, status.done / status.total)
            words = {"starting": "Starting…", "stopping": "Stopping…"}.get(now)
            st.progress(share, text=words or f"Epoch {status.done} of {status.total}{left}")
            st.button(
                "Cancel", icon=":material/stop_circle:", on_click=guarded(job.request_stop), disabled=now == "stopping"
            )
            st.caption("The search continues when you leave this page. Other trainings have to wait.")
            return
        if now in ("failed", "lost"):
            reason = job.status.error or "The process ended without an error message."
            st.error(f"The search {'failed' if now == 'failed' else 'was interrupted'}. {plain(reason)}", icon=":material/error:")  # fmt: skip
        elif now == "stopped":
            st.info(
                "The search was canceled. A new search continues after the finished folds.",
                icon=":material/info:",
            )
        count = dataset.counts()["train"]
        if st.button("Find suspect labels", type="primary", icon=":material/search:", disabled=not count):
            from fer_core.training import out_of_fold

            try:
                source = session.data_source()
                reading = cache.reading_in_use(source)
                start = partial(out_of_fold.start, source, dataset, workspace=session.workspace(), reading=reading)
                start_beside(job, start)
            except FerError as error:
                st.error(plain(error), icon=":material/error:")
                return
            st.rerun()
        st.caption(
            f"{count:,} training faces. FER2013 takes about ten minutes on two free cores, "
            "longer next to a training. The results are cached until the data change."
        )


def _suspect_wall(dataset: FaceDataset, job: OutOfFold) -> None:
    suspects = _suspects(dataset.cache_key, str(job.path), dataset, job)
    if not len(suspects.positions):
        st.success("No confident prediction contradicts a label.", icon=":material/check_circle:")
        return
    count = dataset.counts()["train"]
    st.markdown(
        f"**{len(suspects.positions):,} of {count:,} training labels ({percent(len(suspects.positions) / count)}) are "
        "suspect**, most suspect first"
    )
    st.caption(f"{suspects.caution} Below each face: label → prediction, and the predicted probability of the label.")
    review = read_review(dataset)
    page = pager(len(suspects.positions), PER_PAGE, key="suspects")
    suggested = {
        int(i): int(label) for i, label in zip(suspects.positions[page], suspects.suggested[page], strict=True)
    }
    tiles = [
        marked_tile(review, index, f"{dataset.label_name(index)} → {dataset.classes[label]} ({quality:.0%})")
        for (index, label), quality in zip(suggested.items(), suspects.quality[page], strict=True)
    ]
    wall_of(review, [Group(tiles)], key=f"suspects-{page.start}", suggestions=suggested)
