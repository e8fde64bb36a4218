"""Whole folders of photographs: long work with progress, and a table to take away."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path
from typing import Any

import streamlit as st

from fer_core.faces import FaceDetector
from fer_core.photos import find_photos, predict_paths
from pages.ui.shell import session
from pages.ui.shell.background import Report, Stop, Task, background, discard
from pages.ui.shell.formatting import plain
from pages.ui.upload.photo_cache import Model

_ROWS_SHOWN = 2000


def folder(model: Model) -> None:
    """A folder on this machine: every photograph in it into one table, which grows as the work goes on."""
    st.caption(
        "Every photograph in a folder and its sub-folders. Nothing in it is changed; the table is kept in the workspace."
    )
    typed = st.text_input(
        "Folder or photograph on this machine", placeholder="/home/me/pictures", key="folder-path"
    ).strip()
    if not typed:
        return
    path = Path(typed).expanduser()
    files = find_photos([path])
    table = _table_of(path, model)
    st.markdown(f"**{len(files):,}** photograph{'s' if len(files) != 1 else ''} in {plain(path)}")
    kept = table.is_file()
    if kept and st.button("Forget the earlier table", icon=":material/delete:", type="tertiary"):
        discard("folder")
        table.unlink(missing_ok=True)
        st.rerun()

    def prepare() -> Task:
        classifier = model.classifier

        def task(report: Report, stop: Stop) -> bool:
            for _ in predict_paths(
                [path],
                FaceDetector(),
                classifier,
                csv=table,
                model_name=model.name,
                on_progress=report,
                should_stop=stop,
            ):
                pass
            return True

        return task

    done = background(
        "folder",
        (str(path), model),
        "Go on" if kept else "Look for faces",
        prepare,
        doing="looking for faces",
        icon=":material/search:",
        help="Photographs that stand in the table already are not looked at again.",
    )
    if done and st.button("Look for new photographs", icon=":material/refresh:"):
        discard("folder")
        st.rerun()
    if table.is_file():
        _show_table(table)


def _table_of(path: Path, model: Model) -> Path:
    """One table for each folder, model and sensitivity, whatever the folder's name is made of."""
    identity = f"{path.resolve()}\0{model.name}\0{model.changed}"
    if model.sensitivity:  # a table of the first version, which knew none, is continued
        identity += f"\0{model.sensitivity:g}"
    return session.workspace().predictions / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.csv"


def _show_table(table: Path) -> None:
    content = table.read_bytes()
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(content.decode("utf-8", "replace"), newline="")))
    photos = {row["file"] for row in rows}
    without = sum(1 for row in rows if row["faces"] == "0" and not row["error"])
    faults = sum(1 for row in rows if row["error"])
    faces = sum(1 for row in rows if row["face"])
    with st.container(horizontal=True, gap="medium"):
        for title, value in (("Done", len(photos)), ("Faces", faces), ("Without a face", without), ("Refused", faults)):
            st.metric(title, f"{value:,}", width="content")
    st.dataframe(rows[:_ROWS_SHOWN], hide_index=True)
    if len(rows) > _ROWS_SHOWN:
        st.caption(f"The first {_ROWS_SHOWN:,} of {len(rows):,} rows; the csv has them all.")
    st.download_button(
        "Download table (CSV)", content, "faces.csv", "text/csv", icon=":material/download:", on_click="ignore"
    )
