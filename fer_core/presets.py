"""Presets: named training settings, and the default preset of a training."""

from __future__ import annotations

from typing import Any, Final

from fer_core.config import AugmentConfig, Config, TrainConfig
from fer_core.errors import ConfigError
from fer_core.resources import asset


class Preset(Config):
    """A named set of training settings."""

    title: str
    description: str
    values: dict[str, Any]


PRESETS: dict[str, Preset] = {
    "standard": Preset(
        title="Standard",
        description="The defaults: AdamW, one-cycle, random flips, shifts, scales and rotations. A good first training.",
        values={},
    ),
    "report": Preset(
        title="As in the lab report",
        description="No augmentation and no label smoothing, so that the network memorizes the training faces. The settings for the protocol leaky.",
        values={
            "augment": AugmentConfig.off().to_dict(),
            "label_smoothing": 0.0,
            "weight_decay": 0.0,
            "learning_rate": 2e-3,
            "batch_size": 64,
        },
    ),
    "own-faces": Preset(
        title="Own faces (20 to 500 per class)",
        description=(
            "For your own classes: the shipped compact network with a new last layer, which trains alone first, then all "
            "layers. Measured on FER2013: a compact network trained on four classes and adapted to three it had never seen "
            "(mean recall on 1,116 PublicTest faces, three draws each) reached 0.46 with 20 faces a class (0.37–0.52), 0.55 "
            "with 80 (0.52–0.59) and 0.56 with 200; from random weights 0.39, 0.42 and 0.42; chance is 0.33. 240 "
            "faces took 9 to 12 s (two cores, AMD EPYC)."
        ),
        values={
            "model": "compact",
            "init_from": "compact",
            "freeze_epochs": 5,
            "epochs": 30,
            "batch_size": 32,
            "learning_rate": 3e-4,
        },
    ),
    "compact-gpu": Preset(
        title="Compact, long (for a GPU)",
        description="The compact network for 200 epochs with strong augmentation and mixup: minutes on a GPU, a night on two processor cores.",
        values={
            "model": "compact",
            "epochs": 200,
            "batch_size": 512,
            "optimizer": "sgd",
            "learning_rate": 0.3,
            "weight_decay": 5e-4,
            "mixup": 0.2,
            "ema_decay": 0.998,
            "augment": {
                "shift": 0.12,
                "scale": 0.15,
                "rotation": 12.0,
                "erasing": 0.3,
                "contrast": 0.25,
                "brightness": 0.1,
            },
        },
    ),
}
"""Presets by name; the form and ``--preset`` offer all of them."""

PROTOCOL_PRESETS: dict[str, str] = {"official": "standard", "holdout": "standard", "leaky": "report"}
"""Default preset by protocol, for large data sets."""

FEWEST_STEPS: Final = 20
"""Steps per epoch below which ``own-faces`` replaces ``standard``."""


def default_preset(protocol: str, train_faces: int | None = None) -> str:
    """Return the name of the default preset.

    Args:
        protocol: the protocol of the training.
        train_faces: number of training faces; None if unknown, which counts as many.
    """
    usual = PROTOCOL_PRESETS.get(protocol, "standard")
    batch: int = TrainConfig.model_fields["batch_size"].default
    few = train_faces is not None and train_faces < FEWEST_STEPS * batch
    return "own-faces" if few and usual == "standard" else usual


def make_train_config(preset: str | None = None, *, train_faces: int | None = None, **overrides: Any) -> TrainConfig:
    """Create settings from a preset and explicit settings, which take precedence.

    Args:
        preset: name of the preset; None uses :func:`default_preset`.
        train_faces: number of training faces, for choosing the preset.
        overrides: explicit settings.

    Raises:
        ConfigError: the preset does not exist, or a setting is unknown or out of bounds.
    """
    name = preset or default_preset(str(overrides.get("protocol", "official")), train_faces)
    if name not in PRESETS:
        raise ConfigError(f"There is no preset '{name}'. Known: {', '.join(PRESETS)}.")
    own = _with_start(PRESETS[name].values, overrides)
    values = {**own, **overrides}
    if isinstance(overrides.get("augment"), dict) and isinstance(own.get("augment"), dict):
        values["augment"] = {**own["augment"], **overrides["augment"]}
    return TrainConfig.parse(values)


def _with_start(values: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Return a preset's values, adapted if explicit settings choose another architecture or initial model.

    Another architecture is initialized from the shipped model of its name, or from random weights if none is shipped. The
    architecture of another initial model is read from its file, so the preset's architecture is dropped.
    """
    values, start = dict(values), values.get("init_from")
    if start is None:
        return values
    if "init_from" in overrides:
        if overrides["init_from"] not in (None, start):
            del values["model"]
        start = overrides["init_from"]
    elif overrides.get("model", values["model"]) != values["model"]:
        start = str(overrides["model"])
        values["init_from"] = start = start if asset("models", f"{start}.safetensors").is_file() else None
    if start is None:
        del values["freeze_epochs"]
    return values
