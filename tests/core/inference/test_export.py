from __future__ import annotations

import json

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.cli import main
from fer_core.errors import ConfigError, ModelError
from fer_core.inference import Classifier, shipped_models
from fer_core.inference import export as export_room
from fer_core.inference.engines import OnnxEngine
from fer_core.inference.export import TOLERANCE, export_onnx
from tests.factories import make_dataset, untrained_checkpoint

SEVEN = ClassList.fer2013().names


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["seed", "compact"])
def test_the_file_answers_as_pytorch_does_for_any_number_of_faces(architecture, tmp_path):
    checkpoint = untrained_checkpoint(tmp_path / "m.safetensors", architecture, temperature=1.7)
    classifier = Classifier.load(checkpoint)
    export = export_onnx(classifier, tmp_path / "m.onnx")
    assert export.max_probability_difference <= TOLERANCE
    assert export.bytes == (tmp_path / "m.onnx").stat().st_size
    exported = OnnxEngine(tmp_path / "m.onnx")
    faces = make_dataset().images
    for n in (1, 2, 37):
        part = faces[:n]
        np.testing.assert_allclose(exported.run(part, "probabilities"), classifier.probabilities(part), atol=1e-5)
        np.testing.assert_allclose(exported.run(part, "logits"), classifier.logits(part), atol=1e-3)
        np.testing.assert_allclose(exported.run(part, "features"), classifier.features(part), atol=1e-3)


def test_the_file_carries_what_its_user_must_know(tmp_path):
    import onnxruntime

    classifier = Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors", temperature=2.5, abstain_below=0.4))
    export_onnx(classifier, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    about = session.get_modelmeta().custom_metadata_map
    assert tuple(json.loads(about["labels"])) == SEVEN
    assert (float(about["temperature"]), float(about["abstain_below"])) == (2.5, 0.4)
    (faces,) = session.get_inputs()
    assert (faces.name, faces.type, faces.shape[1:]) == ("faces", "tensor(uint8)", [48, 48])


def test_a_file_that_disagrees_is_not_written(tmp_path, monkeypatch):
    classifier = Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors"))
    other = Classifier.load(untrained_checkpoint(tmp_path / "other.safetensors", seed=1))
    wrong = export_room.onnx_bytes(other)
    monkeypatch.setattr(export_room, "onnx_bytes", lambda _: wrong)
    with pytest.raises(ModelError, match="differs from PyTorch"):
        export_onnx(classifier, tmp_path / "m.onnx")
    assert not list(tmp_path.glob("*.onnx"))


def test_what_cannot_be_exported_is_said_in_a_sentence(tmp_path):
    classifier = Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors"))
    with pytest.raises(ConfigError, match=r"does not end in \.onnx"):
        export_onnx(classifier, tmp_path / "m.bin")


def test_the_command_prints_one_document_and_refuses_an_unknown_model(tmp_path, capsys):
    checkpoint = untrained_checkpoint(tmp_path / "m.safetensors")
    assert main(["export", str(checkpoint), "--onnx", str(tmp_path / "m.onnx"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["max_probability_difference"] <= TOLERANCE
    assert main(["export", "nobody", "--onnx", str(tmp_path / "n.onnx")]) == 2
    assert "no model 'nobody'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_models())
def test_shipped_models_agree_with_their_export(name, tmp_path):
    assert export_onnx(Classifier.load(name), tmp_path / "m.onnx").max_probability_difference <= TOLERANCE
