"""The package is typed: mypy --strict finds nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from conftest import REPOSITORY


# What users write, with labels as docs/python.md has them.
USE = """
import numpy as np
from ladder_networks import LadderClassifier, LadderWarning

model = LadderClassifier(layers=(10,), noise=0.1, folder="runs", resume=True)
model.fit([[1.0], [2.0]], ["a", None])
model.fit([[1.0], [2.0]], [0, -1])
model.fit(np.zeros((3, 2)), np.ma.array([0, 1, 1], mask=[True, False, False]))
share: float = model.score(np.zeros((3, 2)), ["a", None, "b"])
notes: list[str] = model.notes_
kind: type[UserWarning] = LadderWarning
"""


@pytest.mark.parametrize("of", ["package", "use"])
def test_mypy_strict(tmp_path, of):
    pytest.importorskip("mypy")
    # What mypy knows of numpy and torch, which it checks by their times and hashes, is kept beside the build.
    cache = os.environ.get("LADDER_MYPY_CACHE", str(tmp_path))
    (tmp_path / "use.py").write_text(USE)
    what = [] if of == "package" else [str(tmp_path / "use.py")]
    outcome = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", cache, "--no-error-summary", *what],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
