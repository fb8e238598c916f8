"""Train on more rows than memory should hold, and compare with the same rows in memory.

    python3 benchmarks/shards.py [--rows 100000000] [--program build/release/bin/ladder] [--folder DIR]

Write shards of random rows (20 float32 columns, 1,000 labels; 8 GB for 10^8 rows), train on them for a
number of seconds, stop and resume the run, and predict the first rows again and again. Print the largest
resident memory of each program. Then train on 10^6 rows in shards and in memory, in turns, and print rows per
second of both. The folder is removed at the end. Needs NumPy.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = 20
CLASSES = 4
LABELED = 1000
SHARD = 5_000_000
BLOCK = 500_000


def block(first: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows around one of four centres, and their labels: -1 but for the first LABELED rows."""
    random = np.random.default_rng(first)
    labels = random.integers(0, CLASSES, rows)
    centres = np.random.default_rng(0).normal(0, 1.2, (CLASSES, COLUMNS)).astype(np.float32)
    x = random.standard_normal((rows, COLUMNS), dtype=np.float32) + centres[labels]
    known = np.arange(first, first + rows) < LABELED
    return x, np.where(known, labels, -1).astype(np.int32)


def write_shards(folder: Path, rows: int) -> None:
    folder.mkdir()
    shards = []
    for begin in range(0, rows, SHARD):
        count = min(SHARD, rows - begin)
        names = (f"rows-{len(shards):05d}.npy", f"labels-{len(shards):05d}.npy")
        x = np.lib.format.open_memmap(folder / names[0], "w+", np.float32, (count, COLUMNS))
        y = np.lib.format.open_memmap(folder / names[1], "w+", np.int32, (count,))
        for at in range(0, count, BLOCK):
            end = min(at + BLOCK, count)
            x[at:end], y[at:end] = block(begin + at, end - at)
        del x, y
        shards.append({"rows": count, "inputs": names[0], "labels": names[1]})
    columns = [{"name": f"x{c}", "kind": "number", "missing": False} for c in range(COLUMNS)]
    index = {
        "format": "ladder shards",
        "version": 1,
        "rows": rows,
        "label": "y",
        "classes": [str(c) for c in range(CLASSES)],
        "columns": columns,
        "shards": shards,
    }
    (folder / "index.json").write_text(json.dumps(index))


def find(config: dict, key: str) -> int | None:
    """Return the value of a key at any depth."""
    for name, value in config.items():
        if name == key:
            return value
        if isinstance(value, dict) and (found := find(value, key)) is not None:
            return found
    return None


def run(command: list[str], stop_after: float | None = None) -> tuple[int, float, float]:
    """Return the status, the largest resident memory in MiB and the seconds of a program."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    if stop_after is not None:
        time.sleep(stop_after)
        process.send_signal(signal.SIGINT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss / 1024, time.monotonic() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--seconds", type=float, default=60, help="training before the stop")
    parser.add_argument("--epochs", type=int, default=1, help="passes over the rows")
    parser.add_argument("--predict", action="store_true", help="predict all rows")
    parser.add_argument("--program", default=str(ROOT / "build/release/bin/ladder"))
    parser.add_argument("--folder", help="where rows are written (a temporary folder)")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--pairs", type=int, default=5, help="runs in memory and from shards")
    flags = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="ladder-shards-", dir=flags.folder))
    common = ["--threads", flags.threads, "--no-baseline", "--no-report", "--quiet"]
    try:
        begin = time.monotonic()
        write_shards(place / "big", flags.rows)
        print(f"{flags.rows} rows written in {time.monotonic() - begin:.0f} s", flush=True)
        train = [flags.program, "train", str(place / "big"), "--out", str(place / "run"), *common]
        train += ["--epochs", str(flags.epochs)]
        status, memory, seconds = run(train, flags.seconds)
        print(f"train: status {status}, {memory:.0f} MiB, {seconds:.0f} s", flush=True)
        status, memory, seconds = run([*train, "--resume"], flags.seconds)
        print(f"resume: status {status}, {memory:.0f} MiB, {seconds:.0f} s", flush=True)

        write_shards(place / "small", 1_000_000)
        x, y = zip(*(block(first, BLOCK) for first in range(0, 1_000_000, BLOCK)))
        np.savez(place / "small.npz", x=np.concatenate(x), y=np.concatenate(y))
        rates: dict[str, list[float]] = {"small": [], "small.npz": []}
        for pair in range(flags.pairs):
            for name, found in rates.items():
                out = place / f"{name}-{pair}"
                label = ["--label", "y"] if name.endswith(".npz") else []
                command = [flags.program, "train", str(place / name), *label, "--out", str(out)]
                subprocess.run([*command, *common, "--epochs", "1"], check=True, stdout=subprocess.DEVNULL)
                result = json.loads((out / "result.json").read_text())
                batch = find(json.loads((out / "config.json").read_text()), "unlabeled_batch")
                found.append(result["steps_per_second"] * batch)
        shards, memory = (statistics.median(found) for found in rates.values())
        print(f"rows a second: {shards:.0f} from shards, {memory:.0f} in memory, ratio {shards / memory:.2f}")
        ratios = [a / b for a, b in zip(*rates.values())]
        print("ratios of pairs: " + ", ".join(f"{ratio:.2f}" for ratio in ratios))

        model = str(place / "small-0")
        rows = str(place / ("big" if flags.predict else "small"))
        status, memory, seconds = run([flags.program, "predict", model, rows, "-o", os.devnull])
        print(f"predict: status {status}, {memory:.0f} MiB, {seconds:.0f} s", flush=True)
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
