from __future__ import annotations

import json

import numpy as np
import pytest

from fer_core.data import load
from fer_core.errors import DataError
from tests.source_factory import face, pixels_of, png, write_folder, write_zip

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

NAMES = ["anger", "happiness", "sadness"]


def table(count: int = 6, start: int = 0, *, names: list[str] | None = NAMES, images: list[object] | None = None):
    """A table as Hugging Face's ``datasets`` writes it: structs with the bytes of PNG files, and label numbers."""
    given = [{"bytes": png(start + i), "path": f"{i}.png"} for i in range(count)] if images is None else images
    made = pa.table(
        {
            "image": pa.array(given, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            "label": pa.array([i % 3 for i in range(count)], pa.int64()),
        }
    )
    if names is None:
        return made
    info = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}, "image": {"_type": "Image"}}}}
    return made.replace_schema_metadata({"huggingface": json.dumps(info)})


def write(path, made):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(made, path)
    return path


def test_a_file_of_hugging_face_is_read_by_the_names_in_its_metadata(tmp_path):
    path = write(tmp_path / "train-00000-of-00001.parquet", table())
    for _ in range(2):
        dataset = load(path)
        assert dataset.classes.names == ("angry", "happy", "sad")
        assert [dataset.label_name(i) for i in range(6)] == ["angry", "happy", "sad"] * 2
        assert all((image == face(i)).all() for i, image in enumerate(dataset.images))
        assert dataset.counts() == {"train": 6, "valid": 0, "test": 0}
        assert dataset.warnings == ()


def test_a_repository_of_hugging_face_is_read_with_its_splits(tmp_path):
    write(tmp_path / "repo" / "data" / "train-00000-of-00002.parquet", table(6))
    write(tmp_path / "repo" / "data" / "train-00001-of-00002.parquet", table(3, 6))
    write(tmp_path / "repo" / "data" / "test-00000-of-00001.parquet", table(3, 9))
    write_folder(tmp_path / "repo", {"README.md": b"# faces"})
    folder = load(tmp_path / "repo")
    assert folder.counts() == {"train": 9, "valid": 0, "test": 3}
    assert "data/test-00000-of-00001.parquet row 0" in folder.ids.tolist()
    files = {f"data/{p.name}": p.read_bytes() for p in sorted((tmp_path / "repo" / "data").iterdir())}
    assert load(write_zip(tmp_path / "repo.zip", files)).fingerprint == folder.fingerprint


def test_columns_of_bytes_and_of_text_are_read(tmp_path):
    made = pa.table(
        {"img": [png(i) for i in range(2)], "emotion": ["happy", "sad"], "usage": ["Training", "PrivateTest"]}
    )
    dataset = load(write(tmp_path / "bytes.parquet", made))
    assert dataset.split.tolist() == ["train", "test"]
    made = pa.table({"emotion": [0, 3], "pixels": [pixels_of(face(i)) for i in range(2)]})
    dataset = load(write(tmp_path / "pixels.parquet", made))
    assert [dataset.label_name(i) for i in range(2)] == ["angry", "happy"]
    assert (dataset.images[1] == face(1)).all()
    assert "all its faces count as train" in dataset.warnings[0]


def test_unreadable_images_and_labels_are_named(tmp_path):
    images = [{"bytes": png(i), "path": ""} for i in range(4)] + [
        {"bytes": b"?", "path": ""},
        {"bytes": None, "path": "x"},
    ]
    path = write(tmp_path / "faces.parquet", table(6, images=images))
    with pytest.raises(DataError, match=r"2 of 6 faces cannot be read: row 4 .*; row 5 has no image bytes"):
        load(path)
    assert len(load(path, skip_unreadable=True)) == 4


@pytest.mark.parametrize("keep", [4, 0.5, 0.98])
def test_a_file_cut_short_is_refused_and_changes_nothing(tmp_path, workspace, keep):
    path = write(tmp_path / "faces.parquet", table())
    data = path.read_bytes()
    path.write_bytes(data[: keep if isinstance(keep, int) else int(len(data) * keep)])
    with pytest.raises(DataError, match="damaged or not a parquet file"):
        load(path)
    assert not workspace.root.exists()


def test_a_table_without_faces_is_refused_with_its_columns(tmp_path):
    path = write(tmp_path / "a.parquet", pa.table({"x": np.arange(3), "label": np.arange(3)}))
    with pytest.raises(DataError, match=r"expected a column of images with file bytes .*found x, label"):
        load(path)
