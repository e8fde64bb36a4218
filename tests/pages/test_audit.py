from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import fer_core.data.reading
from fer_core.data.marks import marks_for
from fer_core.data.reading import Reading
from fer_core.evaluation.audit import audit_exact
from fer_core.training import out_of_fold
from fer_core.training.out_of_fold import FoldStatus
from fer_core.workspace import Workspace, write_json
from tests.factories import make_dataset
from tests.pages.conftest import check, words
from tests.run_factory import make_run


def dirty():
    """A set with a leak, a conflicting pair, a nearly equal pair and a blank image."""
    clean = make_dataset(name="synthetic")
    images, labels = clean.images.copy(), clean.labels.copy()
    images[141] = images[1]  # train and valid
    images[9] = images[2]
    labels[9] = 5
    images[20] = 77
    images[30] = images[3]
    images[30][0, 0] ^= 1
    return replace(clean, images=images, labels=labels, fingerprint="")


@pytest.fixture
def found(monkeypatch):
    dataset = dirty()
    monkeypatch.setattr(fer_core.data.reading, "load", lambda source, **_: dataset)
    return dataset


def metric(app, label):
    return next(m.value for m in app.metric if m.label == label)


def groups(app):
    """The walls' groups: positions of the faces in each."""
    walls = [json.loads(c.proto.json) for c in app.get("bidi_component")]
    rows = next(w["groups"] for w in walls if "selectable" in w)
    return [[int(face["id"]) for face in row["faces"]] for row in rows]


def captions(app):
    """The words beneath the faces."""
    walls = [json.loads(c.proto.json) for c in app.get("bidi_component")]
    return [face["caption"] for w in walls if "selectable" in w for row in w["groups"] for face in row["faces"]]


def view(app, name):
    app.segmented_control(key="audit-view").set_value(name).run()
    check(app)
    return app


def test_the_figures_and_every_wall_are_those_of_the_audit(open_page, found):
    app = open_page("audit")
    exact = audit_exact(found)
    assert metric(app, "Duplicates") == str(exact.duplicates) == "2"
    assert metric(app, "Conflicting groups") == "1"
    assert groups(app) == [[141, 1]]
    assert sorted(groups(view(app, "duplicates"))) == [[1, 141], [2, 9]]
    assert groups(view(app, "conflicts")) == [[2, 9]]
    assert groups(view(app, "blanks")) == [[20]]
    assert "138 of 140 training faces remain" in words(view(app, "clean"))


def test_moving_the_threshold_shows_other_pairs(open_page, found):
    app = view(open_page("audit"), "near")
    wide = groups(app)
    app.slider(key="near-threshold").set_value(0).run()
    check(app)
    assert groups(app) == [[3, 30]]
    assert [3, 30] in wide


def test_a_clean_set_is_called_clean_in_every_view(open_page):
    app = open_page("audit")
    assert metric(app, "Duplicates") == "0"
    for name in ("leaks", "duplicates", "conflicts", "blanks"):
        assert view(app, name).success, name
    assert "No marks yet" in words(view(app, "marks"))
    view(app, "balance")


def test_the_search_for_suspect_labels_starts_shows_progress_is_cancelled_and_refused_beside_a_training(
    open_page, found, monkeypatch, workspace
):
    started = []
    monkeypatch.setattr(
        out_of_fold, "start", lambda source, dataset, **how: started.append((source, dataset.fingerprint, how))
    )
    app = view(open_page("audit"), "suspects")
    next(b for b in app.button if b.label == "Find suspect labels").click().run()
    check(app)
    assert started == [("synthetic", found.fingerprint, {"workspace": Workspace.default(), "reading": Reading()})]

    from filelock import FileLock

    job = out_of_fold.find(found, workspace=workspace)
    status = FoldStatus(state="running", done=6, total=24, seconds_left=90)
    write_json(job.path / "status.json", status.to_dict())
    with FileLock(job.path / "run.lock"):
        app.run()
        bar = next(p for p in app.main.get("progress"))
        assert "Epoch 6 of 24 · 1 min 30 s left" in bar.proto.text
        next(b for b in app.button if b.label == "Cancel").click().run()
        check(app)
        assert (job.path / "stop").exists()
    write_json(job.path / "status.json", FoldStatus(state="stopped", done=6).to_dict())
    app.run()
    check(app)
    assert "was canceled" in words(app)


def test_suspect_labels_are_shown_most_doubtful_first_and_relabeled_as_suggested(open_page, found, workspace):
    train = found.indices("train")
    probabilities = np.full((len(train), 7), 0.01, np.float32)
    probabilities[np.arange(len(train)), found.labels[train]] = 0.94
    for index in (5, 50):  # confidently another class
        probabilities[index] = 0.01
        probabilities[index, (found.labels[index] + 1) % 7] = 0.94
    job = out_of_fold.find(found, workspace=workspace)
    job.put(train, probabilities)
    app = view(open_page("audit"), "suspects")
    assert sorted(groups(app)[0]) == [5, 50]
    assert next(b for b in app.button if b.label == "Relabel as suggested").disabled
    assert f"{found.label_name(5)} → {found.classes[int(found.labels[5] + 1) % 7]} (1%)" in captions(app)


def test_damaged_marks_are_told_of_and_the_faces_stay(open_page, found):
    path = marks_for(found, Workspace.default()).path
    path.parent.mkdir(parents=True)
    path.write_text("not a mark\nnor this\n")
    app = open_page("audit", errors=1)
    assert "is not a mark" in app.error[0].value
    assert groups(app) == [[141, 1]]
    assert path.read_text() == "not a mark\nnor this\n"


def test_marks_that_name_faces_of_other_data_are_told_of(open_page, found):
    marks_for(found, Workspace.default()).add(["nobody"], "ambiguous")
    app = open_page("audit", errors=1)
    assert "not in synthetic" in app.error[0].value


def test_a_busy_workspace_refuses_the_search_in_a_sentence(open_page, found, workspace):
    from filelock import FileLock

    run = make_run("night run", epochs=1, planned=8, state="running")
    app = view(open_page("audit"), "suspects")
    with FileLock(run.path / "run.lock"):
        next(b for b in app.button if b.label == "Find suspect labels").click().run()
        assert not app.exception
        assert any("night run" in error.value for error in app.error)
    assert out_of_fold.find(found, workspace=workspace).state == "none"
