"""THE inference path: training's validation, evaluation, upload, folder, video, webcam and CLI all come through here."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

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
    """The checkpoint file meant by a shipped model's name, a run id (its best weights), or a path.

    ``NAME:labels`` or ``NAME:votes`` is the output of a network that learned this, where a training left two: of a run,
    or in files beside each other (``x.safetensors`` and ``x-labels.safetensors``).

    Raises:
        ModelError: none of these; the message lists the shipped models.
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
        f"There is no model '{text}'. Give a shipped model ({', '.join(shipped_models()) or 'none here'}), a run id, or a .safetensors file."
    )


def resolve_output(model: str, target: str, workspace: Workspace) -> Path:
    """The output of ``model`` that learned ``target`` where it has one, else what ``model`` means by itself.

    Raises:
        ModelError: there is no such model.
    """
    try:
        return resolve_model(f"{model}:{target}", workspace)
    except ModelError:
        return resolve_model(model, workspace)


def _find_checkpoint(text: str, workspace: Workspace) -> Path | None:
    plain = Path(text).name == text and text not in ("", ".", "..")
    path = Path(text).expanduser()
    candidates = [path, path / "best.safetensors"]
    if plain:
        candidates = [
            asset("models", f"{text}.safetensors"), workspace.runs / text / "best.safetensors", *candidates,
        ]  # fmt: skip
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def shipped_models() -> list[str]:
    """Names of the checkpoints in ``assets/models``."""
    return sorted(path.stem for path in asset("models").glob("*.safetensors"))


def default_model() -> str:
    """The model for faces in photographs and videos where none is named.

    That is the environment variable ``FER_MODEL``, else the first that is shipped of ``compact-people`` (which was
    trained on what ten people say of a face), ``compact`` and ``seed``.
    """
    shipped = shipped_models()
    return os.environ.get("FER_MODEL") or next((m for m in ("compact-people", "compact") if m in shipped), "seed")


class Classifier:
    """A network ready to use: uint8 faces (N, 48, 48) in, logits, probabilities or features out.

    Safe to share between threads: nothing is switched during a call. A network from a file is computed by ONNX Runtime
    where its ONNX file is at hand and agrees with PyTorch, else by PyTorch, which loads when it is first needed.
    """

    def __init__(
        self, model: ExpressionModel, info: CheckpointInfo, device: str = "cpu", *, sensitivity: float | None = None
    ) -> None:
        """Take ownership of ``model``: it is set to evaluation mode, and no gradient is ever kept for its weights.

        Raises:
            ConfigError: the sensitivity lies outside 0…1, or the model has no prior.
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
        """A shipped model by name, a run by its id, or a checkpoint by its path.

        Args:
            model: name, run id or path.
            device: ``cpu`` or ``cuda``.
            workspace: where runs and exported networks lie; that of a script, :func:`script_workspace`, when None.
            sensitivity: in 0…1, see :mod:`fer_core.inference.sensitivity`; the model's own when None.
            threads: of the processor, for ONNX Runtime; 0 takes all cores. With 1, PyTorch too, should it be needed,
                computes with one thread in this process, see :func:`share_processor`.

        Raises:
            ModelError: there is no such model, or the file is damaged.
            ConfigError: the sensitivity lies outside 0…1, or the model has no prior.
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
        """The model of a checkpoint file; see :meth:`load`.

        Raises:
            ModelError: the file is missing or damaged.
            ConfigError: the sensitivity lies outside 0…1, or the model has no prior.
        """
        found = cls.__new__(cls)
        found.info = read_info(path)
        found.adjustment = Adjustment.of(found.info, sensitivity)
        found._network = Network.from_file(path, found.info, device, workspace, threads)
        return found

    def with_sensitivity(self, sensitivity: float | None) -> Self:
        """The same network at another sensitivity (its own when None); nothing is loaded again.

        Raises:
            ConfigError: the sensitivity lies outside 0…1, or the model has no prior.
        """
        other = copy.copy(self)
        other.adjustment = Adjustment.of(self.info, sensitivity)
        return other

    def same_network(self, other: Classifier) -> bool:
        """Whether ``other`` is this network, at the same or another sensitivity."""
        return self._network is other._network

    @property
    def sensitivity(self) -> float:
        """In 0…1, see :mod:`fer_core.inference.sensitivity`."""
        return self.adjustment.sensitivity

    @property
    def temperature(self) -> float:
        """Divides the adjusted logits before softmax; that at the sensitivity."""
        return self.adjustment.temperature

    @property
    def abstain_below(self) -> float:
        """Below this top probability the model abstains; that at the sensitivity."""
        return self.adjustment.abstain_below

    @property
    def shift(self) -> npt.NDArray[np.float64]:
        """What the sensitivity takes off each raw logit, float64 (C,)."""
        return self.adjustment.shift

    @property
    def has_sensitivity(self) -> bool:
        """Whether the model knows how frequent its classes were in training, so that its sensitivity can be changed."""
        return bool(self.info.prior)

    def adjust(self, logits: npt.NDArray[np.floating]) -> Floats:
        """Raw logits (…, C) as this sensitivity shifts them; softmax(adjusted / ``temperature``) are probabilities."""
        return self.adjustment.apply(logits)

    @property
    def path(self) -> Path | None:
        """The file the network is from; None for one in memory."""
        return self._network.path

    @property
    def weights_key(self) -> str | None:
        """What names the weights of the file, see :func:`fer_core.inference.engines.weights_key`; None without a file."""
        return weights_key(self.path, self.info) if self.path is not None else None

    @property
    def model(self) -> ExpressionModel:
        """The network in PyTorch, for gradients, filters and layers; loaded when first asked for.

        Raises:
            ModelError: the file has become damaged.
        """
        return self._network.torch().model

    @property
    def device(self) -> torch.device:
        """Where PyTorch computes."""
        return self._network.torch().device

    @property
    def engine(self) -> dict[str, str]:
        """What computes the logits: ``name`` and ``version`` of the library."""
        engine = self._network.engine()
        return {"name": engine.name, "version": engine.version}

    @property
    def classes(self) -> ClassList:
        """The classes in the order of the logits, with their colors."""
        return self.info.classes

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in the order of the logits."""
        return self.info.labels

    def logits(
        self, faces: npt.NDArray[np.generic], batch_size: int = 256, on_progress: Progress | None = None
    ) -> Floats:
        """Raw logits, float32 (N, C), of faces uint8 (N, 48, 48) or (48, 48); sensitivity and temperature do not count.

        Raises:
            ImageError: the array is not one of faces.
            ModelError: the weights are damaged so that an answer is not finite.
        """
        return self._run(faces, "logits", batch_size, on_progress)

    def probabilities(
        self, faces: npt.NDArray[np.generic], batch_size: int = 256, on_progress: Progress | None = None
    ) -> Floats:
        """softmax(adjusted logits / temperature), float32 (N, C); each row sums to 1."""
        return softmax(self.adjust(self.logits(faces, batch_size, on_progress)), self.temperature)

    def features(
        self, faces: npt.NDArray[np.generic], batch_size: int = 256, on_progress: Progress | None = None
    ) -> Floats:
        """Penultimate features, float32 (N, D): what the last linear layer sees."""
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


def softmax(logits: npt.NDArray[np.floating], temperature: float = 1.0) -> Floats:
    """softmax(logits / temperature) over the last axis, float32, computed in float64 with the maximum taken off."""
    return probabilities_of(np.asarray(logits, dtype=np.float64) / temperature)
