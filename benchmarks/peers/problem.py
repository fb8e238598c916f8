"""The step that every peer runs: MNIST with 100 labels, dense levels, Gaussian combinators."""

from __future__ import annotations

import functools
import math
import os

import numpy as np

# Units from the input to the classes; step.py sets the variable for other networks.
SIZES = tuple(
    map(int, os.environ.get("LADDER_BENCH_SIZES", "784,1000,500,250,250,250,10").split(","))
)
TOP = len(SIZES) - 1
LAMBDA = {
    "full": (1000.0, 10.0) + (0.1,) * (TOP - 1),
    "gamma": (0.0,) * TOP + (0.5,),
    "bottom": (5000.0,) + (0.0,) * TOP,
    "baseline": (0.0,) * len(SIZES),
}
NOISE = 0.3
EPSILON = 1e-10
ROWS = 100  # labeled rows, and unlabeled rows, in a step
LABELS = 100
IMAGES = 60_000
CLASSES = SIZES[-1]

RATE, BETA1, BETA2, ADAM_EPSILON = 0.002, 0.9, 0.999, 1e-8


def lowest_level(weights: tuple[float, ...]) -> int | None:
    """Return the lowest level with a denoising cost, where the decoder ends. None: no decoder."""
    return next((level for level, weight in enumerate(weights) if weight > 0), None)


def row_groups(weights: tuple[float, ...]) -> int:
    """Return the number of labeled noisy, unlabeled noisy and unlabeled clean rows that the costs need."""
    if not any(weights):
        return 1
    return 3 if any(weights[1:]) else 2


@functools.cache
def images(seed: int = 0) -> np.ndarray:
    """Return synthetic pixels, float32 [IMAGES, SIZES[0]] in [0, 1]."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, size=(IMAGES, SIZES[0]), dtype=np.uint8)
    return pixels.astype(np.float32) / np.float32(255)


def labels() -> np.ndarray:
    """Return the classes of the first LABELS images, int64, balanced."""
    return np.arange(LABELS, dtype=np.int64) % CLASSES


def epoch_rows(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the labeled and unlabeled rows of each step of an epoch, int64 [steps, ROWS] each.

    All images come once; labeled rows come in permutations of the labeled images.
    """
    unlabeled = rng.permutation(IMAGES).reshape(-1, ROWS)
    cycles = [rng.permutation(LABELS) for _ in range(len(unlabeled) * ROWS // LABELS)]
    return np.concatenate(cycles).reshape(-1, ROWS), unlabeled


def initial_parameters(network: str = "full", seed: int = 0) -> dict[str, np.ndarray]:
    """Return the published initialisation in float32, with the names of the library's state."""
    rng = np.random.default_rng(seed)

    def normal(rows: int, columns: int) -> np.ndarray:
        return rng.standard_normal((rows, columns), dtype=np.float32) / np.float32(
            math.sqrt(columns)
        )

    lowest = lowest_level(LAMBDA[network])
    decoded = range(len(SIZES) if lowest is None else lowest, len(SIZES))
    parameters = {}
    for level in range(TOP):
        below, above = SIZES[level], SIZES[level + 1]
        parameters[f"stages.{level}.weight"] = normal(above, below)
        parameters[f"stages.{level}.normalization.beta"] = np.zeros(above, np.float32)
        if level in decoded:
            parameters[f"decoder.verticals.{level}.weight"] = normal(below, above)
    parameters[f"stages.{TOP - 1}.normalization.gamma"] = np.ones(CLASSES, np.float32)
    for level in decoded:
        table = np.zeros((10, SIZES[level]), np.float32)
        table[[1, 6]] = 1.0
        parameters[f"decoder.combinators.{level}.weight"] = table
    return parameters
