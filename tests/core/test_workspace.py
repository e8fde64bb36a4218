from __future__ import annotations

import json

import pytest

from fer_core.errors import WorkspaceError
from fer_core.workspace import Workspace, atomic_write, make_directory, write_json


def test_the_workspace_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("FER_HOME", str(tmp_path / "elsewhere"))
    assert Workspace.default().root == tmp_path / "elsewhere"
    monkeypatch.delenv("FER_HOME")
    monkeypatch.chdir(tmp_path)
    assert Workspace.default().root == tmp_path / "workspace"


def test_a_failed_write_leaves_the_old_content_and_no_debris(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})

    def interrupted() -> None:
        with atomic_write(path) as file:
            file.write(b"half")
            raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        interrupted()
    assert json.loads(path.read_text()) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_numbers_that_are_not_finite_never_reach_the_disk(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="file"):
        make_directory(tmp_path / "file" / "below")


def test_a_full_disk_is_said_in_a_sentence(tmp_path):
    with pytest.raises(WorkspaceError, match=r"No space left.*Free some space"), atomic_write(tmp_path / "x"):
        raise OSError(28, "No space left on device")
    assert not list(tmp_path.iterdir())
