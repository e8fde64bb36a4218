"""The Operator page: for operators only, and by keys only."""

from __future__ import annotations

import pytest

from fer_core.config import TrainConfig
from fer_core.serve.audit_log import AuditLog
from fer_core.serve.settings import read_settings
from pages.ui.shell.limits import services
from tests.pages.conftest import words
from tests.pages.shared.conftest import button, menu, user_of

OPERATORS = "pages/shared/operators.py"


def test_an_operator_sees_users_by_key_and_their_work(server, open_as):
    anna = user_of(server, "anna")
    anna.workspace.uploads.mkdir(parents=True)
    (anna.workspace.uploads / "holiday.zip").write_bytes(bytes(5_000_000))
    services(server).queue.submit(anna, TrainConfig(), "my secret run", read_settings(server))
    app = open_as("olga", OPERATORS)
    assert not app.error
    table = app.dataframe[0].value
    row = table[table["user"] == anna.key].iloc[0]
    assert (row["space"], row["running"], row["waiting"], row["cameras"]) == ("5.0 MB", 1, 0, 0)
    metrics = {one.label: one.value for one in app.metric}
    assert (metrics["Trainings"], metrics["Waiting"], metrics["Cameras"]) == ("1 of 1", "0", "0 of 4")
    assert app.dataframe[1].value["time"].str.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC").all()
    shown = words(app) + table.to_string() + app.dataframe[1].value.to_string()
    for private in ("anna@", "Anna", "holiday", "secret run"):
        assert private not in shown


def test_an_operator_stops_the_training_of_a_user(server, open_as):
    anna, settings = user_of(server, "anna"), read_settings(server)
    services(server).queue.submit(user_of(server, "bert"), TrainConfig(), "first", settings)
    run = services(server).queue.submit(anna, TrainConfig(), "waits", settings)
    app = open_as("olga", OPERATORS)
    button(app, "Take out of the queue").click().run()
    assert not app.exception
    assert run.state == "stopped"
    assert [(one.event, one.detail, one.user) for one in AuditLog(server).last(1)] == [
        ("training stopped", "by the operator", anna.key)
    ]


def test_nobody_else_sees_it(server, open_as):
    anna = user_of(server, "anna")
    (anna.workspace.uploads).mkdir(parents=True)
    (anna.workspace.uploads / "a").write_bytes(b"x")
    app = open_as("bert")
    assert "Operator" not in menu(app)
    assert "Operator" in menu(open_as("olga"))
    with pytest.raises(ValueError, match="Could not find a navigation page"):
        app.switch_page(OPERATORS)
    assert anna.key not in words(app)


def test_the_page_itself_refuses_others(server, open_as, monkeypatch):
    """Also if the menu listed it by mistake."""
    monkeypatch.setattr("pages.ui.shell.navigation._operates", lambda: True)
    app = open_as("bert", OPERATORS)
    assert "Only operators of a shared server may see this page." in app.error[0].value
    assert not app.dataframe
    assert not app.metric
