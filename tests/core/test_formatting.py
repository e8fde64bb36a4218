from pathlib import Path

import pytest

from fer_core.formatting import (
    csv_cell,
    display_safe,
    duration,
    from_csv_cell,
    joined,
    pasted_path,
    percent,
    percent_with_interval,
    shortened,
    valid_utf8,
)


def test_shares_are_written_in_percent():
    assert percent(0.6213) == "62.1%"
    assert percent(0.6213, 0) == "62%"
    assert percent_with_interval(0.6213, (0.605, 0.637)) == "62.1% (60.5–63.7)"
    assert percent_with_interval(0.5, None) == "50.0%"


def test_durations_have_two_units_at_most():
    assert [duration(s) for s in (0, 59.6, 75, 3700)] == ["0 s", "1 min 0 s", "1 min 15 s", "1 h 1 min"]


def test_lists_read_as_a_sentence():
    assert [joined(n) for n in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_names_that_are_displayed_show_what_would_steer_a_terminal():
    assert display_safe("\x1b[31mred\n\u202etxt") == r"\u001b[31mred\u000a\u202etxt"
    assert display_safe("وجه 😀 é") == "وجه 😀 é"


def test_names_that_are_stored_stay_as_they_are_but_for_bytes_that_are_no_utf8():
    assert valid_utf8("\u202ea\n") == "\u202ea\n"
    assert valid_utf8("\udcff.png") == r"\udcff.png"


def test_a_long_text_is_shortened_visibly():
    assert shortened("contempt", 8) == "contempt"
    assert shortened("contempt of court", 10) == "contempt…"


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "\nx", "'x", "''=x", "", "x=1", "حسن"])
def test_guarding_can_be_undone(text):
    assert from_csv_cell(csv_cell(text)) == text
    assert not csv_cell(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@pytest.mark.parametrize(
    ("pasted", "path"),
    [
        ("  /a b/c.mp4 ", "/a b/c.mp4"),
        ('"/a b/c.mp4"', "/a b/c.mp4"),
        ("'/a b/c.mp4'", "/a b/c.mp4"),
        ("file:///a%20b/%E7%85%A7.jpg", "/a b/照.jpg"),
        ("file://localhost/a/c.mp4", "/a/c.mp4"),
        ("~/c.mp4", f"{Path.home()}/c.mp4"),
        ('"~/c.mp4"', f"{Path.home()}/c.mp4"),
        ("synthetic", "synthetic"),
        ("", ""),
        ('"', '"'),
        ("it's", "it's"),
    ],
)
def test_a_path_is_read_as_people_paste_it(pasted, path):
    assert pasted_path(pasted) == path
