"""Choices: what is chosen at first, what stays chosen, and what a choice turns to when the options change."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.shell import cache


def sizes() -> None:
    import streamlit as st

    from pages.ui.shell.pickers import one_of

    titles = {56: "Small", 84: "Medium", 132: "Large"}
    if st.toggle("fewer", key="fewer"):
        titles = {56: f"Small ({st.number_input('n', value=1, key='n')})", 84: "Medium"}
    st.markdown(str(one_of("Size", titles, default=84, key="size")))


def test_one_of_a_few_begins_with_its_default_and_keeps_what_is_chosen():
    app = AppTest.from_function(sizes).run()
    assert app.markdown[0].value == "84"
    app.segmented_control(key="size").set_value(56).run()
    assert app.markdown[0].value == "56"
    app.toggle(key="fewer").set_value(True).run()  # other words for the same option
    app.number_input(key="n").set_value(2).run()
    assert app.markdown[0].value == "56"
    assert app.segmented_control(key="size").formatted_values == ["Small (2)"]


def test_what_is_no_option_any_more_gives_way_to_the_default():
    app = AppTest.from_function(sizes).run()
    app.segmented_control(key="size").set_value(132).run()
    app.toggle(key="fewer").set_value(True).run()
    assert not app.exception
    assert app.markdown[0].value == "84"


def models() -> None:
    import streamlit as st

    from pages.ui.shell.pickers import model_box

    st.write(model_box("Model", {"a": "A", "b": "B", "c": "C"}, key="which", help=""))


@pytest.mark.parametrize(("in_use", "shown"), [("b", "b"), (None, "a"), ("gone", "a")])
def test_the_box_begins_with_the_model_in_use_where_it_can(monkeypatch, in_use, shown):
    monkeypatch.setattr(cache, "model_in_use", lambda: in_use)
    assert AppTest.from_function(models).run().markdown[0].value == shown


def test_another_choice_stands_until_another_model_is_put_to_use(monkeypatch):
    in_use = ["b"]
    monkeypatch.setattr(cache, "model_in_use", lambda: in_use[0])
    app = AppTest.from_function(models).run()
    app.selectbox(key="which").set_value("c").run()
    app.run()
    assert app.markdown[0].value == "c"
    in_use[0] = "a"
    app.run()
    assert app.markdown[0].value == "a"
    assert app.selectbox(key="which").value == "a"
