"""THE inference path: training's validation, evaluation, upload, folder, video, webcam and CLI all come through here."""

from __future__ import annotations

import copy
import os
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from fer_core.classes import ClassList
from fer_core.errors import ModelError
from fer_core.inference.checkpoint import CheckpointInfo, load_checkpoint
from fer_core.preprocess import as_faces, to_tensor
from fer_core.resources import asset
from fer_core.workspace import Workspace, script_workspace

if TYPE_CHECKING:
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

    Safe to share between threads: nothing is switched or stored during a call.
    """

    def __init__(self, model: ExpressionModel, info: CheckpointInfo, device: str = "cpu") -> None:
        """Take ownership of ``model``: it is set to evaluation mode, and no gradient is ever kept for its weights."""
        import torch

        self.info = info
        self.device = torch.device(device)
        self.model = model.eval().requires_grad_(False).to(self.device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
        self._forward: Callable[..., object] = self.model

    @classmethod
    def load(cls, model: str | Path, device: str = "cpu", workspace: Workspace | None = None) -> Self:
        """A shipped model by name, a run by its id, or a checkpoint by its path.

        Raises:
            ModelError: there is no such model, or the file is damaged.
        """
        return cls.from_file(resolve_model(model, script_workspace(workspace)), device)

    @classmethod
    def from_file(cls, path: Path, device: str = "cpu") -> Self:
        """The model of a checkpoint file.

        Raises:
            ModelError: the file is missing or damaged.
        """
        network, info = load_checkpoint(path)
        found = cls(network, info, device)
        found._forward = fold_batch_norm(found.model)  # the weights of a file do not change any more
        return found

    @property
    def classes(self) -> ClassList:
        """The classes in the order of the logits, with their colors."""
        return self.info.classes

    @property
    def engine(self) -> dict[str, str]:
        """What computes the logits: ``name`` and ``version`` of the library."""
        return {"name": "torch", "version": version("torch")}

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
        return self._run(faces, self._forward, len(self.labels), batch_size, on_progress)

    def probabilities(
        self, faces: npt.NDArray[np.generic], batch_size: int = 256, on_progress: Progress | None = None
    ) -> Floats:
        """softmax(logits / temperature), float32 (N, C); each row sums to 1."""
        return softmax(self.logits(faces, batch_size, on_progress), self.info.temperature)

    def features(
        self, faces: npt.NDArray[np.generic], batch_size: int = 256, on_progress: Progress | None = None
    ) -> Floats:
        """Penultimate features, float32 (N, D): what the last linear layer sees."""
        width = self.model.classifier.in_features
        return self._run(faces, lambda x: self.model.embedding(self.model.features(x)), width, batch_size, on_progress)

    def _run(
        self,
        faces: npt.NDArray[np.generic],
        forward: Callable[..., object],
        width: int,
        batch_size: int,
        on_progress: Progress | None,
    ) -> Floats:
        import torch

        array = as_faces(faces)
        result = np.empty((len(array), width), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(array), batch_size):
                batch = torch.from_numpy(np.array(array[start : start + batch_size], order="C")).to(self.device)
                x = to_tensor(batch, self.info.preprocess).contiguous(memory_format=torch.channels_last)
                output = forward(x)
                assert isinstance(output, torch.Tensor)
                result[start : start + batch_size] = output.float().cpu().numpy()
                if on_progress:
                    on_progress(min(start + batch_size, len(array)), len(array))
        if not np.isfinite(result).all():
            raise ModelError(
                f"The {self.info.architecture} network answers with numbers that are not finite: its weights are damaged, "
                "or its training went astray. Use other weights."
            )
        return result


def fold_batch_norm(model: ExpressionModel) -> Callable[..., object]:
    """A copy of ``model``, for evaluation only, in which each convolution has taken in the batch norm behind it.

    In evaluation batch norm is a scale and a shift per channel, so conv and norm are one convolution with other weights
    (the logits agree to rounding, about 1e-6). It saves a pass over each map: ``compact`` answers a single face a sixth
    sooner. A network that cannot be traced is returned as it is.
    """
    import torch
    from torch import fx, nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    try:
        traced = fx.symbolic_trace(copy.deepcopy(model).eval())
    except (fx.proxy.TraceError, TypeError):  # its forward depends on the values it is given
        return model
    modules = dict(traced.named_modules())
    calls = Counter(str(node.target) for node in traced.graph.nodes if node.op == "call_module")
    for node in list(traced.graph.nodes):
        before = node.args[0] if node.op == "call_module" else None
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) > 1:
            continue
        conv, norm = modules[str(before.target)], modules[str(node.target)]
        if calls[str(before.target)] == 1 and isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            traced.set_submodule(str(before.target), fuse_conv_bn_eval(conv, norm))
            node.replace_all_uses_with(before)
            traced.graph.erase_node(node)
    traced.delete_all_unused_submodules()
    traced.recompile()
    traced.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
    return traced


def softmax(logits: npt.NDArray[np.floating], temperature: float = 1.0) -> Floats:
    """softmax(logits / temperature) over the last axis, float32, computed in float64 with the maximum taken off."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    scaled -= scaled.max(axis=-1, keepdims=True)
    exponentials = np.exp(scaled)
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True), dtype=np.float32)
