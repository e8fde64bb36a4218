"""What a browser window remembers: one state for each class and window, and the values of widgets."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from pages.ui.review.state import MarkingState
from pages.ui.shell import session


@dataclass
class Counter:
    seen: list[int] = field(default_factory=list)


@pytest.fixture
def window(monkeypatch):
    """Opens a browser window: what is asked for afterwards is kept in it."""

    def opened() -> dict[str, object]:
        kept: dict[str, object] = {}
        monkeypatch.setattr(session.st, "session_state", kept)
        return kept

    return opened


def test_a_window_has_one_state_of_each_class(window):
    window()
    session.state_of(Counter).seen.append(1)
    assert session.state_of(Counter).seen == [1]
    assert session.state_of(MarkingState) is session.state_of(MarkingState)
    window()
    assert session.state_of(Counter).seen == []


def test_states_of_classes_with_one_name_are_kept_apart(window):
    window()
    session.state_of(Counter).seen.append(1)
    other = type("Counter", (), {"__module__": "elsewhere"})
    assert session.state_key(other) != session.state_key(Counter)
    assert session.state_of(other) is not session.state_of(Counter)


def test_a_preset_gives_way_to_what_the_widget_holds(window):
    window()
    assert session.widget_value("opacity") is None
    session.preset_widget("opacity", 60)
    session.preset_widget("opacity", 10)
    assert session.widget_value("opacity") == 60
    session.set_widget_value("opacity", 30)
    assert session.widget_value("opacity") == 30


def test_an_undone_marking_is_forgotten_also_from_the_middle():
    marking = MarkingState()
    marking.remember(["a", "b"])
    marking.remember(["c"])
    marking.drop_undone(["a"])
    assert (marking.last, marking.round) == (["c"], 3)
    marking.drop_undone(["c"])
    assert marking.last == ["b"]
    marking.drop_undone(["b"])
    assert marking.last == []
