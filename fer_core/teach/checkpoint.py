"""Writes a taught model: the base network's trunk with another last layer, as a checkpoint and as an ONNX file.

Neither needs PyTorch: the trunk's tensors are copied, and the trunk's ONNX graph gets a new end.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fer_core.errors import CheckpointError, FerError, ModelError
from fer_core.inference import CheckpointInfo, Classifier
from fer_core.inference.engines import OnnxEngine, fixed_faces, reference_of, weights_key_of
from fer_core.teach.head import GATE_STEEPNESS, Gate, Head
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
    return {name: value for name, value in tensors.items() if not name.startswith(("classifier.", "gate."))}


def write_model(
    path: Path,
    trunk: dict[str, npt.NDArray[np.generic]],
    head: Head,
    gate: Gate,
    info: CheckpointInfo,
    base: Classifier,
) -> None:
    """Write the checkpoint, and its ONNX file beside it, which is complete before the checkpoint appears.

    Raises:
        WorkspaceError: the disk is full or cannot be written; an earlier model stays.
    """
    from safetensors.numpy import save

    tensors = {
        **trunk,
        "classifier.weight": np.ascontiguousarray(head.weight, np.float32),
        "classifier.bias": np.ascontiguousarray(head.bias, np.float32),
    }
    if gate.radius is not None:
        tensors["gate.means"] = np.ascontiguousarray(gate.means, np.float32)
        tensors["gate.radius"] = np.array(gate.radius, np.float32)
    content = save(tensors, metadata={"fer_lab": json.dumps(info.to_dict())})
    network = onnx_with_head(base, head, gate, info, weights_key_of(io.BytesIO(content), info))
    beside = path.with_suffix(".onnx")
    with atomic_write(path) as file:
        file.write(content)
        if network is None:
            beside.unlink(missing_ok=True)
        else:
            with atomic_write(beside) as other:
                other.write(network)


def onnx_with_head(classifier: Classifier, head: Head, gate: Gate, info: CheckpointInfo, key: str) -> bytes | None:
    """Return the base network's ONNX file with another last layer; None if the base has none that agrees with PyTorch.

    Args:
        classifier: the base network.
        head: the new last layer.
        gate: its gate.
        info: the record of the new checkpoint.
        key: the key of the new checkpoint's weights.
    """
    source = classifier.onnx_source
    if source is None:
        return None
    import onnx
    from onnx import TensorProto, helper

    try:
        model = onnx.load_from_string(source) if isinstance(source, bytes) else onnx.load(source)
        trunk = onnx.utils.Extractor(model).extract_model(["faces"], ["features"])
        graph = trunk.graph
        count = len(info.labels)
        _append_head(graph, head, gate, info.temperature)
        features = list(graph.output)
        del graph.output[:]
        graph.output.extend(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", count])
            for name in ("logits", "probabilities")
        )
        graph.output.extend(features)
        known = classifier.features(fixed_faces())
        helper.set_model_props(
            trunk,
            {
                "labels": json.dumps(info.labels),
                "architecture": info.architecture,
                "sensitivity": repr(info.sensitivity),
                "temperature": repr(info.temperature),
                "abstain_below": repr(info.abstain_below),
                "weights": key,
                "reference": reference_of(
                    np.asarray(gate.scaled(head.logits(known), gate.distances(known)), np.float32)
                ),
            },
        )
        content: bytes = trunk.SerializeToString()
        return None if OnnxEngine(content).fault(key) else content
    except (FerError, OSError):
        raise
    except Exception:  # onnx's errors have no common base class; PyTorch computes instead
        return None


def _append_head(graph: Any, head: Head, gate: Gate, temperature: float) -> None:
    """Append the last layer, the gate, temperature and softmax to a graph that ends in ``features``."""
    from onnx import helper, numpy_helper

    def constant(name: str, value: Any, dtype: type[np.generic] = np.float32) -> str:
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype), f"taught.{name}"))
        return f"taught.{name}"

    def node(operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        graph.node.append(helper.make_node(operator, inputs, [output], name=f"taught.{output}", **attributes))
        return output

    raw = "logits" if gate.radius is None else "taught.raw"
    node("Gemm", ["features", constant("weight", head.weight), constant("bias", head.bias)], raw, transB=1)
    if gate.radius is not None:
        row = node("Unsqueeze", ["features", constant("one", [1], np.int64)], "taught.row")
        difference = node("Sub", [row, constant("means", gate.means)], "taught.difference")
        squared = node("Mul", [difference, difference], "taught.squared")
        squares = node("ReduceSum", [squared, constant("two", [2], np.int64)], "taught.squares", keepdims=0)
        nearest = node("ReduceMin", [squares, "taught.one"], "taught.nearest", keepdims=1)
        distance = node("Sqrt", [nearest], "taught.distance")
        share = node("Div", [distance, constant("radius", np.float32(gate.radius))], "taught.share")
        inside = node("Sub", [constant("edge", np.float32(1)), share], "taught.inside")
        steep = node("Mul", [inside, constant("steepness", np.float32(GATE_STEEPNESS))], "taught.steep")
        factor = node("Sigmoid", [steep], "taught.factor")
        node("Mul", [raw, factor], "logits")
    scaled = node("Div", ["logits", constant("temperature", np.float32(temperature))], "taught.scaled")
    node("Softmax", [scaled], "probabilities", axis=1)
