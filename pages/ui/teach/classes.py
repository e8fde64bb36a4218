"""The classes on the Teach page: their names, their takes, and the faces of a take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import streamlit as st

from fer_core.annotate.draw import rgb
from fer_core.data.sources.layouts.takes import MANIFEST
from fer_core.errors import DataError
from fer_core.formatting import counted
from fer_core.teach import TAKES_ASKED
from pages.ui.components.gallery import Group, Tile, gallery
from pages.ui.shell import session
from pages.ui.shell.errors import error_boundary, guarded
from pages.ui.shell.formatting import plain
from pages.ui.shell.session import set_widget_value, state_of, widget_value
from pages.ui.teach.recording import color_of, is_recording, record_button
from pages.ui.teach.state import TeachState

if TYPE_CHECKING:
    from fer_core.teach import Take, TakeStore

_COLOR_BAR: Final = (6, 400, 3)  # pixels of the bar above a class, stretched to its width
_STRIP: Final = 6  # faces
_GAP: Final = 3  # pixels
_NEXT_TAKE: Final = (
    "The first take shows what it looks like.",
    "A second take allows a test on faces the model has not seen. Move, or change the light.",
    "A third take makes the model steadier and the figures more reliable. Change place or light again.",
)
"""What the next take of a class brings, by the number of its takes."""


def class_cards() -> None:
    """Draw a card per class, with its takes and the button that records one."""
    from fer_core.teach.takes import MAX_TAUGHT

    store = state_of(TeachState).set_of_takes()
    names = store.classes
    counts = {name: len(store.takes(name)) for name in names}
    first = min(names, key=lambda name: counts[name], default=None)
    for position, name in enumerate(names):
        with st.container(border=True, gap="small", key=f"teach-class-{position}"):
            _card(store, name, position, next_one=name == first and counts[name] < TAKES_ASKED)
    with st.container(horizontal=True, gap="small"):
        if len(names) < MAX_TAUGHT:
            st.button(
                "Add a class",
                icon=":material/add:",
                key="teach-add-class",
                on_click=guarded(_add_class),
                disabled=is_recording(),
            )
        if store.can_undo:
            st.button("Undo", icon=":material/undo:", key="teach-undo", on_click=guarded(_undo))


def _card(store: TakeStore, name: str, position: int, *, next_one: bool) -> None:
    from fer_core.teach.takes import MIN_TAUGHT

    st.image(np.full(_COLOR_BAR, rgb(color_of(name)), np.uint8), alt=f"The color of {plain(name)}", width="stretch")
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        key = f"teach-name-{position}-{name}"
        session.preset_widget(key, name)
        st.text_input(
            f"Name of class {position + 1}",
            key=key,
            label_visibility="collapsed",
            max_chars=40,
            on_change=_rename,
            args=(name, key),
            disabled=is_recording(),
        )
        if len(store.classes) > MIN_TAUGHT:
            st.button(
                "Remove",
                icon=":material/close:",
                type="tertiary",
                key=f"teach-remove-{name}",
                help="Removes the class with its takes; Undo restores them.",
                on_click=guarded(store.remove_class),
                args=(name,),
                disabled=is_recording(),
            )
    record_button(name, next_one=next_one)
    takes = store.takes(name)
    for number, take in enumerate(takes, 1):
        _take_row(store, take, number)
    if len(takes) < TAKES_ASKED:
        st.caption(f"{len(takes)} of {TAKES_ASKED} takes. {_NEXT_TAKE[len(takes)]}")


def _take_row(store: TakeStore, take: Take, number: int) -> None:
    """Draw the strip of a take and the button that opens its faces."""
    with error_boundary("reading a take"):
        with st.container(horizontal=True, gap="small", vertical_alignment="center", key=f"teach-take-{take.id}"):
            st.image(_strip(store, take), alt=f"Some faces of take {number} of {take.class_name}", width=190)
            if st.button(
                counted(take.faces, "face"),
                type="tertiary",
                key=f"teach-open-{take.id}",
                help=f"Shows take {number}, to delete it or some of its faces.",
            ):
                _faces(store, take, number)
        if why := left_out_text(take):
            st.caption(why)


def left_out_text(take: Take) -> str:
    """Say how many pictures of a take were left out and why; empty if none were."""
    total = sum(take.left_out.values())
    if not total:
        return ""
    reasons = ", ".join(plain(reason) for reason in sorted(take.left_out, key=lambda one: -take.left_out[one]))
    return f"{counted(total, 'picture')} left out: {reasons}."


def _strip(store: TakeStore, take: Take) -> npt.NDArray[np.uint8]:
    return _montage(store, str(store.path), take.id, (store.path / MANIFEST).stat().st_mtime_ns)


@st.cache_data(max_entries=400, show_spinner=False)
def _montage(_store: TakeStore, path: str, take: str, changed: int) -> npt.NDArray[np.uint8]:
    """Return a few evenly spaced faces of a take in one picture, uint8 (48, W, 4), transparent between them."""
    faces = _store.faces(take)
    chosen = faces[np.linspace(0, len(faces) - 1, min(_STRIP, len(faces))).round().astype(int)]
    strip = np.zeros((48, _STRIP * (48 + _GAP) - _GAP, 4), np.uint8)
    for place, face in enumerate(chosen):
        left = place * (48 + _GAP)
        strip[:, left : left + 48, :3] = face[..., None]
        strip[:, left : left + 48, 3] = 255
    return strip


def forget_strips() -> None:
    """Remove the pictures of takes from memory."""
    _montage.clear()


@st.dialog("Faces of a take", width="large")
def _faces(store: TakeStore, take: Take, number: int) -> None:
    """Show all faces of a take, to delete some or all."""
    with st.container(horizontal=True, gap="small"):
        delete_faces = st.button("Delete selected faces", icon=":material/delete:", key="teach-delete-faces")
        if st.button(
            "Delete this take",
            icon=":material/delete_sweep:",
            key="teach-delete-take",
            on_click=guarded(_delete_take),
            args=(store, take),
        ):
            st.rerun()
    with error_boundary("reading the take"):
        faces = store.faces(take)
        st.caption(
            f"Take {number} of {plain(take.class_name)}, source: {plain(take.source)}. Select the faces that do not show it."
        )
        tiles = [Tile(str(i), face, f"face {i + 1}", str(i + 1)) for i, face in enumerate(faces)]
        picked = gallery([Group(tiles)], key=f"teach-faces-{take.id}-{len(faces)}", size=72, selectable=True)
        if delete_faces:
            _delete_faces(store, take, picked.selected)


def _delete_take(store: TakeStore, take: Take) -> None:
    store.delete_take(take)
    session.notify("Deleted the take. Undo restores it.")


def _delete_faces(store: TakeStore, take: Take, selected: tuple[str, ...]) -> None:
    if not selected:
        st.info("Select the faces first: tick the boxes below them.", icon=":material/info:")
        return
    for index in sorted((int(one) for one in selected), reverse=True):  # the last first: positions move
        store.delete_face(take, index)
    session.notify(f"Deleted {counted(len(selected), 'face')}. Undo restores them one by one.")
    st.rerun()


def _rename(old: str, key: str) -> None:
    """Rename a class; a name that cannot be used is refused, and the field shows the old one again."""
    store = state_of(TeachState).set_of_takes()
    try:
        store.rename_class(old, str(widget_value(key) or ""))
    except DataError as error:
        session.push_error(str(error))
        set_widget_value(key, old)


def _add_class() -> None:
    store = state_of(TeachState).set_of_takes()
    taken = {name.casefold() for name in store.classes}
    store.add_class(next(name for n in range(1, 100) if (name := f"class {n}") not in taken))


def _undo() -> None:
    restored = state_of(TeachState).set_of_takes().undo()
    session.notify(restored or "There is nothing to restore.")
