"""The parts of the Audit page: the figures, the walls behind each of them, and the search for suspect labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import streamlit as st

from fer_core import figures
from fer_core.classes import LABELS
from fer_core.errors import FerError
from fer_core.evaluation.audit import ExactAudit, NearPairs, SuspectLabels, audit_exact, near_duplicates, suspect_labels
from fer_core.formatting import duration, joined, percent
from pages.ui.components.gallery.pick_wall import Group, Tile, pager, pick_wall
from pages.ui.review.dialog import face_dialog, face_tile
from pages.ui.review.marking import mark_bar, mark_words, marks_by_position, marks_list
from pages.ui.review.state import MarkingState
from pages.ui.shell import session
from pages.ui.shell.charts import chart
from pages.ui.shell.errors import calm, calmly, show_complaint
from pages.ui.shell.formatting import plain
from pages.ui.shell.pickers import one_of

if TYPE_CHECKING:
    from fer_core.data import FaceDataset
    from fer_core.training.out_of_fold import OutOfFold

PER_PAGE: Final = 48
GROUPS_PER_PAGE: Final = 12
LARGEST_DISTANCE: Final = 8  # bits of 64; beyond it most pairs are different people
_FIRST_DISTANCE: Final = 4
_POLL = 2.0  # seconds
_WORKING = ("starting", "running", "stopping")


@st.cache_resource(max_entries=3, show_spinner="Comparing every face with every other…")
def _exact(fingerprint: str, _dataset: FaceDataset) -> ExactAudit:
    return audit_exact(_dataset)


def exact_audit(dataset: FaceDataset) -> ExactAudit:
    """Exact copies, conflicts and blanks; computed once for each content."""
    return _exact(dataset.fingerprint, dataset)


@st.cache_resource(max_entries=3, show_spinner="Comparing the perceptual hashes of all faces…")
def _near(fingerprint: str, _dataset: FaceDataset, _groups: npt.NDArray[np.int64]) -> NearPairs:
    return near_duplicates(_dataset, _groups, LARGEST_DISTANCE)


@st.cache_resource(max_entries=3, show_spinner="Ranking the labels…")
def _suspects(fingerprint: str, path: str, _dataset: FaceDataset, _job: OutOfFold) -> SuspectLabels:
    positions, probabilities = _job.read()
    return suspect_labels(_dataset.labels[positions], probabilities, positions)


def figures_of(dataset: FaceDataset, found: ExactAudit) -> None:
    """The headline: what was found, in numbers, and the page to keep."""
    crossing = sum(len(positions) for positions in found.cross_split.values())
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            "Redundant images",
            f"{found.redundant:,}",
            help=f"Images that could go without losing a picture, in {found.duplicate_groups:,} groups of exact copies.",
            width="content",
        )
        st.metric("Groups of copies", f"{found.duplicate_groups:,}", width="content")
        st.metric(
            "Leaks across splits",
            f"{crossing:,}",
            help="Faces of one split whose pixels also stand in another, over all pairs of splits.",
            width="content",
        )
        st.metric(
            "Conflicting groups",
            f"{len(found.conflict_groups):,}",
            help="Groups of copies that carry different labels: at least one of the labels is wrong.",
            width="content",
        )
        st.metric("Blank images", f"{len(found.blank):,}", help="Images of one single grey value.", width="content")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(
            f"{plain(dataset.name)}, {len(dataset):,} faces. {percent(found.redundant / len(dataset))} are redundant.",
            width="stretch",
        )
        st.download_button(
            "Save as a web page",
            lambda: _html(dataset, found),
            "audit.html",
            "text/html",
            icon=":material/download:",
            on_click="ignore",
            help="One file with figures and pictures, readable without a network.",
        )


def _html(dataset: FaceDataset, found: ExactAudit) -> str:
    from fer_core.report.audit import audit_html
    from fer_core.training.out_of_fold import find

    pairs = near_duplicates(dataset, found.groups, _FIRST_DISTANCE)
    job, suspects = find(dataset, workspace=session.workspace()), None
    if job.state == "finished":
        positions, probabilities = job.read()
        suspects = suspect_labels(dataset.labels[positions], probabilities, positions)
    return audit_html(dataset, found, pairs, suspects)


def show(dataset: FaceDataset, found: ExactAudit) -> None:
    """The views, one at a time; each works on its own, without running the whole page again."""
    views: dict[str, tuple[str, Callable[..., None]]] = {
        "leaks": ("Leaks", _leaks),
        "copies": ("Copies", _copies),
        "conflicts": ("Conflicts", _conflicts),
        "blanks": ("Blanks", _blanks),
        "near": ("Near duplicates", _near_duplicates),
        "balance": ("Class balance", _balance),
        "suspects": ("Suspect labels", _suspect_labels),
        "marks": ("Marks", _marks),
        "clean": ("Clean copy", _clean_copy),
    }
    chosen = one_of("View", {name: title for name, (title, _) in views.items()}, key="audit-view")
    title, draw = views[chosen]
    with calm(f"showing {title}"):
        if chosen == "suspects" and _job(dataset).state in _WORKING:
            st.fragment(draw, run_every=_POLL)(dataset, found, following=True)
        else:
            st.fragment(draw)(dataset, found)


def _caption(dataset: FaceDataset, index: int) -> str:
    return f"{dataset.split[index]}: {LABELS[int(dataset.labels[index])]}"


def _tile(dataset: FaceDataset, index: int, marks: dict[int, Any], caption: str | None = None) -> Tile:
    words = caption or _caption(dataset, index)
    return face_tile(dataset, index, f"{words} · {mark_words(marks[index])}" if index in marks else words)


def _wall(
    dataset: FaceDataset, groups: Sequence[Group], *, key: str, suggestions: dict[int, int] | None = None
) -> None:
    """Groups of faces that can be opened and marked; the bar stands above them."""
    bar = st.container()
    picked = pick_wall(groups, key=f"{key}-{dataset.fingerprint[:12]}-{session.state_of(MarkingState).round}")
    with bar, calm("marking faces"):
        mark_bar(dataset, [int(i) for i in picked.selected], key="audit", suggestions=suggestions)
    if picked.opened is not None:
        face_dialog(dataset, int(picked.opened))


def _group_wall(dataset: FaceDataset, members: Sequence[npt.NDArray[np.int64]], *, key: str) -> None:
    marks = marks_by_position(dataset)
    page = pager(len(members), GROUPS_PER_PAGE, key=key)
    shown = []
    for number, group in enumerate(members[page], page.start + 1):
        names = sorted({LABELS[int(dataset.labels[i])] for i in group})
        note = f"{len(group):,} copies, labelled {joined(names)}"
        shown.append(Group([_tile(dataset, int(i), marks) for i in group[:24]], f"Group {number:,}", note))
    _wall(dataset, shown, key=f"{key}-{page.start}")


def _leaks(dataset: FaceDataset, found: ExactAudit) -> None:
    with calm("showing the leaks"):
        pairs = {pair: positions for pair, positions in found.cross_split.items() if len(positions)}
        if not pairs:
            st.success("No face stands in two splits.", icon=":material/check_circle:")
            return
        titles = {pair: f"{pair.replace('/', ' → ')} ({len(positions):,})" for pair, positions in pairs.items()}
        pair = one_of("Splits", titles, key="audit-pair")
        first, second = pair.split("/")
        positions = pairs[pair]
        share = len(positions) / dataset.counts()[second]
        st.markdown(
            f"**{len(positions):,} faces of {second} ({percent(share)}) also stand in {first}**, pixel for pixel. "
            f"An accuracy on {second} counts them although the network has seen them."
        )
        groups = found.groups
        at_first = np.flatnonzero(dataset.split == first)
        marks = marks_by_position(dataset)
        page = pager(len(positions), GROUPS_PER_PAGE, key=f"leak-{pair}")
        shown = []
        for index in positions[page]:
            twins = at_first[groups[at_first] == groups[index]]
            tiles = [_tile(dataset, int(i), marks) for i in (index, *twins[:11])]
            shown.append(Group(tiles, note=Path(str(dataset.ids[index])).name))
        _wall(dataset, shown, key=f"leak-{pair}-{page.start}")


def _copies(dataset: FaceDataset, found: ExactAudit) -> None:
    with calm("showing the copies"):
        order = np.argsort(found.groups, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(found.groups[order])) + 1)
        members = sorted((part for part in parts if len(part) > 1), key=len, reverse=True)
        if not members:
            st.success("Every face stands in the data once.", icon=":material/check_circle:")
            return
        st.markdown(f"**{len(members):,} groups of exact copies**, the largest first")
        _group_wall(dataset, members, key="copies")


def _conflicts(dataset: FaceDataset, found: ExactAudit) -> None:
    with calm("showing the conflicts"):
        if not found.conflict_groups:
            st.success("All copies of a face carry the same label.", icon=":material/check_circle:")
            return
        images = sum(len(group) for group in found.conflict_groups)
        st.markdown(
            f"**{len(found.conflict_groups):,} groups ({images:,} images) carry different labels for the same pixels**"
        )
        _group_wall(dataset, found.conflict_groups, key="conflicts")


def _blanks(dataset: FaceDataset, found: ExactAudit) -> None:
    with calm("showing the blanks"):
        if not len(found.blank):
            st.success("No image is blank.", icon=":material/check_circle:")
            return
        st.markdown(f"**{len(found.blank):,} images hold one single grey value** and still carry a label")
        marks = marks_by_position(dataset)
        page = pager(len(found.blank), PER_PAGE, key="blanks")
        _wall(dataset, [Group([_tile(dataset, int(i), marks) for i in found.blank[page]])], key=f"blanks-{page.start}")


def _near_duplicates(dataset: FaceDataset, found: ExactAudit) -> None:
    with calm("looking for near duplicates"):
        pairs = _near(dataset.fingerprint, dataset, found.groups)
        threshold = st.slider(
            "Pairs may differ in at most … of 64 bits",
            0,
            LARGEST_DISTANCE,
            _FIRST_DISTANCE,
            key="near-threshold",
            help="Bits of a perceptual hash. Move it while looking at the pairs: where they stop being the same "
            "photograph, the threshold is too high.",
        )
        within = pairs.within(threshold)
        crossing = int((dataset.split[within.first] != dataset.split[within.second]).sum())
        if not len(within.first):
            st.success("No two different pictures are that close.", icon=":material/check_circle:")
            return
        st.markdown(
            f"**{len(within.first):,} pairs of nearly equal pictures**, {crossing:,} of them across splits; "
            "those that differ most stand first"
        )
        marks = marks_by_position(dataset)
        page = pager(len(within.first), GROUPS_PER_PAGE, key=f"near-{threshold}")
        shown = []
        for a, b, bits in list(zip(within.first[::-1], within.second[::-1], within.distance[::-1], strict=True))[page]:
            tiles = [_tile(dataset, int(a), marks), _tile(dataset, int(b), marks)]
            shown.append(Group(tiles, f"{bits} bits apart"))
        _wall(dataset, shown, key=f"near-{threshold}-{page.start}")


def _balance(dataset: FaceDataset, found: ExactAudit) -> None:
    with calm("drawing the class balance"):
        chart(figures.class_counts(found.counts, shares=True), key="audit-balance", height=380)
        st.caption("Where the shares differ between splits, accuracies of the splits cannot be compared directly.")


def _job(dataset: FaceDataset) -> OutOfFold:
    from fer_core.training import out_of_fold

    return out_of_fold.find(dataset, workspace=session.workspace())


def _suspect_labels(dataset: FaceDataset, found: ExactAudit, *, following: bool = False) -> None:
    with calm("looking for suspect labels"):
        show_complaint()
        job = _job(dataset)
        now = job.state
        if following and now not in _WORKING:
            st.rerun()  # it ended: the whole page once, so that nothing looks at the disk any more
        if now == "finished":
            _suspect_wall(dataset, job)
            return
        st.write(
            "Three networks are trained, each on two thirds of the training faces, and asked about the third they "
            "never saw. A label that they contradict with confidence is suspect (confident learning)."
        )
        if now in _WORKING:
            status = job.status
            left = f" · {duration(status.seconds_left)} left" if status.seconds_left else ""
            share = min(1.0, status.done / status.total)
            words = {"starting": "Starting…", "stopping": "Stopping…"}.get(now)
            st.progress(share, text=words or f"Epoch {status.done} of {status.total}{left}")
            st.button(
                "Cancel", icon=":material/stop_circle:", on_click=calmly(job.request_stop), disabled=now == "stopping"
            )
            st.caption("It goes on when you leave this page. No other training can start meanwhile.")
            return
        if now in ("failed", "lost"):
            reason = job.status.error or "The process ended without a word."
            st.error(f"The search {'failed' if now == 'failed' else 'was interrupted'}. {plain(reason)}", icon=":material/error:")  # fmt: skip
        elif now == "stopped":
            st.info(
                "The search was cancelled. Folds that were finished are kept; a new search goes on with the others.",
                icon=":material/info:",
            )
        count = dataset.counts()["train"]
        if st.button("Look for suspect labels", type="primary", icon=":material/search:", disabled=not count):
            from fer_core.training import out_of_fold

            try:
                source = session.data_source()
                out_of_fold.start(
                    source, dataset, workspace=session.workspace(), skip_broken=session.skips_broken(source)
                )
            except FerError as error:
                st.error(plain(error), icon=":material/error:")
                return
            st.rerun()
        st.caption(
            f"{count:,} training faces. FER2013 takes about ten minutes on two free cores, "
            "and several times as long beside a training. What was found is kept as long as the data stays the same."
        )


def _suspect_wall(dataset: FaceDataset, job: OutOfFold) -> None:
    suspects = _suspects(dataset.fingerprint, str(job.path), dataset, job)
    if not len(suspects.positions):
        st.success("The networks contradict no label with confidence.", icon=":material/check_circle:")
        return
    count = dataset.counts()["train"]
    st.markdown(
        f"**{len(suspects.positions):,} of {count:,} training labels ({percent(len(suspects.positions) / count)}) are "
        "suspect**, the most doubtful first"
    )
    st.caption(
        f"{suspects.caution} Beneath each face: its label → what the networks suggest, and the probability they gave the label."
    )
    marks = marks_by_position(dataset)
    page = pager(len(suspects.positions), PER_PAGE, key="suspects")
    suggested = {
        int(i): int(label) for i, label in zip(suspects.positions[page], suspects.suggested[page], strict=True)
    }
    tiles = [
        _tile(dataset, index, marks, f"{LABELS[int(dataset.labels[index])]} → {LABELS[label]} ({quality:.0%})")
        for (index, label), quality in zip(suggested.items(), suspects.quality[page], strict=True)
    ]
    _wall(dataset, [Group(tiles)], key=f"suspects-{page.start}", suggestions=suggested)


def _marks(dataset: FaceDataset, found: ExactAudit) -> None:
    with calm("reading the marks"):
        marks_list(dataset, key="audit-marks-list")


def _clean_copy(dataset: FaceDataset, found: ExactAudit) -> None:
    with calm("explaining the clean copy"):
        st.write(
            "The data itself is never changed. A training can leave out what this page found: switch on “drop "
            "duplicates”, “drop blank” and “use marks” among its settings, or give them on the command line. On the "
            "Evaluate page the same switches stand under Options."
        )
        st.code(
            f'python -m fer_core train --data "{session.data_source()}" --drop-duplicates --drop-blank --use-marks',
            language="bash",
            wrap_lines=True,
        )
        training = np.flatnonzero(dataset.split == "train")
        elsewhere = np.isin(found.groups[training], found.groups[dataset.split != "train"])
        once = len(np.unique(found.groups[training[~elsewhere]]))
        st.caption(
            f"Of {len(training):,} training faces {once:,} stay when duplicates go: one of each picture, and none that "
            "also stands in another split."
        )
        st.page_link("pages/train.py", label="Train on a clean copy", icon=":material/model_training:")
