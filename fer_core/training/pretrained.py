"""Load weights from other models: a training's initial weights and its teachers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import torch

from fer_core.classes import ClassList
from fer_core.config import TrainConfig
from fer_core.data import FaceDataset
from fer_core.errors import FerError
from fer_core.inference import CheckpointInfo, load_checkpoint
from fer_core.inference.classifier import resolve_model, resolve_output
from fer_core.models import ExpressionModel, build
from fer_core.models.outputs import join_outputs, select_outputs
from fer_core.training.loop import network_args
from fer_core.training.outputs import Output, make_outputs
from fer_core.workspace import Workspace


def initial_weights(
    config: TrainConfig, outputs: Sequence[Output], workspace: Workspace
) -> tuple[dict[str, torch.Tensor], str]:
    """Load the initial weights, without the last layer if the classes differ, and describe them for the log.

    Raises:
        FerError: the model does not exist, or has a different architecture or shape.
    """
    name = str(config.init_from)
    found = [load_checkpoint(resolve_output(name, output.target, workspace)) for output in outputs]
    for network, _ in found:
        network.gate = None  # it belongs to the features as they were
    model, info = found[0]
    if info.architecture != config.model:
        raise FerError(
            f"'{name}' is a {info.architecture} network; its weights cannot initialize a {config.model} network."
        )
    states = [_same_classes(*pair, output.classes) for pair, output in zip(found, outputs, strict=True)]
    known = [state for state in states if state is not None]
    trunk = {name: value for name, value in model.state_dict().items() if not name.startswith("classifier.")}
    if len(known) == len(outputs):
        last = {key: torch.cat([state[key] for state in known]) for key in known[0] if key not in trunk}
        weights = {**trunk, **last}
        note = f"Initialized all layers from '{name}', which has the same classes."
    else:
        weights = trunk
        wanted = "; ".join(", ".join(output.classes) for output in outputs)
        note = (
            f"Initialized all layers but the last from '{name}': it was trained for {', '.join(info.labels)}, "
            f"this training is for {wanted}. The last layer starts with random weights."
        )
    fresh = build(config.model, **network_args(config, outputs)).state_dict()
    if any(key not in fresh or fresh[key].shape != value.shape for key, value in weights.items()):
        raise FerError(
            f"The weights of '{name}' do not fit: it was built with {info.model_args or 'no arguments'}, but this "
            f"training uses {config.model_args or 'none'}. Set model_args to the same values."
        )
    return weights, note


def _same_classes(model: ExpressionModel, info: CheckpointInfo, classes: ClassList) -> dict[str, torch.Tensor] | None:
    """Return the weights of ``model`` with its outputs in the order of ``classes``; None if its classes differ."""
    positions = [place for place in classes.positions_in(info.classes) if place is not None]
    if not len(positions) == len(info.classes) == len(classes):
        return None
    return select_outputs(model, positions).state_dict()


def load_teachers(
    config: TrainConfig, dataset: FaceDataset, outputs: Sequence[Output], workspace: Workspace
) -> tuple[list[torch.nn.Module], Sequence[Output]]:
    """Load the teachers of a training, and the outputs they predict.

    These are the training's own outputs. If views are cached and every teacher has outputs for labels and votes, they
    are both, so that a later training on the other target can reuse the cached views.

    Raises:
        FerError: a teacher does not exist, or lacks a class.
    """
    if config.cached_views and dataset.votes is not None and dataset.truth == "labels":
        with suppress(FerError):  # a teacher has only one output: use the training's own outputs
            both = make_outputs(dataset, "both")
            for name in config.teachers:
                for output in both:
                    resolve_model(f"{name}:{output.target}", workspace)
            return [load_teacher(name, both, workspace) for name in config.teachers], both
    return [load_teacher(name, outputs, workspace) for name in config.teachers], outputs


def load_teacher(name: str, outputs: Sequence[Output], workspace: Workspace) -> torch.nn.Module:
    """Load a teacher with the outputs of the training, in their order, without any further classes it has.

    If ``name`` has an output for labels and one for votes, each output learns from the matching one.

    Raises:
        FerError: the teacher does not exist, or lacks a class.
    """
    return join_outputs([_teacher(name, output, workspace) for output in outputs])


def _teacher(name: str, output: Output, workspace: Workspace) -> ExpressionModel:
    network, info = load_checkpoint(resolve_output(name, output.target, workspace))
    positions = output.classes.positions_in(info.classes)
    missing = [wanted for wanted, place in zip(output.classes, positions, strict=True) if place is None]
    if missing:
        raise FerError(
            f"'{name}' cannot be a teacher for these classes: it lacks {', '.join(missing)} "
            f"(it was trained for {', '.join(info.labels)})."
        )
    return select_outputs(network, [place for place in positions if place is not None])
