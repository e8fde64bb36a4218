from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fer_core.data.class_map import apply_class_map, make_class_map
from fer_core.data.duplicates import pixel_groups
from fer_core.errors import DataError, FerError, WorkspaceError
from fer_core.store import Store
from fer_core.training import out_of_fold
from fer_core.workspace import Workspace
from tests.factories import entries, make_dataset, tiny_config

CONFIG = tiny_config(epochs=3)


@pytest.mark.slow
def test_every_training_face_is_answered_by_a_network_that_never_saw_it(workspace):
    dataset = make_dataset()
    seen = []
    job = out_of_fold.compute(dataset, CONFIG, on_progress=lambda *p: seen.append(p), workspace=workspace)
    positions, probabilities = job.read()
    assert positions.tolist() == dataset.indices("train").tolist()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.mean(probabilities.argmax(1) == dataset.labels[positions]) > 0.3  # far above chance: it did learn
    assert seen[-1] == (9, 9)
    assert job.state == "finished"


@pytest.mark.slow
def test_a_second_call_reads_the_cache(workspace):
    dataset = make_dataset()
    first = out_of_fold.compute(dataset, CONFIG, workspace=workspace).read()[1]
    calls = []
    again = out_of_fold.compute(dataset, CONFIG, on_progress=lambda *p: calls.append(p), workspace=workspace).read()[1]
    assert calls == []
    np.testing.assert_array_equal(first, again)


def test_copies_share_a_fold_and_classes_are_spread(workspace):
    base = make_dataset()
    images = base.images.copy()
    images[70:140] = images[:70]
    dataset = replace(base, images=images, fingerprint="")
    indices = dataset.indices("train")
    fold = out_of_fold.assign_folds(dataset, indices)
    groups = pixel_groups(images[indices])
    assert all(len(set(fold[groups == g])) == 1 for g in np.unique(groups))
    for label in range(7):
        counts = np.bincount(fold[dataset.labels[indices] == label], minlength=3)
        assert counts.min() > 0


@pytest.mark.slow
def test_a_stopped_search_says_so_and_can_begin_again(workspace):
    dataset = make_dataset()
    with pytest.raises(FerError, match="stopped"):
        out_of_fold.compute(dataset, CONFIG, should_stop=lambda: True, workspace=workspace)
    job = out_of_fold.find(dataset, CONFIG, workspace=workspace)
    assert job.state == "stopped"
    assert out_of_fold.compute(dataset, CONFIG, workspace=workspace).state == "finished"


@pytest.mark.slow
def test_a_search_cancelled_in_the_middle_keeps_its_folds_and_ends_as_if_it_had_never_stopped(workspace):
    dataset = make_dataset()
    whole = out_of_fold.compute(dataset, CONFIG, workspace=Workspace(workspace.root / "never stopped")).read()
    asked = []

    def cancel(done, total):  # as the page does, in the second fold
        asked.append(done)
        if done == 4:
            out_of_fold.find(dataset, CONFIG, workspace=workspace).request_stop()

    with pytest.raises(FerError, match="1 of 3 folds are finished"):
        out_of_fold.compute(dataset, CONFIG, on_progress=cancel, workspace=workspace)
    job = out_of_fold.find(dataset, CONFIG, workspace=workspace)
    assert (job.state, job.status.done) == ("stopped", 4)
    with pytest.raises(DataError, match="missing"):
        job.read()  # nothing half done can be taken for a result
    (first,) = entries(workspace, "out-of-fold")
    again = []
    out_of_fold.compute(dataset, CONFIG, on_progress=lambda done, total: again.append(done), workspace=workspace)
    assert again[:2] == [0, 3], "the first fold was not trained again"
    positions, probabilities = job.read()
    np.testing.assert_array_equal(positions, whole[0])
    np.testing.assert_array_equal(probabilities, whole[1])
    (result,) = entries(workspace, "out-of-fold")
    assert result != first, "only the whole is kept"


@pytest.mark.slow
def test_a_damaged_fold_is_trained_again(workspace):
    dataset, seen = make_dataset(), []
    whole = out_of_fold.compute(dataset, CONFIG, workspace=Workspace(workspace.root / "never stopped")).read()
    with pytest.raises(FerError, match="2 of 3 folds are finished"):
        out_of_fold.compute(
            dataset,
            CONFIG,
            should_stop=lambda: out_of_fold.find(dataset, CONFIG, workspace=workspace).status.done == 7,
            workspace=workspace,
        )
    for file in entries(workspace, "out-of-fold"):
        file.write_bytes(b"half a file")
    job = out_of_fold.compute(dataset, CONFIG, on_progress=lambda done, total: seen.append(done), workspace=workspace)
    assert seen[:2] == [0, 1], "nothing was taken from the damaged folds"
    np.testing.assert_array_equal(job.read()[1], whole[1])


@pytest.mark.slow
def test_a_result_that_the_store_gave_up_can_be_computed_again(workspace):
    dataset = make_dataset()
    job = out_of_fold.compute(dataset, CONFIG, workspace=workspace)
    Store(workspace).prune(0)
    assert job.state == "lost"
    assert out_of_fold.compute(dataset, CONFIG, workspace=workspace).state == "finished"


@pytest.mark.slow
def test_a_result_that_cannot_be_kept_is_told_of(workspace, monkeypatch):
    monkeypatch.setenv("FER_CACHE_LIMIT", "10")
    with pytest.raises(WorkspaceError, match="FER_CACHE_LIMIT"):
        out_of_fold.compute(make_dataset(), CONFIG, workspace=workspace)
    assert out_of_fold.find(make_dataset(), CONFIG, workspace=workspace).state == "failed"


def test_other_settings_or_data_are_another_computation(workspace):
    dataset = make_dataset()
    paths = {
        out_of_fold.find(dataset, CONFIG, workspace=workspace).path,
        out_of_fold.find(dataset, tiny_config(epochs=4), workspace=workspace).path,
        out_of_fold.find(make_dataset(seed=1), CONFIG, workspace=workspace).path,
    }
    assert len(paths) == 3
    assert (
        out_of_fold.find(dataset, tiny_config(epochs=3, threads=2, precision="auto"), workspace=workspace).path in paths
    )  # the machine's


def test_too_few_faces_are_refused(workspace):
    with pytest.raises(DataError, match=r"too few distinct training faces for 3 folds in: angry \(2\)"):
        out_of_fold.compute(make_dataset(train=14), CONFIG, workspace=workspace)


def test_a_single_rare_class_is_named(workspace):
    dataset = make_dataset(train=30, classes=("open", "closed"))
    labels = np.where(np.arange(len(dataset)) == 1, 1, 0)  # one training face is closed
    with pytest.raises(DataError, match=r"in: closed \(1\)\. Merge"):
        out_of_fold.compute(replace(dataset, labels=labels, fingerprint=""), CONFIG, workspace=workspace)


@pytest.mark.parametrize("count", [2, 40])
def test_probabilities_are_as_wide_as_the_classes_and_belong_to_them(count, workspace):
    dataset = make_dataset(train=120, valid=40, test=0, classes=tuple(f"class {i}" for i in range(count)))
    config = tiny_config(epochs=1, batch_size=40)
    positions, probabilities = out_of_fold.compute(dataset, config, workspace=workspace).read()
    assert probabilities.shape == (len(positions), count)
    other = make_class_map(dataset.classes, merge=[("new", ["class 0"])])
    mapped = apply_class_map(dataset, other)
    assert out_of_fold.find(mapped, config, workspace=workspace).state == "none"


def test_a_damaged_result_is_refused_with_what_to_do(workspace):
    job = out_of_fold.find(make_dataset(), CONFIG, workspace=workspace)
    place = Store(workspace).path("out-of-fold", job.key)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"PK half")
    with pytest.raises(DataError, match="compute them again"):
        job.read()
