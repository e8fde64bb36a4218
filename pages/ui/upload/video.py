"""Video files on the Upload page: progress, the annotated copy, the csv table, and a timeline per person."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import streamlit as st

from fer_core.charts import timeline
from fer_core.errors import ImageError, LimitError
from fer_core.formatting import duration, pasted_path, valid_utf8
from fer_core.live.video import VideoProgress, VideoResult, annotate_video, read_timeline
from pages.ui.shell import session
from pages.ui.shell.background import Report, Stop, Task, Work, background
from pages.ui.shell.charts import chart
from pages.ui.shell.formatting import plain
from pages.ui.shell.identity import server_mode
from pages.ui.shell.limits import limits
from pages.ui.shell.uploads import safe_name, save_upload
from pages.ui.upload.photo_cache import Model


def video(model: Model) -> None:
    """Choose a video, annotate it in the background, and show the result."""
    st.caption(
        "Tracks every face and classifies it in each frame. The annotated copy and a csv table are saved in the workspace."
    )
    file = st.file_uploader("A video", label_visibility="collapsed", key="video-file")
    typed = ""
    if server_mode() == "local":
        typed = pasted_path(
            st.text_input("Or a video on this machine", placeholder="/home/me/film.mp4", key="video-path")
        )
    if file is not None:
        source = save_upload(file, file.name, session.workspace())
    elif typed:
        source = Path(typed)
        if not source.is_file():
            raise ImageError(f"There is no file '{source}'. Choose a video file.")
    else:
        return
    copy, table = _outputs(source, model)

    def prepare() -> Task:
        now = limits()
        now.count("prediction")
        now.require_space(source.stat().st_size, 2, what="the annotated copy")
        classifier = model.classifier

        def task(report: Report, stop: Stop) -> VideoResult:
            def progress(seen: VideoProgress) -> None:
                report(round(seen.seconds), round(seen.total_seconds or 0), seen)
                now.require_space(0, 0, what="the annotated copy")  # which may be larger than its source

            try:
                return annotate_video(source, copy, table, classifier, on_progress=progress, should_stop=stop)
            except LimitError:
                table.unlink(missing_ok=True)
                raise

        return task

    found: VideoResult | None = background(
        "video",
        (str(source), model),
        "Track faces",
        prepare,
        doing="tracking faces, seconds of the video",
        icon=":material/movie:",
        show=_preview,
    )
    if found is not None:
        _show(found, copy, table)


def _outputs(source: Path, model: Model) -> tuple[Path, Path]:
    """Return the paths of the annotated copy and of the table, which no other video or model shares."""
    changed = source.stat().st_mtime_ns
    identity = json.dumps([valid_utf8(source.resolve()), changed, model.name, model.changed, model.sensitivity])
    digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
    folder = session.workspace().recordings
    name = Path(safe_name(source.name)).stem
    return folder / f"{name}-faces-{digest}.mp4", folder / f"{name}-faces-{digest}.csv"


def _download_name(path: Path) -> str:
    """Return the name of a file of :func:`_outputs` without its digest."""
    return path.stem.rpartition("-")[0] + path.suffix


def _preview(work: Work) -> None:
    now: VideoProgress | None = work.seen
    if now is None:
        return
    if now.seconds_left is not None:
        st.caption(f"About {duration(now.seconds_left)} left.")
    st.image(np.asarray(now.preview), width=480, alt="The newest frame")


def _show(result: VideoResult, copy: Path, table: Path) -> None:
    st.markdown(
        f"**{result.frames:,}** frames, {duration(result.seconds)}: {result.faces:,} faces, {result.tracks:,} people tracked."
    )
    if result.stopped:
        st.info("Canceled: the copy and the table end where processing stopped.", icon=":material/info:")
    for note in result.notes:
        st.warning(plain(note), icon=":material/warning:")
    st.video(str(copy))
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "Download annotated video (MP4)",
            copy.read_bytes,
            _download_name(copy),
            "video/mp4",
            icon=":material/movie:",
            on_click="ignore",
        )
        st.download_button(
            "Download table (CSV)",
            table.read_bytes,
            _download_name(table),
            "text/csv",
            icon=":material/table:",
            on_click="ignore",
        )
    lines = read_timeline(table)
    numbers = sorted(lines.tracks)
    if not numbers:
        st.info("No face was detected in this video.", icon=":material/search_off:")
        return
    number = st.selectbox("Person", numbers, key="video-person", width=160)
    times, probabilities = lines.tracks[number]
    chart(timeline(lines.classes, times, probabilities, f"Person {number} over time"), key="video-timeline", height=320)
