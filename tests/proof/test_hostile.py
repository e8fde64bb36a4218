"""What strangers' files must not do: run as code, leave the workspace, or be taken for a page's own markup."""

from __future__ import annotations

import ast
import io
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fer_core.data import load
from fer_core.errors import FerError
from fer_core.evaluation import Predictions
from fer_core.evaluation.cache import cached_predictions
from fer_core.inference import Classifier, import_state_dict, load_checkpoint
from fer_core.training.runs import create_run, rename_run
from fer_core.training.trainer import train
from fer_core.workspace import Workspace
from tests.factories import entries, make_dataset, tiny_config, untrained_checkpoint
from tests.paths import PROJECT_ROOT

SOURCES = sorted(
    [PROJECT_ROOT / "app.py", *(p for f in ("pages", "fer_core") for p in (PROJECT_ROOT / f).rglob("*.py"))]
)
CHILD = "'); DROP\n../../out <img src=x onerror=alert(1)>"


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def armed(target: Path) -> dict[str, bytes]:
    """A bomb in each form in which a pickle comes."""
    torch_file, numpy_file, archive = io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save({"model": Bomb(target)}, torch_file)
    np.save(numpy_file, np.array([Bomb(target)], dtype=object), allow_pickle=True)
    np.savez(archive, allow_pickle=True, logits=np.array([Bomb(target)], dtype=object), about=np.array("{}"))
    return {
        "pickle": pickle.dumps(Bomb(target)),
        "torch": torch_file.getvalue(),
        "npy": numpy_file.getvalue(),
        "npz": archive.getvalue(),
    }


def test_each_bomb_would_go_off(tmp_path):
    """Or the next tests would prove nothing."""
    for form, content in armed(tmp_path / "executed").items():
        if form == "pickle":
            pickle.loads(content)
        elif form == "torch":
            torch.load(io.BytesIO(content), weights_only=False)
        elif form == "npy":
            np.load(io.BytesIO(content), allow_pickle=True)
        else:
            np.load(io.BytesIO(content), allow_pickle=True)["logits"]
        assert (tmp_path / "executed").is_dir(), form
        (tmp_path / "executed").rmdir()


@pytest.mark.parametrize("form", ["pickle", "torch", "npy", "npz"])
@pytest.mark.parametrize("ending", [".pt", ".pkl", ".pth", ".safetensors", ".npz", ".zip", ".csv", ".png", ".onnx"])
def test_a_bomb_brought_under_any_name_never_goes_off(tmp_path, form, ending):
    target, path = tmp_path / "executed", tmp_path / f"brought{ending}"
    path.write_bytes(armed(target)[form])
    for read in (
        load_checkpoint,
        Classifier.load,
        lambda p: import_state_dict(p, "seed"),
        lambda p: load(str(p)),
        Predictions.read,
    ):
        with pytest.raises(FerError):
            read(path)
    assert not target.exists()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["pickle", "torch", "npy", "npz"])
def test_a_bomb_left_in_the_workspace_never_goes_off(tmp_path, form, workspace):
    """In every file of a run, and in the caches: whoever can write there may have sent the whole folder by mail."""
    target = tmp_path / "executed"
    content = armed(target)[form]
    dataset = make_dataset()
    run = train(tiny_config(epochs=1), dataset=dataset).run
    for name in ("last.ckpt", "best.safetensors", "predictions-valid.npz", "status.json", "metrics.jsonl"):
        whole = (run.path / name).read_bytes()
        (run.path / name).write_bytes(content)
        run.state, run.records(), run.best(), run.label, run.environment(), run.log_tail()
        for attempt in (
            lambda: Classifier.load(run.id),
            lambda: Predictions.read(run.path / "predictions-valid.npz"),
            lambda: train(run.config, run=run, dataset=dataset),
        ):
            try:
                attempt()
            except FerError:
                continue
        (run.path / name).write_bytes(whole)
    model = untrained_checkpoint(tmp_path / "model.safetensors")
    cached_predictions(str(model), dataset, "valid", workspace=workspace)
    for kept in entries(workspace, "predictions"):
        kept.write_bytes(content)
    assert len(cached_predictions(str(model), dataset, "valid", workspace=workspace).labels)
    assert not target.exists()


def test_a_bomb_in_the_data_cache_is_passed_over(tmp_path, workspace):
    target = tmp_path / "executed"
    first = load("synthetic:140", workspace=workspace)
    (place,) = entries(workspace, "data")
    place.write_bytes(armed(target)["npz"])
    assert load("synthetic:140", workspace=workspace).fingerprint == first.fingerprint
    assert not target.exists()


# --- names


def everything_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() or path.is_symlink()}


@pytest.mark.parametrize(
    "name",
    [
        "../../outside.png", "../\x1b[31mred.png", "/etc/outside.png", "C:\\outside.png", "train\\happy\\..\\..\\..\\outside.png",
        "train/happy/\x1b[31mred\x07.png", "train/happy/<img src=x onerror=alert(1)>.png", "train/happy/\u202egnp.exe.png",
        "train/happy/" + "x" * 240 + ".png", "train/happy/a\nb.png",
    ],
)  # fmt: skip
def test_a_zip_with_such_a_name_in_it_writes_nothing_outside_the_cache(tmp_path, name, workspace):
    face = io.BytesIO()
    Image.fromarray(make_dataset(train=1, valid=0, test=0).images[0]).save(face, "PNG")
    source = tmp_path / "faces.zip"
    with zipfile.ZipFile(source, "w") as out:
        for emotion in ("happy", "sad"):
            out.writestr(f"train/{emotion}/plain.png", face.getvalue())
        out.writestr(zipfile.ZipInfo(name), face.getvalue())
    before = everything_in(tmp_path)
    try:
        said = [str(face_id) for face_id in load(str(source), workspace=workspace).ids]
    except FerError as error:
        said = [str(error)]
    assert not any(ord(c) < 32 or c == "\x7f" for text in said for c in text), said
    written = everything_in(tmp_path) - before
    assert all(path.is_relative_to(workspace.cache) for path in written), written


@pytest.mark.parametrize("name", [CHILD, "..", "a/b", "\x1b[2J", "\u202e", "", "con", "~root", "-rf"])
def test_runs_of_any_name_stay_where_runs_belong_and_links_are_not_followed(tmp_path, name, workspace):
    run = create_run(tiny_config(), name, workspace=workspace)
    assert run.path.parent == workspace.runs
    assert run.path.name.isascii()
    if name.strip():
        rename_run(run, name, name)
    assert {path.parent for path in everything_in(workspace.root)} == {run.path}
    secret = tmp_path / "secret"
    secret.mkdir()
    shutil.copy(untrained_checkpoint(tmp_path / "s.safetensors"), secret / "best.safetensors")
    for asked in ("../../secret", "..", str(secret.relative_to(tmp_path)), "\x00"):
        with pytest.raises(FerError):
            Classifier.load(asked)


# --- what the sources may not do


def calls(path: Path) -> list[tuple[str, ast.Call]]:
    """Every call in a file, by its full name as written."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def told(call: ast.Call, keyword: str) -> object:
    return next((k.value.value for k in call.keywords if k.arg == keyword and isinstance(k.value, ast.Constant)), None)


def findings(path: Path) -> list[str]:
    """What in a source file could run or show what a stranger wrote."""
    found = []
    for name, call in calls(path):
        if name in ("eval", "exec", "os.system", "pickle.load", "pickle.loads", "marshal.loads", "yaml.load"):
            found.append(name)
        if name == "torch.load" and told(call, "weights_only") is not True:
            found.append("torch.load without weights_only")
        if name == "np.load" and told(call, "allow_pickle") is not False:
            found.append("np.load that may unpickle")
        if told(call, "shell") is True:
            found.append("a shell")
        if any(k.arg == "unsafe_allow_html" for k in call.keywords):
            found.append("unsafe_allow_html")
        if name.endswith("st.html") and ast.unparse(call.args[0]) != "asset('app.css')":
            found.append("st.html with something else than our own file")
        if name.endswith("unsafe_allow_javascript"):
            found.append(name)
    text = path.read_text(encoding="utf-8")
    found += [word for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write(") if word in text]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PROJECT_ROOT)))
def test_no_source_file_runs_or_shows_what_a_stranger_wrote(path):
    assert findings(path) == []


def test_such_a_source_file_would_be_found(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text(
        "torch.load(f)\nnp.load(f)\nst.markdown(x, unsafe_allow_html=True)\nst.html(x)\n"
        "eval(x)\nrun(x, shell=True)\njs = 'e.innerHTML = x'\n"
    )
    assert len(findings(bad)) == 7


def test_a_workspace_under_a_link_is_still_one_folder(tmp_path):
    """FER_HOME may be a link; what is written goes where it leads, and nowhere else."""
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    run = create_run(tiny_config(), "linked", workspace=Workspace(tmp_path / "link"))
    assert (real / "runs" / run.id / "config.json").is_file()
