#!/usr/bin/env python3
"""Times the fused operators of the Python package beside PyTorch's own, in turns in one process.

    pip install . && python3 benchmarks/python_operators.py [--columns N] [--threads N] [--rounds N]

Forward and backward pass of one normalisation of 200 rows (100 of them noisy) and one denoising of
100 rows. The table gives medians and their ratio.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch
from ladder_networks import ops

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "python"))
from plain_operators import plain_denoise, plain_normalise, values  # noqa: E402

GROUPS = [(100, 0.3), (100, 0.0)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--columns", type=int, default=250, help="units (250)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (1)")
    parser.add_argument("--rounds", type=int, default=200, help="passes of each (200)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    def some(*shape: int, seed: int, grad: bool = True) -> torch.Tensor:
        return values(*shape, seed=seed, grad=grad, dtype=torch.float32)

    columns = args.columns
    x, top = some(200, columns, seed=0), some(100, columns, seed=5)
    noise = some(100, columns, seed=1, grad=False)
    gamma, beta = some(columns, seed=2), some(columns, seed=3)
    w = some(10, columns, seed=4)

    def fused() -> torch.Tensor:
        r = ops.normalise(x, groups=GROUPS, noise=noise, gamma=gamma, beta=beta, activation="relu")
        denoised = ops.denoise(
            r.z[0], top, w, target=r.z[1], target_mean=r.mean[1], target_std=r.std[1]
        )
        return r.h.sum() + denoised.cost

    def plain() -> torch.Tensor:
        h, z, mean, std = plain_normalise(x, GROUPS, noise, gamma, beta, torch.relu)
        return h.sum() + plain_denoise(z[0], top, w, z[1], mean[1], std[1])[1]

    times: dict[str, list[float]] = {"ladder": [], "PyTorch": []}
    for _ in range(args.rounds):
        for name, function in (("ladder", fused), ("PyTorch", plain)):
            begin = time.perf_counter()
            function().backward()
            times[name].append(time.perf_counter() - begin)
    medians = {name: 1e3 * statistics.median(seconds) for name, seconds in times.items()}
    for name, median in medians.items():
        print(f"{name:8} {median:.3f} ms")
    print(f"{medians['PyTorch'] / medians['ladder']:.2f} times as fast as PyTorch's own operators")


if __name__ == "__main__":
    main()
