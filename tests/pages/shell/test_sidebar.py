"""The sidebar says in which folder everything is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

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
