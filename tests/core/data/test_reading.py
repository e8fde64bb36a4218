from __future__ import annotations

import json

import pytest

from fer_core.classes import ClassList
from fer_core.data.class_map import SavedClassMap, make_class_map
from fer_core.data.reading import Reading, load_mapped
from fer_core.errors import ConfigError, DataError
from tests.source_factory import png, write_folder

SEVEN = ClassList.fer2013()
POSITIVE = ("positive", ("happy", "surprise"))


def folder(tmp_path, *names, each=2):
    files = {f"{name}/{i}.png": png(100 * n + i) for n, name in enumerate(names) for i in range(each)}
    return write_folder(tmp_path / "faces", files)


def test_only_what_differs_from_the_defaults_is_handed_on(workspace):
    assert Reading().options() == {}
    assert Reading(classes="folders").options() == {"classes": "folders"}
    assert Reading().load("synthetic:70", workspace=workspace).classes == SEVEN


def test_the_options_of_a_command_give_the_same_reading():
    reading = Reading(skip_broken=True, votes="v.csv", class_map=make_class_map(SEVEN, [POSITIVE]))
    arguments = reading.arguments()
    assert arguments[0] == "--skip-broken"
    assert dict(zip(arguments[1::2], arguments[2::2], strict=True))["--votes"] == "v.csv"
    assert Reading.parse({"class_map": json.loads(arguments[-1])}).class_map == reading.class_map


def test_the_saved_map_comes_first_then_the_changes_of_the_call(workspace):
    source = "synthetic:70"
    SavedClassMap.of(Reading().load(source, workspace=workspace), workspace).save(
        make_class_map(SEVEN, [POSITIVE]), SEVEN
    )
    plain = load_mapped(source, Reading(), workspace=workspace)
    assert plain.class_map == ()
    saved = load_mapped(source, Reading(), use_saved=True, workspace=workspace)
    assert "positive" in saved.classes
    both = load_mapped(
        source, Reading(), merge=[("good", ("positive", "neutral"))], drop=["fear"], use_saved=True, workspace=workspace
    )
    assert both.classes.names == ("angry", "disgust", "good", "sad")
    assert both.class_map[2].sources == ("happy", "surprise", "neutral")
    again = Reading(class_map=both.class_map).load(source, workspace=workspace)
    assert (again.classes, again.cache_key) == (both.classes, both.cache_key)


def test_two_folders_of_one_emotion_are_merged_when_asked(tmp_path, workspace):
    source = folder(tmp_path, "happy", "joy", "sad")
    with pytest.raises(DataError, match=r"'happy' and 'joy'.*--merge"):
        load_mapped(source, Reading(), workspace=workspace)
    merged = load_mapped(source, Reading(), merge=[("happy", ("happy", "joy"))], workspace=workspace)
    assert merged.classes.names == ("happy", "sad")
    assert merged.per_class()["train"] == {"happy": 4, "sad": 2}
    apart = load_mapped(source, Reading(classes="folders"), workspace=workspace)
    assert apart.classes.names == ("happy", "joy", "sad")


def test_a_class_that_is_not_there_is_refused(workspace):
    with pytest.raises(DataError, match="'calm' is not a class here"):
        load_mapped("synthetic:70", Reading(), drop=["calm"], workspace=workspace)
    with pytest.raises(ConfigError):
        Reading.parse({"classes": "all"})


@pytest.mark.parametrize("count", [2, 3, 8, 40])
def test_folders_of_any_number_of_classes_are_read(tmp_path, workspace, count):
    source = folder(tmp_path, *(f"class {i:02d}" for i in range(count)), each=1)
    dataset = load_mapped(source, Reading(), workspace=workspace)
    assert len(dataset.classes) == count
    assert len(dataset) == count
