from __future__ import annotations

import pytest

from fer_core.classes import COLOURS, EMOTIONS, FERPLUS_COLUMNS, LABELS, find_label, label_index
from fer_core.errors import DataError


def test_the_order_is_that_of_the_original_csv():
    assert LABELS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    assert [e.index for e in EMOTIONS] == list(range(7))


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Happiness", "happy"),
        (" ANGER ", "angry"),
        ("surprised", "surprise"),
        ("fearful", "fear"),
        ("neutral", "neutral"),
    ],
)
def test_names_are_found_in_any_case_and_by_alias(name, label):
    assert LABELS[label_index(name)] == label


def test_no_alias_means_two_emotions():
    names = [name for e in EMOTIONS for name in (e.name, *e.aliases)]
    assert len(names) == len(set(names))


def test_an_unknown_name_is_refused_with_those_that_exist():
    assert find_label("contempt") is None
    with pytest.raises(DataError, match=r"contempt.*angry.*neutral"):
        label_index("contempt")


def test_each_emotion_has_a_colour_of_its_own():
    assert len(set(COLOURS.values())) == 7


def test_seven_of_the_ferplus_columns_are_emotions_we_know():
    assert sorted(i for c in FERPLUS_COLUMNS if (i := find_label(c)) is not None) == list(range(7))
