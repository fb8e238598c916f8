"""Compares the peers with the float64 reference: total cost and every gradient, without noise.

python benchmarks/peers/check.py [NAME...]
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import torch

import problem

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "reference"))
import ladder_reference as reference  # noqa: E402

PEERS = ("eager", "compiled", "jax_step")
SEEDS = (1, 2, 3)
COST_TOLERANCE = 1e-5  # relative, on every batch
# Relative to the norm, of the middle one of the batches: where a unit lies within rounding of the
# ReLU's kink, one batch may be off by more.
GRADIENT_TOLERANCE = 1e-4


def make_case(seed: int) -> tuple[dict[str, np.ndarray], tuple[np.ndarray, ...]]:
    """Parameters moved off the zeros and ones of their start, and a batch."""
    values = problem.initial_parameters(seed)
    rng = np.random.default_rng(seed)
    for name, value in values.items():
        if value.ndim == 1 or "combinators" in name:
            value += np.float32(0.1) * rng.standard_normal(value.shape, dtype=np.float32)
    images, y = problem.images(), problem.labels()
    labeled, unlabeled = problem.Sampler(seed).draw()
    return values, (images[labeled], y[labeled], images[unlabeled])


def solve(values: dict[str, np.ndarray], batch: tuple[np.ndarray, ...]) -> tuple[float, dict]:
    """The reference's total cost and gradients."""
    config = reference.Config(problem.SIZES, problem.LAMBDA, (0.0,) * len(problem.SIZES))
    exact = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
    x_labeled, y, x_unlabeled = (torch.from_numpy(rows) for rows in batch)
    cost, gradients = reference.cost_and_gradients(
        config, exact, x_labeled.double(), y, x_unlabeled.double()
    )
    return cost.total.item(), {name: value.numpy() for name, value in gradients.items()}


def main() -> int:
    cases = [make_case(seed) for seed in SEEDS]
    solutions = [solve(*case) for case in cases]
    failed = False
    for name in sys.argv[1:] or PEERS:
        peer = importlib.import_module(name)
        cost_errors, gradient_errors = [], []
        for (values, batch), (total, gradients) in zip(cases, solutions):
            actual, found = peer.cost_and_gradients(values, *batch)
            assert set(found) == set(gradients)
            cost_errors.append(abs(actual - total) / abs(total))
            gradient_errors.append(
                [np.linalg.norm(found[k] - v) / np.linalg.norm(v) for k, v in gradients.items()]
            )
        cost_error, gradient_error = max(cost_errors), np.median(gradient_errors, axis=0).max()
        wrong = not (cost_error < COST_TOLERANCE and gradient_error < GRADIENT_TOLERANCE)
        failed |= wrong
        print(
            f"{'FAILED' if wrong else 'ok'} {name}: relative error of the cost {cost_error:.1e}, "
            f"of the gradients {gradient_error:.1e}"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
