"""Run trained networks: ``Classifier.load("compact").probabilities(faces)``."""

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
from fer_core.inference.network import limit_torch_threads

__all__ = [
    "CheckpointInfo",
    "Classifier",
    "default_model",
    "import_state_dict",
    "limit_torch_threads",
    "load_checkpoint",
    "read_info",
    "resolve_model",
    "save_checkpoint",
    "shipped_models",
    "softmax",
    "update_info",
]
