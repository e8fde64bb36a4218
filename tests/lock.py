"""The set of versions the tests passed with: ``python -m tests.lock`` writes it into ``requirements-tested.txt``.

Every package that ``pyproject.toml`` asks for, extras for tests included, and what those ask for in turn, in the
versions that are installed just now. Build tags (``+cpu``) are left out: they name a build, not a version.
"""

from __future__ import annotations

import tomllib
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.paths import PROJECT_ROOT

LOCK = PROJECT_ROOT / "requirements-tested.txt"
HEADING = """\
# The versions the tests of FER Lab passed with, each by name and version only. Where a newer release of something
# breaks the app, this set works:   pip install -r requirements-tested.txt && pip install --no-deps -e .
# Made by:   python -m tests.lock   after a green run of the tests; checked by tests/core/test_supply.py.
"""


def project() -> dict[str, object]:
    """The ``[project]`` table of ``pyproject.toml``."""
    table: dict[str, object] = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def asked_for() -> list[Requirement]:
    """What ``pyproject.toml`` asks for, with its extras; the project itself is left out."""
    table = project()
    extras = table["optional-dependencies"]
    assert isinstance(extras, dict)
    lines = [*table["dependencies"], *(line for group in extras.values() for line in group)]  # type: ignore[misc]
    return [need for need in map(Requirement, lines) if need.name != table["name"]]


def installed_set() -> dict[str, str]:
    """Name and version of every package that is needed, directly or not."""
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = asked_for()
    while waiting:
        need = waiting.pop()
        name, extras = canonicalize_name(need.name), frozenset(need.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        package = metadata.distribution(name)
        found[name] = package.version.partition("+")[0]
        for line in package.requires or []:
            further = Requirement(line)
            if further.marker is None or any(further.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append(further)
    return found


def locked() -> dict[str, str]:
    """Name and version of every line of the lock."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


if __name__ == "__main__":
    LOCK.write_text(HEADING + "".join(f"{n}=={v}\n" for n, v in sorted(installed_set().items())), encoding="utf-8")
