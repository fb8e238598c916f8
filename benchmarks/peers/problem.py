"""The step that every peer runs: MNIST with 100 labels, full ladder, Gaussian combinators."""

from __future__ import annotations

import math

import numpy as np

SIZES = (784, 1000, 500, 250, 250, 250, 10)
TOP = len(SIZES) - 1
LAMBDA = (1000.0, 10.0, 0.1, 0.1, 0.1, 0.1, 0.1)
NOISE = 0.3
EPSILON = 1e-10
ROWS = 100  # labeled rows, and unlabeled rows, in a step
LABELS = 100
IMAGES = 60_000
CLASSES = SIZES[-1]

RATE, BETA1, BETA2, ADAM_EPSILON = 0.002, 0.9, 0.999, 1e-8


def images(seed: int = 0) -> np.ndarray:
    """Synthetic pixels, float32 [IMAGES, SIZES[0]] in [0, 1]."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, size=(IMAGES, SIZES[0]), dtype=np.uint8)
    return pixels.astype(np.float32) / np.float32(255)


def labels() -> np.ndarray:
    """The classes of the first LABELS images, int64, balanced."""
    return np.arange(LABELS, dtype=np.int64) % CLASSES


class Sampler:
    """Rows of each step, from permutations of all images and of the labeled ones."""

    def __init__(self, seed: int = 0):
        self._rng = np.random.default_rng(seed)
        self._labeled, self._unlabeled = [], []

    def draw(self) -> tuple[np.ndarray, np.ndarray]:
        """The next labeled and unlabeled row numbers, int64 [ROWS] each."""
        if not self._labeled:
            self._labeled = list(self._rng.permutation(LABELS).reshape(-1, ROWS))
        if not self._unlabeled:
            self._unlabeled = list(self._rng.permutation(IMAGES).reshape(-1, ROWS))
        return self._labeled.pop(), self._unlabeled.pop()


def initial_parameters(seed: int = 0) -> dict[str, np.ndarray]:
    """The published initialisation in float32, named as the library names its state."""
    rng = np.random.default_rng(seed)

    def normal(rows: int, columns: int) -> np.ndarray:
        return rng.standard_normal((rows, columns), dtype=np.float32) / np.float32(
            math.sqrt(columns)
        )

    parameters = {}
    for level in range(TOP):
        below, above = SIZES[level], SIZES[level + 1]
        parameters[f"stages.{level}.weight"] = normal(above, below)
        parameters[f"stages.{level}.normalization.beta"] = np.zeros(above, np.float32)
        parameters[f"decoder.verticals.{level}.weight"] = normal(below, above)
    parameters[f"stages.{TOP - 1}.normalization.gamma"] = np.ones(CLASSES, np.float32)
    for level, size in enumerate(SIZES):
        table = np.zeros((10, size), np.float32)
        table[[1, 6]] = 1.0
        parameters[f"decoder.combinators.{level}.weight"] = table
    return parameters
