"""Which engine answers, and that it makes no difference."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys

import numpy as np
import pytest

from fer_core.cli import main
from fer_core.inference import Classifier, background, network, shipped_models, update_info
from fer_core.inference.background import export_behind, keep_onnx
from fer_core.inference.engines import TOLERANCE, fixed_faces
from fer_core.inference.export import onnx_bytes
from fer_core.store import Store
from tests.factories import make_dataset, untrained_checkpoint
from tests.paths import PROJECT_ROOT

FACES = make_dataset().images[:9]


@pytest.fixture
def path(tmp_path):
    return untrained_checkpoint(tmp_path / "m.safetensors")


@pytest.fixture
def with_onnx(path):
    """A checkpoint with its ONNX file beside it, as shipped models have."""
    path.with_suffix(".onnx").write_bytes(onnx_bytes(Classifier.from_file(path)))
    return path


def plain(path) -> Classifier:
    loaded = Classifier.from_file(path)
    return Classifier(loaded.model, loaded.info)


def test_with_an_onnx_file_beside_it_onnx_runtime_answers_the_same(with_onnx):
    classifier = Classifier.from_file(with_onnx)
    assert classifier.engine["name"] == "onnxruntime"
    expected = plain(with_onnx)
    assert np.abs(classifier.probabilities(FACES) - expected.probabilities(FACES)).max() <= TOLERANCE
    np.testing.assert_allclose(classifier.features(FACES), expected.features(FACES), atol=1e-4)
    assert classifier.logits(FACES[:0]).shape == (0, 7)
    assert classifier.features(FACES[:0]).shape == (0, 256)


@pytest.mark.slow
def test_pytorch_is_not_loaded_for_an_answer_and_is_when_the_network_is_asked_for(with_onnx):
    program = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from fer_core.inference import Classifier\n"
        f"c = Classifier.from_file(Path({str(with_onnx)!r}), threads=1)\n"
        "c.probabilities(np.zeros((2, 48, 48), np.uint8)); c.features(np.zeros((2, 48, 48), np.uint8))\n"
        "print('torch' in sys.modules)\n"
        "c.model\n"
        "import torch; print('torch' in sys.modules, torch.get_num_threads())\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=PROJECT_ROOT, check=True)
    assert run.stdout.split() == ["False", "True", "1"]


def test_another_temperature_keeps_the_file(with_onnx):
    update_info(with_onnx, temperature=3.0)
    classifier = Classifier.from_file(with_onnx)
    assert classifier.engine["name"] == "onnxruntime"
    np.testing.assert_allclose(classifier.probabilities(FACES), plain(with_onnx).probabilities(FACES), atol=1e-5)


def test_the_file_of_other_weights_does_not_answer(with_onnx, tmp_path, caplog):
    untrained_checkpoint(with_onnx, seed=5)
    with caplog.at_level(logging.WARNING):
        classifier = Classifier.from_file(with_onnx)
    assert classifier.engine["name"] == "torch"
    assert "exported from other weights" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("change", ["reference", "cut", "text"])
def test_a_file_that_disagrees_or_is_damaged_does_not_answer(with_onnx, caplog, change):
    import onnx

    file = with_onnx.with_suffix(".onnx")
    if change == "reference":
        model = onnx.load(str(file))
        for item in model.graph.initializer:
            if item.name.endswith("classifier.bias"):
                item.CopyFrom(onnx.numpy_helper.from_array(np.arange(7, dtype=np.float32), item.name))
        onnx.save(model, str(file))
    else:
        file.write_bytes(b"no ONNX file" if change == "text" else file.read_bytes()[:5000])
    with caplog.at_level(logging.WARNING):
        classifier = Classifier.from_file(with_onnx)
    assert classifier.engine["name"] == "torch"
    assert "PyTorch computes instead" in caplog.text
    assert classifier.logits(FACES).shape == (9, 7)


@pytest.mark.slow
def test_a_network_without_a_file_changes_over_once_the_store_has_one(path, workspace, monkeypatch):
    monkeypatch.setattr(network, "_LOOK_EVERY", 0.0)
    classifier = Classifier.load(path, workspace=workspace)
    before = classifier.probabilities(FACES)
    assert classifier.engine["name"] == "torch"
    assert main(["export", str(path), "--keep"]) == 0
    assert classifier.engine["name"] == "onnxruntime"
    assert np.abs(classifier.probabilities(FACES) - before).max() <= TOLERANCE
    assert Classifier.load(path, workspace=workspace).engine["name"] == "onnxruntime"


def test_a_process_is_started_once_and_only_where_it_helps(path, with_onnx, workspace, monkeypatch, tmp_path):
    started = []
    monkeypatch.setattr(background, "spawn", lambda arguments, *_: started.append(arguments))
    other = untrained_checkpoint(tmp_path / "other.safetensors", seed=2)
    assert not export_behind(Classifier.load(other, workspace=workspace), workspace)  # switched off in all tests
    monkeypatch.delenv("FER_EXPORT_ONNX")
    assert not export_behind(Classifier.from_file(with_onnx), workspace)
    assert not export_behind(plain(path), workspace)
    assert export_behind(Classifier.load(other, workspace=workspace), workspace)
    assert started == [["export", str(other), "--keep"]]


def test_an_export_that_does_not_agree_is_tried_once(path, tmp_path, workspace, monkeypatch):
    monkeypatch.delenv("FER_EXPORT_ONNX")
    monkeypatch.setattr(background, "spawn", lambda *_: pytest.fail("tried again"))
    wrong = onnx_bytes(Classifier.from_file(untrained_checkpoint(tmp_path / "wrong.safetensors", seed=3)))
    monkeypatch.setattr("fer_core.inference.export.onnx_bytes", lambda _: wrong)
    classifier = Classifier.load(path, workspace=workspace)
    keep_onnx(classifier, workspace)
    fault = Store(workspace).get("onnx", str(classifier.weights_key), lambda entry: entry.values["fault"])
    assert "other weights" in fault
    again = Classifier.load(path, workspace=workspace)
    assert again.engine["name"] == "torch"
    assert not export_behind(again, workspace)


def test_the_fixed_faces_stay_what_they_are():
    faces = fixed_faces()
    assert (faces.shape, faces.dtype) == ((32, 48, 48), np.uint8)
    assert int(faces.sum(dtype=np.int64)) == 9_401_178
    assert len({face.tobytes() for face in faces}) == 32


@pytest.mark.slow
def test_a_file_for_others_has_the_sensitivity_baked_in(tmp_path, capsys):
    from fer_core.inference.engines import OnnxEngine

    prior = [0.1, 0.05, 0.1, 0.25, 0.15, 0.15, 0.2]
    path = untrained_checkpoint(tmp_path / "m.safetensors", prior=prior, temperature=2.0)
    assert main(["export", str(path), "--onnx", str(tmp_path / "e.onnx"), "--sensitivity", "0.6", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["max_probability_difference"] < 1e-5
    exported = OnnxEngine(tmp_path / "e.onnx")
    assert (exported.about["sensitivity"], exported.about["temperature"]) == ("0.6", "2.0")
    expected = Classifier.load(path, sensitivity=0.6)
    np.testing.assert_allclose(exported.run(FACES, "probabilities"), expected.probabilities(FACES), atol=1e-5)
    np.testing.assert_allclose(exported.run(FACES, "logits"), expected.logits(FACES), atol=1e-3)


@pytest.mark.parametrize("name", shipped_models())
def test_every_shipped_model_brings_its_file(name):
    assert Classifier.load(name).engine["name"] == "onnxruntime"


def test_onnx_runtime_sends_no_statistics():
    """Its switch is read when the library loads, so it must be off before, and nobody else may load it."""
    program = (
        "import os, sys\n"
        "from fer_core.inference.engines import load_onnxruntime\n"
        "assert 'onnxruntime' not in sys.modules\n"
        "load_onnxruntime()\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=PROJECT_ROOT, check=True)
    assert run.stdout.strip() == "1"
    code = [*(PROJECT_ROOT / "fer_core").rglob("*.py"), *(PROJECT_ROOT / "pages").rglob("*.py")]
    loads = [
        path.name for path in code if re.search(r"import onnxruntime|import_module\(.onnxruntime", path.read_text())
    ]
    assert loads == ["engines.py"]
