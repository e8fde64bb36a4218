from __future__ import annotations

import json
import os

import numpy as np
import pytest

from fer_core.data import cache, load
from fer_core.data.sources import contents, formats
from fer_core.store import Store
from fer_core.workspace import Workspace
from tests.factories import entries, make_dataset
from tests.source_factory import rows, tree, write_csv, write_folder, write_zip

KEY = "0" * 32


def same(a, b) -> bool:
    return a.fingerprint == b.fingerprint and all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ("images", "labels", "split", "ids")
    )


@pytest.fixture
def reads(monkeypatch):
    """Counts how often a source was parsed instead of taken from the cache."""
    counter = []
    for module, name in ((formats, "read_csv"), (contents, "read_csv"), (contents, "read_images")):
        original = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, f=original: (counter.append(1), f(*a))[1])
    return counter


def test_a_data_set_comes_back_from_the_cache_as_it_was(workspace):
    dataset = make_dataset()
    store = Store(workspace)
    assert cache.write(store, KEY, dataset) is None
    again = cache.read(store, KEY, "another name")
    assert again is not None
    assert same(dataset, again)
    assert again.name == "another name"
    assert cache.read(store, "1" * 32, "x") is None


def test_the_second_load_does_not_parse_again(tmp_path, reads):
    for path in (
        write_zip(tmp_path / "a.zip", tree()),
        write_folder(tmp_path / "folder", tree()),
        write_csv(tmp_path / "a.csv", rows(21)),
    ):
        reads.clear()
        first, second = load(path), load(path)
        assert same(first, second)
        assert first.warnings == second.warnings
        assert len(reads) == 1


def test_the_cache_is_keyed_by_content_not_by_place(tmp_path, reads):
    one = write_zip(tmp_path / "one.zip", tree())
    two = tmp_path / "two.zip"
    two.write_bytes(one.read_bytes())
    load(one)
    assert load(two).name == "two.zip"
    assert len(reads) == 1
    stamp = one.stat()
    write_zip(one, tree(start=100))  # other content of the same length at the same place and time
    os.utime(one, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert not same(load(one), load(two))
    assert len(reads) == 2


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.999])
def test_a_half_written_cache_is_built_again(tmp_path, workspace, reads, keep):
    path = write_zip(tmp_path / "a.zip", tree())
    first = load(path)
    (cached,) = entries(workspace, "data")
    content = cached.read_bytes()
    cached.write_bytes(content[: int(len(content) * keep)])
    assert same(load(path), first)
    assert len(reads) == 2
    assert cached.stat().st_size == len(content)
    assert same(load(path), first)
    assert len(reads) == 2


def test_a_flipped_bit_anywhere_in_the_faces_is_noticed(tmp_path, workspace, reads):
    path = write_zip(tmp_path / "a.zip", tree())
    first = load(path)
    (cached,) = entries(workspace, "data")
    content = bytearray(cached.read_bytes())
    content[content.index(first.images[5].tobytes()) + 1000] ^= 4
    cached.write_bytes(content)
    assert same(load(path), first)
    assert len(reads) == 2


@pytest.mark.parametrize(
    "foreign",
    [b"hello", b"PK\x05\x06" + bytes(18), "another key", "another version", "no fields", "pickle"],
    ids=["text", "empty zip", "another key", "another version", "no fields", "pickle"],
)
def test_a_foreign_file_in_the_cache_is_not_believed(tmp_path, workspace, reads, foreign):
    path = write_zip(tmp_path / "a.zip", tree())
    first = load(path)
    (cached,) = entries(workspace, "data")
    if foreign == "another key":
        cache.write(Store(workspace), KEY, make_dataset())
        Store(workspace).path("data", KEY).replace(cached)
    elif foreign == "another version":
        with np.load(cached) as stored:
            arrays = dict(stored)
        about = json.loads(str(arrays["about"]))
        np.savez(cached, **{**arrays, "about": np.array(json.dumps({**about, "layout": 1}))})
    elif foreign == "no fields":
        np.savez(cached, x=np.zeros(3))
    elif foreign == "pickle":
        np.savez(cached, about=np.array([object()], dtype=object))
    else:
        cached.write_bytes(foreign)
    assert same(load(path), first)
    assert len(reads) == 2


def test_a_workspace_that_cannot_be_written_costs_only_the_cache(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    dataset = load(write_zip(tmp_path / "a.zip", tree()), workspace=Workspace(blocker / "workspace"))
    assert len(dataset) == 21
    assert "could not be cached" in dataset.warnings[-1]
