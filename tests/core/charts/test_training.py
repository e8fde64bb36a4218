from __future__ import annotations

import json

import pytest

from fer_core import charts
from fer_core.charts import Curve
from fer_core.errors import FerError


def test_learning_curves_carry_the_numbers_the_units_and_what_keeps_the_zoom():
    curves = [
        Curve("train", "train", [1, 2], [1.5, 1.2], key="t"),
        Curve("validation", "valid", [1, 2], [1.6, 1.4], key="v"),
    ]
    figure = json.loads(
        charts.learning_curves(curves, "loss", title="found", planned_epochs=14, revision="run").to_json(
            remove_uids=False
        )
    )
    assert [trace["y"] for trace in figure["data"]] == [[1.5, 1.2], [1.6, 1.4]]
    assert [trace["uid"] for trace in figure["data"]] == ["t", "v"]
    layout = figure["layout"]
    assert layout["uirevision"] == "run"
    assert layout["xaxis"]["title"]["text"] == "Epoch"
    assert layout["xaxis"]["range"] == [0.5, 14.5]
    assert layout["yaxis"]["title"]["text"] == "Loss (nats)"
    assert layout["title"]["text"] == "found"


def test_an_axis_never_ends_before_the_last_epoch():
    curve = Curve("train", "train", [1, 2, 3], [0.1, 0.2, 0.3])
    figure = charts.learning_curves([curve], "accuracy", title="", planned_epochs=2)
    assert list(figure.layout.xaxis.range) == [0.5, 3.5]


def test_no_epochs_give_an_empty_frame():
    figure = charts.learning_curves([], "accuracy", title="", planned_epochs=5)
    assert len(figure.data) == 0
    assert list(figure.layout.yaxis.range) == [0, 1]


def test_a_curve_with_other_lengths_is_refused():
    with pytest.raises(FerError, match="2 epochs but 1 values"):
        Curve("x", "train", [1, 2], [0.5])


@pytest.mark.parametrize(
    ("valid", "honest", "leaky", "expected"),
    [
        ([], [], False, "not finished"),
        ([0.3, 0.5], [], False, "best: 50.0% in epoch 2"),
        ([0.3, 0.6, 0.5], [], False, "best in epoch 2: 60.0% (now 50.0%)"),
        ([0.9], [0.58], True, "“Validation” accuracy of 90.0% is memory; leak-free accuracy is 58.0%"),
    ],
)
def test_the_accuracy_title_says_the_finding(valid, honest, leaky, expected):
    assert expected in charts.accuracy_finding(valid, honest, leaky=leaky)


@pytest.mark.parametrize(
    ("train", "valid", "expected"),
    [
        ([], [], "not finished"),
        ([1.5], [1.6], "1.60 after 1 epoch"),
        ([1.5, 1.2, 0.9, 0.6], [1.6, 1.3, 1.4, 1.5], "Over-fitting: validation loss has risen since epoch 2 (1.30 → 1.50)"),
        ([1.5, 1.2, 0.9, 0.6], [1.6, 1.3, 1.31, 1.32], "stalled since epoch 2"),
        ([1.5, 1.2, 0.9], [1.6, 1.3, 1.4], "after 3 epochs"),
    ],
)  # fmt: skip
def test_the_loss_title_says_the_finding(train, valid, expected):
    assert expected in charts.loss_finding(train, valid)
