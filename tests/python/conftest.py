"""Data that several tests share."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
CENTERS = np.array([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]])


class Clouds:
    """Three clouds five standard deviations apart: a nearest center is wrong for 1.2 % of rows."""

    def __init__(self, rows: int = 300, labeled: int = 12, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.truth = np.arange(rows) % 3
        self.X = CENTERS[self.truth] + rng.normal(size=(rows, 2))
        self.y = np.where(np.arange(rows) < labeled, self.truth, -1)


@pytest.fixture(scope="session")
def clouds() -> Clouds:
    return Clouds()


@pytest.fixture(scope="session")
def programs() -> pathlib.Path:
    """The folder of the programs of this build."""
    folder = os.environ.get("LADDER_PROGRAMS")
    if not folder or not pathlib.Path(folder, "ladder").exists():
        pytest.skip("no programs to compare with (set LADDER_PROGRAMS to a build's folder bin)")
    return pathlib.Path(folder)
