from __future__ import annotations

import gzip
import os

import pytest

from fer_core.data import load
from fer_core.data.sources.formats import recognize
from fer_core.errors import DataError
from tests.source_factory import png, rows, tree, write_csv, write_folder, write_zip


def test_the_kind_of_source_is_told_by_content_and_not_by_its_ending(tmp_path):
    zipped = write_zip(tmp_path / "faces.csv", tree())
    table = write_csv(tmp_path / "faces.zip", rows(7))
    folder = write_folder(tmp_path / "faces.tar", tree())
    assert [recognize(path).kind for path in (zipped, table, folder)] == ["zip", "csv", "folder"]
    assert [len(load(path)) for path in (zipped, table, folder)] == [21, 7, 21]


@pytest.mark.parametrize("source", ["nowhere", "no/such/place.zip", "\0", "~nobody-at-all/x", "x" * 5000, ""])
def test_a_missing_source_is_answered_with_the_forms_that_are_accepted(tmp_path, monkeypatch, source):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(DataError, match=r"FER2013 as zip or csv|has no images"):
        load(source)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x1f\x8b\x08\0", "compressed file that is damaged or truncated"),
        (b"7z\xbc\xaf\x27\x1c", "7z archive"),
        (b"Rar!\x1a\x07", "RAR archive"),
        (b"BZh91AY", "compressed file that is damaged"),
        (b"\xfd7zXZ\0", "compressed file that is damaged"),
        (gzip.compress(b"hello"), "neither a tar archive nor a csv of faces"),
        (b"\x93NUMPY", "a single NumPy array without labels"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (png(0), "a single image, not a data set"),
        (b"\x80\x04\x95pickle\0", "a Python pickle, which could run code"),
        (b"PK\x03\x04" + bytes(100), "damaged or truncated"),
        (b"", "is empty"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_what_it_is(tmp_path, workspace, content, message):
    path = tmp_path / "faces.zip"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(path)
    assert not workspace.root.exists()


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="neither a file nor a folder"):
        load(tmp_path / "pipe")


def test_an_empty_zip_is_refused(tmp_path):
    with pytest.raises(DataError, match="has no images"):
        load(write_zip(tmp_path / "a.zip", {}))


def test_progress_of_a_cached_source_is_one_call(tmp_path):
    path = write_zip(tmp_path / "a.zip", tree())
    load(path)
    calls = []
    load(path, on_progress=lambda *call: calls.append(call))
    assert calls == [(21, 21)]


def test_nothing_is_written_beside_the_source(tmp_path):
    (tmp_path / "in").mkdir()
    path = write_zip(tmp_path / "in" / "a.zip", tree())
    load(path)
    assert [p.name for p in (tmp_path / "in").iterdir()] == ["a.zip"]


@pytest.mark.parametrize("word", ["synthetic:70", "SYNTHETIC:70", " synthetic:70 "])
def test_the_word_synthetic_draws_faces(word):
    dataset = load(word)
    assert dataset.name == "synthetic"
    assert len(dataset) == 70
    assert load("synthetic:70").fingerprint == dataset.fingerprint
