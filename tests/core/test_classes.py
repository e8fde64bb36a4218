from __future__ import annotations

import ast
from pathlib import Path

import pytest

from fer_core.classes import ClassList, class_key, find_emotion, in_emotion_order
from fer_core.errors import DataError
from tests.paths import PROJECT_ROOT

SEVEN = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def test_the_order_is_that_of_the_original_csv_and_contempt_comes_last():
    assert ClassList.fer2013().names == SEVEN
    assert ClassList.ferplus().names == (*SEVEN, "contempt")


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
    seven = ClassList.fer2013()
    assert seven[seven.position(name)] == label


def test_the_name_itself_goes_before_an_alias():
    classes = ClassList(("joy", "happy", "tired"))
    assert [classes.find(name) for name in ("joy", "happy", "Tired", "smile")] == [0, 1, 2, 0]


def test_no_alias_means_two_emotions():
    names = [name for e in ClassList.ferplus().emotions for name in (e.name, *e.aliases)]
    assert len(names) == len(set(names))
    assert all(find_emotion(name) is not None for name in names)


def test_an_unknown_name_is_refused_with_those_that_exist():
    assert ClassList.fer2013().find("contempt") is None
    with pytest.raises(DataError, match=r"contempt.*angry.*neutral"):
        ClassList.fer2013().position("contempt")


def test_emotions_keep_their_colors_and_others_take_free_ones():
    seven = dict(zip(SEVEN, ClassList.fer2013().colors, strict=True))
    own = ClassList(("calm", "happy", "sleepy", "neutral"))
    assert (own.color("happy"), own.color("Neutral")) == (seven["happy"], seven["neutral"])
    assert len(set(own.colors)) == 4
    assert own.color("no class") == "#8A8A8A"


@pytest.mark.parametrize("count", [2, 3, 8, 14, 40, 100])
def test_any_number_of_classes_has_colors_of_which_neighbors_differ(count):
    classes = ClassList(tuple(f"class {i}" for i in range(count)))
    assert len(set(classes.colors)) == min(count, 14)
    assert all(a != b for a, b in zip(classes.colors, classes.colors[1:], strict=False))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("happy",), r"one class \('happy'\).* 2 to 100"),
        ((), "0 classes"),
        (tuple(f"c{i}" for i in range(101)), "101 classes"),
        (("calm", "sad", "calm"), "'calm' and 'calm'"),
        (("calm", "Calm"), "'calm' and 'Calm'"),
        (("caf\u00e9", "cafe\u0301"), "only in case or spelling"),
        (("a", " "), "name is empty"),
        (("a", "x" * 200), "200 characters; the maximum is 80"),
        (("a", "b\nc"), "cannot be printed"),
        (("a", "b\u202ec"), "cannot be printed"),
    ],
)
def test_names_that_make_no_class_list_are_refused(names, message):
    with pytest.raises(DataError, match=message):
        ClassList(names)


def test_names_in_any_script_are_kept_as_they_are():
    names = ("<b>calm</b>", "😀", "שמח", "**bold**", "=1+1")
    assert tuple(ClassList(names)) == names


def test_lists_are_the_same_by_name_not_by_order():
    assert ClassList.fer2013().same_as(ClassList(("neutral", "Happiness", *SEVEN[:3], "sad", "surprised")))
    assert not ClassList.fer2013().same_as(ClassList.ferplus())
    assert not ClassList(("joy", "happy")).same_as(ClassList(("happy", "sad")))


def test_emotions_are_put_in_the_order_of_fer2013():
    assert in_emotion_order(["contempt", "neutral", "Anger", "x"]) == ["Anger", "neutral", "contempt", "x"]
    assert class_key("HAPPINESS") == class_key("joy") == "happy"


@pytest.mark.parametrize(
    ("ours", "theirs", "places"),
    [
        (("sad", "happy"), ("happy", "sad", "fear"), (1, 0)),
        (("Joy", "Sadness"), ("sad", "happy"), (1, 0)),
        (("joy", "happy"), ("happy", "sad"), (None, 0)),  # the same name goes first; no two share one
        (("bored", "SAD"), ("sad", "calm"), (None, 0)),
    ],
)
def test_two_lists_meet_by_name(ours, theirs, places):
    assert ClassList(ours).positions_in(ClassList(theirs)) == places


ABOUT_THE_SEVEN = {
    "fer_core/data/dataset.py",  # the fingerprints of the first version
    "fer_core/data/sources/layouts/numbered.py",  # the label numbers of known data sets
    "fer_core/data/sources/ferplus.py",  # the files of FER+
    "fer_core/data/sources/image_files.py",  # an example in a message
    "fer_core/data/synthetic/drawing.py",
    "fer_core/data/synthetic/generator.py",
    "fer_core/data/votes.py",  # FER+'s eight
    "fer_core/evaluation/evaluate.py",  # predictions of the first version
    "fer_core/inference/checkpoint.py",  # records of version 1
    "fer_core/models/compact.py",  # build("compact") without arguments has seven outputs
    "fer_core/models/seed.py",
    "fer_core/teach/takes.py",  # the names that are offered for own classes
    "pages/ui/learn/derivations.py",  # example numbers where no data are loaded
    "pages/ui/shell/cache.py",  # an architecture with random weights
    "pages/ui/teach/views.py",  # the drawn faces that invite to record
}
"""Files that may speak of FER2013's classes; every other takes them from the data or the model at hand."""


def code() -> list[Path]:
    return sorted([*(PROJECT_ROOT / "fer_core").rglob("*.py"), *(PROJECT_ROOT / "pages").rglob("*.py")])


def speaks_of_the_seven(tree: ast.AST) -> bool:
    """Whether code asks for FER2013's list, or writes three emotions or more into a list of its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("ClassList.fer2013", "ClassList.ferplus"):
            return True
        written = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else []
        written = node.keys if isinstance(node, ast.Dict) else written
        names = [n.value for n in written if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        if len({e.name for name in names if (e := find_emotion(name))}) >= 3:
            return True
    return False


def test_no_list_of_classes_belongs_to_the_program():
    found = {str(p.relative_to(PROJECT_ROOT)) for p in code() if speaks_of_the_seven(ast.parse(p.read_text()))}
    assert found == ABOUT_THE_SEVEN


@pytest.mark.parametrize(
    "text",
    [
        "from fer_core.classes import ClassList\nnames = ClassList.fer2013().names",
        'LABELS = ("angry", "happy", "sad")',
        'COLORS = {"anger": 1, "Joy": 2, "sadness": 3}',
    ],
)
def test_a_list_of_classes_is_noticed(text):
    assert speaks_of_the_seven(ast.parse(text))
    assert not speaks_of_the_seven(ast.parse('x = ("happy", "calm", "joy", "tired")'))
