"""Cameras at once on a server."""

from types import SimpleNamespace

import pytest

from fer_core.errors import LimitError
from fer_core.serve.cameras import Cameras
from fer_core.serve.settings import ServeSettings

SETTINGS = ServeSettings(cameras=2, idle_camera_minutes=5)
ANNA, BERT = "a" * 32, "b" * 32


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cameras(clock):
    return Cameras(clock)


def view(frame=None, face=None):
    return SimpleNamespace(last_frame=frame, last_face=face)


def test_the_next_visitor_is_told_before_starting(cameras):
    cameras.take("one", ANNA, view(), SETTINGS)
    cameras.take("two", ANNA, view(), SETTINGS)  # two windows of one user are two cameras
    with pytest.raises(LimitError, match="All 2 camera slots of this server are taken"):
        cameras.require("three", SETTINGS)
    with pytest.raises(LimitError):
        cameras.take("three", BERT, view(), SETTINGS)
    cameras.require("two", SETTINGS)
    cameras.take("two", ANNA, view(), SETTINGS)
    assert (cameras.count(), cameras.count(ANNA), cameras.count(BERT)) == (2, 2, 0)


def test_a_slot_is_free_again_at_the_end(cameras):
    cameras.take("one", ANNA, view(), SETTINGS)
    cameras.take("two", ANNA, view(), SETTINGS)
    cameras.release("one")
    cameras.release("one")
    cameras.take("three", BERT, view(), SETTINGS)
    assert cameras.count(BERT) == 1


def test_a_window_that_crashed_gives_its_slot_back(cameras, clock):
    crashed, never = view(), view(frame=10.0)  # the second has frames of an earlier connection only
    cameras.take("one", ANNA, crashed, SETTINGS)
    cameras.take("two", ANNA, never, SETTINGS)
    clock.now += 50
    crashed.last_frame = clock.now
    clock.now += 11
    assert cameras.count() == 1  # the other never connected
    assert (cameras.has_slot("one"), cameras.has_slot("two")) == (True, False)
    clock.now += 20
    assert cameras.count() == 0


def test_a_camera_without_a_face_becomes_idle(cameras, clock):
    seen = view(face=999.0)
    cameras.take("one", ANNA, seen, SETTINGS)
    for _ in range(29):
        clock.now += 10
        seen.last_frame = clock.now
        assert not cameras.is_idle("one", SETTINGS)
    seen.last_face = clock.now
    clock.now += 299
    assert not cameras.is_idle("one", SETTINGS)
    clock.now += 1
    assert cameras.is_idle("one", SETTINGS)
    assert not cameras.is_idle("two", SETTINGS)


@pytest.mark.parametrize(("most", "words"), [(0, "turned off"), (1, "The only camera slot of this server is taken")])
def test_the_words_suit_the_number(cameras, most, words):
    settings = ServeSettings(cameras=most)
    if most:
        cameras.take("one", ANNA, view(), settings)
    with pytest.raises(LimitError, match=words):
        cameras.take("two", BERT, view(), settings)
