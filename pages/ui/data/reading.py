"""Reading settings of a source: classes and labels. They apply on all pages and in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from fer_core.data.reading import Reading
from fer_core.errors import AmbiguousFolders, PhotographsFound
from pages.ui.shell import cache, session
from pages.ui.shell.formatting import is_built_in, plain
from pages.ui.shell.identity import without_paths
from pages.ui.shell.pickers import one_of

if TYPE_CHECKING:
    from fer_core.data import FaceDataset

_CLASSES: Final = {"auto": "Automatic", "emotions": "Emotions", "folders": "Folder names"}
_CLASSES_HELP: Final = (
    "Automatic: if every folder (or csv label) names one of the eight emotions, by any of its usual names, the emotions "
    "are the classes; if not, the folder names are. Emotions: excludes folders that name no emotion. Folder names: "
    "always uses the names as they are."
)
_NUMBERS: Final = {"affectnet": "AffectNet", "raf-db": "RAF-DB", "fer2013": "FER2013", "ferplus": "FER+"}
"""Offered if the folders are numbers."""
_NUMBERS_HELP: Final = " AffectNet, RAF-DB, FER2013, FER+: the folders are the label numbers of this data set."
_CROP: Final = {"faces": "Crop the faces", "none": "Use whole images"}
_CROP_HELP: Final = (
    "Crop the faces: finds the largest face of each photo and crops it as for predictions; photos without a face are "
    "excluded and counted. Use whole images: reads the images as they are."
)
_TRUTH: Final = {"labels": "The data's own", "votes": "Majority of the votes"}
_TRUTH_HELP: Final = (
    "Majority of the votes: the label is what more than half of the people chose; faces without a majority are excluded "
    "and counted. FER+ votes give eight classes, and a single person's vote for a class does not count."
)


def read_source(source: str) -> FaceDataset | None:
    """Load a source with its own classes, below controls for its reading settings.

    The controls are shown even if loading fails. Returns None if the folders are ambiguous or the
    images are photographs; the page then shows the problem with buttons for the choices.

    Raises:
        DataError: the source cannot be read.
    """
    place = st.container(horizontal=True, gap="medium")
    now = cache.reading(source)
    voted, numbered, photos = now.truth == "votes", now.classes in _NUMBERS, now.crop != "ask"
    try:
        found = cache.source_dataset(source)
        voted = voted or found.votes is not None
        numbered = numbered or all(name.isdecimal() for name in found.classes)
        return found
    except AmbiguousFolders as error:
        _offer_own_names(source, str(error))
        return None
    except PhotographsFound as error:
        _offer_crops(source, str(error))
        return None
    finally:
        if not is_built_in(source):
            with place:
                _choose(source, voted=voted, numbered=numbered, photos=photos)


def _offer_own_names(source: str, problem: str) -> None:
    with st.container(border=True):
        st.error(plain(problem), icon=":material/error:")
        st.button(
            "Use the folder names as classes",
            icon=":material/folder:",
            key="read-own-names",
            help="You can then merge or rename the classes here.",
            on_click=session.set_widget_value,
            args=(_classes_key(source), "folders"),
        )


def _offer_crops(source: str, problem: str) -> None:
    with st.container(border=True):
        st.error(plain(problem), icon=":material/photo_library:")
        with st.container(horizontal=True, gap="small"):
            for choice, label in _CROP.items():
                st.button(
                    label,
                    icon=":material/crop:" if choice == "faces" else ":material/image:",
                    type="primary" if choice == "faces" else "secondary",
                    key=f"read-crop-{choice}",
                    on_click=_choose_crop,
                    args=(source, choice),
                )
        st.caption(_CROP_HELP)


def _choose_crop(source: str, choice: str) -> None:
    session.choose_reading(source, {**session.reading_choices(source), "crop": choice})


def _classes_key(source: str) -> str:
    return f"read-classes-{without_paths(source)}"


def _choose(source: str, *, voted: bool, numbered: bool, photos: bool) -> None:
    now = cache.reading(source)
    choices = {**_CLASSES, **(_NUMBERS if numbered else {})}
    help_text = _CLASSES_HELP + (_NUMBERS_HELP if numbered else "")
    chosen = {
        "crop": now.crop,
        "classes": one_of(
            "Classes", choices, key=_classes_key(source), default=now.classes, show_label=True, help=help_text
        ),
    }
    if photos:
        chosen["crop"] = one_of(
            "Photos",
            _CROP,
            key=f"read-crop-{without_paths(source)}",
            default=now.crop,
            show_label=True,
            help=_CROP_HELP,
        )
    if voted:
        chosen["truth"] = one_of(
            "Labels",
            _TRUTH,
            key=f"read-truth-{without_paths(source)}",
            default=now.truth,
            show_label=True,
            help=_TRUTH_HELP,
        )
    changed = {name: value for name, value in chosen.items() if value != Reading.model_fields[name].default}
    if changed != session.reading_choices(source):
        session.choose_reading(source, changed)
        st.rerun()
