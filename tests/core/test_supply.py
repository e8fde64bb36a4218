"""What the project asks for from others: floors that were tried, and a lock that fits them."""

import re

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.lock import LOCK, asked_for, locked, project

NEEDS = {str(need): need for need in asked_for()}


@pytest.mark.parametrize("need", NEEDS)
def test_a_floor_is_no_newer_than_what_was_tried(need):
    wanted = NEEDS[need]
    floors = [Version(part.version) for part in wanted.specifier if part.operator == ">="]
    tried = Version(locked()[canonicalize_name(wanted.name)])
    assert len(floors) == 1, f"{need} has no floor"
    assert floors[0] <= tried
    assert tried in wanted.specifier


def test_the_lock_holds_names_and_versions_and_nothing_else():
    lines = [line for line in LOCK.read_text().splitlines() if not line.startswith("#")]
    names = [line.partition("==")[0] for line in lines]
    assert names == sorted(set(names))
    assert len(lines) > len(NEEDS)
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*(\.post\d+)?", line), line


def test_every_need_says_why_it_is_there():
    text = (LOCK.parent / "pyproject.toml").read_text()
    table = project()
    for line in table["dependencies"]:
        assert re.search(rf'"{re.escape(line)}",\s*# \w', text), f"{line} has no reason beside it"
