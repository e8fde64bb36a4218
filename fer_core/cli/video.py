"""``video``: tracks and classifies faces in video files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fer_core.cli.options import JsonOption, Sensitivity, Workers, workspace
from fer_core.cli.output import emit, progress, stop_on_interrupt

commands = typer.Typer()


@commands.command()
def video(
    sources: Annotated[
        list[str], typer.Argument(metavar="PATH…", help="Video files, or folders of videos with their subfolders.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="Path of the annotated copy (.mp4, .m4v, .mov), which includes the sound; for several videos, a folder for the copies and tables.",
        ),
    ] = None,
    csv: Annotated[
        str | None, typer.Option("--csv", help="Path of a table with a row for each face in each frame.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A shipped model, a run, a taught model, or a .safetensors file.")
    ] = None,
    sensitivity: Sensitivity = None,
    workers: Workers = 0,
    as_json: JsonOption = False,
) -> None:
    """Track and classify the faces of a video. Ctrl-C ends early and leaves valid files."""
    from fer_core.errors import ConfigError
    from fer_core.inference import Classifier, default_model
    from fer_core.inference.background import export_behind
    from fer_core.live.video import VideoProgress, annotate_video

    if len(sources) > 1 or Path(sources[0]).is_dir() or (output is not None and Path(output).is_dir()):
        if output is None or csv is not None:
            raise ConfigError("For several videos, give a folder: -o FOLDER. It gets a copy and a table of each.")
        _several(sources, Path(output), model, sensitivity, workers, as_json)
        return
    source = sources[0]
    if output is None and csv is None:
        raise ConfigError(
            "No output was requested. Add -o OUT.mp4 for an annotated copy, --csv FILE for a table, or both."
        )
    classifier = Classifier.load(model or default_model(), workspace=workspace(), sensitivity=sensitivity, threads=1)
    export_behind(classifier, workspace())
    with stop_on_interrupt("Finishing the files.") as stop_asked, progress("Video (seconds)") as bar:

        def report(p: VideoProgress) -> None:
            bar(int(p.seconds), int(p.total_seconds or p.seconds))

        result = annotate_video(source, output, csv, classifier, on_progress=report, should_stop=stop_asked)
    lines = [
        _summary(result.frames, result.seconds, result.tracks, result.faces)
        + (", canceled before the end" if result.stopped else "") + ".",
        *result.notes,
    ]  # fmt: skip
    tau = classifier.sensitivity if classifier.has_sensitivity else None
    emit(
        {"source": source, "output": output, "csv": csv, "sensitivity": tau, **result.to_dict()},
        as_json,
        "\n".join(lines),
    )


def _several(
    sources: list[str], folder: Path, model: str | None, sensitivity: float | None, workers: int, as_json: bool
) -> None:
    """Annotate several videos into a folder."""
    from fer_core.errors import ImageError
    from fer_core.formatting import valid_utf8
    from fer_core.inference import Classifier, default_model
    from fer_core.jobs.workers import processor_cores
    from fer_core.live.batch import annotate_videos, plan_videos

    jobs = plan_videos(sources, folder)
    classifier = Classifier.load(model or default_model(), workspace=workspace(), sensitivity=sensitivity, threads=1)
    processes = min(workers or processor_cores(), len(jobs))
    records: list[dict[str, Any]] = []
    with stop_on_interrupt("Finishing the files.") as stop_asked, progress("Videos") as bar:
        for outcome in annotate_videos(jobs, classifier, workers=processes, on_progress=bar, should_stop=stop_asked):
            job = outcome.job
            record: dict[str, Any] = {"source": valid_utf8(job.source)}
            if outcome.result is None:
                record["error"] = outcome.error
            else:
                record |= {"output": valid_utf8(job.output), "csv": valid_utf8(job.table), **outcome.result.to_dict()}
            records.append(record)
    failed = sum("error" in record for record in records)
    lines = [
        f"{r['source']}: {r.get('error') or _summary(r['frames'], r['seconds'], r['tracks'], r['faces'])}"
        for r in records
    ]
    emit(
        {
            "videos": records,
            "failed": failed,
            "not_begun": len(jobs) - len(records),
            "workers": processes,
            "sensitivity": classifier.sensitivity_or_none,
        },
        as_json,
        "\n".join(lines),
    )
    if records and failed == len(records):
        raise ImageError("None of these files could be read as a video; the reason is shown next to each file.")


def _summary(frames: int, seconds: float, tracks: int, faces: int) -> str:
    return f"{frames:,} frames ({seconds:.1f} s), {tracks:,} people tracked, {faces:,} faces classified"
