from __future__ import annotations

import zipfile

import numpy as np
import pytest

from fer_core.data import load
from fer_core.errors import DataError
from tests.source_factory import face

FACES = np.stack([face(i) for i in range(14)])
LABELS = np.arange(14) % 7


def save(path, **arrays):
    np.savez_compressed(path, **arrays)
    return path


@pytest.mark.parametrize(
    "images",
    [
        FACES,
        FACES[..., None],
        FACES.reshape(14, -1),
        np.repeat(FACES[..., None], 3, axis=3),
        FACES.astype(np.float32) / 255,
        FACES.astype(np.float64),
        FACES.astype(np.uint16) * 257,
        FACES.astype(np.int64),
    ],
    ids=["gray", "one channel", "flat", "rgb", "shares", "floats", "16 bit", "int64"],
)
@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None], np.eye(7)[LABELS]], ids=["ids", "column", "one-hot"])
def test_images_of_any_number_type_are_the_same_faces(tmp_path, images, labels):
    dataset = load(save(tmp_path / "faces.npz", images=images, labels=labels))
    assert (dataset.images == FACES).all()
    assert dataset.labels.tolist() == LABELS.tolist()
    assert dataset.warnings == ("The archive names no splits: all its faces count as train.",)


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test"),
        ("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"),
    ],
)
def test_arrays_of_splits_are_told_by_their_names(tmp_path, names):
    parts = [FACES[:7], LABELS[:7], FACES[7:9], LABELS[7:9], FACES[9:], LABELS[9:]]
    dataset = load(save(tmp_path / "faces.npz", **dict(zip(names, parts, strict=True))))
    assert dataset.counts() == {"train": 7, "valid": 2, "test": 5}
    assert (dataset.images == FACES).all()
    assert "valid row 0" in dataset.ids.tolist()
    assert not any("names no splits" in warning for warning in dataset.warnings)


def test_numbers_have_the_names_that_the_archive_gives(tmp_path):
    path = save(tmp_path / "a.npz", images=FACES[:2], labels=np.array([0, 1]), classes=np.array(["sad", "joy"]))
    dataset = load(path)
    assert [dataset.label_name(i) for i in range(2)] == ["sad", "happy"]
    dataset = load(save(tmp_path / "b.npz", images=FACES[:2], labels=np.array(["on", "off"]), split=["train", "test"]))
    assert dataset.classes.names == ("off", "on")
    assert dataset.split.tolist() == ["train", "test"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": FACES}, "no arrays of faces: expected images and labels.*found a"),
        ({"images": FACES, "labels": LABELS[:3]}, "14 images, but there are 3 labels"),
        ({"images": FACES, "labels": LABELS + 20}, "has the label '20', expected 0…7"),
        ({"images": FACES[:, :4], "labels": LABELS}, "images of 4 × 48 values, which are no faces"),
        ({"images": FACES.astype(complex), "labels": LABELS}, "must have numbers"),
        ({"images": FACES.astype(np.float32) * 9, "labels": LABELS}, "has values outside 0…255"),
    ],
)
def test_archives_without_faces_are_refused_and_change_nothing(tmp_path, workspace, arrays, message):
    with pytest.raises(DataError, match=message):
        load(save(tmp_path / "faces.npz", **arrays))
    assert not workspace.root.exists()


def test_python_objects_are_never_unpickled(tmp_path):
    path = tmp_path / "faces.npz"
    np.savez(path, allow_pickle=True, images=FACES, labels=np.array([{}] * 14, dtype=object))
    with pytest.raises(DataError, match="Python objects"):
        load(path)


@pytest.mark.parametrize(
    "header", [b"{'descr': '|u1', 'shape': (", b"{'descr': '\n'", b"(" * 60, b"\0" * 40, b"{'a': 1}"]
)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_damaged_header_of_an_array_is_refused(tmp_path, header, version):
    length = (len(header) + 1).to_bytes(2 if version == 1 else 4, "little")
    array = b"\x93NUMPY" + bytes([version, 0]) + length + header + b"\n"
    with zipfile.ZipFile(tmp_path / "faces.npz", "w") as archive:
        archive.writestr("images.npy", array)
        archive.writestr("labels.npy", array)
    with pytest.raises(DataError, match="damaged or truncated"):
        load(tmp_path / "faces.npz")


def test_a_bomb_is_refused(tmp_path):
    np.savez_compressed(
        tmp_path / "bomb.npz", images=np.zeros((40_000, 48, 48), np.uint8), labels=np.zeros(40_000, int)
    )
    with pytest.raises(DataError, match="archive bomb"):
        load(tmp_path / "bomb.npz")


def test_a_zip_of_images_and_one_array_stays_a_zip(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("notes.npy", b"x")
        archive.writestr("a.txt", b"x")
    with pytest.raises(DataError, match="has no images"):
        load(tmp_path / "a.zip")
