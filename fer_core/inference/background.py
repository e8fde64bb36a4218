"""Exports a network to ONNX once, in a background process; until then, PyTorch computes."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

import numpy as np

from fer_core.errors import FerError, ModelError
from fer_core.jobs import spawn
from fer_core.store import Store
from fer_core.workspace import make_directory

if TYPE_CHECKING:
    from fer_core.inference.classifier import Classifier
    from fer_core.workspace import Workspace

SWITCH: Final = "FER_EXPORT_ONNX"
"""Environment variable; ``0`` turns background exports off."""


def export_behind(classifier: Classifier, workspace: Workspace) -> bool:
    """Start exporting a network's file to ONNX if there is no export yet; return whether a process was started.

    Never raises: without an ONNX file, PyTorch computes.
    """
    path = classifier.path
    if path is None or classifier.engine["name"] != "torch" or os.environ.get(SWITCH) == "0":
        return False
    try:
        if Store(workspace).get("onnx", str(classifier.weights_key), lambda entry: True):
            return False  # exported before, but the results disagree
        spawn(["export", str(path), "--keep"], workspace, make_directory(workspace.logs) / "onnx.log")
    except (FerError, OSError):
        return False
    return True


def keep_onnx(classifier: Classifier, workspace: Workspace) -> None:
    """Export a network's file to ONNX into the store, unless another process is doing so.

    A failed export, or one that differs from PyTorch, is recorded, so that it is tried only once.
    """
    from filelock import FileLock, Timeout

    from fer_core.inference.engines import OnnxEngine
    from fer_core.inference.export import onnx_bytes

    key = classifier.weights_key
    if key is None:
        raise ModelError("Only networks loaded from a file can be exported to the store.")
    lock = FileLock(make_directory(workspace.cache) / f"onnx-{key[:16]}.lock", timeout=0)
    with contextlib.suppress(Timeout), lock:
        content, fault = b"", None
        try:
            content = onnx_bytes(classifier)
            fault = OnnxEngine(content).fault(key)
        except Exception as error:  # the exporter's errors have no common base class
            fault = str(error)
        Store(workspace).put("onnx", key, {"onnx": np.frombuffer(b"" if fault else content, np.uint8)}, fault=fault)
