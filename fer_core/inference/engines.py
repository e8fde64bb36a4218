"""Engines that compute a network's outputs: PyTorch, and ONNX Runtime, which loads faster and needs less memory.

An engine takes gray faces and returns logits or penultimate features. Our ONNX files contain a key of the weights they were
exported from and PyTorch's probabilities for 32 fixed faces; a file is used only if both match.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from fer_core.config import PreprocessConfig
from fer_core.errors import ModelError
from fer_core.preprocess import FACE_SIZE, to_tensor

if TYPE_CHECKING:
    import torch

    from fer_core.inference.checkpoint import CheckpointInfo
    from fer_core.models import ExpressionModel

Floats = npt.NDArray[np.float32]
Output = Literal["logits", "features"]

TOLERANCE: Final = 1e-5
"""Largest accepted difference in probability between PyTorch and an ONNX file that replaces it."""

_log = logging.getLogger(__name__)


class Engine(Protocol):
    """Computes a network's outputs. Thread-safe."""

    name: str
    version: str

    def run(self, faces: npt.NDArray[np.uint8], output: Output) -> Floats:
        """Return ``logits`` float32 (N, C) or penultimate ``features`` float32 (N, D) of faces uint8 (N, 48, 48)."""
        ...


class TorchEngine:
    """A network in PyTorch, on a processor or a GPU; a call changes no state."""

    name = "torch"

    def __init__(
        self,
        model: ExpressionModel,
        preprocess: PreprocessConfig,
        device: str = "cpu",
        *,
        fold: bool = False,
        channels_last: bool = True,
    ) -> None:
        """Take ownership of ``model``, which is set to evaluation mode without gradients.

        Args:
            model: the network.
            preprocess: its preprocessing.
            device: ``cpu`` or ``cuda``.
            fold: fold batch norm into the convolutions; the weights must not change afterwards.
            channels_last: use the channels-last memory format, which is faster on processors.
        """
        import torch

        self.version = version("torch")
        self.preprocess = preprocess
        self.device = torch.device(device)
        self.model = model.eval().requires_grad_(False).to(self.device)
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self.model.to(memory_format=self._layout)  # type: ignore[call-overload]  # missing in torch's stubs
        self._forward: Callable[..., Any] = fold_batch_norm(self.model) if fold else self.model

    def run(self, faces: npt.NDArray[np.uint8], output: Output) -> Floats:
        """See :class:`Engine`."""
        import torch

        with torch.inference_mode():
            batch = torch.from_numpy(np.array(faces, order="C")).to(self.device)
            x = to_tensor(batch, self.preprocess).contiguous(memory_format=self._layout)
            found = self._forward(x) if output == "logits" else self.model.embedding(self.model.features(x))
            assert isinstance(found, torch.Tensor)
            return np.asarray(found.float().cpu().numpy())


def load_onnxruntime() -> ModuleType:
    """Import ONNX Runtime with its usage statistics turned off, so that nothing leaves the machine.

    Its wheel reports to its maker unless an environment variable is set before it loads. No other code imports it.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    module: ModuleType = onnxruntime
    return module


class OnnxEngine:
    """A network in ONNX Runtime, from a file written by :func:`fer_core.inference.export.onnx_bytes`."""

    name = "onnxruntime"

    def __init__(self, model: Path | bytes, threads: int = 1) -> None:
        """Load a file or its content.

        Args:
            model: path or content.
            threads: processor threads; 0 uses all cores.

        Raises:
            ModelError: the content is not one of our ONNX files, or is damaged.
        """
        onnxruntime = load_onnxruntime()
        self.version = version("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3  # users cannot act on optimizer warnings
        try:
            source = model if isinstance(model, bytes) else str(model)
            self.session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
            self.about: dict[str, str] = dict(self.session.get_modelmeta().custom_metadata_map)
            self.labels = tuple(str(name) for name in json.loads(self.about["labels"]))
        except (
            Exception
        ) as error:  # ONNX Runtime's errors have no common base class, and damaged files can raise almost any error
            raise ModelError(
                f"{model if isinstance(model, Path) else 'The ONNX file'} cannot be used ({error})."
            ) from error

    def run(self, faces: npt.NDArray[np.uint8], output: str) -> Floats:
        """See :class:`Engine`; exported files also provide ``probabilities``."""
        return np.asarray(self.session.run([output], {"faces": np.ascontiguousarray(faces)})[0])

    def fault(self, weights: str) -> str | None:
        """Return why this file must not replace the network with these weights; None if it may.

        Args:
            weights: :func:`weights_key` of the checkpoint.
        """
        if self.about.get("weights") != weights:
            return "it was exported from other weights"
        try:
            wanted = np.frombuffer(base64.b64decode(self.about["reference"]), np.float32).reshape(-1, len(self.labels))
            # small batches, because the memory of a large one would never be released
            parts = [self.run(part, "logits") for part in np.split(fixed_faces(), 8)]
            found = probabilities_of(np.concatenate(parts))
            difference = float(np.abs(found - wanted).max())
        except Exception as error:
            return f"its reference cannot be checked ({error})"
        return None if difference <= TOLERANCE else f"a probability differs from PyTorch's by {difference:.2g}"


def probabilities_of(logits: npt.NDArray[np.floating]) -> Floats:
    """Return softmax(logits) over the last axis as float32, computed stably in float64."""
    scaled = np.asarray(logits, dtype=np.float64)
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True), dtype=np.float32)


def fixed_faces() -> npt.NDArray[np.uint8]:
    """Return the 32 faces on which engines are compared, uint8 (32, 48, 48): patterns at several scales, some flat.

    They use integer arithmetic only, so that they are the same with every library version.
    """
    number, row, column = np.ogrid[0:32, 0:FACE_SIZE, 0:FACE_SIZE]
    block = np.array([1, 3, 6, 12])[number % 4]
    mixed = (number * 7919 + (row // block) * 104_729 + (column // block) * 1_299_709 + 12_345) * 2_654_435_761
    faces = np.asarray((mixed >> 13) % 256, dtype=np.uint8)
    faces[-3:] = np.array([0, 128, 255], np.uint8)[:, None, None]
    return faces


def reference_of(logits: Floats) -> str:
    """Encode the probabilities of :func:`fixed_faces` as text for an ONNX file."""
    return base64.b64encode(probabilities_of(logits).tobytes()).decode()


def weights_key(path: Path, info: CheckpointInfo) -> str:
    """Return the SHA-256 of everything that determines the logits: weights, architecture, preprocessing, classes.

    Raises:
        ModelError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return weights_key_of(file, info)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}).") from error


def weights_key_of(file: IO[bytes], info: CheckpointInfo) -> str:
    """Return :func:`weights_key` of an open checkpoint, read from its start."""
    about = [info.architecture, info.model_args, info.preprocess.to_dict(), list(info.labels)]
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    file.seek(8 + int.from_bytes(file.read(8), "little"))
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def fold_batch_norm(model: torch.nn.Module) -> Callable[..., object]:
    """Return a copy of ``model`` for evaluation with each batch norm folded into the preceding convolution.

    In evaluation mode, batch norm scales and shifts each channel, so it can become part of the convolution's weights (logits
    agree to about 1e-6). This saves a pass over each map: a single face through ``compact`` takes a sixth less time. A network
    that cannot be traced is returned unchanged.
    """
    import torch
    from torch import fx, nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    try:
        traced = fx.symbolic_trace(copy.deepcopy(model).eval())
    except (fx.proxy.TraceError, TypeError):  # the forward pass depends on its input values
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
