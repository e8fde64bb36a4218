import json

import numpy as np

from fer_core.classes import ClassList
from fer_core.formatting import percent
from fer_core.inference.card import card_agreement
from tests.pages.conftest import words
from tests.run_factory import make_run


def links(app) -> set[str]:
    return {link.label for link in app.main.get("page_link")}


def test_an_empty_workspace_leads_to_the_first_training(open_page):
    app = open_page()
    assert "No run yet" in words(app)
    assert "No evaluation yet" in words(app)
    assert {"Start the first training", "Open the webcam", "Drop a photo", "Train a network"} <= links(app)


def test_the_usage_notice_names_whom_it_must_not_judge(open_page):
    text = words(open_page())
    assert "A facial expression is not an emotion" in text
    assert "Art. 5(1)(f)" in text
    assert "pupils, staff or applicants" in text


def test_the_agreement_with_people_comes_from_the_model_card(open_page):
    found = card_agreement("compact-people", 0.5)
    text = words(open_page())
    assert f"agrees with a random rater {percent(found.model)} of the time" in text
    assert f"another person does {percent(found.person)}" in text


def test_a_run_as_the_model_is_introduced_with_its_own_accuracy(open_page):
    run = make_run("mine", epochs=6, weights=True)
    app = open_page()
    app.selectbox(key="model-in-use").select(run.id).run()
    assert (
        "**mine**, the network for photos and the webcam, classifies 58.6% (57.0–60.2) of the validation faces correctly"
        in words(app)
    )


def test_the_last_run_shows_its_accuracy_with_interval(open_page):
    make_run("first one", epochs=6, weights=True)
    text = words(open_page())
    assert "**first one**" in text
    assert "58.6% (57.0–60.2) validation accuracy" in text


def test_a_leaky_run_shows_the_leak_free_accuracy(open_page):
    run = make_run("leaky one", epochs=6, protocol="leaky", weights=True)
    text = words(open_page())
    assert "58.6% (57.0–60.2) leak-free accuracy" in text
    assert percent(run.records()[-1].valid_accuracy) not in text


def test_the_most_confused_pair_is_that_of_the_newest_evaluation(open_page):
    run = make_run("evaluated", epochs=3, weights=True)
    seven = list(ClassList.fer2013())
    confusion = np.diag(np.full(7, 80))
    confusion[2, 4] = 20  # fear predicted as sad
    record = {"confusion": confusion.tolist(), "per_class": {name: {} for name in seven}}
    (run.path / "evaluation-valid.json").write_text(json.dumps(record))
    assert "**fear → sad**: 20% of its faces" in words(open_page())


def test_a_damaged_evaluation_is_passed_over(open_page):
    run = make_run("damaged evaluation", epochs=3, weights=True)
    (run.path / "evaluation-valid.json").write_text('{"confusion": "no"')
    assert "No evaluation yet" in words(open_page())


def test_names_of_runs_are_shown_and_never_interpreted(open_page):
    make_run("**bold** [link](http://x) $x$", epochs=2, weights=True)
    assert r"\*\*bold\*\* \[link\]\(http://x\) \$x\$" in words(open_page())
