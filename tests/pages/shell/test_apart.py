"""A signed-in user reaches their own files, what ships and what the operator provides, and names no others."""

from __future__ import annotations

import ast
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from fer_core.config import TrainConfig
from fer_core.errors import DataError, ModelError
from fer_core.serve.users import Users, user_key
from fer_core.training.runs import create_run
from fer_core.workspace import Workspace, write_json
from pages.ui.data.state import DataState
from pages.ui.shell import cache, identity, session
from pages.ui.shell.formatting import plain
from pages.ui.shell.session import state_key
from pages.ui.train.state import TrainState
from tests.factories import untrained_checkpoint
from tests.pages.conftest import image_folder, words
from tests.paths import PROJECT_ROOT
from tests.run_factory import make_run

ISSUER = "https://id.example"


def claims(name: str) -> dict[str, Any]:
    """What an identity provider says of a person who just signed in."""
    return {
        "iss": ISSUER, "sub": name, "iat": time.time(), "email": f"{name}@example.org", "name": name.capitalize(),
        "is_logged_in": True,
    }  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shared server that admits example.org, with a provided data set."""
    home = tmp_path / "server"
    home.mkdir()
    monkeypatch.setenv("FER_HOME", str(home))
    monkeypatch.setenv("FER_SHARED", "1")
    provided = image_folder(tmp_path / "provided" / "faces")
    (home / "serve.toml").write_text(
        f'allow = ["@example.org"]\nsources = {{ "Faces of the lab" = "{provided}", "Gone" = "/no/such/path" }}\n'
    )
    return home


def workspace_of(home: Path, name: str) -> Workspace:
    return Users(Workspace(home)).by_key(user_key(ISSUER, name)).workspace


@pytest.fixture
def bobs(home: Path) -> Workspace:
    """The workspace of a user who has everything that one can have."""
    found = workspace_of(home, "bob")
    image_folder(found.uploads / "bobs-faces")
    make_run("Bob's run", workspace=found, weights=True)
    untrained_checkpoint(found.taught / "bobs-model" / "model.safetensors")
    return found


def opened(name: str, page: str = "overview", **parameters: str) -> AppTest:
    app = AppTest.from_file(str(PROJECT_ROOT / "app.py"), default_timeout=60)
    app.user = claims(name)
    for key, value in parameters.items():
        app.query_params[key] = value
    app.run()
    if page != "overview":
        app.switch_page(f"pages/{page}.py").run()
    assert not app.exception
    return app


def everything(app: AppTest) -> str:
    """Whatever the page sends to the browser: texts, labels, options, help, keys."""
    return "\n".join(repr(element.proto) for element in [*app.main, *app.sidebar] if hasattr(element, "proto")) + words(
        app
    )


# -------------------------------------------------------------------------------------------------- typing and choosing


@pytest.mark.parametrize("page", ["data", "train", "upload", "teach"])
def test_no_page_asks_for_a_path(home, page):
    app = opened("ann", page)
    labels = " ".join(box.label for box in app.text_input)
    assert "Path" not in labels
    assert "this machine" not in labels + words(app)


@pytest.mark.parametrize("way", ["folder", "video"])
def test_a_link_to_a_folder_of_the_server_opens_no_box_for_it(home, way):
    app = opened("ann", "upload", way=way)
    assert not app.text_input
    assert "folder" not in str(app.segmented_control(key="upload-source").options).lower()


def test_provided_data_are_offered_by_name_and_opened(home):
    app = opened("ann", "data")
    app.segmented_control(key="data-way").set_value("provided").run()
    assert app.selectbox(key="data-recent").options == ["Faces of the lab", "Gone"]
    app.selectbox(key="data-recent").select_index(0).run()
    app.button(key="open-recent").click().run()
    assert not app.exception
    assert next(metric.value for metric in app.metric if metric.label == "Faces") == "35"
    next(button for button in app.button if button.label == "Use this data").click().run()
    assert json.loads(workspace_of(home, "ann").app_state.read_text())["data"].endswith("faces")
    assert (home / "cache").is_dir()
    assert str(home) not in everything(app)


def test_provided_data_that_are_gone_are_named_without_their_folder(home):
    app = opened("ann", "data")
    app.segmented_control(key="data-way").set_value("provided").run()
    app.selectbox(key="data-recent").select_index(1).run()
    app.button(key="open-recent").click().run()
    assert len(app.error) == 1
    assert "path" in app.error[0].value
    assert "/no/such" not in app.error[0].value


def test_without_provided_data_there_is_no_choice_of_them(home):
    (home / "serve.toml").write_text('allow = ["@example.org"]\n')
    assert opened("ann", "data").segmented_control(key="data-way").options == ["Built-in faces", "Upload"]


# ---------------------------------------------------------------------------------- another user's and the server's files


def paths_of(home: Path, bobs: Workspace) -> Iterator[str]:
    """Whatever of another user or the server can be named."""
    yield from (
        str(bobs.root),
        str(bobs.uploads / "bobs-faces"),
        str(home),
        "/etc/passwd",
        "~",
        str(home / "serve.toml"),
    )
    yield str(workspace_of(home, "ann").root / ".." / bobs.root.name / "uploads" / "bobs-faces")


@pytest.mark.slow
def test_a_source_that_was_opened_remembered_or_sent_is_refused(home, bobs):
    anns = workspace_of(home, "ann")
    for path in paths_of(home, bobs):
        write_json(anns.app_state, {"data": path, "recent": [path]})
        app = opened("ann", "data")
        assert not app.error
        assert any("Built-in faces" in text.value for text in app.sidebar.markdown)
        app.session_state[state_key(DataState)].opened = path
        app.run()
        assert len(app.error) == 1
        assert "not among your data" in app.error[0].value
        assert str(home) not in everything(app)


def test_data_in_memory_for_one_user_are_refused_to_another(home, bobs, monkeypatch):
    source = str(bobs.uploads / "bobs-faces")
    monkeypatch.setattr(session, "workspace", lambda: identity.admitted(claims("bob")).workspace)  # type: ignore[union-attr]
    monkeypatch.setattr(session, "skips_unreadable", lambda _: False)
    monkeypatch.setattr(session, "reading_choices", lambda _: {})
    assert len(cache.dataset(source)) == 35
    assert cache.loaded_dataset(source) is not None
    monkeypatch.setattr(session, "workspace", lambda: identity.admitted(claims("ann")).workspace)  # type: ignore[union-attr]
    with pytest.raises(DataError, match="not among your data"):
        cache.dataset(source)
    assert cache.loaded_dataset(source) is None


@pytest.mark.parametrize("page", ["overview", "data", "train", "evaluate", "audit", "upload", "teach", "network"])
def test_nothing_of_another_user_is_named_or_counted(home, bobs, page):
    [run] = bobs.runs.iterdir()
    app = opened("ann", page, model=run.name, takes="bobs-takes")
    shown = everything(app)
    for theirs in ("Bob", "bobs", run.name, bobs.root.name, str(home)):
        assert theirs not in shown, theirs


@pytest.mark.slow
@pytest.mark.parametrize("page", ["evaluate", "network", "upload", "train"])
def test_a_model_that_a_browser_names_although_no_box_offers_it_is_refused(home, bobs, page):
    """A browser may send any value for a box; Streamlit takes it."""
    [run] = bobs.runs.iterdir()
    for model in (
        run.name,
        str(run),
        str(run / "best.safetensors"),
        str(bobs.taught / "bobs-model" / "model.safetensors"),
    ):
        app = opened("ann")
        app.session_state["fer.model"] = app.session_state["fer.studied_model"] = model
        app.switch_page(f"pages/{page}.py").run()
        assert not app.exception
        assert not list((home / "logs").glob("app.log"))
        shown = everything(app)
        for theirs in (bobs.root.name, str(home), "Bob's run"):
            assert theirs not in shown, theirs


@pytest.mark.slow
def test_a_training_that_a_browser_asks_for_with_foreign_files_is_refused(home, bobs):
    [run] = bobs.runs.iterdir()
    for settings in (
        {"data": str(bobs.uploads / "bobs-faces")},
        {"init_from": str(run)},
        {"teachers": (str(run / "best.safetensors"),)},
    ):
        app = opened("ann", "train")
        app.session_state[state_key(TrainState)].form.values.update(settings)
        app.session_state[state_key(TrainState)].form.current.clear()
        app.run()
        for button in [button for button in app.button if button.label == "Start training" and not button.disabled]:
            button.click().run()
        assert not app.exception
        assert app.error
        assert not any(str(home) in error.value for error in app.error)
        assert not workspace_of(home, "ann").runs.exists()


@pytest.mark.slow
def test_the_folders_of_the_server_are_not_shown_to_the_owner_of_the_files_either(home, bobs):
    source = str(bobs.uploads / "bobs-faces")
    write_json(bobs.app_state, {"data": source, "recent": [source]})
    for page in ("data", "train", "evaluate", "audit", "network"):
        app = opened("bob", page)
        assert not app.error
        shown = everything(app)
        assert "bobs-faces" in shown
        assert str(home) not in shown
        assert bobs.root.name not in shown


def test_another_users_models_and_data_cannot_be_trained_on(home, bobs):
    ann = identity.admitted(claims("ann"))
    assert ann is not None
    [run] = bobs.runs.iterdir()
    for settings in (
        {"data": str(bobs.uploads / "bobs-faces")},
        {"init_from": str(run)},
        {"init_from": str(run / "best.safetensors")},
        {"teachers": (str(bobs.taught / "bobs-model" / "model.safetensors"),)},
    ):
        with pytest.raises((DataError, ModelError), match=r"not among your data|There is no model"):
            create_run(TrainConfig(**settings), workspace=ann.workspace)
    assert not ann.workspace.runs.exists()


# ------------------------------------------------------------------------------------------------------------- texts


def test_texts_name_files_without_the_folders_of_the_server(home, bobs, monkeypatch):
    monkeypatch.setattr(identity.st, "user", _User(claims("ann")))
    anns = workspace_of(home, "ann")
    assert identity.without_paths(f"'{anns.uploads}/a.zip' is damaged") == "'uploads/a.zip' is damaged"
    assert identity.without_paths(f"{home}/logs/app.log, {home}") == "logs/app.log, "
    assert identity.without_paths(f"{home}2/x") == f"{home}2/x"
    assert identity.without_paths("3/4 faces") == "3/4 faces"
    assert plain(f"{anns.root}/runs") == "runs"
    monkeypatch.delenv("FER_SHARED")
    assert identity.without_paths(f"{home}/logs") == f"{home}/logs"


class _User:
    """Streamlit's user outside of a run."""

    def __init__(self, found: dict[str, Any]) -> None:
        self._found = found

    def to_dict(self) -> dict[str, Any]:
        return self._found


# ------------------------------------------------------------------------------------------------------------ threads


def run_in_threads(tree: ast.AST) -> Iterator[ast.AST]:
    """Functions that run in a thread of their own, where Streamlit knows no user: tasks, and downloads made on demand."""
    for node in ast.walk(tree):
        if (isinstance(node, ast.FunctionDef) and node.name in ("task", "work")) or (
            isinstance(node, ast.Lambda) and [argument.arg for argument in node.args.args] == ["report", "stop"]
        ):
            yield node
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("download_button"):
            yield from (argument for argument in node.args if isinstance(argument, ast.Lambda))


def asks_for_the_user(node: ast.AST) -> bool:
    return re.search(r"\b(session|cache|identity|state_of)\b|\bmodel\.classifier\b", ast.unparse(node)) is not None


def test_no_thread_asks_who_the_user_is():
    files = [*(PROJECT_ROOT / "pages").rglob("*.py")]
    found = [(file, node) for file in files for node in run_in_threads(ast.parse(file.read_text()))]
    assert len(found) > 10
    assert [str(file) for file, node in found if asks_for_the_user(node)] == []


def test_a_thread_that_asks_is_found():
    tree = ast.parse("def prepare():\n def task(report, stop):\n  return find(session.workspace())\n return task")
    assert [asks_for_the_user(node) for node in run_in_threads(tree)] == [True]
