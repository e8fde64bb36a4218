from __future__ import annotations

import time

import fer_core.report.lab_report
from fer_core.report.lab_report import LabReport, Part
from tests.pages.conftest import check, wait_for_work, words
from tests.run_factory import make_run


def fake(monkeypatch, gap=None):
    """A report that is made at once, since its content has tests of its own."""
    asked = []

    def make(run, data=None, *, on_progress=None, should_stop=None, **_):
        asked.append((run.id, run.label.notes))
        on_progress(50, 100)
        return LabReport(
            run.id, run.label.name, "<!doctype html>", (Part("filters", "Filters", "", gap),), None, None, 3.2
        )

    monkeypatch.setattr(fer_core.report.lab_report, "make_report", make)
    return asked


def press(app):
    next(b for b in app.button if b.label == "Create the report").click().run()
    wait_for_work(app, "report", 30)
    time.sleep(0.1)
    app.run()
    check(app)


def notes(app):
    return next(area for area in app.text_area if area.label == "Notes")


def test_the_report_is_made_with_the_notes_typed_and_offered(open_page, monkeypatch):
    asked = fake(monkeypatch)
    run = make_run("first try", epochs=2, weights=True)
    app = open_page("train")
    notes(app).set_value("Fear is hard.").run()
    check(app)
    assert run.label.notes == "Fear is hard."
    assert run.label.name == "first try"
    press(app)
    assert asked == [(run.id, "Fear is hard.")]
    assert "Created in 3 s" in words(app)
    assert [b.label for b in app.get("download_button")] == ["Download report (HTML)"]
    notes(app).set_value("Disgust is harder.").run()  # the old report does not hold these notes
    check(app)
    assert not app.get("download_button")


def test_parts_that_are_missing_are_named(open_page, monkeypatch):
    fake(monkeypatch, gap="The run has no weights yet.")
    make_run("young", epochs=1, planned=4, state="stopped")
    app = open_page("train")
    assert "This run is not evaluated yet; the report evaluates it." in words(app)
    press(app)
    assert "Not included: Filters: The run has no weights yet." in words(app).replace("\\", "")


def test_a_damaged_run_has_no_report_to_offer(open_page):
    run = make_run("broken", epochs=1)
    (run.path / "config.json").write_text("{")
    app = open_page("train", errors=1)
    assert not [b for b in app.button if b.label == "Create the report"]
