"""A network and its engine: in memory, or loaded from a checkpoint and run in ONNX Runtime if possible.

The ONNX file of a shipped model is next to its checkpoint; other models have theirs in the store, exported once in the
background. PyTorch is imported when something needs it: gradients, filters, layers, or a network without an ONNX file.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fer_core.errors import FerError, ModelError
from fer_core.inference.checkpoint import load_checkpoint
from fer_core.inference.engines import Engine, OnnxEngine, TorchEngine, weights_key
from fer_core.store import Store

if TYPE_CHECKING:
    from fer_core.inference.checkpoint import CheckpointInfo
    from fer_core.models import ExpressionModel
    from fer_core.workspace import Workspace

_LOOK_EVERY: Final = 5.0
"""Seconds between checks for a file that does not exist yet."""

_log = logging.getLogger(__name__)


class Network:
    """A network with its engines. Thread-safe."""

    _info: CheckpointInfo

    def __init__(self, model: ExpressionModel, info: CheckpointInfo, device: str = "cpu") -> None:
        """Create a network from memory; PyTorch computes it, because its weights may change."""
        self.path: Path | None = None
        self.device, self.threads = device, 0
        self.workspace: Workspace | None = None
        self._torch: TorchEngine | None = TorchEngine(model, info.preprocess, device)
        self._onnx: _OnnxFile | None = None
        self._lock = threading.Lock()

    @classmethod
    def from_file(
        cls, path: Path, info: CheckpointInfo, device: str, workspace: Workspace | None, threads: int
    ) -> Network:
        """Create a network from a checkpoint file whose weights no longer change.

        Args:
            path: path of the checkpoint.
            info: its record.
            device: ``cpu`` or ``cuda``.
            workspace: the workspace whose store may contain the ONNX file; None searches no store.
            threads: processor threads; 0 uses all cores.

        Raises:
            ModelError: the file is damaged.
        """
        network = cls.__new__(cls)
        network.path, network.device, network.threads, network.workspace = path, device, threads, workspace
        network._torch, network._lock, network._info = None, threading.Lock(), info
        network._onnx = _OnnxFile(path, info, workspace, threads) if device == "cpu" else None
        network.engine()  # damaged files fail here, not at the first face
        return network

    def engine(self) -> Engine:
        """The current engine: ONNX Runtime once its file exists and agrees, PyTorch until then."""
        onnx = self._onnx.engine() if self._onnx is not None else None
        return onnx or self.torch()

    def onnx_source(self) -> Path | bytes | None:
        """The ONNX file in use, or its content; None while PyTorch computes."""
        return self._onnx.source() if self._onnx is not None else None

    def torch(self) -> TorchEngine:
        """The PyTorch network, loaded on first use.

        Raises:
            ModelError: the file is damaged, or was replaced, as when own classes are taught again.
        """
        with self._lock:
            if self._torch is None:
                assert self.path is not None
                model, info = load_checkpoint(self.path)
                if _same_training(info) != _same_training(self._info):
                    raise ModelError(f"{self.path} was replaced since it was loaded. Load the model again.")
                if self.threads == 1:
                    limit_torch_threads()
                self._torch = TorchEngine(model, info.preprocess, self.device, fold=True)
            return self._torch


def _same_training(info: CheckpointInfo) -> tuple[object, ...]:
    """Return what stays the same unless other weights replace those of a file; its calibration may change."""
    return info.architecture, info.model_args, info.labels, info.preprocess, info.created


def limit_torch_threads(threads: int = 1) -> None:
    """Limit PyTorch to ``threads`` threads in this process, for programs that classify a few faces at a time.

    With several threads, each layer of a small network ends at a barrier, and one preempted thread delays all others: next to a
    training, one face took 600 ms with two threads and 5 ms with one (two cores). A single thread also leaves the other cores
    to the detector, the encoder and other windows.
    """
    import torch

    torch.set_num_threads(threads)


class _OnnxFile:
    """Finds the ONNX file of a checkpoint and loads its engine."""

    def __init__(self, checkpoint: Path, info: CheckpointInfo, workspace: Workspace | None, threads: int) -> None:
        """Create a finder; ``workspace`` is the one whose store may contain the file, None searches no store."""
        self._checkpoint, self._info, self._threads = checkpoint, info, threads
        self._store = Store(workspace) if workspace is not None else None
        self._engine: OnnxEngine | None = None
        self._source: Path | bytes | None = None
        self._key: str | None = None
        self._refused = False  # a file exists, but it disagrees with PyTorch
        self._look_again = 0.0
        self._lock = threading.Lock()

    def engine(self) -> OnnxEngine | None:
        """Return the ONNX Runtime engine, or None if there is no file or it disagrees with PyTorch, which is logged.

        Raises:
            ModelError: the checkpoint cannot be read.
        """
        if self._engine is not None or self._refused or time.monotonic() < self._look_again:
            return self._engine
        with self._lock:
            if self._engine is None and not self._refused:
                self._find()
                self._look_again = time.monotonic() + _LOOK_EVERY
        return self._engine

    def source(self) -> Path | bytes | None:
        """Return the file of the engine, or its content; None without an engine."""
        return self._source if self.engine() is not None else None

    def _find(self) -> None:
        if self._key is None:
            self._key = weights_key(self._checkpoint, self._info)
        key = self._key
        for source in self._sources(key):
            try:
                engine = OnnxEngine(source, self._threads)
                fault = engine.fault(key)
            except FerError as error:
                fault = str(error)
            if fault is None:
                self._engine, self._source = engine, source
                return
            self._refused = True
            _log.warning("The ONNX file of %s is not used, PyTorch computes instead: %s.", self._checkpoint, fault)

    def _sources(self, key: str) -> Iterator[Path | bytes]:
        """Return the possible paths: next to the checkpoint, and in the store."""
        beside = self._checkpoint.with_suffix(".onnx")
        if beside.is_file():
            yield beside
        if self._store is not None:
            kept = self._store.get("onnx", key, lambda entry: entry.arrays["onnx"].tobytes())
            if kept:  # an empty file records a failed export
                yield kept
