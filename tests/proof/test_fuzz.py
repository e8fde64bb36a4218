import subprocess
import sys

import pytest

from tests.paths import PROJECT_ROOT
from tests.proof import fuzz


@pytest.mark.slow
def test_a_thousand_mutated_files_are_read_or_refused_in_words(tmp_path):
    """In a process of its own, so that a decoder that crashes is seen as such."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.proof.fuzz", "1000", str(tmp_path / "fuzz")],
        cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("1000 cases")


@pytest.mark.slow
def test_a_defect_would_be_seen(tmp_path, monkeypatch):
    def fragile(self, path):
        if path.read_bytes() != self.valid["config"]:
            raise KeyError("epochs")

    monkeypatch.setattr(fuzz.Kinds, "_config", fragile)
    result = fuzz.run_fuzz(len(fuzz.SUFFIXES) + 13, tmp_path / "fuzz")
    assert [defect.split(":")[0].split()[0] for defect in result.defects] == ["config"]
    assert not result.clean
