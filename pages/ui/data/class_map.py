"""Class map editor: merge, rename, drop and reorder classes. Changes apply immediately and can be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from fer_core.classes import MAX_NAME, ClassList
from fer_core.data.class_map import ClassMap, SavedClassMap, compose, make_class_map
from fer_core.errors import DataError, FerError
from pages.ui.shell import session
from pages.ui.shell.errors import guarded, show_pending_error
from pages.ui.shell.formatting import plain

if TYPE_CHECKING:
    from fer_core.data import FaceDataset

_MOVED = "class-map-moved"


def arrange_classes(own: FaceDataset, mapped: FaceDataset) -> None:
    """Show how each class of the source is mapped, with the controls that change it.

    Args:
        own: the data set with the classes of its source.
        mapped: the same faces with the current class map.

    Raises:
        DataError: the saved class map is damaged.
    """
    saved = SavedClassMap.of(own, session.workspace())
    with st.expander("Arrange classes: merge, rename, drop, reorder", icon=":material/category:", key="class-map"):
        show_pending_error()
        st.caption(
            "This class map applies on every page and to new runs until you undo it. It is saved in the workspace; the "
            "data never changes. On the command line, use it with `--use-class-map`."
        )
        st.dataframe(_before_and_after(own, mapped), hide_index=True)
        # The key depends on the classes, so that a selection does not survive a change of the classes.
        key = mapped.cache_key[:12]
        _merge(own, mapped, saved, key)
        _drop(own, mapped, saved, key)
        _move(own, mapped, saved)
        with st.container(horizontal=True, gap="small"):
            st.button(
                "Undo",
                icon=":material/undo:",
                key="class-map-undo",
                disabled=not saved.can_undo,
                on_click=guarded(_undo),
                args=(saved,),
            )
            st.button(
                "Reset to the original classes",
                icon=":material/restart_alt:",
                key="class-map-reset",
                type="tertiary",
                disabled=not mapped.class_map,
                on_click=guarded(_save),
                args=(saved, (), own.classes),
            )


def _before_and_after(own: FaceDataset, mapped: FaceDataset) -> list[dict[str, Any]]:
    """Return a row per class of the source, in the order of the new classes; dropped classes come last."""
    before, after = own.class_counts(), mapped.class_counts()
    target = own.classes if not mapped.class_map else mapped.classes
    sources = [(name,) for name in own.classes] if not mapped.class_map else [one.sources for one in mapped.class_map]
    rows: list[dict[str, Any]] = []
    gone = set(range(len(own.classes)))
    for new, names in enumerate(sources):
        for name in names:
            position = own.classes.position(name)
            gone.discard(position)
            rows.append(_row(own.classes[position], before[own.classes[position]], target[new], after[target[new]]))
    return rows + [_row(own.classes[i], before[own.classes[i]], "dropped", 0) for i in sorted(gone)]


def _row(source: str, before: int, target: str, after: int) -> dict[str, Any]:
    return {"Original class": source, "Faces": before, "New class": target, "Faces in new class": after}


def _merge(own: FaceDataset, mapped: FaceDataset, saved: SavedClassMap, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = st.multiselect("Classes to merge or rename", mapped.classes.names, key=f"class-map-merge-{key}")
        name = st.text_input(
            "New name", max_chars=MAX_NAME, placeholder="e.g. negative", key=f"class-map-name-{key}", width=200
        ).strip()
        st.button(
            "Merge" if len(chosen) > 1 else "Rename",
            icon=":material/merge:" if len(chosen) > 1 else ":material/edit:",
            key="class-map-merge",
            disabled=not chosen,
            on_click=guarded(_merge_now),
            args=(saved, own, mapped, tuple(chosen), f"class-map-name-{key}"),
        )
    _preview(own, make(mapped, merge=((name, chosen),)) if chosen and name else None)


def _drop(own: FaceDataset, mapped: FaceDataset, saved: SavedClassMap, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = st.multiselect("Classes to drop", mapped.classes.names, key=f"class-map-drop-{key}")
        change = make(mapped, drop=chosen) if chosen else None
        st.button(
            "Drop",
            icon=":material/delete:",
            key="class-map-drop",
            disabled=not isinstance(change, tuple),
            on_click=guarded(_save),
            args=(saved, change, own.classes),
            help="Excludes their faces everywhere.",
        )
    _preview(own, change)


def _move(own: FaceDataset, mapped: FaceDataset, saved: SavedClassMap) -> None:
    names = list(mapped.classes)
    if session.widget_value(_MOVED) not in names:
        session.set_widget_value(_MOVED, names[0])
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        name = st.selectbox("Class to move", names, key=_MOVED, width=240)
        place = names.index(name)
        for label, icon, to in (("Up", "arrow_upward", place - 1), ("Down", "arrow_downward", place + 1)):
            possible = 0 <= to < len(names)
            order = [other for other in names if other != name]
            order.insert(to, name)
            st.button(
                label,
                icon=f":material/{icon}:",
                key=f"class-map-{label.lower()}",
                disabled=not possible,
                on_click=guarded(_reorder),
                args=(saved, own, mapped, order),
            )


def make(mapped: FaceDataset, **change: Any) -> ClassMap | str:
    """Return the class map that results from a change of the current classes, or the reason it is invalid."""
    try:
        return _changed(mapped, **change)
    except FerError as error:
        return str(error)


def _changed(mapped: FaceDataset, **change: Any) -> ClassMap:
    return compose(mapped.class_map, make_class_map(mapped.classes, **change))


def _preview(own: FaceDataset, change: ClassMap | str | None) -> None:
    """Show the result of a change, or the reason it is invalid."""
    if isinstance(change, str):
        st.caption(f":material/error: {plain(change)}")
    elif change:
        counts = own.class_counts()
        faces = {
            one.name: sum(counts[own.classes[own.classes.position(name)]] for name in one.sources) for one in change
        }
        after = " · ".join(f"{plain(name)} {n:,}" for name, n in faces.items())
        st.caption(f"Result: {len(change)} classes with {sum(faces.values()):,} of {len(own):,} faces: {after}")


def _save(saved: SavedClassMap, class_map: ClassMap, classes: ClassList) -> None:
    saved.save(class_map, classes)


def _merge_now(
    saved: SavedClassMap, own: FaceDataset, mapped: FaceDataset, chosen: tuple[str, ...], name_key: str
) -> None:
    """Merge, reading the name from its widget, because it may have been typed just before the click."""
    name = str(session.widget_value(name_key, "")).strip()
    if not name:
        raise DataError("Enter a name for the class, then click again.")
    saved.save(_changed(mapped, merge=((name, chosen),)), own.classes)


def _reorder(saved: SavedClassMap, own: FaceDataset, mapped: FaceDataset, order: list[str]) -> None:
    saved.save(_changed(mapped, order=order), own.classes)


def _undo(saved: SavedClassMap) -> None:
    saved.undo()
