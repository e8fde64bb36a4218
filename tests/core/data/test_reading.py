from __future__ import annotations

from pathlib import Path

import pytest

from fer_core.config import MappedClass
from fer_core.data.class_map import SavedClassMap, make_class_map
from fer_core.data.reading import Reading, load_mapped
from fer_core.errors import DataError
from tests.source_factory import png, write_folder


@pytest.fixture
def source(tmp_path) -> Path:
    names = ("train/happy", "train/joy", "train/sad", "train/fear", "test/happy")
    return write_folder(tmp_path / "faces", {f"{name}/1.png": png(i) for i, name in enumerate(names)})


def test_a_merge_makes_two_folders_of_one_emotion_one_class(source, workspace):
    with pytest.raises(DataError, match="'happy' and 'joy' both mean happy"):
        load_mapped(source, Reading(), workspace=workspace)
    dataset = load_mapped(source, Reading(), merge=[("happy", ("happy", "joy"))], drop=["fear"], workspace=workspace)
    assert dataset.classes.names == ("happy", "sad")
    assert dataset.class_map == (
        MappedClass(name="happy", sources=("happy", "joy")),
        MappedClass(name="sad", sources=("sad",)),
    )
    assert Reading(class_map=dataset.class_map).load(source, workspace=workspace).classes == dataset.classes


def test_missing_classes_are_those_of_the_classes_that_were_made(source, workspace):
    merge = [("glad", ("happy", "joy")), ("not glad", ("sad", "fear"))]
    dataset = load_mapped(source, Reading(), merge=merge, workspace=workspace)
    assert dataset.warnings == ("The test split has no faces of: not glad.",)


def test_changes_follow_the_map_that_was_saved_and_that_of_the_reading(source, workspace):
    reading = Reading(classes="folders")
    raw = reading.load(source, workspace=workspace)
    SavedClassMap.of(raw, workspace).save(
        make_class_map(raw.classes, [("glad", ("happy", "joy")), ("low", ("sad", "fear"))]), raw.classes
    )
    saved = load_mapped(source, reading, use_saved=True, workspace=workspace)
    assert saved.classes.names == ("low", "glad")
    renamed = load_mapped(source, reading, merge=[("down", ("low",))], use_saved=True, workspace=workspace)
    assert renamed.class_map == (
        MappedClass(name="down", sources=("fear", "sad")),
        MappedClass(name="glad", sources=("happy", "joy")),
    )
    again = Reading(classes="folders", class_map=renamed.class_map)
    assert load_mapped(source, again, merge=[("up", ("glad",))], workspace=workspace).classes.names == ("down", "up")
    assert load_mapped(source, reading, workspace=workspace).classes == raw.classes
