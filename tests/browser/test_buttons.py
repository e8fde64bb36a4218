"""No button of the app is left untried: each was pressed at least once by the other tests of this folder."""

from pathlib import Path

import pytest

from tests.browser.buttons import declared, never_pressed

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_every_button_of_every_page_was_pressed(request, pressed):
    here = Path(__file__).parent
    ran = {item.path for item in request.session.items}
    missing = sorted(path.name for path in here.glob("test_*.py") if path not in ran)
    if missing:
        pytest.skip(f"looks back on all tests of this folder; these were not run: {', '.join(missing)}")
    assert len(declared()) > 60
    assert never_pressed(pressed) == []


def test_a_button_that_was_not_pressed_is_told_by_its_place():
    left = never_pressed({"Snapshot"})
    assert any(line.endswith(": Record") and line.startswith("pages/ui/live/controls.py:") for line in left)
    assert not any(line.endswith(": Snapshot") for line in left)
    assert never_pressed({*("".join(button.label.pattern.split("\\")) for button in declared())}) == []
