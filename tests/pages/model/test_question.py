"""Which question the model on Upload and Webcam answers, and how one gets to a model that answers the other."""

from __future__ import annotations

import pytest

import fer_core.inference.classifier
from fer_core.inference import CheckpointInfo, shipped_models
from pages.ui.model import question
from tests.factories import untrained_checkpoint
from tests.pages.conftest import check, words
from tests.run_factory import make_run

PHOTO_PAGES = ("upload", "webcam")


def in_use(app) -> str:
    return app.selectbox(key="model-in-use").value


@pytest.mark.slow
@pytest.mark.parametrize("page", PHOTO_PAGES)
def test_peoples_own_pictures_are_read_as_ten_people_would_until_the_label_is_asked_for(open_page, page):
    app = open_page(page)
    assert in_use(app) == "compact-people"
    assert "**compact-people** predicts how ten people would label a face." in plain_words(app)
    app.button(key="ask-other-model").click().run()
    check(app)
    assert in_use(app) == "compact"
    assert "predicts the FER2013 label of a face." in plain_words(app)
    app.button(key="ask-other-model").click().run()
    check(app)
    assert in_use(app) == "compact-people"


def plain_words(app) -> str:
    """The text of a page without the marks that keep names as they are."""
    return words(app).replace("\\", "")


def ask_label(app) -> str:
    return app.button(key="ask-other-model").label.replace("\\", "")


@pytest.mark.slow
def test_pages_about_a_data_set_keep_the_model_of_its_labels(open_page):
    app = open_page("upload")
    app.button(key="ask-other-model").click().run()
    app.button(key="ask-other-model").click().run()
    for page in ("evaluate", "train", "network"):
        app.switch_page(f"pages/{page}.py").run()
        assert in_use(app) == "compact"


@pytest.mark.slow
def test_a_model_that_somebody_chose_is_taken_on_every_page(open_page):
    app = open_page("evaluate")
    app.selectbox(key="model-in-use").select("seed").run()
    for page in PHOTO_PAGES:
        app.switch_page(f"pages/{page}.py").run()
        check(app)
        assert in_use(app) == "seed"
        assert ask_label(app) == "Switch to seed-people"


def test_a_run_asks_the_best_shipped_model_for_the_other_question(open_page):
    run = make_run("my **run**", weights=True)
    app = open_page("upload")
    app.selectbox(key="model-in-use").select(run.id).run()
    check(app)
    assert ask_label(app) == "Switch to compact-people"


@pytest.mark.parametrize("page", PHOTO_PAGES)
def test_where_no_model_answers_the_other_question_there_is_no_button(open_page, page, monkeypatch):
    only = [name for name in shipped_models() if not name.endswith("-people")]
    monkeypatch.setattr(fer_core.inference.classifier, "shipped_models", lambda: only)
    monkeypatch.setattr(fer_core.inference, "shipped_models", lambda: only)
    app = open_page(page)
    assert in_use(app) == "compact"
    assert not [button for button in app.button if button.key == "ask-other-model"]


@pytest.mark.parametrize(
    ("target", "data", "words"),
    [
        ("votes", "FER2013 with FER+ votes", "how ten people would label a face"),
        ("votes", "my faces", "how people would label a face"),
        ("labels", "FER2013", "the FER2013 label of a face"),
        ("labels", "*my* faces", r"the label of a face in \*my\* faces"),
        ("labels", "", "the label of a face in its training data"),
    ],
)
def test_what_predictions_mean_follows_from_target_and_data(target, data, words):
    info = CheckpointInfo(architecture="seed", labels=("smile", "frown"), target=target, data_name=data)
    assert question._meaning(info) == words


@pytest.mark.slow
def test_a_run_that_learned_votes_and_labels_answers_both_questions(open_page):
    run = make_run("both", weights=True)
    for name, target in (("best", "votes"), ("best-labels", "labels")):
        untrained_checkpoint(run.path / f"{name}.safetensors", target=target, data_name="FER2013")
    app = open_page("upload")
    app.selectbox(key="model-in-use").select(run.id).run()
    assert ask_label(app) == "Switch to both (labels)"
    app.button(key="ask-other-model").click().run()
    check(app)
    assert in_use(app) == f"{run.id}:labels"
    assert "predicts the FER2013 label of a face" in plain_words(app)
    app.button(key="ask-other-model").click().run()
    assert in_use(app) == run.id
    for page in ("evaluate", "network", "audit", "overview"):
        app.session_state["fer.model"] = f"{run.id}:labels"
        app.switch_page(f"pages/{page}.py").run()
        check(app)
