"""``predict`` and ``explain``: faces in photos."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fer_core.cli.options import FaceOptions, JsonOption, Sensitivity, Workers, reads_faces, workspace
from fer_core.cli.output import emit, note, progress

if TYPE_CHECKING:
    from fer_core.photos import PhotoResult

commands = typer.Typer()


@commands.command()
def predict(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH…", help="Photos, folders of photos with their subfolders, or addresses (s3://…)."),
    ] = None,
    path_list: Annotated[
        str | None,
        typer.Option(
            "--list",
            help="A text file with a path or address per line, or - for standard input. A missing file is reported "
            "with the others that cannot be read.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="A shipped model, a run, a taught model, or a .safetensors file. Default: FER_MODEL, else compact-people."
        ),
    ] = None,
    csv: Annotated[
        str | None,
        typer.Option(help="Also write a CSV table row by row; photos it already contains are skipped."),
    ] = None,
    parts: Annotated[
        str | None,
        typer.Option(help="Instead of --csv, for very many photos: a folder of tables of 10,000 photos each."),
    ] = None,
    part_format: Annotated[
        Literal["parquet", "csv"], typer.Option("--format", help="With --parts: the format of the tables.")
    ] = "parquet",
    sensitivity: Sensitivity = None,
    workers: Workers = 0,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Where to compute: local (this machine) or ray (a Ray cluster).")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="With --engine ray: host:port of the cluster; without it, Ray starts on this machine."),
    ] = None,
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="With --engine ray on this machine: open Ray's dashboard.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Find the faces in photos and predict their expressions."""
    from fer_core.errors import ConfigError, ImageError
    from fer_core.faces import FaceDetector
    from fer_core.formatting import valid_utf8
    from fer_core.inference import Classifier, default_model
    from fer_core.inference.background import export_behind
    from fer_core.jobs.workers import worker_count
    from fer_core.photos import in_worker_processes, look_for_photos, predict_document, predict_paths, read_path_list

    if engine == "local" and (address or dashboard):
        raise ConfigError("--address and --dashboard are settings of Ray; add --engine ray.")
    if csv and parts:
        raise ConfigError("Give either --csv FILE or --parts FOLDER.")
    if not paths and path_list is None:
        raise ConfigError("Give photos or folders, or --list FILE with one per line.")
    given = [*(paths or []), *(read_path_list(path_list) if path_list is not None else [])]
    found = look_for_photos(given, keep_missing=path_list is not None)
    files = found.files
    for sentence in found.notes:
        note(f"warning: {sentence}")
    name = model or default_model()
    classifier, detector = (
        Classifier.load(name, workspace=workspace(), sensitivity=sensitivity, threads=1),
        FaceDetector(),
    )
    export_behind(classifier, workspace())
    processes = worker_count(workers, len(files))
    compute = in_worker_processes(processes)
    if engine == "ray":
        from fer_core.cluster.ray_engine import RayEngine

        ray = RayEngine(address, workers, dashboard)
        compute = ray.predict
    with progress("Photographs") as on_progress:
        results = predict_paths(
            found,
            detector,
            classifier,
            csv=csv,
            model_name=name,
            on_progress=on_progress,
            compute=compute,
            parts=parts,
            part_format=part_format,
        )
        if as_json:
            document = predict_document(results, name, classifier)
        else:  # line by line, so that memory does not grow with a large folder
            read, failed = _print_lines(results)
    if as_json:
        records = document["photos"]
        done = {record["file"] for record in records}
        document["skipped"] = [file for file in map(valid_utf8, files) if file not in done]
        document["not_read"] = [{"file": one.name, "reason": one.reason} for one in found.skipped]
        document["inference_engine"] = document["engine"]
        if engine == "ray":
            document["engine"] = ray.to_dict()
        else:
            document["workers"] = processes
        read, failed = len(records), sum("error" in record for record in records)
    if len(files) > read:
        note(f"{len(files) - read} of {len(files)} photos were already in {csv or parts} and were skipped.")
    if as_json:
        emit(document, as_json, "")
    if read and failed == read:
        raise ImageError("None of these files could be read as a photo; the reason is shown next to each file.")


def _print_lines(results: Iterable[PhotoResult]) -> tuple[int, int]:
    """Print a line for each photo; return the number of photos, and of those with an error."""
    read = failed = 0
    for result in results:
        print(_photo_text(result.to_dict()))
        read += 1
        failed += result.error is not None
    return read, failed


def _photo_text(record: dict[str, Any]) -> str:
    """Format one photo's result as a line of text."""
    from fer_core.formatting import display_safe

    faces = [
        ("not sure, perhaps " if face["abstained"] else "")
        + f"{face['label']} {max(face['probabilities'].values()):.0%} (detector {face['score']:.0%})"
        for face in record["faces"]
    ]
    numbered = [f"{number} {face}" for number, face in enumerate(faces, start=1)] if len(faces) > 1 else faces
    notes = f" ({'; '.join(record['notes'])})" if "notes" in record else ""
    return f"{display_safe(record['file'])}: {record.get('error') or ', '.join(numbered) or 'no face found'}{notes}"


@commands.command()
@reads_faces
def explain(
    photo: Annotated[str | None, typer.Argument(help="A photo; its largest face is explained.")] = None,
    model: Annotated[
        str | None, typer.Option(help="A shipped model, a run, a taught model, or a .safetensors file.")
    ] = None,
    method: Annotated[
        str, typer.Option(help="gradient, smoothgrad, integrated_gradients, gradcam or occlusion.")
    ] = "gradcam",
    target: Annotated[
        str | None, typer.Option(help="The expression to explain; the predicted one if not given.")
    ] = None,
    output: Annotated[str | None, typer.Option("--output", "-o", help="Write the overlay to this image file.")] = None,
    data: Annotated[
        str | None, typer.Option(help="Instead of a photo: region shares over a whole split of this data.")
    ] = None,
    split: Annotated[str, typer.Option(help="With --data: train, valid or test.")] = "valid",
    sensitivity: Sensitivity = None,
    as_json: JsonOption = False,
    *,
    faces: FaceOptions,
) -> None:
    """Show which regions of a face the prediction relies on, with sanity checks of the map."""
    from fer_core.errors import ConfigError
    from fer_core.inference import Classifier
    from fer_core.inference.classifier import default_model

    if (photo is None) == (data is None):
        raise ConfigError("Give either a photo or --data, e.g. explain photo.jpg, or explain --data fer2013.zip.")
    classifier = Classifier.load(model or default_model(), workspace=workspace(), sensitivity=sensitivity)
    if data is not None:
        from fer_core.explanation import study_regions

        with progress("Loading faces") as on_load:
            dataset = faces.load(data, on_load)
        with progress("Explaining") as on_progress:
            study = study_regions(classifier, dataset, dataset.indices(split), method, on_progress=on_progress)
        emit(
            {"data": dataset.name, "split": split, "warnings": list(dataset.warnings), **study.to_dict()},
            as_json,
            study.sentence(),
        )
        return
    from fer_core.explanation.photo import explain_photo

    with progress("Explaining") as on_progress:
        result = explain_photo(photo or "", classifier, method, target, on_progress=on_progress)
    if output:
        result.save(output)
    emit(result.to_dict(), as_json, result.text())
