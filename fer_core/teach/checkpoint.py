"""Writes a taught model: the base network's trunk with another last layer, as a checkpoint and as an ONNX file.

Neither needs PyTorch: the trunk's tensors are copied, and the trunk's ONNX graph gets a new end.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fer_core.errors import CheckpointError, FerError, ModelError
from fer_core.inference import CheckpointInfo, Classifier
from fer_core.inference.engines import OnnxEngine, fixed_faces, reference_of, weights_key
from fer_core.teach.head import Head
from fer_core.workspace import atomic_write


def read_trunk(classifier: Classifier) -> dict[str, npt.NDArray[np.generic]]:
    """Return the tensors of the base network without its last layer.

    Raises:
        ModelError: the network's file is missing or damaged, or it was not loaded from one.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if classifier.path is None:
        raise ModelError("Own classes are taught on a network in a file. Save it, and load it with Classifier.load.")
    try:
        tensors = load_file(classifier.path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"The network {classifier.path} was deleted or is damaged ({error}). Choose another base network."
        ) from error
    return {name: value for name, value in tensors.items() if not name.startswith("classifier.")}


def write_checkpoint(path: Path, trunk: dict[str, npt.NDArray[np.generic]], head: Head, info: CheckpointInfo) -> None:
    """Write the checkpoint.

    Raises:
        WorkspaceError: the disk is full or cannot be written.
    """
    from safetensors.numpy import save

    tensors = {
        **trunk,
        "classifier.weight": np.ascontiguousarray(head.weight, np.float32),
        "classifier.bias": np.ascontiguousarray(head.bias, np.float32),
    }
    with atomic_write(path) as file:
        file.write(save(tensors, metadata={"fer_lab": json.dumps(info.to_dict())}))


def onnx_with_head(classifier: Classifier, head: Head, info: CheckpointInfo, checkpoint: Path) -> bytes | None:
    """Return the base network's ONNX file with another last layer; None if the base has none that agrees with PyTorch.

    Args:
        classifier: the base network.
        head: the new last layer.
        info: the record of the new checkpoint.
        checkpoint: the new checkpoint, already written.
    """
    source = classifier.onnx_source
    if source is None:
        return None
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    try:
        model = onnx.load_from_string(source) if isinstance(source, bytes) else onnx.load(source)
        trunk = onnx.utils.Extractor(model).extract_model(["faces"], ["features"])
        graph = trunk.graph
        count = len(info.labels)
        graph.initializer.extend(
            [
                numpy_helper.from_array(np.ascontiguousarray(head.weight, np.float32), "taught.weight"),
                numpy_helper.from_array(np.ascontiguousarray(head.bias, np.float32), "taught.bias"),
                numpy_helper.from_array(np.array(info.temperature, np.float32), "taught.temperature"),
            ]
        )
        graph.node.extend(
            [
                helper.make_node("Gemm", ["features", "taught.weight", "taught.bias"], ["logits"], transB=1),
                helper.make_node("Div", ["logits", "taught.temperature"], ["taught.scaled"]),
                helper.make_node("Softmax", ["taught.scaled"], ["probabilities"], axis=1),
            ]
        )
        features = list(graph.output)
        del graph.output[:]
        graph.output.extend(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", count])
            for name in ("logits", "probabilities")
        )
        graph.output.extend(features)
        faces = fixed_faces()
        helper.set_model_props(
            trunk,
            {
                "labels": json.dumps(info.labels),
                "architecture": info.architecture,
                "sensitivity": repr(info.sensitivity),
                "temperature": repr(info.temperature),
                "abstain_below": repr(info.abstain_below),
                "weights": weights_key(checkpoint, info),
                "reference": reference_of(np.asarray(head.logits(classifier.features(faces)), np.float32)),
            },
        )
        content: bytes = trunk.SerializeToString()
        return None if OnnxEngine(content).fault(weights_key(checkpoint, info)) else content
    except (FerError, OSError):
        raise
    except Exception:  # onnx's errors have no common base class; PyTorch computes instead
        return None
