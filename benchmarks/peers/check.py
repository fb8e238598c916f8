"""Compare the peers with the float64 reference: total cost and every gradient, without noise.

    python benchmarks/peers/check.py [NAME...] [--device cpu|cuda]

NAME is eager, compiled (each of every dense network) or jax (of the full one).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

import problem
import torch_network
import torch_step

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "reference"))
import ladder_reference as reference  # noqa: E402

PEERS = ("eager", "compiled", "jax")
SEEDS = (1, 2, 3)
COST_TOLERANCE = 1e-5  # relative, on every batch
# Relative to the norm, of the middle one of the batches: where a unit lies within rounding of the
# ReLU's kink, one batch may be off by more.
GRADIENT_TOLERANCE = 1e-4

Values = dict[str, np.ndarray]
Batch = tuple[np.ndarray, ...]


def make_case(network: str, seed: int) -> tuple[Values, Batch]:
    """Return parameters without zeros and ones, and a batch."""
    values = problem.initial_parameters(network, seed)
    rng = np.random.default_rng(seed)
    for name, value in values.items():
        if value.ndim == 1 or "combinators" in name:
            value += np.float32(0.1) * rng.standard_normal(value.shape, dtype=np.float32)
    images, y = problem.images(), problem.labels()
    labeled, unlabeled = (rows[0] for rows in problem.epoch_rows(rng))
    return values, (images[labeled], y[labeled], images[unlabeled])


def solve(network: str, values: Values, batch: Batch) -> tuple[float, Values]:
    """Return total cost and gradients of the reference."""
    config = reference.Config(problem.SIZES, problem.LAMBDA[network], (0.0,) * len(problem.SIZES))
    exact = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
    x_labeled, y, x_unlabeled = (torch.from_numpy(rows) for rows in batch)
    cost, gradients = reference.cost_and_gradients(
        config, exact, x_labeled.double(), y, x_unlabeled.double()
    )
    return cost.total.item(), {name: value.numpy() for name, value in gradients.items()}


def by_torch(name: str, network: str, values: Values, batch: Batch, device: str):
    net = torch_network.Network(network, values).to(device)
    cost = torch.compile(net.cost) if name == "compiled" else net.cost
    x_labeled, y, x_unlabeled = (torch.from_numpy(rows).to(device) for rows in batch)
    silence = [torch.zeros(net.groups * problem.ROWS, *s, device=device) for s in net.shapes]
    total = cost(x_labeled, y, x_unlabeled, silence)
    gradients = torch.autograd.grad(total, [net.value(key) for key in net.names])
    return total.item(), {key: value.cpu().numpy() for key, value in zip(net.names, gradients)}


def by_jax(values: Values, batch: Batch):
    import jax_step

    return jax_step.cost_and_gradients(values, *batch)


def check(name: str, network: str, device: str) -> bool:
    cost_errors, gradient_errors = [], []
    for seed in SEEDS:
        values, batch = make_case(network, seed)
        total, gradients = solve(network, values, batch)
        if name == "jax":
            actual, found = by_jax(values, batch)
        else:
            actual, found = by_torch(name, network, values, batch, device)
        assert set(found) == set(gradients)
        cost_errors.append(abs(actual - total) / abs(total))
        gradient_errors.append(
            [np.linalg.norm(found[k] - v) / np.linalg.norm(v) for k, v in gradients.items()]
        )
    cost_error, gradient_error = max(cost_errors), np.median(gradient_errors, axis=0).max()
    right = bool(cost_error < COST_TOLERANCE and gradient_error < GRADIENT_TOLERANCE)
    print(
        f"{'ok' if right else 'FAILED'} {name}, {network}: relative error of the cost "
        f"{cost_error:.1e}, of the gradients {gradient_error:.1e}",
        flush=True,
    )
    return right


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares the peers with the reference.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="some of " + ", ".join(PEERS))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="of PyTorch")
    options = parser.parse_args()
    if set(options.names) - set(PEERS):
        parser.error(f"expected some of {', '.join(PEERS)} but got {' '.join(options.names)}")
    torch_step.set_precision(options.device, "float32")
    right = [
        check(name, network, options.device)
        for name in options.names or PEERS
        for network in (("full",) if name == "jax" else problem.LAMBDA)
    ]
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
