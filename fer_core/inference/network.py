"""A network and what computes it: in memory, or from a checkpoint, then by ONNX Runtime where that is at hand.

The ONNX file of a checkpoint lies beside it for shipped models, else in the store, where it is made once, in the
background. PyTorch is loaded when something needs it: gradients, filters, layers, or a network without such a file.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fer_core.errors import FerError
from fer_core.inference.checkpoint import load_checkpoint
from fer_core.inference.engines import Engine, OnnxEngine, TorchEngine, weights_key
from fer_core.store import Store

if TYPE_CHECKING:
    from fer_core.inference.checkpoint import CheckpointInfo
    from fer_core.models import ExpressionModel
    from fer_core.workspace import Workspace

_LOOK_EVERY: Final = 5.0
"""Seconds between looks for a file that is not there yet."""

_log = logging.getLogger(__name__)


class Network:
    """A network with its engines. Safe to share between threads."""

    def __init__(self, model: ExpressionModel, info: CheckpointInfo, device: str = "cpu") -> None:
        """A network in memory; it is computed by PyTorch, since its weights may change."""
        self.path: Path | None = None
        self._device, self._threads = device, 0
        self._torch: TorchEngine | None = TorchEngine(model, info.preprocess, device)
        self._onnx: _OnnxFile | None = None
        self._lock = threading.Lock()

    @classmethod
    def from_file(
        cls, path: Path, info: CheckpointInfo, device: str, workspace: Workspace | None, threads: int
    ) -> Network:
        """The network of a checkpoint file, whose weights do not change any more.

        Args:
            path: of the checkpoint.
            info: its record.
            device: ``cpu`` or ``cuda``.
            workspace: whose store to look into where no ONNX file lies beside the checkpoint; None looks in none.
            threads: of the processor; 0 takes all cores.

        Raises:
            ModelError: the file is damaged.
        """
        network = cls.__new__(cls)
        network.path, network._device, network._threads = path, device, threads
        network._torch, network._lock = None, threading.Lock()
        network._onnx = _OnnxFile(path, info, workspace, threads) if device == "cpu" else None
        network.engine()  # a damaged file is refused here, not at the first face
        return network

    def engine(self) -> Engine:
        """What answers now: ONNX Runtime once its file is there and agrees, PyTorch until then."""
        onnx = self._onnx.engine() if self._onnx is not None else None
        return onnx or self.torch()

    def torch(self) -> TorchEngine:
        """The network in PyTorch, loaded when first asked for.

        Raises:
            ModelError: the file is damaged.
        """
        with self._lock:
            if self._torch is None:
                assert self.path is not None
                model, info = load_checkpoint(self.path)
                if self._threads == 1:
                    share_processor()
                self._torch = TorchEngine(model, info.preprocess, self._device, fold=True)
            return self._torch


def share_processor(threads: int = 1) -> None:
    """From now on let PyTorch compute with ``threads`` threads in this process; for programs that answer a few faces at a
    time.

    With several threads each layer of a small network ends at a barrier, and a thread that another program keeps from
    running holds up all the others: beside a training, one face took 600 ms with two threads and 5 ms with one
    (two cores). A single thread also leaves the other cores to the detector, the encoder and other windows.
    """
    import torch

    torch.set_num_threads(threads)


class _OnnxFile:
    """Where the ONNX file of a checkpoint is, and the engine it gives."""

    def __init__(self, checkpoint: Path, info: CheckpointInfo, workspace: Workspace | None, threads: int) -> None:
        """``workspace``: whose store to look into where no file lies beside the checkpoint; None looks in none."""
        self._checkpoint, self._info, self._threads = checkpoint, info, threads
        self._store = Store(workspace) if workspace is not None else None
        self._engine: OnnxEngine | None = None
        self._key: str | None = None
        self._refused = False  # a file was found, and none that was agrees
        self._look_again = 0.0
        self._lock = threading.Lock()

    def engine(self) -> OnnxEngine | None:
        """ONNX Runtime with this file; None while there is none, or where it disagrees with PyTorch, which is logged.

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
                self._engine = engine
                return
            self._refused = True
            _log.warning("An ONNX file of %s is not used, PyTorch answers instead: %s.", self._checkpoint, fault)

    def _sources(self, key: str) -> Iterator[Path | bytes]:
        """Where the file may be: beside the checkpoint, in the store."""
        beside = self._checkpoint.with_suffix(".onnx")
        if beside.is_file():
            yield beside
        if self._store is not None:
            kept = self._store.get("onnx", key, lambda entry: entry.arrays["onnx"].tobytes())
            if kept:  # an empty one means that the export did not agree
                yield kept
