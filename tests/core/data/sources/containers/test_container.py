from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import pytest

from fer_core.data.parsed import UnreadableFile
from fer_core.data.sources.containers import Folder, base, open_zip, zip_content_key
from fer_core.errors import DataError
from fer_core.images.walk import Skipped, describe_skipped
from tests.source_factory import png, write_folder, write_zip

FILES = {"happy/a.png": png(0), "sad/b.png": png(1), "notes.txt": b"hello"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "faces", FILES)


def link(path: Path, target: Path | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def test_a_folder_and_a_zip_of_it_hold_the_same_files(folder, tmp_path):
    on_disk = Folder(folder)
    with open_zip(write_zip(tmp_path / "faces.zip", FILES, zipfile.ZIP_DEFLATED)) as archive:
        assert on_disk.files == archive.files == {name: len(data) for name, data in FILES.items()}
        for name, data in FILES.items():
            assert on_disk.read(name, 10**6) == archive.read(name, 10**6) == data
            with on_disk.open(name) as one, archive.open(name) as two:
                assert one.read() == two.read() == data


def test_system_files_are_not_seen(tmp_path):
    hidden = {
        ".DS_Store": b"",
        "happy/._a.png": b"",
        "__MACOSX/happy/a.png": b"",
        "happy/Thumbs.db": b"",
        ".git/x": b"",
    }
    folder = Folder(write_folder(tmp_path / "faces", {**FILES, **hidden}))
    with open_zip(write_zip(tmp_path / "faces.zip", {**FILES, **hidden})) as archive:
        assert set(folder.files) == set(archive.files) == set(FILES)


# ------------------------------------------------------------------------------------------------ folders


def test_links_that_leave_the_folder_are_skipped_and_named(folder, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(9))
    link(folder / "happy" / "out.png", secret)
    link(folder / "happy" / "up.png", "../../secret.png")
    link(folder / "angry", tmp_path)
    link(folder / "nowhere.png", "gone.png")
    link(folder / "circle.png", "circle.png")
    found = Folder(folder)
    assert set(found.files) == set(FILES)
    assert describe_skipped(found.skipped) == [
        "Not read: 1 linked folder that contains the folder itself: 'angry'.",
        "Not read: 2 links to nowhere: 'circle.png', 'nowhere.png'.",
        "Not read: 2 links to files outside the folder: 'happy/out.png', 'happy/up.png'.",
    ]


def test_linked_folders_are_followed_once_and_loops_are_not(folder, tmp_path):
    elsewhere = write_folder(tmp_path / "elsewhere", {"c.png": png(3), "deeper/d.png": png(4)})
    link(folder / "fear", elsewhere)
    link(folder / "also fear", elsewhere)
    link(folder / "happy" / "up", "..")
    link(folder / "zzz", "happy")
    link(elsewhere / "deeper" / "back", folder)
    link(elsewhere / "e.png", "c.png")
    found = Folder(folder)
    assert set(found.files) - set(FILES) == {"also fear/c.png", "also fear/deeper/d.png", "also fear/e.png"}
    assert found.read("also fear/deeper/d.png", 10**6) == png(4)
    assert {(one.name, one.reason) for one in found.skipped} == {
        ("fear", "linked folders that were already read"),
        ("happy/up", "linked folders that were already read"),
        ("zzz", "linked folders that were already read"),
        ("also fear/deeper/back", "linked folders that were already read"),
    }


def test_links_inside_the_folder_are_followed(folder):
    link(folder / "happy" / "same.png", "a.png")
    found = Folder(folder)
    assert found.read("happy/same.png", 10**6) == FILES["happy/a.png"]
    assert found.skipped == ()


def test_a_pipe_in_a_folder_is_never_opened(folder):
    os.mkfifo(folder / "happy" / "pipe.png")
    found = Folder(folder)
    assert set(found.files) == set(FILES)
    assert found.skipped == (Skipped("happy/pipe.png", "special files (pipes, sockets or devices)"),)


def test_the_key_of_a_folder_follows_content_and_names_but_not_times(folder):
    names = list(FILES)
    key = Folder(folder).content_key(names)
    os.utime(folder / "happy" / "a.png", (1, 1))
    assert Folder(folder).content_key(names) == key
    (folder / "happy" / "a.png").write_bytes(FILES["happy/a.png"][:-1] + b"!")  # the same length
    changed = Folder(folder).content_key(names)
    (folder / "extra.txt").write_bytes(b"")
    assert len({key, changed, Folder(folder).content_key(names)}) == 3


def test_a_file_that_vanished_is_broken(folder):
    found = Folder(folder)
    (folder / "happy" / "a.png").unlink()
    with pytest.raises(UnreadableFile, match="cannot be read"):
        found.read("happy/a.png", 10**6)


def test_too_many_files_are_refused(folder, monkeypatch):
    monkeypatch.setattr(base, "MAX_FILES", 2)
    with pytest.raises(DataError, match="more than 2 files"):
        Folder(folder)


@pytest.mark.parametrize("limit", [10, len(FILES["happy/a.png"]) - 1])
def test_a_file_longer_than_the_limit_is_broken(folder, tmp_path, limit):
    with pytest.raises(UnreadableFile, match="larger"):
        Folder(folder).read("happy/a.png", limit)
    with open_zip(write_zip(tmp_path / "faces.zip", FILES)) as archive, pytest.raises(UnreadableFile, match="larger"):
        archive.read("happy/a.png", limit)


# ------------------------------------------------------------------------------------------------ zips


@pytest.mark.parametrize(
    "name", ["../evil.png", "happy/../../evil.png", "/etc/happy/x.png", "C:/happy/x.png", "..\\happy\\x.png"]
)
def test_a_zip_with_names_that_lead_outside_is_refused(tmp_path, name):
    path = write_zip(tmp_path / "evil.zip", {**FILES, name: png(0)})
    with pytest.raises(DataError, match="leads outside"), open_zip(path):
        pass


def test_backslashes_of_windows_separate_folders(tmp_path):
    path = tmp_path / "windows.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("x")
        info.filename = "happy\\a.png"
        archive.writestr(info, png(0))
    with open_zip(path) as archive:
        assert list(archive.files) == ["happy/a.png"]


def test_links_in_a_zip_are_left_out_and_said(tmp_path):
    path = tmp_path / "links.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("happy/a.png", png(0))
        info = zipfile.ZipInfo("happy/link.png")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with open_zip(path) as archive:
        assert list(archive.files) == ["happy/a.png"]
        assert archive.skipped == (Skipped("happy/link.png", "links in the archive"),)


def test_one_member_that_unpacks_enormously_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "SMALL", 2**20)
    path = write_zip(tmp_path / "bomb.zip", {"happy/zeros.bmp": bytes(2**21)}, zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("the bomb was opened"))
    with pytest.raises(DataError, match=r"archive bomb.*to 2 MB"), open_zip(path):
        pass


def test_many_members_that_unpack_enormously_together_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "SMALL", 2**20)
    members = {f"happy/{i}.bmp": bytes(2**18) for i in range(8)}
    path = write_zip(tmp_path / "bomb.zip", members, zipfile.ZIP_DEFLATED)
    with pytest.raises(DataError, match=r"archive bomb: all its files together"), open_zip(path):
        pass


def test_a_member_whose_declared_size_lies_is_damaged_and_not_read_beyond_it(tmp_path):
    content = bytes(range(256)) * 40
    path = write_zip(tmp_path / "liar.zip", {"happy/a.png": content}, zipfile.ZIP_DEFLATED)
    data = path.read_bytes()
    real, lie = len(content).to_bytes(4, "little"), (100).to_bytes(4, "little")
    path.write_bytes(data.replace(real, lie))
    with open_zip(path) as archive, pytest.raises(UnreadableFile, match="damaged"):
        archive.read("happy/a.png", 10**6)


def test_a_member_with_a_wrong_checksum_is_broken(tmp_path):
    path = write_zip(tmp_path / "faces.zip", FILES)
    data = bytearray(path.read_bytes())
    data[data.index(FILES["happy/a.png"]) + 50] ^= 1
    path.write_bytes(data)
    with open_zip(path) as archive:
        with pytest.raises(UnreadableFile, match="damaged in the zip"):
            archive.read("happy/a.png", 10**6)
        assert archive.read("sad/b.png", 10**6) == FILES["sad/b.png"]


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9, 0.99])
def test_a_zip_cut_short_is_refused(tmp_path, keep):
    path = write_zip(tmp_path / "cut.zip", FILES)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(DataError, match="truncated"):
        zip_content_key(path)
    with pytest.raises(DataError, match="truncated"), open_zip(path):
        pass


def test_a_zip_with_a_password_is_refused_with_advice(tmp_path):
    path = write_zip(tmp_path / "locked.zip", {"happy/a.png": b"x"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="password"), open_zip(path):
        pass


def test_a_zip_that_declares_too_many_files_is_refused_before_it_is_opened(tmp_path, monkeypatch):
    path = write_zip(tmp_path / "many.zip", FILES)
    monkeypatch.setattr(base, "MAX_FILES", 2)
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("the zip was opened"))
    with pytest.raises(DataError, match="declares 3 files"), open_zip(path):
        pass


def test_an_endless_name_is_refused(tmp_path):
    path = write_zip(tmp_path / "long.zip", {"happy/" + "x" * 60_000 + ".png": png(0)})
    with pytest.raises(DataError, match="60,010 characters"), open_zip(path):
        pass


def test_damage_in_the_middle_of_a_stream_is_an_error_for_the_user(tmp_path):
    path = write_zip(tmp_path / "faces.zip", {"a.csv": b"emotion,pixels,Usage\n" * 999}, zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    data[60] ^= 255
    path.write_bytes(data)
    with pytest.raises(DataError, match="damaged"), open_zip(path) as archive, archive.open("a.csv") as stream:
        stream.read()


def test_the_key_of_a_zip_follows_its_content_wherever_it_lies(tmp_path):
    one = write_zip(tmp_path / "one.zip", FILES)
    two = tmp_path / "two.zip"
    two.write_bytes(one.read_bytes())
    other = write_zip(tmp_path / "other.zip", {**FILES, "sad/b.png": FILES["sad/b.png"][:-1] + b"!"})
    assert zip_content_key(one) == zip_content_key(two)
    assert zip_content_key(one) != zip_content_key(other)


def test_a_zip_with_a_comment_and_one_in_zip64_form_are_read(tmp_path):
    path = write_zip(tmp_path / "comment.zip", FILES)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"made with love" * 100
    with open_zip(path) as archive:
        assert set(archive.files) == set(FILES)


def test_the_true_figures_of_a_zip64_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)  # makes Python write a zip64 of three files
    path = write_zip(tmp_path / "many.zip", FILES)
    data = bytearray(path.read_bytes())
    assert b"PK\x06\x06" in data
    data[-14:-2] = b"\xff" * 12  # numbers and sizes that do not fit, as a zip of 70,000 files has them
    path.write_bytes(data)
    with open_zip(path) as archive:
        assert set(archive.files) == set(FILES)
    monkeypatch.setattr(base, "MAX_FILES", 2)
    with pytest.raises(DataError, match="declares 3 files"), open_zip(path):
        pass
