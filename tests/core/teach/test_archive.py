"""Export and import of takes, and zips from strangers."""

from __future__ import annotations

import errno
import io
import json
import stat
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fer_core.data import load
from fer_core.errors import ConfigError, DataError, WorkspaceError
from fer_core.faces import FaceDetector
from fer_core.images import png
from fer_core.teach import TakeStore, archive, export_zip, import_source, import_zip
from tests.teach_factory import fill, write_folder

FACE = png(np.random.default_rng(0).integers(0, 256, (48, 48)).astype(np.uint8))
TAKE = "0123456789ab"


def manifest(**changes: object) -> str:
    take = {"id": TAKE, "class_name": "smile", "faces": [0], **changes.pop("take", {})}  # type: ignore[dict-item]
    return json.dumps({"classes": ["smile", "wink"], "takes": [take], **changes})


def zipped(files: dict[str, bytes | str], mode: int = 0) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = mode << 16
            file.writestr(info, data)
    return content.getvalue()


def everything(workspace: object) -> list[str]:
    root = workspace.root  # type: ignore[attr-defined]
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.suffix != ".lock")


def test_an_exported_zip_brings_classes_takes_and_faces_back(workspace):
    store = fill(workspace, takes=2, frames=3)
    store.add("happy", store.faces(store.takes()[0]), {"blurred": 2}, "a.mp4")
    store.delete_take(store.takes()[1])
    content = export_zip(store)
    assert content == export_zip(store)
    other = import_zip(content, workspace, "other")
    assert other.classes == store.classes
    assert [(t.class_name, t.source, t.left_out) for t in other.takes()] == [
        (t.class_name, t.source, t.left_out) for t in store.takes()
    ]
    for mine, theirs in zip(store.takes(), other.takes(), strict=True):
        assert mine.id != theirs.id
        np.testing.assert_array_equal(store.faces(mine), other.faces(theirs))


def test_takes_and_their_zip_are_the_same_data_set(workspace, tmp_path):
    store = fill(workspace, takes=2, frames=3)
    (tmp_path / "takes.zip").write_bytes(export_zip(store))
    folder, archived = (load(path, workspace=workspace) for path in (store.path, tmp_path / "takes.zip"))
    assert folder.classes.names == archived.classes.names == store.classes
    assert folder.fingerprint == archived.fingerprint
    assert folder.groups is not None
    assert set(folder.groups.tolist()) == {take.id for take in store.takes()}
    assert folder.warnings == archived.warnings == ()
    assert not list(workspace.cache.rglob("*.npz")), "no second copy of the faces is kept"


def test_a_set_is_never_overwritten_by_an_import(workspace):
    store = fill(workspace, takes=1, frames=2)
    content = export_zip(store)
    with pytest.raises(DataError, match="takes named 'mine' already"):
        import_zip(content, workspace, "mine")
    with pytest.raises(ConfigError, match="cannot be the name"):
        import_zip(content, workspace, "../mine")


def test_exporting_nothing_is_an_error(workspace):
    with pytest.raises(DataError, match="has no takes yet"):
        export_zip(TakeStore(workspace, "mine"))


HOSTILE: dict[str, tuple[dict[str, bytes | str], int, str]] = {
    "parent folder": ({"../../evil.png": FACE, "takes.json": manifest()}, 0, "leads outside"),
    "absolute": ({"/etc/evil": FACE, "takes.json": manifest()}, 0, "leads outside"),
    "drive": ({"C:evil": FACE, "takes.json": manifest()}, 0, "leads outside"),
    "backslashes": ({"..\\evil.png": FACE, "takes.json": manifest()}, 0, "leads outside"),
    "link": ({"takes.json": "/etc/passwd"}, stat.S_IFLNK | 0o777, "has no takes.json"),
    "take id": ({"takes.json": manifest(take={"id": "../../../x"})}, 0, "is damaged"),
    "number": ({"takes.json": manifest(take={"faces": [-1]})}, 0, "is damaged"),
    "extra key": ({"takes.json": manifest(secret=1)}, 0, "is damaged"),
    "class name": ({"takes.json": manifest(classes=["a\u202eb", "wink"])}, 0, "cannot be printed"),
    "equal classes": ({"takes.json": manifest(classes=["smile", "Smile"])}, 0, "names of the same class"),
    "nine classes": ({"takes.json": manifest(classes=list("abcdefghi"))}, 0, "9 classes"),
    "long class": ({"takes.json": manifest(classes=["a" * 500, "b"])}, 0, "is damaged"),
    "not json": ({"takes.json": b"\x80\x04pickle"}, 0, "is damaged"),
    "deep json": ({"takes.json": "[" * 100_000}, 0, "is damaged"),
    "newer": ({"takes.json": manifest(schema_version=99)}, 0, "newer FER Lab"),
    "no takes": ({"takes.json": manifest(takes=[])}, 0, "contains no takes"),
    "missing face": ({"takes.json": manifest()}, 0, "is missing"),
    "text as a face": ({"takes.json": manifest(), f"{TAKE}/000000.png": "text"}, 0, "is a text file"),
    "huge face": ({"takes.json": manifest(), f"{TAKE}/000000.png": FACE + b"\0" * 10**6}, 0, "is larger than"),
    "too many faces": ({"takes.json": manifest(take={"faces": list(range(500))})}, 0, "more than 200 faces"),
    "bomb": ({"takes.json": manifest(), "bomb": b"\0" * (200 << 20)}, 0, "refused"),
    "other zip": ({"a.jpg": FACE}, 0, "has no takes.json"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_zip_is_refused_and_leaves_nothing(workspace, name):
    files, mode, message = HOSTILE[name]
    before = sorted(Path(tempfile.gettempdir()).glob("evil*"))
    with pytest.raises(DataError, match=message):
        import_zip(zipped(files, mode), workspace, "theirs")
    assert everything(workspace) == []
    assert sorted(Path(tempfile.gettempdir()).glob("evil*")) == before
    assert not TakeStore(workspace, "theirs").exists


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip", b"PK\x03\x04" + b"\0" * 100])
def test_what_is_no_zip_is_refused(workspace, content):
    with pytest.raises(DataError, match="zip"):
        import_zip(content, workspace, "theirs")
    assert everything(workspace) == []


def test_a_zip_that_is_too_large_is_refused_before_it_is_read(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_ZIP_BYTES", 1000)
    (tmp_path / "large.zip").write_bytes(b"PK" + b"\0" * 2000)
    with pytest.raises(DataError, match="larger than the"):
        import_zip(tmp_path / "large.zip", workspace, "theirs")


def test_a_full_disk_keeps_nothing_of_an_import(workspace, monkeypatch):
    content = export_zip(fill(workspace, takes=1, frames=2))

    def fail(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    calls, original = iter(range(99)), Path.write_bytes
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", lambda self, data: fail() if next(calls) > 3 else original(self, data))
        with pytest.raises(WorkspaceError, match="Free some space"):
            import_zip(content, workspace, "other")
    assert not (workspace.takes / "other").exists()


def test_a_folder_a_zip_and_an_unpacked_zip_become_takes(workspace, tmp_path):
    made = import_source(write_folder(tmp_path / "faces"), workspace, "first", FaceDetector())
    content = export_zip(made)
    (tmp_path / "takes.zip").write_bytes(content)
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        file.extractall(tmp_path / "unpacked")
    for name, source in (("second", "takes.zip"), ("third", "unpacked")):
        other = import_source(tmp_path / source, workspace, name, FaceDetector())
        assert export_zip(other).count(b"IHDR") == 12
        assert [(t.class_name, t.faces) for t in other.takes()] == [(t.class_name, t.faces) for t in made.takes()]
    with pytest.raises(DataError, match="takes named 'first' already"):
        import_source(tmp_path / "takes.zip", workspace, "first", FaceDetector())
    again = import_source(tmp_path / "takes.zip", workspace, "first", FaceDetector(), replace=True)
    assert len(again.takes()) == 4
