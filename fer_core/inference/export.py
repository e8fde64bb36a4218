"""Exports a network to an ONNX file that includes its preprocessing: takes gray bytes, returns logits and probabilities.

The file takes faces as uint8 48×48, so that its users never have to choose a scale, a mean or a class order. It is compared
with PyTorch before it is written under its final name.
"""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fer_core.errors import ConfigError, ModelError
from fer_core.inference.classifier import Classifier, softmax
from fer_core.inference.engines import OnnxEngine, TorchEngine, fixed_faces, reference_of
from fer_core.preprocess import FACE_SIZE, to_tensor
from fer_core.workspace import atomic_write

if TYPE_CHECKING:
    import torch

TOLERANCE = 1e-4
"""Largest accepted difference in probability between PyTorch and the exported file."""

OPSET = 18


@dataclass(frozen=True, slots=True)
class Export:
    """The result of an export.

    Attributes:
        path: the file.
        bytes: its size.
        opset: version of the ONNX operator set.
        max_probability_difference: largest |Δp| from PyTorch over ``faces_compared`` faces, in batches of 1 to 64.
        faces_compared: number of random and flat faces compared.
    """

    path: str
    bytes: int
    opset: int
    max_probability_difference: float
    faces_compared: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def export_onnx(classifier: Classifier, path: Path) -> Export:
    """Write ``classifier`` to an ONNX file that accepts any batch size.

    Input ``faces``: uint8 (N, 48, 48). Outputs: ``logits``, float32 (N, C); ``probabilities``, float32 (N, C), the softmax of the
    logits after sensitivity and temperature; ``features``, float32 (N, D), the input of the last layer. The metadata contain
    ``labels`` (JSON, in output order), ``sensitivity``, ``temperature``, ``abstain_below`` and ``architecture``.

    Raises:
        ConfigError: the path does not end in .onnx.
        ModelError: the file disagrees with PyTorch; nothing is written.
        WorkspaceError: the file cannot be written.
    """
    if path.suffix.lower() != ".onnx":
        raise ConfigError(f"{path} does not end in .onnx. Give the file's name with that ending.")
    content = onnx_bytes(classifier)
    exported = OnnxEngine(content)
    network = TorchEngine(copy.deepcopy(classifier.model), classifier.info.preprocess)
    faces = _probe_faces()
    difference = 0.0
    for size in (1, 3, 64):
        wanted = softmax(classifier.adjust(network.run(faces[:size], "logits")), classifier.temperature)
        difference = max(difference, float(np.abs(exported.run(faces[:size], "probabilities") - wanted).max()))
    if not difference <= TOLERANCE:
        raise ModelError(
            f"The exported network differs from PyTorch by {difference:.2g} in a probability (at most {TOLERANCE:g} is "
            "accepted), so it was not written. Try another version of onnxruntime."
        )
    with atomic_write(path) as file:
        file.write(content)
    return Export(str(path), len(content), OPSET, difference, len(faces))


def onnx_bytes(classifier: Classifier) -> bytes:
    """Return the content of an ONNX file with ``logits``, ``probabilities`` and ``features``, and the data that :class:`OnnxEngine` checks."""
    import onnx
    import torch

    info = classifier.info
    shift = torch.from_numpy(classifier.shift).float()

    class WithPreprocessing(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = copy.deepcopy(classifier.model).cpu()
            self.model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # missing in torch's stubs

        def forward(self, faces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            features = self.model.embedding(self.model.features(to_tensor(faces, info.preprocess)))
            logits = self.model.logits(features)
            return logits, torch.softmax((logits - shift) / classifier.temperature, dim=1), features

    with warnings.catch_warnings(), _quiet_exporter():
        warnings.simplefilter("ignore")  # torch's exporter warns about its own internals
        program = torch.onnx.export(
            WithPreprocessing().eval(),
            (torch.zeros(2, FACE_SIZE, FACE_SIZE, dtype=torch.uint8),),
            input_names=["faces"],
            output_names=["logits", "probabilities", "features"],
            dynamic_shapes={"faces": {0: torch.export.Dim("batch")}},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    onnx.helper.set_model_props(
        proto,
        {
            "labels": json.dumps(info.labels),
            "architecture": info.architecture,
            "sensitivity": repr(classifier.sensitivity),
            "temperature": repr(classifier.temperature),
            "abstain_below": repr(classifier.abstain_below),
            "weights": classifier.weights_key or "",
            "reference": reference_of(
                TorchEngine(copy.deepcopy(classifier.model), info.preprocess).run(fixed_faces(), "logits")
            ),
        },
    )
    content: bytes = proto.SerializeToString()
    return content


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Suppress torch's messages about torchvision operators during an export."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _probe_faces() -> npt.NDArray[np.uint8]:
    """Return 64 faces, uint8 (64, 48, 48): noise at several scales, and flat black, gray and white."""
    rng = np.random.default_rng(0)
    faces = np.empty((64, FACE_SIZE, FACE_SIZE), np.uint8)
    for index, face in enumerate(faces):
        block = (1, 4, 12)[index % 3]
        coarse = rng.integers(0, 256, (FACE_SIZE // block, FACE_SIZE // block))
        face[:] = np.kron(coarse, np.ones((block, block), np.int64))
    faces[-3:] = np.array([0, 128, 255], np.uint8)[:, None, None]
    return faces
