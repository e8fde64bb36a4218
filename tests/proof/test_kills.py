import subprocess
import sys

import pytest

from tests.paths import PROJECT_ROOT


@pytest.mark.slow
def test_twenty_kills_at_random_moments_leave_no_trace_in_the_weights(tmp_path):
    """In a process of its own: it forks, which a process with Streamlit's threads must not."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.proof.kills", "20", str(tmp_path)],
        cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 of them during a write" not in done.stdout, "no kill fell into a write"
