from tests.pages.conftest import words
from tests.run_factory import make_run


def test_an_empty_workspace_leads_to_the_first_training(open_page):
    app = open_page()
    text = words(app)
    assert "None yet" in text
    assert any(link.label == "Start the first training" for link in app.page_link)
    assert not app.dataframe


def test_it_says_what_this_must_not_be_used_for(open_page):
    text = words(open_page())
    assert "A facial expression is not an emotion" in text
    assert "Art. 5(1)(f)" in text
    assert "pupils, staff or applicants" in text


def test_runs_are_listed_with_interval_and_the_best_honest_one_is_named(open_page):
    make_run("honest one", epochs=6, weights=True)
    make_run("leaky one", epochs=6, protocol="leaky", weights=True)
    app = open_page()
    table = app.dataframe[0].value
    assert set(table["Run"]) == {"leaky one", "honest one"}
    row = table[table["Run"] == "honest one"].iloc[0]
    assert row["Validation accuracy"].startswith("58.6% (57.0–60.2)")
    assert "leaky" in table[table["Run"] == "leaky one"].iloc[0]["Validation accuracy"]
    assert "by **honest one**" in words(app)


def test_names_of_runs_are_shown_and_never_interpreted(open_page):
    make_run("**bold** [link](http://x) $x$", epochs=2, weights=True)
    assert r"\*\*bold\*\* \[link\]\(http://x\) \$x\$" in words(open_page())
