from __future__ import annotations

import pytest

from pages.ui.shell import errors


@pytest.fixture
def log(tmp_path, monkeypatch):
    path = tmp_path / "logs" / "app.log"
    monkeypatch.setattr(errors, "error_log", lambda: path)
    return path


def defect(words: str) -> ValueError:
    try:
        raise ValueError(words)
    except ValueError as error:
        return error


def test_a_defect_stands_in_the_log_under_its_reference(log):
    reference, path = errors.log_internal_error(defect("100% wrong"), "drawing")
    assert path == log
    first, *rest = log.read_text().splitlines()
    assert first.startswith(f"--- {reference} ")
    assert first.endswith(" while drawing")
    assert rest[0] == "Traceback (most recent call last):"
    assert rest[-2:] == ["ValueError: 100% wrong", ""]


def test_a_full_log_makes_room_and_the_one_before_stays(log, monkeypatch):
    monkeypatch.setattr(errors, "_MAX_LOG_BYTES", 1000)
    references = [errors.log_internal_error(defect("x" * 400), "drawing")[0] for _ in range(5)]
    kept = [path.read_text() for path in sorted(log.parent.iterdir())]
    assert [path.name for path in sorted(log.parent.iterdir())] == ["app.log", "app.log.1"]
    assert all(len(text) <= 1000 for text in kept)
    assert references[-1] in kept[0]
    assert references[0] not in "".join(kept)


def test_where_nothing_can_be_written_no_file_is_named(log):
    log.mkdir(parents=True)  # a folder stands in the way
    reference, path = errors.log_internal_error(defect("lost"), "drawing")
    assert path is None
    assert len(reference) == 6


def test_on_a_shared_server_the_log_has_no_messages_which_may_name_files_and_people(log, monkeypatch):
    monkeypatch.setenv("FER_SHARED", "1")

    def nested(name: str) -> OSError:
        try:
            try:
                raise ValueError(name)
            except ValueError as cause:
                raise OSError(2, name, name) from cause
        except OSError as error:
            return error

    reference, _ = errors.log_internal_error(nested("/srv/users/holiday.jpg"), "drawing")
    text = log.read_text()
    assert reference in text
    for kept in ("ValueError\n", "FileNotFoundError\n", "in nested", "Then:"):
        assert kept in text
    assert text.count("/srv/users/holiday.jpg") == 0
