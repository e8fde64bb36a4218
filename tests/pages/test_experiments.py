from __future__ import annotations

import pytest

from fer_core.errors import FerError
from fer_core.lessons.experiments import find, results, run
from pages.ui.learn import experiments
from tests.factories import make_dataset
from tests.pages.conftest import check, words


def dataset():
    return make_dataset(name="synthetic")


def button(app, label):
    return next((b for b in app.button if b.label == label), None)


def predicted(open_page, choice=2):
    app = open_page("experiments")
    assert button(app, "Run the experiment") is None
    app.radio(key="experiment-prediction-leak").set_value(choice).run()
    check(app)
    return app


@pytest.fixture
def result():
    return run(find("leak"), dataset(), epochs=2)


def test_the_button_comes_with_the_prediction_and_the_result_with_its_numbers(open_page, monkeypatch, result):
    def quick(name, source, report, stop, **_):
        assert (name, source) == ("leak", "synthetic")
        report(1, 2)
        return result

    monkeypatch.setattr(experiments, "run_in_subprocess", quick)
    app = predicted(open_page)
    button(app, "Run the experiment").click().run()
    app.run()
    check(app)
    experiment = find("leak")
    answer = experiment.choices[experiment.answer(result.arms)]
    assert answer in words(app)
    assert f"{100 * result.arms[0].last.valid_accuracy:.0f}%" in words(app)
    assert len(app.get("plotly_chart")) == 2


@pytest.mark.slow
def test_a_kept_result_is_shown_at_once_and_can_be_run_again(open_page, result, workspace):
    results.put(result, find("leak"), dataset(), workspace)
    app = predicted(open_page, choice=find("leak").answer(result.arms))
    assert "As you predicted" in words(app)
    button(app, "Run it again").click().run()
    check(app)
    assert results.get(find("leak"), dataset(), workspace) is None
    assert button(app, "Run the experiment") is not None


def test_what_goes_wrong_is_one_sentence_and_can_be_tried_again(open_page, monkeypatch):
    def fails(*_, **__):
        raise FerError("The disk is full.")

    monkeypatch.setattr(experiments, "run_in_subprocess", fails)
    app = predicted(open_page)
    button(app, "Run the experiment").click().run()
    app.run()
    check(app, 1)
    assert "The disk is full" in app.error[0].value
    assert button(app, "Run the experiment") is not None
