"""Runs one peer on request, so that a harness can interleave several.

    python benchmarks/peers/server.py NAME [--threads 2] [--network NETWORK]

NAME is eager, compiled or jax_step; or conv_eager, which takes a NETWORK. For each line holding a number N on standard input it runs N
steps and answers with one line, the JSON list of their seconds. For "versions" the
answer is a JSON object of package versions. The line "quit" or the end of the input ends it.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import sys
import time

PACKAGES = {
    "eager": ("torch",),
    "conv_eager": ("torch",),
    "compiled": ("torch",),
    "jax_step": ("jax", "jaxlib"),
}


def limit_threads(name: str, threads: int) -> None:
    """Keeps the process to that many cores; a JAX process takes its thread count from them."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))[:threads]
        os.sched_setaffinity(0, cores)
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
    if name == "jax_step":
        os.environ["JAX_PLATFORMS"] = "cpu"
    else:
        import torch

        torch.set_num_threads(threads)


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the training step of one peer on request.")
    parser.add_argument("name", choices=sorted(PACKAGES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--network", help="of conv_eager: conv-fc, conv-small or conv-large")
    options = parser.parse_args()

    answers = sys.stdout
    sys.stdout = sys.stderr  # whatever a package prints must not mix with the answers
    limit_threads(options.name, options.threads)
    network = [options.network] if options.network else []
    step = importlib.import_module(options.name).make_step(*network)
    for line in sys.stdin:
        request = line.strip()
        if request == "quit":
            break
        if request == "versions":
            found = {name: importlib.metadata.version(name) for name in PACKAGES[options.name]}
            print(json.dumps(found), file=answers, flush=True)
            continue
        seconds = []
        for _ in range(int(request)):
            start = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - start)
        print(json.dumps(seconds), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
