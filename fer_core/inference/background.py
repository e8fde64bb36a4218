"""Making the ONNX file of a network once, in a process behind this one; until it is there, PyTorch answers."""

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
"""Environment variable; ``0`` lets no process be started for this."""


def export_behind(classifier: Classifier, workspace: Workspace) -> bool:
    """Start to make the ONNX file of a network from a file that has none; whether a process was started.

    Nothing is raised: where it cannot be made, PyTorch goes on to answer.
    """
    path = classifier.path
    if path is None or classifier.engine["name"] != "torch" or os.environ.get(SWITCH) == "0":
        return False
    try:
        if Store(workspace).get("onnx", str(classifier.weights_key), lambda entry: True):
            return False  # made before, and found not to agree
        spawn(["export", str(path), "--keep"], workspace, make_directory(workspace.logs) / "onnx.log")
    except (FerError, OSError):
        return False
    return True


def keep_onnx(classifier: Classifier, workspace: Workspace) -> None:
    """Make the ONNX file of a network from a file and keep it in the store; another process at it is left alone.

    A network that cannot be exported, or whose export differs from PyTorch, is remembered, so that it is tried once.
    """
    from filelock import FileLock, Timeout

    from fer_core.inference.engines import OnnxEngine
    from fer_core.inference.export import onnx_bytes

    key = classifier.weights_key
    if key is None:
        raise ModelError("Only a network from a file has a place in the store.")
    lock = FileLock(make_directory(workspace.cache) / f"onnx-{key[:16]}.lock", timeout=0)
    with contextlib.suppress(Timeout), lock:
        content, fault = b"", None
        try:
            content = onnx_bytes(classifier)
            fault = OnnxEngine(content).fault(key)
        except Exception as error:  # the exporter's errors have no common class
            fault = str(error)
        Store(workspace).put("onnx", key, {"onnx": np.frombuffer(b"" if fault else content, np.uint8)}, fault=fault)
