import json
import subprocess
import sys

import pytest

from tests.paths import PROJECT_ROOT
from tests.proof import load
from tests.proof.__main__ import figures


@pytest.mark.slow
def test_the_figures_come_as_one_document():
    done = subprocess.run(
        [sys.executable, "-m", "tests.proof", "--parts", "kills,fuzz", "--kills", "1", "--cases", "19"],
        cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert found["kills"]["figures"]["different_weights"] == 0
    assert found["fuzz"]["figures"]["cases"] == 19


def test_a_part_without_a_document_is_counted():
    assert figures("...\n2 failed, 30 passed, 1 skipped in 3.2s") == {"failed": 2, "passed": 30, "skipped": 1}
    assert figures('words\n{"a": 1}') == {"a": 1}
    assert figures("it broke") == {"said": "it broke"}


FINE = {"all_at_work": True, "complaints": [], "clicks_p95": 1.4, "memory_growth": 0.01}


@pytest.mark.parametrize(
    "change",
    [{"all_at_work": False}, {"complaints": ["x"]}, {"clicks_p95": 2.1}, {"clicks_p95": None}, {"memory_growth": 0.06}],
)
def test_load_is_good_only_when_everything_is(change):
    assert load.good(FINE)
    assert not load.good({**FINE, **change})
