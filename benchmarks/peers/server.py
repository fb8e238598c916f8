"""Run one peer on request, so that a harness can interleave several.

    python benchmarks/peers/server.py NAME [--network NETWORK] [--device cpu|cuda]
                                      [--precision float32|tf32|bfloat16] [--threads 2]

NAME is jax or one of torch_step.MODES. For each line holding a number N on standard input it runs N
steps and answers with one line, the JSON list of their seconds. On CUDA, where steps are queued, it
waits once for all of them, and each has the mean. For "versions" the answer is a JSON object of
package versions. The line "quit" or the end of the input ends it.
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Callable

NAMES = ("eager", "compiled", "compiled-graphs", "compiled-captured", "graphs", "jax")


def limit_threads(name: str, threads: int) -> None:
    """Restrict the process to this many cores, from which JAX takes its number of threads."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        first = int(os.environ.get("LOCAL_RANK", "0")) * threads % len(cores)
        cores = cores[first : first + threads]
        os.sched_setaffinity(0, cores)
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
    if name != "jax":
        import torch

        torch.set_num_threads(threads)


def make_step(options: argparse.Namespace) -> tuple[Callable, Callable]:
    """Return a function that runs or queues a step, and a function that waits for queued steps."""
    if options.name == "jax":
        os.environ["JAX_PLATFORMS"] = options.device
        os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # other peers share the device
        import jax_step

        return jax_step.make_step(options.device, options.precision)
    import torch_step

    step = torch_step.make_step(options.name, options.network, options.device, options.precision)
    return step, functools.partial(torch_step.wait, options.device)


def measure(step: Callable, wait: Callable, count: int, queued: bool) -> list[float]:
    """Return the seconds of each of `count` steps."""

    def seconds(steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            step()
        wait()
        return time.perf_counter() - start

    if queued:
        wait()
        return [seconds(count) / count] * count
    return [seconds(1) for _ in range(count)]


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the training step of one peer on request.")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--network", default="full", help="see step.py (default full)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("float32", "tf32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU (default 2)")
    options = parser.parse_args()

    answers = sys.stdout
    sys.stdout = sys.stderr  # whatever a package prints must not mix with the answers
    if options.device == "cpu":
        limit_threads(options.name, options.threads)
    step, wait = make_step(options)
    for line in sys.stdin:
        request = line.strip()
        if request == "quit":
            break
        if request == "versions":
            packages = ("jax", "jaxlib") if options.name == "jax" else ("torch",)
            answer = {name: importlib.metadata.version(name) for name in packages}
        else:
            answer = measure(step, wait, int(request), options.device == "cuda")
        print(json.dumps(answer), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
