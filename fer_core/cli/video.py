"""``video``: tracks and classifies faces in video files."""

from __future__ import annotations

from typing import Annotated

import typer

from fer_core.cli.options import JsonOption, Sensitivity, workspace
from fer_core.cli.output import emit, progress, stop_on_interrupt

commands = typer.Typer()


@commands.command()
def video(
    source: Annotated[str, typer.Argument(help="A video file.")],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="Path of the annotated copy (.mp4, .m4v, .mov), which includes the sound."),
    ] = None,
    csv: Annotated[
        str | None, typer.Option("--csv", help="Path of a table with a row for each face in each frame.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A shipped model, a run, a taught model, or a .safetensors file.")
    ] = None,
    sensitivity: Sensitivity = None,
    as_json: JsonOption = False,
) -> None:
    """Track and classify the faces of a video. Ctrl-C ends early and leaves valid files."""
    from fer_core.errors import ConfigError
    from fer_core.inference import Classifier, default_model
    from fer_core.inference.background import export_behind
    from fer_core.live.video import VideoProgress, annotate_video

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
        f"{result.frames:,} frames ({result.seconds:.1f} s), {result.tracks:,} people tracked, {result.faces:,} faces classified"
        + (", canceled before the end" if result.stopped else "") + ".",
        *result.notes,
    ]  # fmt: skip
    tau = classifier.sensitivity if classifier.has_sensitivity else None
    emit(
        {"source": source, "output": output, "csv": csv, "sensitivity": tau, **result.to_dict()},
        as_json,
        "\n".join(lines),
    )
