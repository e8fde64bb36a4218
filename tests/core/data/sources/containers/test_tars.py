from __future__ import annotations

import gzip
import io
import tarfile

import pytest

from fer_core.data import load
from fer_core.data.sources.containers import base, open_tar
from fer_core.errors import DataError
from fer_core.images.walk import Skipped
from tests.source_factory import rows, tree, write_csv, write_zip


def write_tar(path, files, mode="w", links=()):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return path


@pytest.mark.parametrize(("name", "mode"), [("a.tar", "w"), ("a.tgz", "w:gz"), ("a.tar.bz2", "w:bz2"), ("a", "w:xz")])
def test_a_tar_is_the_same_data_set_as_a_zip_of_its_files(tmp_path, name, mode):
    zipped = load(write_zip(tmp_path / "a.zip", tree(2)))
    path = write_tar(tmp_path / name, {f"./{file}": content for file, content in tree(2).items()}, mode)
    for _ in range(2):  # the second time from the cache
        dataset = load(path)
        assert dataset.fingerprint == zipped.fingerprint
        assert dataset.warnings == ()


def test_a_tar_with_a_csv_of_faces_is_read(tmp_path):
    table = write_csv(tmp_path / "fer2013.csv", rows(21))
    path = write_tar(tmp_path / "fer2013.tar.gz", {"fer2013/fer2013.csv": table.read_bytes()}, "w:gz")
    assert load(path).fingerprint == load(table).fingerprint


@pytest.mark.parametrize("ending", ["csv.gz", "csv.bz2", "csv.xz"])
def test_a_compressed_csv_is_the_same_data_set_as_the_csv(tmp_path, ending):
    import bz2
    import lzma

    table = write_csv(tmp_path / "fer2013.csv", rows(21))
    pack = {"csv.gz": gzip.compress, "csv.bz2": bz2.compress, "csv.xz": lzma.compress}[ending]
    packed = tmp_path / f"fer2013.{ending}"
    packed.write_bytes(pack(table.read_bytes()))
    assert load(packed).fingerprint == load(table).fingerprint


def test_links_hidden_and_special_files_of_a_tar_are_skipped_and_named(tmp_path):
    files = {**tree(), ".cache/x.png": b"x", "__MACOSX/happy/y.png": b"y"}
    path = write_tar(tmp_path / "a.tar", files, links=[("train/happy/link.png", "/etc/passwd")])
    with open_tar(path) as archive:
        assert set(archive.files) == set(tree())
        assert set(archive.skipped) == {
            Skipped(".cache", "hidden folders"),
            Skipped("train/happy/link.png", "links in the archive"),
        }
    assert load(path).warnings == (
        "Not read: 1 hidden folder: '.cache'.",
        "Not read: 1 link in the archive: 'train/happy/link.png'.",
    )


@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil.png", "happy/../../evil.png"])
def test_a_tar_with_names_that_lead_outside_is_refused(tmp_path, name):
    with pytest.raises(DataError, match="leads outside"):
        load(write_tar(tmp_path / "evil.tar", {**tree(), name: b"x"}))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
@pytest.mark.parametrize("keep", [0.3, 0.7, 0.9])
def test_a_tar_cut_short_is_refused_and_changes_nothing(tmp_path, workspace, mode, keep):
    path = write_tar(tmp_path / "a.tar", tree(3), mode)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(DataError, match="damaged or truncated"):
        load(path)
    assert not workspace.root.exists()


def test_a_tar_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "SMALL", 2**20)
    with pytest.raises(DataError, match="archive bomb"):
        load(write_tar(tmp_path / "bomb.tgz", {"happy/zeros.bmp": bytes(2**24)}, "w:gz"))


def test_a_compressed_csv_cut_short_is_refused(tmp_path):
    table = write_csv(tmp_path / "fer2013.csv", rows(21))
    packed = tmp_path / "fer2013.csv.gz"
    packed.write_bytes(gzip.compress(table.read_bytes())[:-40])
    with pytest.raises(DataError, match="damaged or truncated"):
        load(packed)
