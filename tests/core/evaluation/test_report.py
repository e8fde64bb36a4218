from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.data.cleaning import Cleaning
from fer_core.data.marks import marks_for
from fer_core.data.sources.ferplus import FERPLUS_COLUMNS
from fer_core.errors import DataError
from fer_core.evaluation import Evaluation, Predictions
from fer_core.evaluation.evaluate import MatchedPredictions
from fer_core.evaluation.report import build_report, evaluate_split, fear_sentence
from fer_core.inference import Classifier
from fer_core.workspace import Workspace
from tests.factories import make_dataset, untrained_checkpoint

SEVEN = ClassList.fer2013()


@pytest.fixture
def classifier(tmp_path):
    return Classifier.load(untrained_checkpoint(tmp_path / "m.safetensors", temperature=1.5, abstain_below=0.2))


def evaluation(confusion_rows: dict[str, dict[str, int]]) -> Evaluation:
    labels, answers = [], []
    for true, row in confusion_rows.items():
        for predicted, count in row.items():
            labels += [SEVEN.position(true)] * count
            answers += [SEVEN.position(predicted)] * count
    logits = np.eye(7, dtype=np.float32)[answers]
    ids = np.array([str(i) for i in range(len(labels))])
    return Evaluation.of(Predictions(ids, np.array(labels), logits, SEVEN), "test")


def test_the_sentence_about_fear_is_decided_by_the_figures():
    holds = evaluation({"fear": {"fear": 10, "sad": 90}, "happy": {"happy": 90, "sad": 10}})
    assert "holds here, clearly" in fear_sentence(holds)
    close = evaluation({"fear": {"fear": 49, "sad": 51}, "happy": {"happy": 50, "sad": 50}})
    assert "though not clearly" in fear_sentence(close)
    other = evaluation({"fear": {"fear": 90, "sad": 10}, "happy": {"happy": 10, "sad": 90}})
    assert "does not hold" in fear_sentence(other)
    assert "happy" in fear_sentence(other)
    assert "cannot be checked" in fear_sentence(evaluation({"happy": {"happy": 3}, "sad": {"sad": 3}}))


def test_the_accuracy_appears_twice(classifier):
    base = make_dataset()
    images = base.images.copy()
    test = base.indices("test")
    images[test[:20]] = images[:20]  # 20 test faces also stand in train
    report = evaluate_split(
        classifier, replace(base, images=images, fingerprint=""), "test", workspace=Workspace.default()
    )
    assert report.evaluation.n == 70
    assert report.deduplicated.n == 50
    right = report.predictions.predicted[20:] == report.predictions.labels[20:]
    assert report.deduplicated.accuracy == pytest.approx(right.mean())


def test_the_record_is_plain_json_with_calibration_and_abstention(classifier):
    report = evaluate_split(classifier, make_dataset(), "test", workspace=Workspace.default())
    record = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert record["temperature"] == 1.5
    assert record["abstain_below"] == 0.2
    top = report.predictions.probabilities.max(axis=1)
    assert record["coverage"] == pytest.approx(np.mean(top >= 0.2))
    assert "human" not in record


def test_votes_bring_people_into_the_report(classifier):
    base = make_dataset()
    votes = np.zeros((len(base), 10), np.int64)
    votes[:, FERPLUS_COLUMNS.index("happiness")] = 10
    report = evaluate_split(
        classifier, replace(base, votes=votes, vote_columns=FERPLUS_COLUMNS), "test", workspace=Workspace.default()
    )
    wrong = (report.predictions.predicted != report.predictions.labels).sum()
    assert sum(report.to_dict()["errors"].values()) == wrong


def test_marks_change_what_is_evaluated_only_when_asked(classifier, workspace):
    dataset = make_dataset()
    marks_for(dataset, workspace).add([str(dataset.ids[dataset.indices("test")[0]])], "not_a_face")
    assert evaluate_split(classifier, dataset, "test", workspace=workspace).evaluation.n == 70
    assert (
        evaluate_split(classifier, dataset, "test", cleaning=Cleaning(use_marks=True), workspace=workspace).evaluation.n
        == 69
    )


def test_predictions_of_other_faces_are_refused(classifier):
    dataset = make_dataset()
    report = evaluate_split(classifier, dataset, "test", workspace=Workspace.default())
    with pytest.raises(DataError, match="other faces"):
        build_report(
            MatchedPredictions(dataset, dataset.indices("valid"), report.predictions, report.match, {}), "valid"
        )
