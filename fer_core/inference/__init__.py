"""Using a trained network: ``Classifier.load("compact").probabilities(faces)``."""

from fer_core.inference.checkpoint import (
    CheckpointInfo,
    import_state_dict,
    load_checkpoint,
    read_info,
    save_checkpoint,
    update_info,
)
from fer_core.inference.classifier import (
    Classifier,
    default_model,
    resolve_model,
    shipped_models,
    softmax,
)
from fer_core.inference.network import share_processor

__all__ = [
    "CheckpointInfo",
    "Classifier",
    "default_model",
    "import_state_dict",
    "load_checkpoint",
    "read_info",
    "resolve_model",
    "save_checkpoint",
    "share_processor",
    "shipped_models",
    "softmax",
    "update_info",
]
