from __future__ import annotations

import json

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.data.class_map import apply_class_map, make_class_map
from fer_core.errors import ConfigError, DataError, ModelError
from fer_core.evaluation.cache import cached_predictions
from fer_core.evaluation.cells import cleaned_predictions
from fer_core.evaluation.compare import compare
from fer_core.evaluation.evaluate import Evaluation, model_outputs, predict_indices
from fer_core.evaluation.matching import match_classes
from fer_core.evaluation.report import build_report, evaluate_split
from fer_core.inference import Classifier
from tests.factories import make_dataset, untrained_checkpoint

SEVEN = ClassList.fer2013()
FOLDER = ClassList(("Surprise", "joy", "contempt"))


def three_classes():
    """The faces of three classes, in another order than the model's and one of them unknown to it."""
    own = [("Surprise", ["surprise"]), ("joy", ["happy"]), ("calm", ["neutral"])]
    kept = make_class_map(SEVEN, own, ["angry", "disgust", "fear", "sad"], order=["Surprise"])
    return apply_class_map(make_dataset(), kept)


@pytest.fixture
def seven(tmp_path):
    return Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors"))


def test_classes_are_matched_by_name_alias_and_case():
    match = match_classes(SEVEN, FOLDER)
    assert match.shared == ("Surprise", "joy")
    assert match.unknown == ("contempt",)
    assert match.extras == ("angry", "disgust", "fear", "sad", "neutral")
    assert match.axis.names == ("Surprise", "joy", "angry", "disgust", "fear", "sad", "neutral")
    assert [SEVEN[i] for i in match.column] == ["surprise", "happy", "angry", "disgust", "fear", "sad", "neutral"]
    assert match.axis_labels(np.array([0, 1, 2])).tolist() == [0, 1, -1]


def test_the_same_name_goes_before_an_alias():
    match = match_classes(ClassList(("joy", "happy", "sad")), ClassList(("happy", "joy", "sad")))
    assert match.column == (1, 0, 2)
    assert match.complete
    one = match_classes(SEVEN, ClassList(("joy", "happy", "sad")))
    assert one.unknown == ("joy",)


def test_masked_classes_are_not_on_the_axis():
    match = match_classes(SEVEN, FOLDER, "mask")
    assert match.axis.names == ("Surprise", "joy")
    assert match.masked == match.extras


def test_nothing_in_common_or_a_single_answer_is_refused():
    with pytest.raises(ModelError, match="no name in common"):
        match_classes(SEVEN, ClassList(("calm", "tired")))
    with pytest.raises(ConfigError, match="share only the class 'happy'"):
        match_classes(SEVEN, ClassList(("happy", "tired")), "mask")
    with pytest.raises(ConfigError, match="count or mask"):
        match_classes(SEVEN, FOLDER, "drop")  # type: ignore[arg-type]


@pytest.mark.parametrize("extra", ["count", "mask"])
def test_figures_equal_those_of_a_plain_loop(seven, extra):
    dataset = three_classes()
    test = dataset.indices("test")
    report = evaluate_split(seven, dataset, "test", extra=extra, workspace=None)  # type: ignore[arg-type]
    allowed = range(7) if extra == "count" else [SEVEN.position("surprise"), SEVEN.position("happy")]
    right = n = 0
    for face, label in zip(dataset.images[test], dataset.labels[test], strict=True):
        true = SEVEN.find(dataset.classes[label])
        if true is None:
            continue
        logits = seven.logits(face)[0]
        n += 1
        right += max(allowed, key=lambda i: logits[i]) == true
    assert (report.evaluation.n, report.evaluation.accuracy) == (n, pytest.approx(right / n))
    assert report.excluded == {"calm": 10}
    assert report.evaluation.confusion.shape == ((7, 7) if extra == "count" else (2, 2))
    record = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert record["classes"] == {
        "model": list(SEVEN),
        "data": ["Surprise", "joy", "calm"],
        "shared": ["Surprise", "joy"],
    }
    assert record["masked"] == ([] if extra == "count" else ["angry", "disgust", "fear", "sad", "neutral"])
    assert record["left_out"] == {"calm": 10}
    assert ("masked" in report.caption) == (extra == "mask")
    assert "10 calm" in report.caption


def test_the_claim_about_fear_is_left_out_where_there_is_no_fear(seven, workspace):
    for dataset, said in ((three_classes(), False), (make_dataset(), True)):
        sentences = evaluate_split(seven, dataset, "test", workspace=workspace).sentences
        assert any("easiest to confuse" in sentence for sentence in sentences) == said


def test_data_and_model_of_the_same_classes_need_no_caption(seven):
    report = evaluate_split(seven, make_dataset(), "test", workspace=None)  # type: ignore[arg-type]
    assert report.caption == ""
    assert report.to_dict()["left_out"] == {}


@pytest.mark.parametrize("extra", ["count", "mask"])
def test_what_the_cache_gives_equals_what_is_computed(seven, tmp_path, workspace, extra):
    dataset, path = three_classes(), tmp_path / "m.safetensors"
    expected = evaluate_split(seven, dataset, "test", extra=extra, workspace=workspace)
    for _ in range(2):
        found = cached_predictions(path, dataset, "test", extra=extra, workspace=workspace)
        assert np.array_equal(found.logits, expected.predictions.logits)
        assert np.array_equal(found.labels, expected.predictions.labels)
    outputs = model_outputs(seven, dataset, dataset.indices("test"))
    cleaned = cleaned_predictions(outputs, dataset, "test", extra=extra, workspace=workspace)
    assert build_report(cleaned, "test").to_dict() == expected.to_dict()


def test_a_split_with_unknown_classes_only_is_refused(seven):
    dataset = three_classes()
    calm = np.flatnonzero(dataset.labels == dataset.classes.position("calm"))
    with pytest.raises(DataError, match="has none of the classes of these faces"):
        predict_indices(seven, dataset, calm)


def test_two_models_are_compared_on_the_faces_both_know(seven, tmp_path):
    names = ("calm", "joy", "Surprise")
    own = Classifier.load(untrained_checkpoint(tmp_path / "o.safetensors", labels=names, seed=1))
    dataset = three_classes()
    first, second = (predict_indices(model, dataset, dataset.indices("test")) for model in (seven, own))
    found = compare(first, second)
    assert found.n == 20
    assert found.classes.names == ("Surprise", "joy", "calm", "angry", "disgust", "fear", "sad", "neutral")
    assert found.matrix_difference.shape == (8, 8)
    assert found.matrix_difference.sum() == 0
    assert found.relabeled == 0


@pytest.mark.parametrize("count", [2, 3, 8, 40])
def test_any_number_of_classes_is_evaluated(tmp_path, count):
    names = tuple(f"class {i}" for i in range(count))
    dataset = make_dataset(4 * count, 2 * count, 2 * count, classes=names)
    model = untrained_checkpoint(tmp_path / "m.safetensors", labels=names[::-1])
    report = evaluate_split(Classifier.load(model), dataset, "test", workspace=None)  # type: ignore[arg-type]
    assert report.evaluation.confusion.shape == (count, count)
    assert list(report.evaluation.per_class) == list(names)
    assert report.evaluation.classes == ClassList(names)
    assert report.sentences[0].startswith(tuple("0123456789"))  # no claim about fear
    assert isinstance(report.evaluation, Evaluation)
