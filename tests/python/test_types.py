"""The package is typed: mypy --strict finds nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import REPOSITORY


def test_mypy_strict(tmp_path):
    pytest.importorskip("mypy")
    outcome = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), "--no-error-summary"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
