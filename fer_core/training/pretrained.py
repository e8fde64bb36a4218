"""Weights that come from other models: those a training starts from, and the networks that teach it."""

from __future__ import annotations

import torch

from fer_core.classes import ClassList
from fer_core.config import TrainConfig
from fer_core.errors import FerError
from fer_core.inference import load_checkpoint, resolve_model
from fer_core.models import ExpressionModel, build
from fer_core.models.outputs import select_outputs
from fer_core.training.loop import network_args
from fer_core.workspace import Workspace


def start_weights(config: TrainConfig, classes: ClassList, workspace: Workspace) -> tuple[dict[str, torch.Tensor], str]:
    """The weights to start from, without those of the last layer where the classes are others; and what was taken."""
    model, info = load_checkpoint(resolve_model(str(config.init_from), workspace))
    if info.architecture != config.model:
        raise FerError(
            f"'{config.init_from}' is a {info.architecture} network; a {config.model} cannot start from its weights."
        )
    known = ClassList(info.labels)
    positions = [place for place in classes.positions_in(known) if place is not None]
    if len(positions) == len(known) == len(classes):
        weights = select_outputs(model, positions).state_dict()
        note = f"All weights of '{config.init_from}' are taken; it has the same classes."
    else:
        weights = {name: value for name, value in model.state_dict().items() if not name.startswith("classifier.")}
        note = (
            f"The layers of '{config.init_from}' are taken except the last, which starts at random: "
            f"it was trained for {', '.join(known)}, this training is for {', '.join(classes)}."
        )
    fresh = build(config.model, **network_args(config, classes)).state_dict()
    if any(name not in fresh or fresh[name].shape != value.shape for name, value in weights.items()):
        raise FerError(
            f"The weights of '{config.init_from}' do not fit: it was built with {info.model_args or 'no arguments'}, "
            f"this training asks for {config.model_args or 'none'}. Set model_args to the same."
        )
    return weights, note


def load_teacher(name: str, classes: ClassList, workspace: Workspace) -> ExpressionModel:
    """A network whose outputs are ``classes`` in their order; those it has beyond them are left out."""
    network, info = load_checkpoint(resolve_model(name, workspace))
    positions = classes.positions_in(ClassList(info.labels))
    missing = [wanted for wanted, place in zip(classes, positions, strict=True) if place is None]
    if missing:
        raise FerError(
            f"'{name}' cannot teach these classes: it does not know {', '.join(missing)}; "
            f"it was trained for {', '.join(info.labels)}."
        )
    return select_outputs(network, [place for place in positions if place is not None])
