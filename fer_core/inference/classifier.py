"""THE inference path: training's validation, evaluation, upload, folder, video, webcam and CLI all come through here."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.errors import ModelError
from fer_core.inference.checkpoint import CheckpointInfo, load_checkpoint, read_info
from fer_core.inference.engines import Engine, Output, TorchEngine, probabilities_of, weights_key
from fer_core.inference.onnx_file import OnnxFile
from fer_core.preprocess import as_faces
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

    Raises:
        ModelError: none of the three; the message lists the shipped models.
    """
    text = str(model)
    runs = workspace.runs
    plain = Path(text).name == text and text not in ("", ".", "..")
    candidates = [asset("models", f"{text}.safetensors"), runs / text / "best.safetensors"] if plain else []
    path = Path(text).expanduser()
    candidates += [path, path / "best.safetensors"]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    if plain and (runs / text).is_dir():
        raise ModelError(f"The run '{text}' has no saved weights yet; its first epoch is not finished.")
    raise ModelError(
        f"There is no model '{text}'. Give a shipped model ({', '.join(shipped_models()) or 'none here'}), a run id, or a .safetensors file."
    )


def shipped_models() -> list[str]:
    """Names of the checkpoints in ``assets/models``."""
    return sorted(path.stem for path in asset("models").glob("*.safetensors"))


def default_model() -> str:
    """The model used where none is named: the environment variable ``FER_MODEL``, else ``compact``, else ``seed``."""
    return os.environ.get("FER_MODEL") or ("compact" if "compact" in shipped_models() else "seed")


def share_processor(threads: int = 1) -> None:
    """From now on compute with ``threads`` threads in this process; for programs that answer a few faces at a time.

    With several threads each layer of a small network ends at a barrier, and a thread that another program keeps from
    running holds up all the others: beside a training, one face took 600 ms with two threads and 5 ms with one
    (two cores). A single thread also leaves the other cores to the detector, the encoder and other windows.
    """
    import torch

    torch.set_num_threads(threads)


class Classifier:
    """A network ready to use: uint8 faces (N, 48, 48) in, logits, probabilities or features out.

    Safe to share between threads: nothing is switched during a call. A network from a file is computed by ONNX Runtime
    where its ONNX file is at hand and agrees with PyTorch, else by PyTorch, which loads when it is first needed.
    """

    def __init__(self, model: ExpressionModel, info: CheckpointInfo, device: str = "cpu") -> None:
        """Take ownership of ``model``: it is set to evaluation mode, and no gradient is ever kept for its weights."""
        self.info = info
        self._device, self._threads = device, 0
        self._path: Path | None = None
        self._lock = threading.Lock()
        self._torch: TorchEngine | None = TorchEngine(model, info.preprocess, device)
        self._onnx: OnnxFile | None = None

    @classmethod
    def load(
        cls, model: str | Path, device: str = "cpu", workspace: Workspace | None = None, *, threads: int = 0
    ) -> Self:
        """A shipped model by name, a run by its id, or a checkpoint by its path.

        Args:
            model: name, run id or path.
            device: ``cpu`` or ``cuda``.
            workspace: where runs and exported networks lie; that of a script, :func:`script_workspace`, when None.
            threads: of the processor, for ONNX Runtime; 0 takes all cores. With 1, PyTorch too, should it be needed,
                computes with one thread in this process, see :func:`share_processor`.

        Raises:
            ModelError: there is no such model, or the file is damaged.
        """
        workspace = script_workspace(workspace)
        return cls.from_file(resolve_model(model, workspace), device, workspace=workspace, threads=threads)

    @classmethod
    def from_file(
        cls, path: Path, device: str = "cpu", *, workspace: Workspace | None = None, threads: int = 0
    ) -> Self:
        """The model of a checkpoint file; see :meth:`load`.

        Raises:
            ModelError: the file is missing or damaged.
        """
        found = cls.__new__(cls)
        found.info = read_info(path)
        found._device, found._threads, found._path = device, threads, path
        found._lock = threading.Lock()
        found._torch = None
        found._onnx = OnnxFile(path, found.info, workspace, threads) if device == "cpu" else None
        if found._onnx is None or found._onnx.engine() is None:
            found._load_torch()  # a damaged file is refused here, not at the first face
        return found

    @property
    def weights_key(self) -> str | None:
        """What names the weights of the file, see :func:`fer_core.inference.engines.weights_key`; None without a file."""
        return weights_key(self._path, self.info) if self._path is not None else None

    @property
    def model(self) -> ExpressionModel:
        """The network in PyTorch, for gradients, filters and layers; loaded when first asked for.

        Raises:
            ModelError: the file has become damaged.
        """
        return self._load_torch().model

    @property
    def device(self) -> torch.device:
        """Where PyTorch computes."""
        return self._load_torch().device

    @property
    def engine(self) -> dict[str, str]:
        """What computes the logits: ``name`` and ``version`` of the library."""
        engine = self._engine()
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
        """Logits, float32 (N, C), of faces uint8 (N, 48, 48) or (48, 48).

        Raises:
            ImageError: the array is not one of faces.
            ModelError: the weights are damaged so that an answer is not finite.
        """
        return self._run(faces, "logits", batch_size, on_progress)

    def probabilities(
        self, faces: npt.NDArray[np.generic], batch_size: int = 256, on_progress: Progress | None = None
    ) -> Floats:
        """softmax(logits / temperature), float32 (N, C); each row sums to 1."""
        return softmax(self.logits(faces, batch_size, on_progress), self.info.temperature)

    def features(
        self, faces: npt.NDArray[np.generic], batch_size: int = 256, on_progress: Progress | None = None
    ) -> Floats:
        """Penultimate features, float32 (N, D): what the last linear layer sees."""
        return self._run(faces, "features", batch_size, on_progress)

    def _engine(self) -> Engine:
        onnx = self._onnx.engine() if self._onnx is not None else None
        return onnx or self._load_torch()

    def _load_torch(self) -> TorchEngine:
        with self._lock:
            if self._torch is None:
                assert self._path is not None
                network, info = load_checkpoint(self._path)
                if self._threads == 1:
                    share_processor()
                # the weights of a file do not change any more, so that batch norm can be folded
                self._torch = TorchEngine(network, info.preprocess, self._device, fold=True)
            return self._torch

    def _run(
        self, faces: npt.NDArray[np.generic], output: Output, batch_size: int, on_progress: Progress | None
    ) -> Floats:
        array, engine = as_faces(faces), self._engine()
        parts = []
        for start in range(0, max(1, len(array)), batch_size):
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
