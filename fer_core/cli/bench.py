"""``bench``: speed benchmarks."""

from __future__ import annotations

from typing import Annotated

import typer

from fer_core.cli.options import JsonOption, setting, workspace
from fer_core.cli.output import emit, note, table

commands = typer.Typer()


bench_app = typer.Typer(help="Measure speed against a plain baseline.", no_args_is_help=True)
commands.add_typer(bench_app, name="bench")


@bench_app.command("train")
def bench_train(
    model: Annotated[str, setting("model", "--model")] = "seed",
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="Number of rounds for each loop.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Measure training throughput: ours, a DataLoader with our precision, and a plain DataLoader."""
    from fer_core.bench import bench_train as measure

    r = measure(model, rounds=rounds, note=note, workspace=workspace())
    rows = [
        f"{r['device']}, {r['threads']} threads, {r['precision']}, torch {r['torch']}, {r['model']}, batch {r['batch_size']}, medians of {r['rounds']} rounds",
        table(
            ["loop", "images/s"],
            [
                ["ours", f"{r['images_per_second']:,.0f}"],
                ["DataLoader, our precision and layout", f"{r['dataloader_images_per_second']:,.0f}"],
                ["DataLoader, float32, default layout", f"{r['plain_images_per_second']:,.0f}"],
            ],
        ),
        f"ours / plain: {r['ratio']:.2f}",
        f"{r['achieved_gflops']:.0f} of {r['matmul_gflops']:.0f} GFLOP/s matmul peak ({r['fraction_of_peak']:.0%})",
    ]
    emit(r, as_json, "\n".join(rows))


@bench_app.command("infer")
def bench_infer(
    models: Annotated[
        list[str] | None, typer.Argument(help="Models to measure; all shipped models if not given.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="Number of rounds for each engine.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Measure latency of one face and throughput with PyTorch and ONNX Runtime on one thread."""
    from fer_core.bench import bench_infer as measure
    from fer_core.inference import shipped_models

    r = measure(models or shipped_models(), rounds, note, workspace=workspace())
    rows = [
        [
            model, engine, f"{figures['batch1_ms']:.2f}", f"{figures['batch64_images_per_second']:,.0f}",
            f"{figures['max_probability_difference']:.1e}",
        ]
        for model, engines in r.items()
        for engine, figures in engines.items()
    ]  # fmt: skip
    header = ["model", "engine", "one face, ms", "batches of 64, faces/s", "largest |Δp|"]
    emit(r, as_json, table(header, rows, left=2))


@bench_app.command("live")
def bench_live(
    photos: Annotated[str, typer.Argument(help="A folder of photos to build the clip from.")],
    model: Annotated[
        str | None, typer.Option(help="A shipped model, a run, a taught model, or a .safetensors file.")
    ] = None,
    faces: Annotated[int, typer.Option(min=1, max=6, help="Faces in the clip.")] = 1,
    detect_every: Annotated[
        int | None, typer.Option(min=1, max=30, help="Run the face detector every this many frames.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Number of passes over the clip.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Measure milliseconds per frame of live processing at 640×480, against a plain baseline."""
    from fer_core.bench import bench_live as measure
    from fer_core.bench import clip_of_photos
    from fer_core.inference import default_model, limit_torch_threads
    from fer_core.photos import find_photos

    limit_torch_threads()
    clip = clip_of_photos(list(find_photos([photos])), faces)
    r = measure(clip, model or default_model(), detect_every, rounds, note, workspace=workspace())
    stages = ", ".join(f"{name} {ms:.1f}" for name, ms in r["stages"].items())
    rows = [
        f"{r['device']}, {r['model']}, {r['size'][0]}×{r['size'][1]}, {r['faces']:.1f} faces, {r['frames']} frames",
        f"ours    mean {r['mean_ms']:.1f} ms, median {r['median_ms']:.1f}, p95 {r['p95_ms']:.1f} ({stages})",
        f"        detection every {r['detect_every']} frames; these frames take {r['detect_frame_ms']:.1f} ms",
        f"plain   mean {r['plain_mean_ms']:.1f} ms",
        f"plain / ours: {r['ratio']:.2f}",
    ]
    emit(r, as_json, "\n".join(rows))
