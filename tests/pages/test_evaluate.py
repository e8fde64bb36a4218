from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import streamlit as st

import fer_core.data.reading
from fer_core.data.cleaning import Cleaning
from fer_core.data.marks import marks_for
from fer_core.evaluation.cache import cached_outputs, cached_predictions
from fer_core.evaluation.calibration import fit_temperature
from fer_core.evaluation.cells import cell_faces, cleaned_predictions, most_confused_cell, rank
from fer_core.evaluation.metrics import confusion_matrix
from fer_core.evaluation.report import build_report
from fer_core.inference import read_info, resolve_model
from fer_core.workspace import Workspace, write_json
from pages.ui.shell import cache
from tests.factories import make_dataset, untrained_checkpoint, with_votes
from tests.pages.conftest import FERPLUS_COLUMNS, check, words
from tests.run_factory import make_run

DATA = make_dataset(name="synthetic")


@pytest.fixture
def run():
    """A run with weights that is the model in use."""
    found = make_run("trained", epochs=4, weights=True)
    write_json(Workspace.default().app_state, {"model": found.id})
    return found


def faces(app, number=0):
    """The faces of a wall, in order, by position in the data set."""
    walls = [json.loads(c.proto.json) for c in app.get("bidi_component")]
    return [int(f["id"]) for row in [w for w in walls if "selectable" in w][number]["groups"] for f in row["faces"]]


def metric(app, label):
    return next(m.value for m in app.metric if m.label == label)


def view(app, name):
    app.segmented_control(key="evaluate-view").set_value(name).run()
    check(app)
    return app


def test_without_any_model_it_says_what_to_do(open_page, monkeypatch):
    monkeypatch.setattr(cache, "models", dict)
    app = open_page("evaluate")
    assert "No model yet" in words(app)
    assert app.get("bidi_component"), "faces to look at"


def test_it_opens_on_the_model_in_use_that_the_sidebar_names(open_page):
    newest = make_run("newest", epochs=4, weights=True)
    app = open_page("evaluate")
    in_use = app.sidebar.selectbox[0]
    assert in_use.value != newest.id, "a shipped model is the default"
    assert app.selectbox(key="evaluate-model").value == in_use.value
    app.selectbox(key="evaluate-model").set_value(newest.id).run()
    check(app)
    assert app.sidebar.selectbox[0].value == in_use.value, "to look at a run does not put it to use"
    app.switch_page("pages/overview.py").run()
    app.switch_page("pages/evaluate.py").run()
    assert app.selectbox(key="evaluate-model").value == newest.id, "what was chosen here stays chosen"
    other = make_run("other", epochs=2, weights=True)
    app.run()
    app.sidebar.selectbox[0].set_value(other.id).run()
    check(app)
    assert app.selectbox(key="evaluate-model").value == other.id, "another model in use is shown here too"


def test_a_run_opens_its_own_evaluation(open_page):
    run = make_run("of yesterday", epochs=4, weights=True)
    make_run("newest", epochs=2, weights=True)
    app = open_page("train")
    app.selectbox(key=next(box.key for box in app.selectbox if box.key and box.key.startswith("train-run"))).set_value(
        run.id
    ).run()
    app.button(key="evaluate-run").click().run()
    check(app)
    assert app.title[0].value == "Evaluate"
    assert app.selectbox(key="evaluate-model").value == run.id


def test_a_run_is_compared_with_the_weights_it_began_with(open_page):
    first = make_run("first", epochs=2, weights=True)
    make_run("between", epochs=2, weights=True)
    second = make_run("second", epochs=2, weights=True, init_from=first.id)
    app = open_page("evaluate")
    app.selectbox(key="evaluate-model").set_value(second.id).run()
    view(app, "compare")
    assert app.selectbox(key="compare-with").value == first.id


def test_it_opens_with_the_accuracy_twice_and_the_most_confused_cell(open_page, run):
    app = open_page("evaluate")
    assert app.selectbox(key="evaluate-model").value == run.id
    assert app.selectbox(key="evaluate-split").value == "valid"
    p = cached_predictions(run.id, DATA, "valid", workspace=Workspace.default())
    right = f"{100 * (p.predicted == p.labels).mean():.1f}%"
    assert metric(app, "Accuracy").startswith(right)
    assert metric(app, "Deduplicated").startswith(right)
    true, predicted = most_confused_cell(confusion_matrix(p.labels, p.predicted, 7))
    assert (app.selectbox(key="cell-true").value, app.selectbox(key="cell-predicted").value) == (true, predicted)
    expected = DATA.indices("valid")[rank(p, cell_faces(p, true, predicted), "confidence")[0]]
    assert faces(app) == expected.tolist()


@pytest.mark.parametrize("order", ["loss", "disagreement"])
def test_a_cell_chosen_by_keyboard_shows_its_faces_in_the_order_asked_for(open_page, run, order):
    app = open_page("evaluate")
    p = cached_predictions(run.id, DATA, "valid", workspace=Workspace.default())
    answer = int(p.predicted[0])
    app.selectbox(key="cell-true").set_value(int(p.labels[0]))
    app.selectbox(key="cell-predicted").set_value(answer)
    app.segmented_control(key="cell-order").set_value(order).run()
    check(app)
    expected = DATA.indices("valid")[rank(p, cell_faces(p, int(p.labels[0]), answer), order)[0]]
    assert faces(app) == expected.tolist()


def test_a_cell_without_faces_says_so(open_page, run):
    app = open_page("evaluate")
    p = cached_predictions(run.id, DATA, "valid", workspace=Workspace.default())
    confusion = confusion_matrix(p.labels, p.predicted, 7)
    true, predicted = (int(i) for i in np.argwhere(confusion == 0)[0])
    app.selectbox(key="cell-true").set_value(true)
    app.selectbox(key="cell-predicted").set_value(predicted).run()
    check(app)
    assert any(text.value.startswith(f"No {DATA.classes[true]} face of this split") for text in app.info)


def test_the_matrix_can_be_sorted_normalized_and_freed_of_its_diagonal(open_page, run):
    app = open_page("evaluate")
    for change in (
        lambda: app.segmented_control(key="matrix-view").set_value("columns"),
        lambda: app.toggle(key="matrix-hide").set_value(True),
        lambda: app.toggle(key="matrix-sort").set_value(True),
        lambda: app.toggle(key="evaluate-flip").set_value(True),
    ):
        change().run()
        check(app)
    assert "averaged with the mirror image" in words(app)


def test_temperature_and_threshold_travel_with_the_model(open_page, run):
    app = view(open_page("evaluate"), "certainty")
    path = run.path / "best.safetensors"
    p = cached_predictions(run.id, DATA, "valid", workspace=Workspace.default())
    fitted = fit_temperature(p.logits, p.labels)
    app.button(key="store-temperature").click().run()
    check(app)
    assert read_info(path).temperature == pytest.approx(fitted)
    app.run()
    assert app.button(key="store-temperature").disabled, "this one is stored"
    app.slider[0].set_value(0.3).run()
    app.button(key="store-abstain_below").click().run()
    check(app)
    assert read_info(path).abstain_below == 0.3
    assert read_info(path).temperature == pytest.approx(fitted)


def test_a_shipped_model_keeps_its_temperature(open_page, monkeypatch, tmp_path):
    path = untrained_checkpoint(tmp_path / "models" / "compact.safetensors")
    monkeypatch.setattr("fer_core.inference.classifier.asset", tmp_path.joinpath)
    app = view(open_page("evaluate"), "certainty")
    assert app.selectbox(key="evaluate-model").value == "compact"
    assert app.button(key="store-temperature").disabled
    assert app.button(key="store-abstain_below").disabled
    before, button = path.read_bytes(), st.button
    monkeypatch.setattr(st, "button", lambda label, **options: label == "Save to the model" or button(label, **options))
    app.run()  # as if a browser pressed it all the same
    check(app)
    assert path.read_bytes() == before


def test_people_need_votes_and_with_them_errors_are_sorted_into_three_kinds(open_page, run, monkeypatch):
    assert "no votes to compare with" in words(view(open_page("evaluate"), "people"))
    votes = np.zeros((len(DATA), 10), dtype=np.int64)
    votes[:, 1] = 10  # everybody says happiness
    voted = replace(DATA, votes=votes, vote_columns=FERPLUS_COLUMNS)
    monkeypatch.setattr(fer_core.data.reading, "load", lambda source, **_: voted)
    cache._datasets.clear()
    app = view(open_page("evaluate"), "people")
    kinds = app.segmented_control(key="people-kind").options
    assert [kind.split(" (")[0] for kind in kinds] == ["Model wrong", "Label doubtful", "People disagree too"]
    p = cached_predictions(run.id, DATA, "valid", workspace=Workspace.default())
    assert metric(app, "People agree with the label") == f"{100 / 7:.1f}%"
    assert sum(int(kind.split("(")[1][:-1]) for kind in kinds) == int((p.predicted != p.labels).sum())


def test_people_begin_with_how_often_the_model_agrees_and_show_the_faces_where_it_does_not(open_page, run, monkeypatch):
    voted = with_votes(DATA, nobody=1)
    monkeypatch.setattr(fer_core.data.reading, "load", lambda source, **_: voted)
    cache._datasets.clear()
    app = view(open_page("evaluate"), "people")
    outputs = cached_outputs(run.id, voted, "valid", workspace=Workspace.default())
    report = build_report(
        cleaned_predictions(outputs, voted, "valid", Cleaning(), workspace=Workspace.default()), "valid"
    )
    agreement, rated = report.agreement, report.rated
    assert agreement.human == pytest.approx((7 * 6 + 3 * 2) / 90)
    sentence = f"trained {rated.sentence(agreement).removeprefix('The model ')}"
    assert sentence in words(app).replace("\\", "")
    assert "another rater: 53%; FER2013's label: 70%" in sentence
    app.session_state["people-parting"] = True
    app.run()
    check(app)
    found = rated.disagreements("both")
    assert faces(app) == rated.positions[found.faces].tolist()[: len(faces(app))]
    assert f"{len(found):,} of {agreement.n:,} faces" in words(app)


def test_two_models_are_compared_face_by_face(open_page, run):
    other = make_run("other", epochs=2, weights=True)
    untrained_checkpoint(other.path / "best.safetensors", seed=3)
    app = open_page("evaluate")
    app.selectbox(key="evaluate-model").set_value(other.id).run()
    view(app, "compare")
    first, second = (cached_predictions(r.id, DATA, "valid", workspace=Workspace.default()) for r in (run, other))
    app.selectbox(key="compare-with").set_value(run.id).run()
    check(app)
    assert "McNemar" in words(app)
    gained = (first.predicted != first.labels) & (second.predicted == second.labels)
    assert gained.any()
    assert faces(app) == DATA.indices("valid")[gained].tolist()


def test_one_model_alone_cannot_be_compared(open_page, run, monkeypatch):
    monkeypatch.setattr(cache, "models", lambda: {run.id: "trained"})
    assert "There is only one model" in words(view(open_page("evaluate"), "compare"))


def test_marks_change_the_evaluation_when_asked_and_can_be_taken_back(open_page, run):
    ids = DATA.ids[DATA.indices("valid")]
    marks_for(DATA, Workspace.default()).add([str(ids[0])], "wrong_label", "happy")
    marks_for(DATA, Workspace.default()).add([str(ids[1]), str(ids[2])], "not_a_face")
    app = open_page("evaluate")
    assert "70 faces" in words(app)
    app.toggle(key="evaluate-marks").set_value(True).run()
    check(app)
    assert "68 faces" in words(app)
    assert "marks used" in words(app)
    view(app, "marks")
    assert "3 faces of synthetic are marked" in words(app)
    assert len(app.dataframe[0].value) == 3


def test_marking_and_undoing_in_one_window(open_page, run, monkeypatch):
    from pages.ui.review import marking
    from pages.ui.review.state import MarkingState
    from pages.ui.shell import session

    kept: dict[str, object] = {}
    monkeypatch.setattr(session.st, "session_state", kept)
    monkeypatch.setattr(marking.st, "toast", lambda *_, **__: None)
    marks = marks_for(DATA, Workspace.default())
    marking._mark(marks, ["face 1", "face 2"], "ambiguous", None)
    marking._mark(marks, ["face 2"], "wrong_label", "sad")
    marking._take_suggestions(marks, {"face 3": 0, "face 4": 5})
    assert {face: m.label for face, m in marks.current().items()} == {
        "face 1": None, "face 2": "sad", "face 3": "angry", "face 4": "surprise",
    }  # fmt: skip
    marking.undo_marking(marks, None)
    marking.undo_marking(marks, None)
    assert {face: m.kind for face, m in marks.current().items()} == {"face 1": "ambiguous", "face 2": "ambiguous"}
    marking.undo_marking(marks, None)
    assert not marks.current()
    assert not session.state_of(MarkingState).last


def test_damaged_marks_are_told_of_and_the_evaluation_stays(open_page, run):
    path = marks_for(DATA, Workspace.default()).path
    path.parent.mkdir(parents=True)
    path.write_text("not a mark\nnor this\n")
    app = open_page("evaluate", errors=1)
    assert "is not a mark" in app.error[0].value
    assert faces(app)


def test_marks_for_faces_that_are_not_there_are_told_of_and_the_faces_stay(open_page, run):
    marks_for(DATA, Workspace.default()).add(["nobody"], "ambiguous")
    app = open_page("evaluate", errors=1)
    assert "name faces that are not in synthetic, e.g. 'nobody'" in app.error[0].value.replace("\\", "")
    assert faces(app)
    app.toggle(key="evaluate-marks").set_value(True).run()
    check(app, errors=1)
    assert "not in synthetic" in app.error[0].value


def test_other_weights_in_the_same_run_are_evaluated_anew(open_page, run):
    first = metric(open_page("evaluate"), "Accuracy")
    untrained_checkpoint(run.path / "best.safetensors", seed=3)
    p = cached_predictions(run.id, DATA, "valid", workspace=Workspace.default())
    second = metric(open_page("evaluate"), "Accuracy")
    assert second.startswith(f"{100 * (p.predicted == p.labels).mean():.1f}%")
    assert second != first


def test_a_model_with_other_classes_is_refused_with_both_lists(open_page, run):
    untrained_checkpoint(run.path / "best.safetensors", labels=("a", "b", "c", "d", "e", "f", "g"))
    app = open_page("evaluate", errors=1)
    assert "a, b, c, d, e, f, g" in app.error[0].value
    assert "angry, disgust" in app.error[0].value


def test_only_splits_with_faces_are_offered(open_page, run, monkeypatch):
    only_train = replace(DATA, split=np.full(len(DATA), "train"), fingerprint="")
    monkeypatch.setattr(fer_core.data.reading, "load", lambda source, **_: only_train)
    app = open_page("evaluate")
    assert app.selectbox(key="evaluate-split").options == ["Training"]
    view(app, "certainty")
    assert "no validation faces" in words(app)


def test_nothing_left_after_cleaning_is_said(open_page, run, monkeypatch):
    blank = replace(DATA, images=np.zeros_like(DATA.images), fingerprint="")
    monkeypatch.setattr(fer_core.data.reading, "load", lambda source, **_: blank)
    app = open_page("evaluate")
    app.toggle(key="evaluate-blank").set_value(True).run()
    check(app, errors=1)
    assert "is empty" in app.error[0].value


def test_the_sensitivity_of_an_evaluation_is_the_models_own_until_it_is_moved_here(open_page):
    write_json(Workspace.default().app_state, {"model": "compact-people", "sensitivity": 1.0})
    app = open_page("evaluate")
    (slider,) = (slider for slider in app.slider if slider.label == "Sensitivity")
    own = read_info(resolve_model("compact-people", Workspace.default())).sensitivity
    assert slider.value == own
    errors = {own: metric(app, "ECE")}  # the accuracy on these few faces is the same
    assert f"sensitivity {own:g}" in words(app)
    for value in (0.0, 1.0):
        slider.set_value(value).run()
        check(app)
        assert f"sensitivity {value:g}" in words(app)
        errors[value] = metric(app, "ECE")
    assert len(set(errors.values())) == 3


def test_a_model_without_a_prior_has_no_sensitivity_to_evaluate_at(open_page, run):
    app = open_page("evaluate")
    assert not [slider for slider in app.slider if slider.label == "Sensitivity"]
    assert "sensitivity" not in words(app)
