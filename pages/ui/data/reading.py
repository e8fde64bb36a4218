"""How the classes and labels of a source are read; the choice holds on all pages and in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from fer_core.data.reading import Reading
from fer_core.errors import AmbiguousFolders
from pages.ui.shell import cache, session
from pages.ui.shell.formatting import is_built_in, plain
from pages.ui.shell.pickers import one_of

if TYPE_CHECKING:
    from fer_core.data import FaceDataset

_CLASSES: Final = {"auto": "Automatic", "emotions": "Emotions", "folders": "Folder names"}
_CLASSES_HELP: Final = (
    "Automatic: where every folder (or label of a csv) names one of the eight emotions, by any of its usual names, these "
    "are the classes; otherwise the folders' own names are. Emotions: folders that name no emotion are left out. "
    "Folder names: always the names as they are."
)
_TRUTH: Final = {"labels": "The data's own", "votes": "Majority of the votes"}
_TRUTH_HELP: Final = (
    "Majority of the votes: a face's label is what more than half of the people said; faces without a majority are left "
    "out and counted. With FER+'s votes, votes of a single person do not count, and there are eight classes."
)


def read_source(source: str) -> FaceDataset | None:
    """The data set of a source with its own classes, and above it the choice of how it is read.

    The choice is there too when the source cannot be read in the way that was chosen. None where its folders leave open
    which emotion they mean: the page then says so, with a button that reads them by their own names.

    Raises:
        DataError: it cannot be read.
    """
    place = st.container(horizontal=True, gap="medium")
    voted = cache.reading(source).truth == "votes"
    try:
        found = cache.source_dataset(source)
        voted = voted or found.votes is not None
        return found
    except AmbiguousFolders as error:
        _offer_own_names(source, str(error))
        return None
    finally:
        if not is_built_in(source):
            with place:
                _choose(source, voted=voted)


def _offer_own_names(source: str, problem: str) -> None:
    with st.container(border=True):
        st.error(plain(problem), icon=":material/error:")
        st.button(
            "Read the folders by their own names",
            icon=":material/folder:",
            key="read-own-names",
            help="Their classes can then be merged or renamed here.",
            on_click=session.set_widget_value,
            args=(_classes_key(source), "folders"),
        )


def _classes_key(source: str) -> str:
    return f"read-classes-{source}"


def _choose(source: str, *, voted: bool) -> None:
    now = cache.reading(source)
    chosen = {
        "classes": one_of(
            "Classes", _CLASSES, key=_classes_key(source), default=now.classes, show_label=True, help=_CLASSES_HELP
        )
    }
    if voted:
        chosen["truth"] = one_of(
            "Labels", _TRUTH, key=f"read-truth-{source}", default=now.truth, show_label=True, help=_TRUTH_HELP
        )
    changed = {name: value for name, value in chosen.items() if value != Reading.model_fields[name].default}
    if changed != session.reading_choices(source):
        session.choose_reading(source, changed)
        st.rerun()
