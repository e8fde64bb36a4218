"""A checkpoint: one ``*.safetensors`` file with the weights and everything needed to use them; never a pickle.

The file's header contains a JSON record (key ``fer_lab``): architecture, preprocessing, class names, training settings,
dataset fingerprint, protocol, metrics, calibration and library versions.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Self

from pydantic import Field, field_validator, model_validator

from fer_core.classes import ClassList
from fer_core.config import Config, MappedClass, PreprocessConfig
from fer_core.errors import CheckpointError, DataError
from fer_core.workspace import atomic_write

if TYPE_CHECKING:
    import torch

    from fer_core.models import ExpressionModel

SCHEMA = 2
_KEY = "fer_lab"
_LARGEST_HEADER = 4 << 20  # bytes; ours have a few kilobytes


class CalibrationPoint(Config):
    """Temperature and threshold fitted at one sensitivity."""

    sensitivity: float = Field(ge=0, le=1)
    temperature: float = Field(gt=0)
    abstain_below: float = Field(ge=0, le=1)


class CheckpointInfo(Config):
    """The record of a checkpoint: everything except the weights."""

    schema_version: int = Field(SCHEMA, description="Version of this record.")
    architecture: str = Field(description="Name in the registry of fer_core.models.")
    model_args: dict[str, Any] = Field(default_factory=dict, description="Arguments of the network architecture.")
    labels: tuple[str, ...] = Field(description="Class names in the order of the logits.")
    preprocess: PreprocessConfig = Field(default_factory=PreprocessConfig, description="Normalization of the pixels.")
    temperature: float = Field(1.0, gt=0, description="Divides the logits before softmax (Guo et al. 2017).")
    abstain_below: float = Field(
        0.0, ge=0, le=1, description="If the top probability is lower, the model abstains ('not sure')."
    )
    protocol: str = Field("unknown", description="Training protocol.")
    data_name: str = Field("", description="Name of the data set, for display.")
    data_fingerprint: str = Field("", description="SHA-256 of the data set.")
    config: dict[str, Any] = Field(default_factory=dict, description="Training settings.")
    metrics: dict[str, Any] = Field(default_factory=dict, description="Metrics with intervals, by split.")
    epoch: int = Field(0, ge=0, description="Epoch of the weights.")
    run: str = Field("", description="Id of the run.")
    created: str = Field("", description="Creation time, UTC, ISO 8601.")
    versions: dict[str, str] = Field(default_factory=dict, description="Library versions used in training.")
    prior: tuple[float, ...] = Field(
        (),
        description="Share of each class among the training faces; empty if unknown, in which case the sensitivity cannot be changed.",
    )
    sensitivity: float = Field(0.0, ge=0, le=1, description="Default sensitivity.")
    calibration: tuple[CalibrationPoint, ...] = Field(
        (),
        description="Temperature and threshold by sensitivity, in ascending order; values in between are interpolated.",
    )
    target: Literal["labels", "votes"] = Field(
        "labels", description="Target of the training: one label per face, or people's votes."
    )
    truth: str = Field(
        "labels", description="Labels used in training: the data's own, or the majority of people's votes."
    )
    class_map: tuple[MappedClass, ...] = Field((), description="How the classes were made from the source classes.")

    @field_validator("labels")
    @classmethod
    def _make_a_class_list(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return ClassList(value).names
        except DataError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.prior and len(self.prior) != len(self.labels):
            raise ValueError(f"prior has {len(self.prior)} shares for {len(self.labels)} classes")
        if self.prior and not (min(self.prior) >= 0 and abs(sum(self.prior) - 1) < 1e-3):
            raise ValueError("prior must contain non-negative shares that sum to 1")
        if self.sensitivity and not self.prior:
            raise ValueError("a sensitivity requires the prior of the classes")
        steps = [point.sensitivity for point in self.calibration]
        if steps != sorted(set(steps)):
            raise ValueError("the sensitivities of the calibration must be in ascending order")
        return self

    @cached_property
    def classes(self) -> ClassList:
        """The classes in the order of the logits."""
        return ClassList(self.labels)


def save_checkpoint(path: Path, weights: dict[str, torch.Tensor], info: CheckpointInfo, half: bool = False) -> None:
    """Write a checkpoint atomically; with ``half``, float tensors are stored as float16.

    Raises:
        WorkspaceError: the file cannot be written.
    """
    import torch
    from safetensors.torch import save

    tensors = {
        name: (value.half() if half and value.dtype == torch.float32 else value).detach().cpu().contiguous().clone()
        for name, value in weights.items()
    }
    with atomic_write(path) as file:
        file.write(save(tensors, metadata={_KEY: json.dumps(info.to_dict())}))


def read_info(path: Path) -> CheckpointInfo:
    """Read the record from a checkpoint's header without reading the weights.

    Raises:
        CheckpointError: the file is missing, damaged, not ours or from a newer version.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= _LARGEST_HEADER:
                raise CheckpointError(f"{path} is not a FER Lab checkpoint (no safetensors header at its start).")
            header = json.loads(file.read(length))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}). Expected a .safetensors file.") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not a FER Lab checkpoint: its header is damaged or truncated.") from error
    text = header.get("__metadata__", {}).get(_KEY) if isinstance(header, dict) else None
    if not isinstance(text, str):
        raise CheckpointError(
            f"{path} holds weights but no FER Lab record, so labels and preprocessing are unknown. "
            "Only checkpoints written by FER Lab can be used."
        )
    try:
        record = json.loads(text)
        version = record.get("schema_version", 0) if isinstance(record, dict) else 0
    except ValueError as error:
        raise CheckpointError(f"{path}: its record is damaged.") from error
    if isinstance(version, int) and version > SCHEMA:
        raise CheckpointError(
            f"{path} was written by a newer FER Lab (record version {version}, this one reads {SCHEMA}). Update FER Lab."
        )
    try:
        return CheckpointInfo.parse(_current(record))
    except Exception as error:
        raise CheckpointError(f"{path}: its record is damaged. {error}") from error


def _current(record: dict[str, Any]) -> dict[str, Any]:
    """Convert a record of any version to the current one. In version 1, missing labels meant FER2013's seven."""
    if record.get("schema_version") == 1:
        return {"labels": ClassList.fer2013().names, **record, "schema_version": SCHEMA}
    return record


def load_checkpoint(path: Path) -> tuple[ExpressionModel, CheckpointInfo]:
    """Load the network in evaluation mode, float32, with its record.

    Raises:
        CheckpointError: the file is damaged or does not fit its architecture.
        ModelError: the architecture is unknown.
    """
    from fer_core.models import build
    from fer_core.models.gate import DistanceGate

    info = read_info(path)
    model, tensors = build(info.architecture, **info.model_args), _read_tensors(path)
    if (means := tensors.get("gate.means")) is not None and means.ndim == 2:
        model.gate = DistanceGate(*means.shape)
    _fill(model, tensors, path)
    if model.classifier.out_features != len(info.labels):
        raise CheckpointError(f"{path}: {model.classifier.out_features} outputs but {len(info.labels)} labels.")
    return model.eval(), info


def _read_tensors(path: Path) -> dict[str, torch.Tensor]:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} is damaged or truncated ({error}).") from error
    return {name: value.float() if value.dtype == torch.float16 else value for name, value in tensors.items()}


def _fill(model: ExpressionModel, tensors: dict[str, torch.Tensor], path: Path) -> None:
    import torch

    if bad := [
        name for name, value in tensors.items() if value.is_floating_point() and not torch.isfinite(value).all()
    ]:
        raise CheckpointError(f"{path}: the weights '{bad[0]}' are not finite numbers.")
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise CheckpointError(f"{path}: the weights do not fit the architecture ({first})") from error


def update_info(path: Path, **changes: Any) -> CheckpointInfo:
    """Change fields of a checkpoint's record, such as the temperature; the weights stay unchanged.

    Raises:
        CheckpointError: the file is damaged.
        ConfigError: a value is out of bounds.
        WorkspaceError: the file cannot be written.
    """
    from safetensors.torch import load_file

    info = CheckpointInfo.parse({**read_info(path).to_dict(), **changes})
    _read_tensors(path)  # never rewrite a damaged file
    save_checkpoint(path, load_file(path), info)
    return info


def load_plain(path: Path | BinaryIO, device: str = "cpu") -> Any:
    """Read a ``torch.save`` file, open or not, with ``weights_only=True``: tensors and plain values only, no code runs.

    Raises:
        CheckpointError: the file is missing, damaged, or contains anything else.
    """
    import warnings

    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about unknown pickle protocols before it rejects them
            return torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # malicious bytes can raise almost any error in an unpickler
        raise CheckpointError(f"{path} is damaged, or holds more than tensors ({type(error).__name__}).") from error


def import_state_dict(path: Path, architecture: str, **model_args: Any) -> ExpressionModel:
    """Load a network from an external ``.pt``/``.pkl`` state dict with ``weights_only=True``, so that no code in it runs.

    Raises:
        CheckpointError: the file is not a plain state dict or does not fit the architecture.
    """
    import torch

    from fer_core.models import build

    model = build(architecture, **model_args)
    state = load_plain(path)
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise CheckpointError(
            f"{path} is not a plain state dict (a dictionary of tensors). Save one with torch.save(model.state_dict(), file)."
        )
    _fill(model, state, path)
    return model.eval()
