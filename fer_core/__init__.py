"""FER Lab's core: data, models, training, evaluation, explanation and live view, without any user interface.

The names a script needs are here::

    import fer_core

    faces = fer_core.load("synthetic")
    classifier = fer_core.Classifier.load("compact")
    evaluation, predictions = fer_core.evaluate(classifier, faces, "test")

Importing the package loads nothing heavy: each name loads its module when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fer_core.config import TrainConfig
    from fer_core.data import load
    from fer_core.evaluation import evaluate
    from fer_core.faces import FaceDetector
    from fer_core.inference import Classifier
    from fer_core.training import train

__version__ = "0.1.0"
__all__ = ["Classifier", "FaceDetector", "TrainConfig", "evaluate", "load", "train"]

_MODULES = {
    "Classifier": "fer_core.inference",
    "FaceDetector": "fer_core.faces",
    "TrainConfig": "fer_core.config",
    "evaluate": "fer_core.evaluation",
    "load": "fer_core.data",
    "train": "fer_core.training",
}


def __getattr__(name: str) -> Any:
    """Load the module that defines ``name`` on first use."""
    if name not in _MODULES:
        raise AttributeError(f"module 'fer_core' has no attribute '{name}'")
    return getattr(import_module(_MODULES[name]), name)
