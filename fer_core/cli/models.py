"""``evaluate``, ``export`` and ``filters``: metrics, ONNX files and filters of a model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fer_core.cli.options import (
    DropBlank,
    DropDuplicates,
    FaceOptions,
    JsonOption,
    Sensitivity,
    UseMarks,
    reads_faces,
    setting,
    workspace,
)
from fer_core.cli.output import emit, progress, table

if TYPE_CHECKING:
    from fer_core.evaluation.report import EvaluationReport, VoteMetrics

commands = typer.Typer()


@commands.command()
@reads_faces
def evaluate(
    model: Annotated[str, typer.Argument(help="A shipped model, a run, a taught model, or a .safetensors file.")],
    data: Annotated[str, setting("data", "--data")] = "synthetic",
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
    tta: Annotated[
        str, typer.Option(help="none, or flip: average the logits of each face and its mirror image.")
    ] = "none",
    extra_classes: Annotated[
        str,
        typer.Option(help="Model classes that the data lack: count their predictions, or mask them."),
    ] = "count",
    sensitivity: Annotated[
        float | None,
        typer.Option(
            help="From 0 (class frequencies of the training data) to 1 (all classes equally likely); the model's own if not given."
        ),
    ] = None,
    drop_duplicates: DropDuplicates = False,
    drop_blank: DropBlank = False,
    use_marks: UseMarks = False,
    as_json: JsonOption = False,
    *,
    faces: FaceOptions,
) -> None:
    """Evaluate a model on one split of a data set."""
    from fer_core.data.cleaning import Cleaning
    from fer_core.errors import ConfigError
    from fer_core.evaluation.matching import EXTRA_CLASSES
    from fer_core.evaluation.report import evaluate_split
    from fer_core.inference import Classifier

    if tta not in ("none", "flip"):
        raise ConfigError(f"--tta takes none or flip, not '{tta}'.")
    extra = next((known for known in EXTRA_CLASSES if known == extra_classes), None)
    if extra is None:
        raise ConfigError(f"--extra-classes takes {' or '.join(EXTRA_CLASSES)}, not '{extra_classes}'.")
    classifier = Classifier.load(model, workspace=workspace(), sensitivity=sensitivity)
    with progress("Loading faces") as on_load:
        dataset = faces.load(data, on_load)
    with progress("Evaluating") as on_progress:
        report = evaluate_split(
            classifier, dataset, split, "flip" if tta == "flip" else "none",
            cleaning=Cleaning(drop_duplicates, drop_blank, use_marks), on_progress=on_progress,
            extra=extra, workspace=workspace(),
        )  # fmt: skip
    emit(
        {
            "model": model,
            "data": dataset.name,
            "truth": dataset.truth,
            "warnings": list(dataset.warnings),
            **report.to_dict(),
        },
        as_json,
        _evaluation_text(model, dataset.name, report),
    )


def _evaluation_text(model: str, data: str, report: EvaluationReport) -> str:
    result = report.evaluation
    low, high = result.accuracy_ci95
    macro = "–" if result.macro_f1 is None else f"{result.macro_f1:.4f}"
    alone = "–" if report.deduplicated.accuracy is None else f"{report.deduplicated.accuracy:.4f}"
    rows = []
    for label, score in result.per_class.items():
        shares = (score.precision, score.recall, score.f1)
        rows.append([label, *(None if v is None else f"{v:.3f}" for v in shares), f"{score.n:,}"])
    at = f", sensitivity {report.sensitivity:g}" if report.sensitivity else ""
    lines = [
        f"{model} on {data}, {result.split}{at}: accuracy {result.accuracy:.4f} (95% interval {low:.4f}–{high:.4f}, n = {result.n:,})",
        f"deduplicated: {alone} (n = {report.deduplicated.n:,}); macro-F1 {macro}, ECE {result.ece:.4f}",
        *_vote_lines(report.votes),
        "",
        table(["", "precision", "recall", "F1", "n"], rows),
        "",
        *report.sentences,
    ]
    return "\n".join(lines)


def _vote_lines(votes: VoteMetrics) -> list[str]:
    lines = []
    if votes.agreement:
        low, high = votes.agreement.ci95["model"]
        lines.append(
            f"rater agreement {votes.agreement.model:.4f} (95% interval {low:.4f}–{high:.4f}, n = {votes.agreement.n:,}); "
            f"best possible: {votes.agreement.ceiling:.4f}"
        )
    if votes.cross_entropy is not None:
        lines.append(f"cross-entropy with the votes {votes.cross_entropy:.4f} (n = {votes.cross_entropy_n:,})")
    return lines


@commands.command()
def export(
    model: Annotated[str, typer.Argument(help="A shipped model, a run, a taught model, or a .safetensors file.")],
    onnx: Annotated[Path | None, typer.Option("--onnx", help="The ONNX file to write.")] = None,
    sensitivity: Sensitivity = None,
    keep: Annotated[
        bool, typer.Option("--keep", hidden=True, help="Store it in the workspace for internal use.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Export a network to ONNX (gray bytes in, logits and probabilities out), verified against PyTorch.

    The probabilities include the given sensitivity; the logits are raw.
    """
    from fer_core.errors import ConfigError
    from fer_core.inference import Classifier
    from fer_core.inference.background import keep_onnx
    from fer_core.inference.export import export_onnx

    if keep:
        keep_onnx(Classifier.load(model, workspace=workspace()), workspace())
        return
    if onnx is None:
        raise ConfigError("No output file given. Add --onnx FILE.onnx.")
    result = export_onnx(Classifier.load(model, workspace=workspace(), sensitivity=sensitivity), onnx)
    text = (
        f"Wrote {result.path} ({result.bytes / 1e6:.1f} MB, opset {result.opset}). Largest probability "
        f"difference from PyTorch: {result.max_probability_difference:.1e} over {result.faces_compared} faces."
    )
    emit(result.to_dict(), as_json, text)


@commands.command()
@reads_faces
def filters(
    model: Annotated[str, typer.Argument(help="A shipped model, a run, a taught model, or a .safetensors file.")],
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Write the contact sheet to this image file.")
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="Label of a convolution, for example block2.0; the last one if not given.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Also list the nine faces of this data set with the largest response to each filter."),
    ] = None,
    split: Annotated[str, typer.Option(help="With --data: train, valid or test.")] = "valid",
    as_json: JsonOption = False,
    *,
    faces: FaceOptions,
) -> None:
    """Find the pattern that maximizes each filter's response, and the faces with the largest responses."""
    from fer_core.explanation.filter_cache import cached_patterns, cached_top_faces
    from fer_core.images import check_image_name, write_image
    from fer_core.inference import Classifier, limit_torch_threads

    if output:
        check_image_name(output)  # fail before the computation, not after
    limit_torch_threads()
    classifier = Classifier.load(model, workspace=workspace())
    dataset = None
    if data is not None:
        with progress("Loading faces") as on_load:
            dataset = faces.load(data, on_load)
        dataset.indices(split)
    started = time.perf_counter()
    with progress("Maximizing activations") as on_progress:
        patterns = cached_patterns(classifier, layer, on_progress=on_progress, workspace=workspace())
    seconds = time.perf_counter() - started
    if output:
        write_image(output, patterns.sheet())
    record: dict[str, Any] = {"model": model, "output": output, "seconds": round(seconds, 3), **patterns.to_dict()}
    if dataset is not None:
        with progress("Searching faces") as on_progress:
            tops = cached_top_faces(classifier, dataset, split, layer, on_progress=on_progress, workspace=workspace())
        record |= {"data": dataset.name, "split": split, "n": tops.n, "warnings": list(dataset.warnings)}
        for entry in record["filters"]:
            entry.update(tops.to_dict(entry["filter"], dataset.ids))
    emit(record, as_json, _filters_text(record, patterns.sentence()))


def _filters_text(record: dict[str, Any], sentence: str) -> str:
    """Format the filters as a table: response to the pattern, top face, and note."""
    rows = []
    for entry in record["filters"]:
        best = entry["faces"][0] if "faces" in entry else None
        face = f"{best['id']} ({best['response']:.2f})" if best else None
        rows.append(
            [entry["filter"], "dead" if entry["dead"] else f"{entry['response']:.2f}", face, entry.get("note", "")]
        )
    header = ["filter", "response", "top face (response)", "note"]
    lines = [sentence, table(header, rows, left=0)]
    return "\n".join(lines + ([f"Wrote the contact sheet to {record['output']}."] if record["output"] else []))
