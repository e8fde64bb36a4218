"""The Account page: space, trainings, download, deletion."""

from __future__ import annotations

import zipfile

import pytest

from fer_core.config import TrainConfig
from fer_core.serve.account import download_path
from fer_core.serve.audit_log import AuditLog
from fer_core.serve.settings import read_settings
from pages.ui.shell.limits import services
from tests.pages.conftest import wait_for_work, words
from tests.pages.shared.conftest import button, menu, user_of, write_settings
from tests.run_factory import make_run

ACCOUNT = "pages/shared/account.py"


def write(server, name, file, size=1000):
    path = user_of(server, name).workspace.root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    return path


def events(server):
    return [(entry.event, entry.detail) for entry in AuditLog(server).last()]


def test_it_shows_who_i_am_how_full_my_space_is_and_what_fills_it(server, open_as):
    write_settings(server, "user_bytes = 1000000")
    write(server, "anna", "uploads/faces.zip", 600_000)
    write(server, "bert", "uploads/secret.zip", 5)
    app = open_as("anna", ACCOUNT)
    text = words(app)
    assert "Signed in as **Anna** · anna" in text
    assert "Uploaded data sets and videos: **600.0 KB**, 1 file" in text
    assert "secret" not in text
    assert "600.0 KB of 1.0 MB in use" in app.get("progress")[0].proto.text
    assert "Account" in menu(app)
    assert "Operator" not in menu(app)


def test_a_space_that_is_almost_full_says_what_to_do(server, open_as):
    write_settings(server, "user_bytes = 1000000")
    write(server, "anna", "runs/one/last.ckpt", 950_000)
    assert "Delete runs you no longer need" in words(open_as("anna", ACCOUNT))


def test_uploads_can_be_deleted_at_once(server, open_as):
    mine, others = write(server, "anna", "uploads/faces.zip"), write(server, "bert", "uploads/faces.zip")
    app = open_as("anna", ACCOUNT)
    app.button(key="delete-uploads").click().run()
    assert not app.exception
    assert not mine.exists()
    assert others.exists()
    assert "Uploaded data sets" not in words(app)
    assert ("deleted", "") in events(server)


def test_waiting_trainings_show_their_position_and_can_be_canceled(server, open_as):
    queue, settings = services(server).queue, read_settings(server)
    running = queue.submit(user_of(server, "bert"), TrainConfig(), "of bert", settings)
    mine = queue.submit(user_of(server, "anna"), TrainConfig(), "of anna", settings)
    app = open_as("anna", ACCOUNT)
    assert "of anna" in words(app)
    assert "of bert" not in words(app)
    assert "Position 1 in the queue" in words(app)
    button(app, "Cancel").click().run()
    assert mine.state == "stopped"
    assert running.state == "starting"
    assert "None of your trainings runs or waits." in words(app)


def test_my_data_are_prepared_as_a_zip_for_me_only(server, open_as):
    write(server, "anna", "uploads/faces.zip")
    write(server, "bert", "uploads/secret.zip")
    app = open_as("anna", ACCOUNT)
    button(app, "Prepare the zip").click().run()
    wait_for_work(app, "account-export", 30)
    app.run()
    assert not app.exception
    path = download_path(server, user_of(server, "anna"))
    with zipfile.ZipFile(path) as archive:
        assert "uploads/faces.zip" in archive.namelist()
        assert "uploads/secret.zip" not in archive.namelist()
    link = app.get("link_button")[0].proto
    assert (link.url, link.label[:8]) == ("account/data.zip", "Download")
    assert list(path.parent.iterdir()) == [path]


def test_nothing_is_deleted_without_the_word(server, open_as):
    mine = write(server, "anna", "uploads/faces.zip")
    app = open_as("anna", ACCOUNT)
    app.text_input(key="account-delete-word").input("yes")
    button(app, "Delete my account").click().run()
    assert "Nothing was deleted" in app.error[0].value
    assert mine.exists()


def test_deleting_the_account_removes_everything_and_other_windows_do_not_break(server, open_as, monkeypatch):
    monkeypatch.setattr("streamlit.logout", lambda: None)
    anna, bert = user_of(server, "anna"), user_of(server, "bert")
    make_run("mine", weights=True, workspace=anna.workspace)
    kept = write(server, "bert", "uploads/faces.zip")
    other_window = open_as("anna", "pages/train.py")
    assert "mine" in words(other_window)
    queue, settings = services(server).queue, read_settings(server)
    queue.submit(bert, TrainConfig(), "takes the slot", settings)
    queue.submit(anna, TrainConfig(), "waits", settings)
    app = open_as("anna", ACCOUNT)
    app.text_input(key="account-delete-word").input("Delete")
    button(app, "Delete my account").click().run()
    assert not app.exception
    assert not anna.workspace.runs.exists()
    assert queue.trainings(anna) == []
    assert kept.exists()
    assert bert.workspace.root.exists()
    assert ("deleted", "account") in events(server)
    other_window.run()
    assert not other_window.exception
    assert "mine" not in words(other_window)


def test_signing_in_and_out_is_noted_by_key_only(server, open_as, monkeypatch):
    monkeypatch.setattr("streamlit.logout", lambda: None)
    app = open_as("anna", ACCOUNT)
    app.run()
    app.button(key="account-sign-out").click().run()
    log = AuditLog(server)
    assert [(one.event, one.user) for one in log.last()] == [
        ("signed out", user_of(server, "anna").key),
        ("signed in", user_of(server, "anna").key),
    ]
    assert "anna" not in log.path.read_text()


@pytest.mark.parametrize("page", [ACCOUNT, "pages/shared/operators.py"])
def test_in_local_mode_the_pages_do_not_exist(open_page, page):
    app = open_page()
    assert not {"Account", "Operator"} & menu(app)
    with pytest.raises(ValueError, match="Could not find a navigation page"):
        app.switch_page(page)
