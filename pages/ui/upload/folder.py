"""The folder view of the Upload page: progress, and a table of all faces."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path
from typing import Any

import streamlit as st

from fer_core.data.source import refuse_unreadable
from fer_core.faces import FaceDetector
from fer_core.formatting import CSV_ENCODING, pasted_path
from fer_core.photos import look_for_photos, predict_paths
from pages.ui.shell import session
from pages.ui.shell.background import Report, Stop, Task, background, discard
from pages.ui.shell.formatting import plain
from pages.ui.shell.limits import limits
from pages.ui.upload.photo_cache import Model

_ROWS_SHOWN = 2000
_TABLE_BYTES = 10**6  # space for the table that must be free at the start


def folder(model: Model) -> None:
    """Draw the choice of a folder, and process all its photos into a growing table."""
    st.caption(
        "Processes every photo in a folder and its subfolders. The folder stays unchanged; the table is saved in the workspace."
    )
    typed = pasted_path(
        st.text_input("Folder or photo on this machine", placeholder="/home/me/pictures", key="folder-path")
    )
    if not typed:
        return
    path = Path(typed)
    refuse_unreadable(path, session.workspace())
    found = look_for_photos([path])
    files = found.files
    table = _table_of(path, model)
    st.markdown(f"**{len(files):,}** photo{'s' if len(files) != 1 else ''} in {plain(path)}")
    for sentence in found.notes:
        st.caption(plain(sentence))
    kept = table.is_file()
    if kept and st.button("Delete earlier results", icon=":material/delete:", type="tertiary"):
        discard("folder")
        table.unlink(missing_ok=True)
        st.rerun()

    def prepare() -> Task:
        now = limits()
        now.count("prediction")
        now.require_space(_TABLE_BYTES, what="the table")
        classifier = model.classifier

        def task(report: Report, stop: Stop) -> bool:
            for _ in predict_paths(
                files,
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
        "Resume" if kept else "Detect faces",
        prepare,
        doing="detecting faces",
        icon=":material/search:",
        help="Skips photos that are already in the table.",
    )
    if done and st.button("Check for new photos", icon=":material/refresh:"):
        discard("folder")
        st.rerun()
    if table.is_file():
        _show_table(table)


def _table_of(path: Path, model: Model) -> Path:
    """Return the path of the table of a folder, model and sensitivity."""
    identity = f"{path.resolve()}\0{model.name}\0{model.changed}"
    if model.sensitivity:  # version 1 had no sensitivity; its tables are continued
        identity += f"\0{model.sensitivity:g}"
    return session.workspace().predictions / f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.csv"


def _show_table(table: Path) -> None:
    content = table.read_bytes()
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(content.decode(CSV_ENCODING, "replace"), newline="")))
    photos = {row["file"] for row in rows}
    without = sum(1 for row in rows if row["faces"] == "0" and not row["error"])
    faults = sum(1 for row in rows if row["error"])
    faces = sum(1 for row in rows if row["face"])
    with st.container(horizontal=True, gap="medium"):
        for title, value in (("Photos", len(photos)), ("Faces", faces), ("No face", without), ("Unreadable", faults)):
            st.metric(title, f"{value:,}", width="content")
    st.dataframe(rows[:_ROWS_SHOWN], hide_index=True)
    if len(rows) > _ROWS_SHOWN:
        st.caption(f"The first {_ROWS_SHOWN:,} of {len(rows):,} rows; the CSV has all.")
    st.download_button(
        "Download table (CSV)", content, "faces.csv", "text/csv", icon=":material/download:", on_click="ignore"
    )
