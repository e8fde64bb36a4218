"""Signals are taken over from a server that can be asked to stop, and from nothing else."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from pages.ui.server.shutdown import take_over_signals


class Server:
    """As uvicorn's: it handles a signal with a method of its own."""

    def __init__(self) -> None:
        self.should_exit = False
        self.heard: list[int] = []

    def handle_exit(self, number: int, frame: object) -> None:
        self.heard.append(number)


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_first_signal_stops_the_server_and_a_second_ctrl_c_is_left_to_it():
    server = Server()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)
    take_over_signals()
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGTERM)
    assert (server.should_exit, server.heard) == (True, [])
    signal.raise_signal(signal.SIGINT)
    assert server.heard == [signal.SIGINT]


def test_without_such_a_server_the_handlers_stay():
    class Other:
        def handle(self, number: int, frame: object) -> None:
            pass

    handler = Other().handle
    signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    take_over_signals()
    assert signal.getsignal(signal.SIGTERM) == handler
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
