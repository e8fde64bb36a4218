"""How often a user may do something."""

import pickle

import pytest

from fer_core.errors import RateError
from fer_core.serve import rates
from fer_core.serve.rates import RateLimits
from fer_core.serve.settings import ServeSettings

SETTINGS = ServeSettings(uploads_per_minute=2, predictions_per_minute=3, trainings_per_hour=1)
ANNA, BERT = "a" * 32, "b" * 32


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_the_window_slides():
    clock = Clock()
    limits = RateLimits(clock)
    limits.require(ANNA, "upload", SETTINGS)
    clock.now += 40
    limits.require(ANNA, "upload", SETTINGS)
    with pytest.raises(RateError, match=r"At most 2 uploads per minute .* Try again in 20 s") as refused:
        limits.require(ANNA, "upload", SETTINGS)
    assert refused.value.seconds == 20
    clock.now += 20
    limits.require(ANNA, "upload", SETTINGS)  # the first has left the window
    with pytest.raises(RateError, match="in 40 s"):
        limits.require(ANNA, "upload", SETTINGS)


def test_users_and_actions_are_counted_each_on_their_own():
    limits = RateLimits(Clock())
    limits.require(ANNA, "training", SETTINGS)
    limits.require(BERT, "training", SETTINGS)
    limits.require(ANNA, "prediction", SETTINGS)
    with pytest.raises(RateError, match=r"1 training per hour is allowed.* 1 h 0 min"):
        limits.require(ANNA, "training", SETTINGS)


def test_what_is_refused_does_not_count():
    clock = Clock()
    limits = RateLimits(clock)
    for _ in range(3):
        limits.require(ANNA, "prediction", SETTINGS)
    for _ in range(10):
        clock.now += 5
        with pytest.raises(RateError):
            limits.require(ANNA, "prediction", SETTINGS)
    clock.now = 160
    limits.require(ANNA, "prediction", SETTINGS)


def test_users_of_long_ago_take_no_memory(monkeypatch):
    monkeypatch.setattr(rates, "_SWEEP", 10)
    clock = Clock()
    limits = RateLimits(clock)
    for number in range(10):
        limits.require(f"{number:032x}", "upload", SETTINGS)
    clock.now += 61
    limits.require(ANNA, "upload", SETTINGS)
    assert len(limits._times) == 1


def test_the_error_can_be_sent_between_processes():
    error = pickle.loads(pickle.dumps(RateError("Too often.", 3.0)))
    assert (str(error), error.seconds) == ("Too often.", 3.0)
