"""Every entry point names the model's own classes: 2, 3, 8 or 40 of them, with names as strangers choose them."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from fer_core.annotate.photo import draw_photo
from fer_core.cli import main
from fer_core.config import LiveConfig
from fer_core.explanation.photo import explain_photo
from fer_core.images import read_photo
from fer_core.inference import Classifier
from fer_core.inference.engines import OnnxEngine
from fer_core.inference.export import export_onnx
from fer_core.live import LiveProcessor
from fer_core.live.video import annotate_video, read_timeline
from fer_core.photos import predict_image
from tests.core.faces.conftest import encode, scene
from tests.core.live.test_live import FakeDetector, face
from tests.core.live.test_video import make_video
from tests.factories import untrained_checkpoint
from tests.source_factory import png, write_folder

STRANGE = ("<b>calm</b>", "😀 grin", "שמח", "=1+1", "**bold** :red[x] $y$", "a,b", 'quote"d', "x" * 80)


def class_names(count: int) -> tuple[str, ...]:
    return (*STRANGE[:count], *(f"class {i}" for i in range(count - len(STRANGE))))


@pytest.fixture(params=[2, 3, 8, 40])
def names(request) -> tuple[str, ...]:
    return class_names(request.param)


@pytest.fixture
def model(tmp_path, names):
    return untrained_checkpoint(tmp_path / "own.safetensors", labels=names)


@pytest.fixture
def classifier(model) -> Classifier:
    return Classifier.load(model)


def test_a_photograph_and_its_picture(classifier, names):
    photo = read_photo(encode(scene((200, 100, 200))))
    found = predict_image(photo, FakeDetector([face(200, 100, 200)]), classifier)
    assert found.faces[0].labels == names
    assert set(found.to_dict()["faces"][0]["probabilities"]) == set(names)
    assert draw_photo(photo.rgb, found).shape == photo.rgb.shape


def test_a_video_with_its_table_and_timeline(classifier, names, tmp_path):
    processor = LiveProcessor(classifier, FakeDetector([face(20, 30)]), LiveConfig(mirror=False))
    source = make_video(tmp_path / "in.mp4", 4)
    annotate_video(source, tmp_path / "out.mp4", tmp_path / "t.csv", classifier, processor=processor)
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8-sig") as file:
        header = next(csv.reader(file))
    assert not any(name.startswith("=") for name in header)
    assert [name.removeprefix("'") for name in header[-len(names) - 1 : -1]] == list(names)
    assert read_timeline(tmp_path / "t.csv").classes.names == names


def test_a_live_frame(classifier, names):
    processor = LiveProcessor(classifier, FakeDetector([face(20, 30)]), LiveConfig(mirror=False))
    result = processor.process(np.full((240, 320, 3), 90, np.uint8), 0.0)
    assert result.faces[0].label in names


def test_an_explanation_by_name(classifier, names, tmp_path):
    (tmp_path / "photo.png").write_bytes(encode(scene((200, 100, 200))))
    result = explain_photo(tmp_path / "photo.png", classifier, "gradcam", names[1])
    assert names[1] in json.dumps(result.to_dict(), ensure_ascii=False)


@pytest.mark.slow
def test_an_onnx_file(classifier, names, tmp_path):
    import onnxruntime

    export_onnx(classifier, tmp_path / "m.onnx")
    about = onnxruntime.InferenceSession(str(tmp_path / "m.onnx")).get_modelmeta().custom_metadata_map
    assert tuple(json.loads(about["labels"])) == names
    faces = np.zeros((2, 48, 48), np.uint8)
    assert OnnxEngine(tmp_path / "m.onnx").run(faces, "logits").shape == (2, len(names))


def test_the_command_evaluate_on_folders_of_these_classes(model, tmp_path, capsys):
    folders = [f"test/own {i}" for i in range(3)]
    source = write_folder(
        tmp_path / "faces", {f"{name}/{n}.png": png(10 * i + n) for i, name in enumerate(folders) for n in range(4)}
    )
    own = untrained_checkpoint(tmp_path / "three.safetensors", labels=("own 2", "Own 1", "own 0"))
    assert main(["evaluate", str(own), "--data", str(source), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["n"] == 12
    assert np.array(record["confusion"]).shape == (3, 3)
    assert record["classes"]["shared"] == ["own 0", "own 1", "own 2"]
    assert main(["evaluate", str(model), "--data", str(source)]) == 2
    assert "no name in common" in capsys.readouterr().err
