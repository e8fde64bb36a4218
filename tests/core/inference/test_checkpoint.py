from __future__ import annotations

import json
import os
import pickle
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fer_core.classes import ClassList
from fer_core.errors import CheckpointError, ModelError
from fer_core.inference import (
    CheckpointInfo,
    Classifier,
    import_state_dict,
    load_checkpoint,
    read_info,
    save_checkpoint,
)
from fer_core.models import build
from tests.factories import make_dataset, untrained_checkpoint


class Bomb:
    def __reduce__(self):
        return os.mkdir, (str(Bomb.target),)


def test_a_checkpoint_brings_back_the_same_network_and_record(tmp_path):
    model = build("seed", dropout=0.3).eval()
    info = CheckpointInfo(
        architecture="seed",
        model_args={"dropout": 0.3},
        labels=ClassList.fer2013().names,
        temperature=1.7,
        metrics={"valid": {"n": 3}},
    )
    save_checkpoint(tmp_path / "m.safetensors", model.state_dict(), info)
    again, read = load_checkpoint(tmp_path / "m.safetensors")
    assert read == info == read_info(tmp_path / "m.safetensors")
    x = torch.randn(2, 1, 48, 48)
    assert torch.equal(again(x), model(x))
    assert again.dropout.p == 0.3


def test_half_precision_on_disk_gives_nearly_the_same_probabilities(tmp_path):
    model = build("seed").eval()
    info = CheckpointInfo(architecture="seed", labels=ClassList.fer2013().names)
    save_checkpoint(tmp_path / "full.safetensors", model.state_dict(), info)
    save_checkpoint(tmp_path / "half.safetensors", model.state_dict(), info, half=True)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.6 * (tmp_path / "full.safetensors").stat().st_size
    faces = make_dataset().images
    full, half = (Classifier.load(tmp_path / f"{n}.safetensors").probabilities(faces) for n in ("full", "half"))
    assert np.abs(full - half).max() < 2e-3


def header(record: object) -> bytes:
    text = json.dumps(record).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no safetensors header"),
        (b"\xff" * 64, "no safetensors header"),
        (header({})[:-1], "damaged"),
        (header({"__metadata__": {}}), "no FER Lab record"),
        (header([]), "no FER Lab record"),
        (header({"__metadata__": {"fer_lab": "{"}}), "damaged"),
        (header({"__metadata__": {"fer_lab": json.dumps({"schema_version": 99, "architecture": "seed"})}}), "newer"),
        (header({"__metadata__": {"fer_lab": json.dumps({"architecture": "seed", "evil": 1})}}), "damaged"),
        (pickle.dumps({"a": 1}), "no safetensors header"),
    ],
)
def test_a_foreign_or_damaged_file_is_refused(tmp_path, content, words):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(tmp_path / "x.safetensors")


def test_weights_cut_short_are_refused(tmp_path):
    path = untrained_checkpoint(tmp_path / "m.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="truncated"):
        load_checkpoint(path)


def test_weights_of_another_architecture_or_not_finite_are_refused(tmp_path):
    state = build("seed").state_dict()
    record = {"fer_lab": json.dumps(CheckpointInfo(architecture="compact", labels=ClassList.fer2013().names).to_dict())}
    save_file(state, tmp_path / "a.safetensors", metadata=record)
    with pytest.raises(CheckpointError, match="do not fit"):
        load_checkpoint(tmp_path / "a.safetensors")
    state["fc.bias"][0] = float("nan")
    save_checkpoint(
        tmp_path / "b.safetensors", state, CheckpointInfo(architecture="seed", labels=ClassList.fer2013().names)
    )
    with pytest.raises(CheckpointError, match="not finite"):
        load_checkpoint(tmp_path / "b.safetensors")


@pytest.mark.parametrize("name", ["bomb.pt", "bomb.pkl", "bomb.safetensors"])
def test_a_pickle_bomb_never_executes(tmp_path, name):
    Bomb.target = tmp_path / "executed"
    (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
    torch.save({"x": Bomb()}, tmp_path / f"torch-{name}")
    for path in (tmp_path / name, tmp_path / f"torch-{name}"):
        with pytest.raises(CheckpointError):
            import_state_dict(path, "seed")
        with pytest.raises(CheckpointError):
            load_checkpoint(path)
    assert not Bomb.target.exists()


def test_a_plain_state_dict_can_be_imported(tmp_path):
    model = build("seed").eval()
    torch.save(model.state_dict(), tmp_path / "s.pt")
    x = torch.randn(1, 1, 48, 48)
    assert torch.equal(import_state_dict(tmp_path / "s.pt", "seed")(x), model(x))
    with pytest.raises(CheckpointError, match="do not fit"):
        import_state_dict(tmp_path / "s.pt", "compact")


def test_models_are_found_by_path_and_run_and_refused_with_what_exists(tmp_path, workspace):
    untrained_checkpoint(workspace.runs / "run-1" / "best.safetensors")
    assert Classifier.load("run-1").labels
    assert Classifier.load(workspace.runs / "run-1").labels
    (workspace.runs / "run-2").mkdir()
    with pytest.raises(ModelError, match="first epoch"):
        Classifier.load("run-2")
    with pytest.raises(ModelError, match=r"no model 'nothing'"):
        Classifier.load("nothing")
    with pytest.raises(ModelError):
        Classifier.load("..")


def test_a_record_of_version_1_without_labels_means_the_seven(tmp_path):
    path = untrained_checkpoint(tmp_path / "m.safetensors")
    old = {
        key: value for key, value in read_info(path).to_dict().items() if key not in ("labels", "truth", "class_map")
    }
    write_record(path, {**old, "schema_version": 1})
    info = read_info(path)
    assert info.labels == ClassList.fer2013().names
    assert info.schema_version == 2
    assert load_checkpoint(path)[1].classes.colors == ClassList.fer2013().colors


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", "b", "c", "d", "e", "f", "a"], "'a' and 'a'"),
        (["Happy", "happy"], "'Happy' and 'happy'"),
        (["only"], "one class"),
        (["a", "b\nc"], "cannot be printed"),
        (["a", "x" * 200], "200 characters"),
        (["a", "b", "c"], "7 outputs but 3 labels"),
        ([], "0 classes"),
    ],
)
def test_labels_that_make_no_class_list_are_refused(tmp_path, labels, message):
    path = untrained_checkpoint(tmp_path / "m.safetensors")
    write_record(path, {**read_info(path).to_dict(), "labels": labels})
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


@pytest.mark.parametrize("count", [2, 3, 8, 40])
def test_a_network_of_any_number_of_classes_comes_back(tmp_path, count):
    names = tuple(f"class {i} <b>😀" for i in range(count))
    path = untrained_checkpoint(tmp_path / "m.safetensors", labels=names)
    classifier = Classifier.load(path)
    assert classifier.labels == classifier.classes.names == names
    assert classifier.probabilities(make_dataset().images[:3]).shape == (3, count)


def write_record(path, record):
    """Put another record into a checkpoint's header; the weights stay."""
    from safetensors.torch import load_file, save_file

    save_file(load_file(path), path, metadata={"fer_lab": json.dumps(record)})
