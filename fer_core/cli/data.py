"""``data`` and ``audit``: summarize a data set and find its flaws."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from fer_core.cli.options import FaceOptions, JsonOption, reads_faces, workspace
from fer_core.cli.output import emit, progress, table

commands = typer.Typer()


@commands.command()
@reads_faces
def data(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder, an archive (zip, tar), a csv, parquet or npz file, 'synthetic' or 'synthetic:N'."
        ),
    ],
    as_json: JsonOption = False,
    *,
    faces: FaceOptions,
) -> None:
    """Summarize a data set: faces per split and class, fingerprint, and warnings."""
    start = time.perf_counter()
    with progress("Reading faces") as on_progress:
        dataset = faces.load(source, on_progress)
    seconds = time.perf_counter() - start
    record = {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "classes": list(dataset.classes),
        "class_map": [mapped.to_dict() for mapped in dataset.class_map],
        "truth": dataset.truth,
        "groups": None if dataset.groups is None else len(set(dataset.groups.tolist()) - {""}),
        "counts": dataset.counts(),
        "per_class": dataset.per_class(),
        "votes": dataset.votes is not None,
        "warnings": list(dataset.warnings),
        "seconds": round(seconds, 3),
    }
    emit(record, as_json, _data_text(dataset, seconds))


def _data_text(dataset: Any, seconds: float) -> str:
    """Format the summary: a table of splits and classes, fingerprint, votes, class map, groups."""
    from fer_core.data.class_map import describe

    counts, per_class = dataset.counts(), dataset.per_class()
    truth = "; their majority is the label" if dataset.truth == "votes" else ""
    groups = 0 if dataset.groups is None else len(set(dataset.groups.tolist()) - {""})
    splits = [split for split, count in counts.items() if count]
    rows = []
    for label in per_class["train"]:
        faces = [per_class[split][label] for split in splits]
        rows.append([label, *(f"{n:,}" for n in (*faces, sum(faces)))])
    rows.append(["all", *(f"{counts[split]:,}" for split in splits), f"{len(dataset):,}"])
    return "\n".join(
        [
            f"{dataset.name}: {len(dataset):,} faces, read in {seconds:.1f} s",
            "",
            table(["", *splits, "all"], rows, total=True),
            "",
            f"fingerprint {dataset.fingerprint}",
            f"votes       {'yes' if dataset.votes is not None else 'none'}{truth}",
            *([f"class map   {describe(dataset.class_map)}"] if dataset.class_map else []),
            *([f"groups      {groups:,} persons or sessions"] if groups else []),
            *([dataset.imbalance()] if dataset.imbalance() else []),
        ]
    )


@commands.command()
@reads_faces
def audit(
    source: Annotated[str, typer.Argument(help="A path, or 'synthetic'.")],
    suspects: Annotated[
        bool, typer.Option("--suspects", help="Also find suspect labels; trains three networks.")
    ] = False,
    near: Annotated[
        int,
        typer.Option(min=0, max=16, help="Near-duplicates: the number of bits (of 64) in which two faces may differ."),
    ] = 4,
    html: Annotated[str | None, typer.Option(help="Also write the findings with images to this HTML file.")] = None,
    as_json: JsonOption = False,
    *,
    faces: FaceOptions,
) -> None:
    """Find duplicates, leaks between splits, label conflicts, blank images and suspect labels."""
    from fer_core.evaluation.audit import audit_exact, find_near_duplicates, find_suspect_labels

    started = time.perf_counter()
    with progress("Loading faces") as on_load:
        dataset = faces.load(source, on_load)
    exact = audit_exact(dataset)
    pairs = find_near_duplicates(dataset, exact.groups, near)
    record: dict[str, Any] = {
        "data": dataset.name,
        "fingerprint": dataset.fingerprint,
        "warnings": list(dataset.warnings),
        **exact.to_dict(),
    }
    record["near_duplicates"] = {"threshold": near, "pairs": len(pairs.first)}
    found = None
    if suspects:
        from fer_core.training import out_of_fold

        with progress("Training three networks") as on_progress:
            positions, probabilities = out_of_fold.compute(
                dataset, on_progress=on_progress, workspace=workspace()
            ).read()
        found = find_suspect_labels(dataset.labels[positions], probabilities, positions)
        record["suspect_labels"] = len(found.positions)
        record["suspect_labels_agreement"] = found.agreement
    record["seconds"] = time.perf_counter() - started
    if html:
        from fer_core.report.audit import audit_html

        Path(html).write_text(audit_html(dataset, exact, pairs, found), encoding="utf-8")
    emit(record, as_json, _audit_text(record))


def _audit_text(record: dict[str, Any]) -> str:
    lines = [
        f"{record['data']}: {record['redundant']:,} duplicates in {record['groups']:,} groups of identical images",
        *(
            f"  {v['images']:,} {k.split('/')[1]} images are exact duplicates of {k.split('/')[0]} images"
            for k, v in record["cross_split"].items()
        ),
        f"{record['label_conflict_groups']:,} groups ({record['label_conflict_images']:,} images) have conflicting labels",
        f"{record['blank']:,} blank images",
        f"{record['near_duplicates']['pairs']:,} pairs of near-duplicates "
        f"(at most {record['near_duplicates']['threshold']} of 64 bits differ)",
    ]
    if "suspect_labels" in record:
        agreement = f"{record['suspect_labels_agreement']:.0%}"
        lines.append(
            f"{record['suspect_labels']:,} suspect labels among the training faces; the networks agree with {agreement} of "
            "all labels"
        )
    return "\n".join(lines)
