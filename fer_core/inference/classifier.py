"""The one inference path: validation, evaluation, photos, video, webcam and the command line all use it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.errors import ModelError
from fer_core.inference.checkpoint import CheckpointInfo, read_info
from fer_core.inference.engines import Output, probabilities_of, weights_key
from fer_core.inference.network import Network
from fer_core.inference.sensitivity import Adjustment
from fer_core.preprocess import FACE_SIZE, as_faces
from fer_core.resources import asset
from fer_core.workspace import Workspace, script_workspace

if TYPE_CHECKING:
    import torch

    from fer_core.models import ExpressionModel

Floats = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]
"""Called with (done, total)."""


def resolve_model(model: str | Path, workspace: Workspace) -> Path:
    """Return the checkpoint file of a model, given a shipped name, a run id (its best weights), a taught name or a path.

    A shipped name comes first, so no run or taught model can replace a shipped one.

    ``NAME:labels`` and ``NAME:votes`` name one output of a training with two: of a run, or of files next to each other
    (``x.safetensors`` and ``x-labels.safetensors``).

    Raises:
        ModelError: the model does not exist; the message lists the shipped models.
    """
    text = str(model)
    if (found := _find_checkpoint(text, workspace)) is not None:
        return found
    name, colon, target = text.rpartition(":")
    if colon and target in ("labels", "votes"):
        path = resolve_model(name, workspace)
        for candidate in (path.with_name(f"{path.stem}-{target}{path.suffix}"), path):
            if candidate.is_file() and read_info(candidate).target == target:
                return candidate
        raise ModelError(f"The model '{name}' has no output for {target}; it learned {read_info(path).target} only.")
    if Path(text).name == text and text not in ("", ".", "..") and (workspace.runs / text).is_dir():
        raise ModelError(f"The run '{text}' has no saved weights yet; its first epoch is not finished.")
    raise ModelError(
        f"There is no model '{text}'. Give a shipped model ({', '.join(shipped_models()) or 'none here'}), a run id, a taught model, or a .safetensors file."
    )


def resolve_output(model: str, target: str, workspace: Workspace) -> Path:
    """Return the output of ``model`` with this target, or its only output.

    Raises:
        ModelError: the model does not exist.
    """
    try:
        return resolve_model(f"{model}:{target}", workspace)
    except ModelError:
        return resolve_model(model, workspace)


def _find_checkpoint(text: str, workspace: Workspace) -> Path | None:
    plain = Path(text).name == text and text not in ("", ".", "..")
    path = Path(text).expanduser()
    candidates = [path, path / "best.safetensors"] if workspace.may_read(path) else []
    if plain:
        candidates = [
            asset("models", f"{text}.safetensors"), workspace.runs / text / "best.safetensors",
            workspace.taught / text / "model.safetensors", *candidates,
        ]  # fmt: skip
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def shipped_models() -> list[str]:
    """Return the names of the checkpoints in ``assets/models``."""
    return sorted(path.stem for path in asset("models").glob("*.safetensors"))


def default_model() -> str:
    """Return the default model for photos, videos and the webcam.

    This is ``FER_MODEL`` if that environment variable is set, otherwise the first shipped of ``compact-people`` (trained on
    people's votes), ``compact`` and ``seed``.
    """
    shipped = shipped_models()
    return os.environ.get("FER_MODEL") or next((m for m in ("compact-people", "compact") if m in shipped), "seed")


class Classifier:
    """A network for inference: takes uint8 faces (N, 48, 48), returns logits, probabilities or features.

    Thread-safe: a call changes no state. Networks loaded from a file run in ONNX Runtime if their ONNX file is available and
    agrees with PyTorch; otherwise in PyTorch, which is imported on first use.
    """

    def __init__(
        self, model: ExpressionModel, info: CheckpointInfo, device: str = "cpu", *, sensitivity: float | None = None
    ) -> None:
        """Take ownership of ``model``, which is set to evaluation mode without gradients.

        Raises:
            ConfigError: the sensitivity is outside 0…1, or the model has no prior.
        """
        self.info = info
        self.adjustment = Adjustment.of(info, sensitivity)
        self._network = Network(model, info, device)

    @classmethod
    def load(
        cls,
        model: str | Path,
        device: str = "cpu",
        workspace: Workspace | None = None,
        *,
        sensitivity: float | None = None,
        threads: int = 0,
    ) -> Self:
        """Load a shipped model by name, a run by id, or a checkpoint by path.

        Args:
            model: name, run id or path.
            device: ``cpu`` or ``cuda``.
            workspace: where runs and exported networks are; None uses :func:`script_workspace`.
            sensitivity: in 0…1, see :mod:`fer_core.inference.sensitivity`; None uses the model's default.
            threads: processor threads for ONNX Runtime; 0 uses all cores. With 1, PyTorch, if needed, also uses one
                thread in this process, see :func:`limit_torch_threads`.

        Raises:
            ModelError: the model does not exist, or its file is damaged.
            ConfigError: the sensitivity is outside 0…1, or the model has no prior.
        """
        workspace = script_workspace(workspace)
        path = resolve_model(model, workspace)
        return cls.from_file(path, device, workspace=workspace, sensitivity=sensitivity, threads=threads)

    @classmethod
    def from_file(
        cls,
        path: Path,
        device: str = "cpu",
        *,
        workspace: Workspace | None = None,
        sensitivity: float | None = None,
        threads: int = 0,
    ) -> Self:
        """Load a checkpoint file; see :meth:`load`.

        Raises:
            ModelError: the file is missing or damaged.
            ConfigError: the sensitivity is outside 0…1, or the model has no prior.
        """
        found = cls.__new__(cls)
        found.info = read_info(path)
        found.adjustment = Adjustment.of(found.info, sensitivity)
        found._network = Network.from_file(path, found.info, device, workspace, threads)
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        """Send a network of a file to another process as its path and settings.

        Raises:
            TypeError: the network was created in memory.
        """
        if self.path is None:
            raise TypeError("a network in memory cannot be sent to another process; save it and load it from its file")
        network = self._network
        settings = (self.path, network.device, network.workspace, self.sensitivity_or_none)
        return _from_file, (type(self), *settings, network.threads)

    def with_sensitivity(self, sensitivity: float | None) -> Self:
        """Return the same network at another sensitivity (None: its default) without loading it again.

        Raises:
            ConfigError: the sensitivity is outside 0…1, or the model has no prior.
        """
        other = object.__new__(type(self))  # copy.copy would go through __reduce__, which loads the network again
        other.__dict__.update(self.__dict__)
        other.adjustment = Adjustment.of(self.info, sensitivity)
        return other

    def same_network(self, other: Classifier) -> bool:
        """Return whether ``other`` is the same network, at any sensitivity."""
        return self._network is other._network

    @property
    def sensitivity(self) -> float:
        """The sensitivity in 0…1, see :mod:`fer_core.inference.sensitivity`."""
        return self.adjustment.sensitivity

    @property
    def temperature(self) -> float:
        """The temperature at this sensitivity; divides the adjusted logits before softmax."""
        return self.adjustment.temperature

    @property
    def abstain_below(self) -> float:
        """The threshold at this sensitivity; the model abstains if the top probability is lower."""
        return self.adjustment.abstain_below

    @property
    def shift(self) -> npt.NDArray[np.float64]:
        """The adjustment subtracted from the raw logits, float64 (C,)."""
        return self.adjustment.shift

    @property
    def sensitivity_or_none(self) -> float | None:
        """The sensitivity; None if the model has none."""
        return self.sensitivity if self.has_sensitivity else None

    @property
    def has_sensitivity(self) -> bool:
        """Whether the model has a prior, so that its sensitivity can be changed."""
        return bool(self.info.prior)

    def adjust(self, logits: npt.NDArray[np.floating]) -> Floats:
        """Return the raw logits (…, C) adjusted for the sensitivity; softmax(adjusted / ``temperature``) gives probabilities."""
        return self.adjustment.apply(logits)

    @property
    def path(self) -> Path | None:
        """The network's file; None if it was created in memory."""
        return self._network.path

    def portable_files(self) -> dict[str, bytes]:
        """Return the files of the network for another machine: ``model.safetensors``, and ``model.onnx`` if it is in use.

        Raises:
            ModelError: the network was created in memory, or its file is gone.
        """
        if self.path is None:
            raise ModelError("A network in memory has no file to send; save it first.")
        try:
            files = {"model.safetensors": self.path.read_bytes()}
        except OSError as error:
            raise ModelError(f"The model {self.path} cannot be read ({error.strerror}).") from error
        onnx = self._network.onnx_source()
        if onnx is not None:
            files["model.onnx"] = onnx if isinstance(onnx, bytes) else onnx.read_bytes()
        return files

    @property
    def weights_key(self) -> str | None:
        """The key of the file's weights, see :func:`fer_core.inference.engines.weights_key`; None without a file."""
        return weights_key(self.path, self.info) if self.path is not None else None

    @property
    def model(self) -> ExpressionModel:
        """The PyTorch network, for gradients, filters and layers; loaded on first use.

        Raises:
            ModelError: the file is damaged.
        """
        return self._network.torch().model

    @property
    def device(self) -> torch.device:
        """The PyTorch device."""
        return self._network.torch().device

    @property
    def engine(self) -> dict[str, str]:
        """The engine that computes the logits: ``name`` and ``version`` of the library."""
        engine = self._network.engine()
        return {"name": engine.name, "version": engine.version}

    @property
    def onnx_source(self) -> Path | bytes | None:
        """The ONNX file that computes the logits, or its content; None while PyTorch computes."""
        return self._network.onnx_source()

    @property
    def classes(self) -> ClassList:
        """The classes in the order of the logits, with their colors."""
        return self.info.classes

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names in the order of the logits."""
        return self.info.labels

    def logits(
        self, faces: npt.NDArray[np.generic], batch_size: int = 256, on_progress: Progress | None = None
    ) -> Floats:
        """Return raw logits, float32 (N, C), for faces uint8 (N, 48, 48) or (48, 48), without sensitivity or temperature.

        Raises:
            ImageError: the array does not contain faces.
            ModelError: the logits are NaN or infinite because the weights are damaged.
        """
        return self._run(faces, "logits", batch_size, on_progress)

    def probabilities(
        self, faces: npt.NDArray[np.generic], batch_size: int = 256, on_progress: Progress | None = None
    ) -> Floats:
        """Return softmax(adjusted logits / temperature), float32 (N, C); each row sums to 1."""
        return softmax(self.adjust(self.logits(faces, batch_size, on_progress)), self.temperature)

    def features(
        self, faces: npt.NDArray[np.generic], batch_size: int = 256, on_progress: Progress | None = None
    ) -> Floats:
        """Return the penultimate features, float32 (N, D): the input of the last linear layer."""
        return self._run(faces, "features", batch_size, on_progress)

    def _run(
        self, faces: npt.NDArray[np.generic], output: Output, batch_size: int, on_progress: Progress | None
    ) -> Floats:
        array, engine = as_faces(faces), self._network.engine()
        if not len(array):
            return engine.run(np.zeros((1, FACE_SIZE, FACE_SIZE), np.uint8), output)[:0]
        parts = []
        for start in range(0, len(array), batch_size):
            parts.append(engine.run(array[start : start + batch_size], output))
            if on_progress:
                on_progress(min(start + batch_size, len(array)), len(array))
        result = np.concatenate(parts) if len(parts) > 1 else parts[0]
        if not np.isfinite(result).all():
            raise ModelError(
                f"The {self.info.architecture} network answers with numbers that are not finite: its weights are damaged, "
                "or its training went astray. Use other weights."
            )
        return result


def _from_file(
    kind: type[Classifier],
    path: Path,
    device: str,
    workspace: Workspace | None,
    sensitivity: float | None,
    threads: int,
) -> Classifier:
    return kind.from_file(path, device, workspace=workspace, sensitivity=sensitivity, threads=threads)


def softmax(logits: npt.NDArray[np.floating], temperature: float = 1.0) -> Floats:
    """Return softmax(logits / temperature) over the last axis as float32, computed stably in float64."""
    return probabilities_of(np.asarray(logits, dtype=np.float64) / temperature)
