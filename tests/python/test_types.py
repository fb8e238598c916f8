"""The package is typed: mypy --strict finds nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from conftest import REPOSITORY


def test_mypy_strict(tmp_path):
    pytest.importorskip("mypy")
    # What mypy knows of numpy and torch, which it checks by their times and hashes, is kept beside the build.
    cache = os.environ.get("LADDER_MYPY_CACHE", str(tmp_path))
    outcome = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", cache, "--no-error-summary"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
