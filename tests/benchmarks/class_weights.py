"""What class weights do on FER2013: ``python -m tests.benchmarks.class_weights fer2013.zip FOLDER [EPOCHS]``.

The seed network with the standard settings, once for each kind of class weights, scored on PublicTest; PrivateTest is not
read. The runs lie in FOLDER; a second call trains only what is missing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final, get_args

from fer_core.config import TrainConfig
from fer_core.data import load
from fer_core.evaluation import Evaluation, Predictions
from fer_core.training import list_runs, train
from fer_core.training.step.losses import ClassWeights
from fer_core.workspace import Workspace

SHOWN: Final = ("disgust", "fear")
"""The rarest class, and the one most often missed."""


def main(source: str, folder: Path, epochs: int) -> None:
    """Train what is missing, and print a line for each kind."""
    workspace = Workspace(folder)
    finished = {run.label.name: run for run in list_runs(workspace) if run.state == "finished"}
    dataset = load(source, workspace=workspace)
    for kind in get_args(ClassWeights):
        run = finished.get(kind)
        if run is None:
            config = TrainConfig(data=source, epochs=epochs, class_weights=kind, threads=1)
            run = train(config, name=kind, dataset=dataset, workspace=workspace).run
        found = Evaluation.of(Predictions.read(run.path / "predictions-valid.npz"), "valid").to_dict()
        recalls = ", ".join(f"recall of {name} {found['per_class'][name]['recall']:.3f}" for name in SHOWN)
        print(f"{kind:8} accuracy {found['accuracy']:.4f}, macro-F1 {found['macro_f1']:.4f}, {recalls}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 8)
