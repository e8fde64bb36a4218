from __future__ import annotations

import ast
import json
import sys

import pytest

from fer_core.config import TrainConfig
from fer_core.data import load
from fer_core.errors import DataError, ModelError, WorkspaceError
from fer_core.inference import resolve_model
from fer_core.training.runs import create_run
from fer_core.workspace import Workspace, atomic_write, make_directory, write_json
from tests.factories import untrained_checkpoint
from tests.paths import PROJECT_ROOT


def test_the_environment_names_the_workspace(monkeypatch, tmp_path):
    monkeypatch.setenv("FER_HOME", str(tmp_path / "elsewhere"))
    assert Workspace.default().root == tmp_path / "elsewhere"


def test_in_a_checkout_it_lies_where_the_program_was_started(monkeypatch, tmp_path):
    monkeypatch.delenv("FER_HOME")
    monkeypatch.chdir(tmp_path)
    assert Workspace.default().root == tmp_path / "workspace"


def test_installed_it_is_the_platforms_folder_for_the_users_data(monkeypatch, tmp_path):
    monkeypatch.delenv("FER_HOME")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr("fer_core.workspace.checkout", lambda: None)
    root = Workspace.default().root
    assert root.name == "fer-lab"
    assert root != tmp_path / "workspace"
    if sys.platform == "linux":
        assert root == tmp_path / "data" / "fer-lab"


def test_installed_where_nothing_can_be_written_the_way_out_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("FER_HOME")
    monkeypatch.setattr("fer_core.workspace.checkout", lambda: None)
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "file" / "fer-lab")
    workspace = Workspace.default()
    with pytest.raises(WorkspaceError, match="FER_HOME"):
        create_run(TrainConfig(), workspace=workspace)
    assert len(load("synthetic:70", workspace=workspace)) == 70  # what only looks at faces works without


def test_everything_lies_under_the_root(tmp_path):
    workspace = Workspace(tmp_path)
    places = [name for name, value in vars(Workspace).items() if isinstance(value, property)]
    assert {"runs", "cache", "jobs", "marks", "predictions", "logs", "app_state", "uploads"} <= set(places)
    assert all(getattr(workspace, name).is_relative_to(tmp_path) for name in places)
    assert list(tmp_path.iterdir()) == []


CORE = PROJECT_ROOT / "fer_core"
SCRIPT_API = {"data/source.py": "load", "inference/classifier.py": "load", "training/trainer.py": "train"}


def calls_in(path) -> list[tuple[str, ast.Call]]:
    """Each call in a file with the name of the function it stands in."""
    found = []

    def visit(node: ast.AST, function: str) -> None:
        if isinstance(node, ast.FunctionDef):
            function = node.name
        if isinstance(node, ast.Call):
            found.append((function, node))
        for child in ast.iter_child_nodes(node):
            visit(child, function)

    visit(ast.parse(path.read_text()), "")
    return found


def test_only_the_command_line_and_the_functions_scripts_begin_with_ask_for_the_default_workspace():
    asked = {"Workspace.default": set(), "script_workspace": set()}
    for path in sorted(CORE.rglob("*.py")):
        for function, call in calls_in(path):
            called = ast.unparse(call.func)
            if called in asked:
                asked[called].add((str(path.relative_to(CORE)), function))
    assert asked == {
        "Workspace.default": {("cli/options.py", "workspace"), ("workspace.py", "script_workspace")},
        "script_workspace": set(SCRIPT_API.items()),
    }


def test_the_program_itself_always_hands_its_workspace_to_them():
    for path in (*CORE.rglob("*.py"), *(PROJECT_ROOT / "pages").rglob("*.py")):
        for _, call in calls_in(path):
            if ast.unparse(call.func) in ("load", "train", "Classifier.load"):
                assert any(word.arg == "workspace" for word in call.keywords), f"{path}: {ast.unparse(call)}"


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


def test_the_disk_is_blamed_only_when_it_is_full(tmp_path):
    with (
        pytest.raises(WorkspaceError, match="Choose a folder you may write to") as caught,
        atomic_write(tmp_path / "x"),
    ):
        raise PermissionError(13, "Permission denied")
    assert "space" not in str(caught.value)


def test_a_full_disk_is_said_in_a_sentence(tmp_path):
    with pytest.raises(WorkspaceError, match=r"No space left.*Free some space"), atomic_write(tmp_path / "x"):
        raise OSError(28, "No space left on device")
    assert not list(tmp_path.iterdir())


# ----------------------------------------------------------------------------------- what a user of a server may read


@pytest.fixture
def house(tmp_path):
    """A server with two users, a data set that it provides, and a file of its own."""
    for name in ("users/ann/uploads/a.csv", "users/bob/uploads/b.csv", "provided/faces.csv", "secret.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("label,feature\n")
    return tmp_path


@pytest.fixture
def ann(house):
    return Workspace(house / "users" / "ann", (house / "provided",))


def test_without_a_limit_everything_may_be_read(house):
    assert Workspace(house / "users" / "ann").may_read("/etc/passwd")


@pytest.mark.parametrize("path", ["users/ann", "users/ann/uploads/a.csv", "provided", "provided/faces.csv"])
def test_a_user_reads_what_is_their_own_or_provided(house, ann, path):
    assert ann.may_read(house / path)


@pytest.mark.parametrize(
    "path",
    [
        "users/bob/uploads/b.csv", "users/ann/../bob/uploads/b.csv", "users/ann/uploads/../../bob/uploads/b.csv", "users",
        "users/annie", "secret.csv", "", "provided/../secret.csv", "provided2", "users/ann/link.csv", "users/ann/loop",
        "users/ann/a\0b",
    ],
)  # fmt: skip
def test_a_user_reads_nothing_else_through_links_neither(house, ann, path):
    (house / "users" / "ann" / "link.csv").symlink_to(house / "secret.csv")
    (house / "users" / "ann" / "loop").symlink_to(house / "users" / "ann" / "loop")
    assert not ann.may_read(f"{house}/{path}") or path == "users/ann/loop"
    for other in (
        "~",
        "~root",
        "~nobody-of-this-name",
        "/",
        ".",
        "..",
        "relative.csv",
        "/etc/passwd",
        "/proc/self/environ",
    ):
        assert not ann.may_read(other)


def test_data_models_and_trainings_refuse_what_may_not_be_read(house, ann):
    secret = str(house / "secret.csv")
    for source in (secret, str(house / "users/bob/uploads/b.csv"), "synthetic/../secret.csv", f"{house}/missing.csv"):
        with pytest.raises(DataError, match="is not among your data") as refused:
            load(source, workspace=ann)
        assert str(house) not in str(refused.value)
    with pytest.raises(DataError, match="is not among your data"):
        load(house / "provided" / "faces.csv", votes=secret, workspace=ann)
    weights = untrained_checkpoint(house / "users" / "bob" / "runs" / "r" / "best.safetensors")
    for model in (str(weights), str(weights.parent), "../../bob/runs/r", f"{weights}:labels"):
        with pytest.raises(ModelError):
            resolve_model(model, ann)
    for settings in (
        {"data": secret}, {"votes": secret}, {"init_from": str(weights)}, {"teachers": ("compact", str(weights))},
    ):  # fmt: skip
        with pytest.raises((DataError, ModelError)):
            create_run(TrainConfig(**settings), workspace=ann)
    assert not ann.runs.exists()
    assert create_run(TrainConfig(init_from="compact"), workspace=ann).path.is_dir()
    assert resolve_model("compact", ann).is_file()
    assert len(load("synthetic:70", workspace=ann)) == 70
