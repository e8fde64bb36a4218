"""The audit log: who did what, by keys only."""

import json
import threading

import pytest

from fer_core.serve import audit_log
from fer_core.serve.audit_log import AuditLog

ANNA, BERT = "a" * 32, "b" * 32


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_lines_are_json_with_time_key_and_event(workspace):
    log = AuditLog(workspace, Clock())
    log.write(ANNA, "signed in")
    log.write(BERT, "deleted", "account")
    lines = [json.loads(line) for line in log.path.read_text().splitlines()]
    assert lines == [
        {"time": "1970-01-01T00:00:00+00:00", "user": ANNA, "event": "signed in"},
        {"time": "1970-01-01T00:00:00+00:00", "user": BERT, "event": "deleted", "detail": "account"},
    ]
    assert [(entry.user, entry.event) for entry in log.last(5)] == [(BERT, "deleted"), (ANNA, "signed in")]


@pytest.mark.parametrize(
    ("user", "event", "detail"),
    [("anna@example.org", "deleted", ""), (ANNA, "saw holiday.jpg", ""), (ANNA, "deleted", "holiday.jpg")],
)
def test_a_name_an_address_or_a_file_cannot_get_in(workspace, user, event, detail):
    log = AuditLog(workspace)
    with pytest.raises(ValueError, match="of its lists only"):
        log.write(user, event, detail)
    assert not log.path.exists()


def test_the_same_refusal_is_written_once_a_minute(workspace):
    clock = Clock()
    log = AuditLog(workspace, clock)
    for _ in range(5):
        log.write(ANNA, "refused", "prediction")
        log.write(ANNA, "refused", "space")
        log.write(BERT, "refused", "space")
    assert len(log.last()) == 3
    clock.now = 61
    log.write(ANNA, "refused", "space")
    assert len(log.last()) == 4
    clock.now = -10_000  # the clock was set back
    log.write(ANNA, "refused", "space")
    assert len(log.last()) == 5


def test_it_rotates_and_is_read_across_the_rotation(workspace, monkeypatch):
    monkeypatch.setattr(audit_log, "MAX_BYTES", 1000)
    log = AuditLog(workspace)
    for _ in range(100):
        log.write(ANNA, "training started")
    files = sorted(path.name for path in workspace.logs.iterdir())
    assert files == ["audit.jsonl", *(f"audit.jsonl.{n}" for n in range(1, 6))]
    assert all(path.stat().st_size <= 1000 for path in workspace.logs.iterdir())
    assert len(log.last(12)) == 12


def test_damaged_lines_are_left_out(workspace):
    log = AuditLog(workspace)
    log.write(ANNA, "signed in")
    with log.path.open("a") as file:
        file.write('{"time": 1}\n[]\n\x00\x00\n{"tim')
    assert [entry.event for entry in log.last()] == ["signed in"]


def test_several_threads_write_whole_lines(workspace):
    log = AuditLog(workspace)
    threads = [threading.Thread(target=lambda: [log.write(ANNA, "downloaded") for _ in range(25)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(log.last(1000)) == 100


def test_a_log_that_cannot_be_written_stops_nobody(workspace, caplog):
    workspace.root.mkdir(parents=True)
    workspace.logs.write_text("not a folder")
    AuditLog(workspace).write(ANNA, "signed in")
    assert "audit log cannot be written" in caplog.text
