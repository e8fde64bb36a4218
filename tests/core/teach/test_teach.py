"""A model of own classes: written, measured, and used like any other."""

from __future__ import annotations

import csv
import json
import re
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from fer_core.cli import main
from fer_core.data import load
from fer_core.errors import CheckpointError, DataError, ModelError, TrainingError, WorkspaceError
from fer_core.evaluation import evaluate
from fer_core.explanation import explain
from fer_core.faces import FaceDetector, crop_face
from fer_core.images import write_image
from fer_core.inference import Classifier, load_checkpoint, read_info, resolve_model
from fer_core.inference.engines import OnnxEngine
from fer_core.inference.export import export_onnx
from fer_core.live.media.reader import VideoReader
from fer_core.live.video import annotate_video
from fer_core.teach import TakeStore, Taught, checkpoint, features, list_taught, load_taught, prepare, teach, training
from fer_core.teach.result import Confused, LeaveOneTakeOut, TakeScore
from fer_core.workspace import Workspace
from tests.factories import untrained_checkpoint
from tests.teach_factory import draw_take, fill, photo, write_clip

CLASSES = ("happy", "surprise", "neutral")


@pytest.fixture(scope="module")
def taught_once(tmp_path_factory) -> Workspace:
    """A workspace with takes of three classes and the model ``mine``, taught on the shipped ``seed``."""
    workspace = Workspace(tmp_path_factory.mktemp("taught"))
    teach(fill(workspace, takes=3, frames=6), Classifier.load("seed", workspace=workspace), workspace)
    return workspace


@pytest.fixture
def taught(taught_once, workspace) -> Workspace:
    """A copy, which is this test's own and the default workspace."""
    shutil.copytree(taught_once.root, workspace.root)
    return workspace


@pytest.fixture
def classifier(taught) -> Classifier:
    return Classifier.load("mine", workspace=taught)


@pytest.fixture
def base(workspace) -> Classifier:
    return Classifier.load("seed", workspace=workspace)


@pytest.fixture
def faces() -> np.ndarray:
    """Faces of known classes, of another one, and noise."""
    noise = np.random.default_rng(0).integers(0, 256, (4, 48, 48)).astype(np.uint8)
    return np.concatenate([*(draw_take(emotion, 7, 4) for emotion in (*CLASSES, "angry")), noise])


# ------------------------------------------------------------------------------------------------ one inference path


def test_a_taught_model_predicts_its_classes_under_its_name(taught, classifier):
    assert classifier.labels == CLASSES
    for emotion in CLASSES:
        predicted = classifier.probabilities(draw_take(emotion, 0, 6)).argmax(axis=1)
        assert np.mean(predicted == CLASSES.index(emotion)) > 0.8
    info = read_info(resolve_model("mine", taught))
    assert info.prior == (1 / 3,) * 3
    assert 0 < info.abstain_below < 1
    assert info.preprocess == read_info(resolve_model("seed", taught)).preprocess
    assert [one.name for one in list_taught(taught)] == ["mine"]


def test_onnx_runtime_and_pytorch_compute_the_same(taught, classifier, faces, tmp_path):
    assert classifier.engine["name"] == "onnxruntime"
    network = Classifier(*load_checkpoint(resolve_model("mine", taught)))
    assert network.engine["name"] == "torch"
    np.testing.assert_allclose(network.probabilities(faces), classifier.probabilities(faces), atol=1e-5)
    np.testing.assert_allclose(network.features(faces), classifier.features(faces), atol=1e-3)
    result = export_onnx(classifier, tmp_path / "mine.onnx")
    assert result.max_probability_difference < 1e-5
    exported = OnnxEngine(tmp_path / "mine.onnx")
    np.testing.assert_allclose(exported.run(faces, "probabilities"), classifier.probabilities(faces), atol=1e-5)
    beside = OnnxEngine(resolve_model("mine", taught).with_suffix(".onnx"))
    np.testing.assert_allclose(beside.run(faces, "probabilities"), classifier.probabilities(faces), atol=1e-5)
    assert beside.labels == exported.labels == CLASSES


def test_predict_and_video_give_the_classifiers_probabilities(taught, classifier, tmp_path, capsys):
    picture = photo(draw_take("surprise", 5, 1)[0])
    write_image(tmp_path / "a.png", picture)
    (face,) = FaceDetector().detect(picture)
    wanted = classifier.probabilities(crop_face(picture, face))[0]
    assert main(["predict", str(tmp_path / "a.png"), "--model", "mine", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["photos"][0]["faces"]
    np.testing.assert_allclose([found["probabilities"][name] for name in CLASSES], wanted, atol=1e-6)

    clip = write_clip(tmp_path / "clip.mp4", draw_take("surprise", 5, 3))
    annotate_video(clip, None, tmp_path / "clip.csv", classifier)
    with VideoReader(clip) as reader:
        frame = next(item[1] for item in reader.items() if isinstance(item, tuple))
    (face,) = FaceDetector().detect(frame, fast=True)
    wanted = classifier.probabilities(crop_face(frame, face))[0]
    with (tmp_path / "clip.csv").open(encoding="utf-8-sig") as file:
        row = next(csv.DictReader(file))
    np.testing.assert_allclose([float(row[name]) for name in CLASSES], wanted, atol=1e-4)


def test_gradcam_and_evaluate_take_it_like_any_other(taught, classifier):
    assert explain(classifier, draw_take("happy", 0, 1)[0], "gradcam").values.max() > 0
    evaluation, _ = evaluate(classifier, load(taught.takes / "mine", workspace=taught), "train")
    assert evaluation.n == 54
    assert evaluation.accuracy > 0.8


def test_its_record_and_result_are_kept(taught):
    found = load_taught("mine", taught)
    assert isinstance(found, Taught)
    assert (found.takes, found.faces, found.leave_one_take_out.takes) == (9, 54, 9)
    assert [count.name for count in found.per_class] == list(CLASSES)
    assert np.sum(found.leave_one_take_out.matrix) == 54
    assert found.model == str(resolve_model("mine", taught))
    record = read_info(resolve_model("mine", taught)).metrics["leave_one_take_out"]
    assert record["accuracy"] == found.leave_one_take_out.accuracy


@pytest.mark.slow
def test_a_training_goes_on_from_the_taught_model_and_its_takes(taught):
    from fer_core.config import TrainConfig
    from fer_core.training import train

    config = TrainConfig(
        data=str(taught.takes / "mine"), model="seed", init_from="mine", epochs=1, batch_size=16, protocol="holdout"
    )
    result = train(config, workspace=taught)
    network = Classifier.load(result.run.id, workspace=taught)
    assert network.labels == CLASSES
    assert network.model.gate is None, "the distances belong to the features before the training"


# ------------------------------------------------------------------------------------------------ figures


def test_on_takes_that_differ_in_light_and_place_random_frames_promise_more(workspace, base):
    store = fill(workspace, classes=("sad", "angry", "neutral"), takes=3, frames=6, spread=2.0)
    found = teach(store, base, workspace)
    figure, random = found.leave_one_take_out, found.random_frames
    assert figure.accuracy is not None
    assert figure.ci95 is not None
    assert random.accuracy is not None
    assert random.accuracy - figure.accuracy > 0.2
    assert figure.ci95[0] <= figure.accuracy <= figure.ci95[1]
    assert figure.ci95[1] - figure.ci95[0] > 0.1
    assert "light or place" in found.why_they_differ
    assert found.confused
    assert any("Record another take" in sentence for sentence in found.advice)


@pytest.mark.slow
@pytest.mark.parametrize("person", [1, 6])
def test_half_of_an_unknown_class_and_at_most_a_tenth_of_known_faces_are_not_sure(workspace, person):
    """Each class of four is left out once; known faces are from takes that were not recorded."""
    base = Classifier.load("compact-people", workspace=workspace)
    classes = ("happy", "surprise", "sad", "neutral")
    known = []
    for left_out in classes:
        others = [name for name in classes if name != left_out]
        store = TakeStore(workspace, f"without {left_out}", others)
        for name in others:
            for take in range(3):
                store.add(name, draw_take(name, take, 8, person))
        teach(store, base, workspace)
        model = Classifier.load(store.name, workspace=workspace)

        def not_sure(faces: np.ndarray, model: Classifier = model) -> np.ndarray:
            return model.probabilities(faces).max(axis=1) < model.abstain_below

        unknown = np.concatenate([not_sure(draw_take(left_out, take, 8, person)) for take in range(4)])
        assert unknown.mean() >= 0.5, left_out
        known += [not_sure(draw_take(name, 3, 8, person)) for name in others]
    assert np.concatenate(known).mean() <= 0.1


def test_a_class_with_one_take_has_no_fold_and_is_named(workspace, base):
    store = fill(workspace, classes=("happy", "surprise"), takes=2, frames=4)
    store.add("wink", draw_take("sad", 0, 4))
    found = teach(store, base, workspace)
    assert found.single_take == ("wink",)
    assert found.leave_one_take_out.takes == 4
    assert {score.class_name for score in found.leave_one_take_out.per_take} == {"happy", "surprise"}
    assert any("'wink' has one take, so it cannot be tested" in sentence for sentence in found.advice)


def test_with_one_take_each_only_random_frames_have_a_figure(workspace, base):
    found = teach(fill(workspace, classes=("happy", "surprise"), takes=1, frames=5), base, workspace)
    assert (found.leave_one_take_out.accuracy, found.leave_one_take_out.ci95) == (None, None)
    assert found.random_frames.accuracy is not None
    assert found.single_take == ("happy", "surprise")
    assert Classifier.load("mine", workspace=workspace).abstain_below == 0


def scored(accuracy: float, name: str = "smile", number: int = 1) -> TakeScore:
    right = round(10 * accuracy)
    predicted = {name: right, "wink": 10 - right}
    return TakeScore(
        take="", class_name=name, number=number, source="", faces=10, accuracy=accuracy, predicted=predicted
    )


@pytest.mark.parametrize(
    ("scores", "counts", "share", "message"),
    [
        ([scored(1.0), scored(0.4, number=2)], 3, 0.4, "Take 2 of 'smile' is predicted right in 40%"),
        ([scored(1.0), scored(0.8)], 3, 0.2, "'smile' is misclassified as 'wink' in 20%"),
        ([scored(1.0), scored(1.0)], 2, 0.0, "'smile' has 2 takes. A third one"),
        ([scored(1.0), scored(0.9, number=3)], 3, 0.05, "Another take of 'smile'.*take 3 is predicted right in 90%"),
        ([scored(1.0), scored(1.0)], 3, 0.0, "Every take that was left out is predicted right"),
    ],
)
def test_the_advice_names_the_take_that_would_help_most(scores, counts, share, message):
    figure = LeaveOneTakeOut(
        accuracy=0.9, ci95=(0.8, 1.0), takes=2, faces=20, matrix=((9, 1), (1, 9)), per_take=tuple(scores)
    )
    confused = (Confused(true="smile", predicted="wink", faces=2, share=share),) if share else ()
    assert re.search(message, training._next_take(figure, {"smile": counts, "wink": 3}, confused))


def test_a_take_copied_into_two_classes_is_said(workspace, base):
    store = fill(workspace, classes=("happy", "surprise"), takes=2, frames=4)
    store.add("surprise", store.faces(store.takes("happy")[0]))
    found = teach(store, base, workspace)
    assert [(one.first_class, one.second_class, one.share) for one in found.copied] == [("happy", "surprise", 1.0)]
    assert "Delete the one in the wrong class" in found.advice[0]


def test_thousands_of_frames_are_thinned_and_the_result_says_so(workspace, base, monkeypatch):
    monkeypatch.setattr(features, "BUDGET", 60)
    found = teach(fill(workspace, classes=("happy", "surprise"), takes=2, frames=40), base, workspace)
    assert (found.faces, found.faces_used, found.views) == (160, 28, 2)
    assert "28 of 160 faces were used, evenly spread over each take" in found.notes[0]


# ------------------------------------------------------------------------------------------------ bad input


def test_a_class_without_faces_is_named(workspace, base):
    store = TakeStore(workspace, "mine", CLASSES)
    store.add("happy", draw_take("happy", 0, 3))
    with pytest.raises(DataError, match="The classes 'surprise' and 'neutral' have no faces"):
        teach(store, base, workspace)
    store.remove_class("neutral")
    store.remove_class("surprise")
    with pytest.raises(DataError, match="One class was given; 2 to 8"):
        teach(store, base, workspace)
    assert list_taught(workspace) == ()


def test_a_base_network_that_was_deleted_is_named_and_the_earlier_model_stays(taught, tmp_path):
    path = untrained_checkpoint(tmp_path / "base.safetensors")
    own = Classifier.load(path, workspace=taught)
    before = resolve_model("mine", taught).read_bytes()
    path.unlink()
    with pytest.raises(CheckpointError, match=r"was deleted or is damaged.*Choose another base network"):
        teach(TakeStore(taught, "mine"), own, taught)
    assert resolve_model("mine", taught).read_bytes() == before


def test_a_network_in_memory_cannot_be_the_base(taught):
    network = Classifier(*load_checkpoint(resolve_model("seed", taught)))
    with pytest.raises(ModelError, match="taught on a network in a file"):
        teach(TakeStore(taught, "mine"), network, taught)


def test_a_base_without_onnx_file_is_taught_in_pytorch(workspace, tmp_path):
    own = Classifier.load(untrained_checkpoint(tmp_path / "base.safetensors"), workspace=workspace)
    assert own.engine["name"] == "torch"
    teach(fill(workspace, classes=("happy", "surprise"), takes=1, frames=3), own, workspace)
    model = Classifier.load("mine", workspace=workspace)
    assert model.engine["name"] == "torch"
    assert model.probabilities(draw_take("happy", 0, 2)).shape == (2, 2)


def test_a_taught_model_can_be_the_base_of_another(taught, classifier):
    store = fill(taught, "next", classes=("sad", "angry"), takes=2, frames=4)
    found = teach(store, classifier, taught)
    assert found.base == "mine"
    assert Classifier.load("next", workspace=taught).labels == ("sad", "angry")


@pytest.mark.parametrize("after", [0, 3, 60])
def test_a_stop_leaves_the_earlier_model(taught, base, after):
    before = resolve_model("mine", taught).read_bytes()
    calls = iter(range(10_000))
    with pytest.raises(TrainingError, match="stopped"):
        teach(TakeStore(taught, "mine"), base, taught, stop=lambda: next(calls) >= after)
    assert resolve_model("mine", taught).read_bytes() == before


def test_features_that_were_prepared_are_not_computed_again(workspace, base, monkeypatch):
    store = fill(workspace, classes=("happy", "surprise"), takes=2, frames=4)
    prepare(store, base, workspace)
    prepare(TakeStore(workspace, "empty"), base, workspace)

    def fail(*arguments: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(features, "make_views", fail)
    assert teach(store, base, workspace).faces_used == 16


def test_progress_never_runs_back_and_ends_complete(workspace, base):
    steps: list[tuple[int, int]] = []
    teach(
        fill(workspace, classes=("happy", "surprise"), takes=2, frames=4), base, workspace,
        progress=lambda done, total: steps.append((done, total)),
    )  # fmt: skip
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1]


@pytest.mark.parametrize("failing", ["model.safetensors", "model.onnx"])
def test_a_full_disk_is_said_and_leaves_the_earlier_model(taught, base, monkeypatch, failing):
    original = checkpoint.atomic_write

    def full(path: Path) -> object:
        if path.name == failing:
            raise WorkspaceError("The disk is full.")
        return original(path)

    store = TakeStore(taught, "mine")
    store.rename_class("happy", "grin")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "atomic_write", full)
        with pytest.raises(WorkspaceError, match="full"):
            teach(store, base, taught)
    model = Classifier.load("mine", workspace=taught)
    assert (model.labels, model.engine["name"]) == (CLASSES, "onnxruntime")
    assert sorted(path.name for path in (taught.taught / "mine").iterdir()) == [
        "model.onnx",
        "model.safetensors",
        "result.json",
    ]


def test_a_window_that_loads_the_model_the_moment_it_appears_gets_its_onnx_file(workspace, base, monkeypatch):
    """Otherwise it would load PyTorch, and export the network again behind the page."""
    seen: list[str] = []
    original = Path.replace

    def watched(self: Path, target: Path) -> Path:
        moved = original(self, target)
        if target.name == "model.safetensors":
            seen.append(Classifier.load("mine", workspace=workspace).engine["name"])
        return moved

    monkeypatch.setattr(Path, "replace", watched)
    store = fill(workspace, classes=("happy", "surprise"), takes=1, frames=3)
    teach(store, base, workspace)
    store.rename_class("happy", "grin")
    teach(store, base, workspace)
    assert seen == ["onnxruntime", "onnxruntime"]


def test_two_windows_that_teach_at_once_leave_one_whole_model(taught, base):
    errors: list[BaseException] = []

    def run() -> None:
        try:
            teach(TakeStore(taught, "mine"), base, taught)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    model = Classifier.load("mine", workspace=taught)
    assert (model.labels, model.engine["name"]) == (CLASSES, "onnxruntime")


def test_a_model_that_was_taught_again_does_not_mix_old_and_new_weights(taught, classifier, base):
    """The page that still holds the old one may ask for gradients, which load the file."""
    store = TakeStore(taught, "mine")
    store.rename_class("happy", "grin")
    before = classifier.probabilities(draw_take("happy", 0, 2))
    teach(store, base, taught)
    np.testing.assert_array_equal(classifier.probabilities(draw_take("happy", 0, 2)), before)
    with pytest.raises(ModelError, match=r"was replaced since it was loaded\. Load the model again"):
        _ = classifier.model


def test_a_shipped_name_wins_over_a_taught_one(taught):
    shutil.copytree(taught.taught / "mine", taught.taught / "compact")
    assert resolve_model("compact", taught) == resolve_model("compact", Workspace(Path("/nowhere")))
    assert "compact" in [path.name for path in taught.taught.iterdir()]


def test_damaged_results_are_not_listed(taught):
    (taught.taught / "mine" / "result.json").write_text("{")
    assert list_taught(taught) == ()
    assert Classifier.load("mine", workspace=taught).labels == CLASSES


@pytest.mark.slow
def test_teaching_does_not_load_pytorch():
    """With an ONNX file of the base, a training needs a second less and half of the memory."""
    import subprocess
    import sys

    script = (
        "import sys; from pathlib import Path; from fer_core.inference import Classifier; from fer_core.teach import teach;"
        "from fer_core.workspace import Workspace; from tests.teach_factory import fill; w = Workspace.default();"
        "teach(fill(w, classes=('happy', 'surprise'), takes=1, frames=2), Classifier.load('seed', workspace=w), w);"
        "print('torch' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )
