"""Annotates several video files, in several processes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fer_core.errors import DataError, FerError, ImageError
from fer_core.formatting import display_safe, valid_utf8
from fer_core.images import VIDEO_SUFFIXES
from fer_core.images.walk import walk_folder
from fer_core.inference import Classifier
from fer_core.jobs.workers import in_processes
from fer_core.live.video import VideoResult, annotate_video
from fer_core.workspace import make_directory

_MOST_FILES: Final = 1_000_000  # in one folder


@dataclass(frozen=True)
class VideoJob:
    """A video and its outputs."""

    source: Path
    output: Path
    """The annotated copy."""
    table: Path
    """The CSV."""


@dataclass(frozen=True)
class VideoOutcome:
    """What became of a job: a result, or an error in one or two sentences."""

    job: VideoJob
    result: VideoResult | None = None
    error: str = ""


def plan_videos(paths: Iterable[str | Path], folder: Path) -> tuple[VideoJob, ...]:
    """Return a job for each file, and for each video in folders and subfolders; nothing is written.

    The outputs are ``folder/<name>.mp4`` and ``folder/<name>.csv``, where the name is the source's, with a number if several have it.

    Raises:
        ImageError: a path does not exist, there is no video, or an output would replace a source.
    """
    sources = list(dict.fromkeys(source for path in paths for source in _videos(Path(path))))
    if not sources:
        raise ImageError(f"There is no video in the folders given; expected {', '.join(sorted(VIDEO_SUFFIXES))}.")
    taken: set[str] = set()
    jobs = []
    for source in sources:
        name, number = source.stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{source.stem}-{number}"
        taken.add(name.casefold())
        jobs.append(VideoJob(source, folder / f"{name}.mp4", folder / f"{name}.csv"))
    own = {source.resolve() for source in sources}
    if any(job.output.resolve() in own for job in jobs):
        raise ImageError(
            f"The annotated copies would replace videos in '{display_safe(folder)}'. Choose another folder."
        )
    return tuple(jobs)


def _videos(path: Path) -> Iterator[Path]:
    if path.is_dir():
        try:
            names = walk_folder(path, _MOST_FILES).files
        except DataError as error:
            raise ImageError(str(error)) from error
        yield from (path / name for name in names if Path(name).suffix.lower() in VIDEO_SUFFIXES)
    elif path.exists():
        yield path
    else:
        raise ImageError(f"There is no file or folder '{display_safe(path)}'.")


def annotate_videos(
    jobs: Sequence[VideoJob],
    classifier: Classifier,
    *,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[VideoOutcome]:
    """Annotate videos one after the other, or several at once, and yield the outcomes in order.

    A video that cannot be read yields an error; the others continue.

    Args:
        jobs: of :func:`plan_videos`.
        classifier: the model; from a file, if there are several processes.
        workers: number of processes.
        on_progress: called with (done, total) before the first video and after each one.
        should_stop: asked between videos, and within those of this process; started videos end early with valid files.

    Raises:
        WorkspaceError: the folder of the outputs cannot be created.
        WorkerError: the processes do not start.
    """
    for job in jobs:
        make_directory(job.output.parent)
    with tempfile.TemporaryDirectory(prefix="fer-lab-") as place:
        stop = Path(place) / "stop"
        shared = classifier, stop

        def asked() -> bool:
            if should_stop is not None and should_stop():
                stop.touch()
            return stop.exists()

        outcomes: Generator[VideoOutcome] = (
            (_annotate((classifier, stop), job, asked) for job in jobs)
            if workers == 1
            else in_processes(_annotate, shared, jobs, workers, lost=_lost, ahead=2, while_waiting=asked)
        )
        if on_progress:
            on_progress(0, len(jobs))
        if asked():
            return
        with closing(outcomes):
            for done, outcome in enumerate(outcomes, start=1):
                if on_progress:
                    on_progress(done, len(jobs))
                if outcome.result is None and not outcome.error:  # not begun before the stop
                    return
                yield outcome


def _annotate(shared: tuple[Classifier, Path], job: VideoJob, asked: Callable[[], bool] | None = None) -> VideoOutcome:
    classifier, stop = shared
    stopped = asked or stop.exists
    if stopped():
        return VideoOutcome(job)
    try:
        return VideoOutcome(job, annotate_video(job.source, job.output, job.table, classifier, should_stop=stopped))
    except FerError as error:
        return VideoOutcome(job, error=" ".join(str(error).split()))
    except Exception as error:  # an internal error must not stop the other videos
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return VideoOutcome(job, error=f"Internal error on this file ({reason}); please report it.")


def _lost(job: VideoJob) -> VideoOutcome:
    return VideoOutcome(
        job,
        error=f"The process that read {valid_utf8(job.source.name)} was ended several times, perhaps for want of memory.",
    )
