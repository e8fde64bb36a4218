from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fer_core.classes import ClassList
from fer_core.data.cleaning import Cleaning
from fer_core.data.marks import marks_for
from fer_core.errors import DataError
from fer_core.evaluation import Predictions
from fer_core.evaluation.cells import (
    cell_faces,
    cleaned_predictions,
    disagreement,
    matrix_csv,
    most_confused_cell,
    normalize_confusion,
    order_by_recall,
    rank,
)
from fer_core.evaluation.evaluate import Outputs
from fer_core.inference.sensitivity import Adjustment
from tests.factories import make_dataset

SEVEN = ClassList.fer2013()
CONFUSION = np.zeros((7, 7), dtype=np.int64)
CONFUSION[0, :3] = [6, 2, 2]
CONFUSION[2, [2, 4]] = [1, 3]
CONFUSION[3, 3] = 5


def some_predictions(dataset, split="test", temperature=1.0):
    indices = dataset.indices(split)
    logits = np.random.default_rng(1).normal(size=(len(indices), 7)).astype(np.float32) * 2
    return Predictions(dataset.ids[indices], dataset.labels[indices], logits, SEVEN, temperature)


def some_outputs(dataset):
    predictions = some_predictions(dataset)
    return Outputs(predictions.ids, predictions.logits, SEVEN, Adjustment(0.0, np.zeros(7), 1.0, 0.0))


def test_rows_and_columns_sum_to_one_and_empty_ones_stay_zero():
    rows, columns = normalize_confusion(CONFUSION, "rows"), normalize_confusion(CONFUSION, "columns")
    assert rows[0].tolist() == [0.6, 0.2, 0.2, 0, 0, 0, 0]
    assert columns[:, 2] == pytest.approx([2 / 3, 0, 1 / 3, 0, 0, 0, 0])
    assert rows[1].tolist() == [0] * 7
    assert (normalize_confusion(CONFUSION, "counts") == CONFUSION).all()


def test_the_most_confused_class_stands_first_and_classes_without_faces_last():
    assert order_by_recall(CONFUSION)[:3] == [2, 0, 3]
    assert sorted(order_by_recall(CONFUSION)) == list(range(7))
    assert most_confused_cell(CONFUSION) == (2, 4)
    assert most_confused_cell(np.diag([3, 1, 1, 1, 1, 1, 1])) is None


def test_the_csv_names_its_rows_and_columns():
    lines = matrix_csv(CONFUSION, SEVEN).splitlines()
    assert lines[0].split(",")[1:] == list(SEVEN)
    assert lines[1] == "angry,6,2,2,0,0,0,0"


def test_a_cell_holds_exactly_the_faces_that_a_plain_loop_finds():
    predictions = some_predictions(make_dataset())
    found = cell_faces(predictions, 2, 4).tolist()
    slow = [
        i
        for i in range(len(predictions.ids))
        if int(predictions.labels[i]) == 2 and int(np.argmax(predictions.logits[i])) == 4
    ]
    assert found == slow
    assert sum(len(cell_faces(predictions, t, p)) for t in range(7) for p in range(7)) == len(predictions.ids)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_faces_are_ordered_by_the_figure_that_is_asked_for(temperature):
    predictions = some_predictions(make_dataset(), temperature=temperature)
    everything = np.arange(len(predictions.ids))
    p = predictions.probabilities.astype(float)
    expected = {
        "confidence": p.max(axis=1),
        "loss": -np.log(p[everything, predictions.labels]),
        "disagreement": 1 - p[everything, predictions.labels],
    }
    for order, values in expected.items():
        faces, shown = rank(predictions, everything, order)
        assert shown == pytest.approx(values[faces], abs=1e-5)
        assert (np.diff(shown) <= 0).all()
        assert sorted(faces.tolist()) == everything.tolist()


def test_disagreement_follows_the_votes_where_there_are_some():
    logits = np.full((2, 7), -50, np.float32)
    logits[:, 3] = 50  # the model is sure of happy
    predictions = Predictions(np.array(["a", "b"]), np.array([0, 0]), logits, SEVEN)
    votes = np.zeros((2, 7), dtype=np.int64)
    votes[0, [SEVEN.position("happy"), SEVEN.position("angry")]] = 5
    assert disagreement(predictions, votes) == pytest.approx([0.5, 1.0])
    assert disagreement(predictions, None) == pytest.approx([1.0, 1.0])


def test_marks_relabel_and_drop_predictions_without_computing_them_again(workspace):
    dataset = make_dataset()
    predictions = some_outputs(dataset)
    ids = [str(i) for i in predictions.ids]
    marks = marks_for(dataset, workspace)
    marks.add([ids[0]], "wrong_label", "happy")
    marks.add([ids[2]], "not_a_face")
    found = cleaned_predictions(predictions, dataset, "test", Cleaning(use_marks=True), workspace=workspace)
    after = found.predictions
    assert after.ids.tolist() == [ids[0], ids[1], *ids[3:]]
    assert SEVEN[int(after.labels[0])] == "happy"
    assert (found.dataset.ids[found.positions] == after.ids).all()
    assert (after.logits[1:] == np.delete(predictions.logits, [0, 2], axis=0)).all()
    plain = cleaned_predictions(predictions, dataset, "test", workspace=workspace)
    assert (plain.predictions.logits == predictions.logits).all()
    assert (plain.positions == dataset.indices("test")).all()


def test_predictions_of_other_faces_are_refused(workspace):
    dataset = make_dataset()
    outputs = some_outputs(dataset)
    with pytest.raises(DataError, match="other faces"):
        cleaned_predictions(replace(outputs, ids=outputs.ids[::-1]), dataset, "test", None, workspace=workspace)
