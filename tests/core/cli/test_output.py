"""Tables, notes and Ctrl-C of the command line."""

from __future__ import annotations

import os
import signal

import pytest

from fer_core.cli.output import emit, progress, stop_on_interrupt, table


def test_words_stand_left_and_numbers_right():
    assert table(["class", "faces"], [["sad", "7"], ["surprise", "1,234"]]).splitlines() == [
        "class      faces",
        "────────────────",
        "sad            7",
        "surprise   1,234",
    ]


def test_a_sum_is_set_apart():
    lines = table(["", "faces"], [["sad", "7"], ["happy", "1"], ["all", "8"]], total=True).splitlines()
    assert lines[-2] == ""
    assert lines[-1].split() == ["all", "8"]


def test_a_missing_value_is_a_dash_and_brackets_stay_what_they_are():
    rows = table(["name", "best"], [["[bold]run[/bold]", None]]).splitlines()
    assert rows[-1].split() == ["[bold]run[/bold]", "–"]


def test_a_long_cell_is_never_cut():
    name = "r" * 500
    assert name in table(["run"], [[name]])


def test_json_has_no_table(capsys):
    emit({"n": 1}, True, table(["n"], [["1"]]))
    assert capsys.readouterr().out == '{"n": 1}\n'


def test_the_first_interrupt_asks_and_the_second_breaks_off(capsys):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), stop_on_interrupt("Finishing.") as stop_asked:  # noqa: PT012
        assert not stop_asked()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop_asked()
        assert "Finishing. Press Ctrl-C again" in capsys.readouterr().err
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_bar_writes_nothing_into_a_file_but_the_lines_it_is_given(capsys):
    with progress("Reading") as bar:
        bar(1, 2)
        bar.print("Epoch: 1, train Loss: [1.5787]")
    captured = capsys.readouterr()
    assert captured.err == "Epoch: 1, train Loss: [1.5787]\n"
    assert captured.out == ""
