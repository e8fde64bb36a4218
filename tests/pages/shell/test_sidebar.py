"""The sidebar says in which folder everything is kept, and when nothing can be kept there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fer_core.store import Store
from pages.ui.shell.formatting import folder_name


def workspace_line(app) -> str:
    return next(line.value for line in app.sidebar.caption if line.value.startswith("Workspace"))


@pytest.mark.parametrize("page", ["overview", "train"])
def test_every_page_says_where_the_workspace_is_and_how_to_change_it(open_page, monkeypatch, tmp_path, page):
    monkeypatch.setenv("FER_HOME", str(tmp_path / "kept *here*"))
    app = open_page(page)
    assert workspace_line(app).endswith(r"/kept \*here\*")
    assert "FER_HOME" in next(line.help for line in app.sidebar.caption if line.value.startswith("Workspace"))


def test_the_home_folder_is_written_short(open_page, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FER_HOME", "~/my faces")
    assert workspace_line(open_page()) == r"Workspace: \~/my faces"


def test_a_folder_elsewhere_or_without_a_home_is_written_whole(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "somebody"))
    assert folder_name(tmp_path / "somebody else") == str(tmp_path / "somebody else")
    assert folder_name(tmp_path / "somebody") == "~"

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert folder_name(tmp_path) == str(tmp_path)


def test_what_cannot_be_seen_in_a_folders_name_is_written_out():
    assert folder_name(Path("/data/a\u202eb\n")) == r"/data/a\u202eb\u000a"


def test_a_full_disk_is_told_of_until_there_is_room_again(open_page, workspace, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        Store(workspace).put("features", "key")
    app = open_page()
    assert any("No space left" in warning.value for warning in app.sidebar.warning)
    assert Store(workspace).put("features", "key") is None
    app.run()
    assert not app.sidebar.warning


def test_a_limit_that_is_no_size_is_a_sentence_in_the_sidebar(open_page, monkeypatch):
    monkeypatch.setenv("FER_CACHE_LIMIT", "plenty")
    app = open_page(errors=1)
    assert "got 'plenty'" in app.sidebar.error[0].value
