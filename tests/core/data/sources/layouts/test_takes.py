"""Takes of own classes as a data set."""

import numpy as np
import pytest

from fer_core.data import load
from fer_core.data.sources.layouts.takes import Deletion, Manifest, TakeRecord, face_file
from fer_core.errors import DataError
from fer_core.images import png
from fer_core.workspace import write_json
from tests.source_factory import write_folder

FIRST, SECOND = "0123456789ab", "ba9876543210"


def face(value: int) -> bytes:
    return png(np.random.default_rng(value).integers(0, 256, (48, 48)).astype(np.uint8))


@pytest.fixture
def source(tmp_path):
    """Two takes of three faces each; classes in an order of their own."""
    files = {face_file(take, n): face(10 * i + n) for i, take in enumerate((FIRST, SECOND)) for n in range(3)}
    return write_folder(tmp_path / "takes", files)


def manifest(**changes: object) -> dict:
    takes = (
        TakeRecord(id=FIRST, class_name="wink", faces=(0, 1, 2)),
        TakeRecord(id=SECOND, class_name="smile", faces=(2, 0)),
    )
    return Manifest(classes=("wink", "smile"), takes=takes).model_copy(update=changes).to_dict()


def test_the_manifest_gives_classes_labels_and_groups(source):
    write_json(source / "takes.json", manifest())
    dataset = load(source)
    assert dataset.classes.names == ("wink", "smile")
    assert dataset.class_counts() == {"wink": 3, "smile": 2}
    assert dataset.groups is not None
    assert dict(zip(dataset.ids.tolist(), dataset.groups.tolist(), strict=True)) == {
        face_file(take, n): take for take, numbers in ((FIRST, (0, 1, 2)), (SECOND, (0, 2))) for n in numbers
    }
    assert dataset.warnings == ()


def test_deleted_faces_takes_and_classes_are_not_read(source):
    deletions = (Deletion(time=0, takes=(FIRST,), face=1),)
    write_json(source / "takes.json", manifest(deletions=deletions))
    assert load(source).class_counts() == {"wink": 2, "smile": 2}
    write_json(source / "takes.json", manifest(deletions=(Deletion(time=0, takes=(SECOND,)),)))
    assert load(source).class_counts() == {"wink": 3, "smile": 0}


def test_a_change_of_the_takes_is_seen_at_once(source):
    write_json(source / "takes.json", manifest())
    before = load(source)
    (source / face_file(FIRST, 1)).write_bytes(face(99))
    assert load(source).fingerprint != before.fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ("only",)}, "is one class"),
        ({"schema_version": 2}, "newer FER Lab"),
        ({"takes": (TakeRecord(id=FIRST, class_name="wink", faces=(0, 7)),)}, "1 faces of takes.json are missing"),
        ({"classes": ("wink", "Wink")}, "differ only in case"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(source, changes, message):
    write_json(source / "takes.json", manifest(**changes))
    with pytest.raises(DataError, match=message):
        load(source)


def test_a_damaged_manifest_is_refused(source):
    (source / "takes.json").write_text("{")
    with pytest.raises(DataError, match=r"takes\.json is damaged"):
        load(source)
