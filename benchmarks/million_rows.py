#!/usr/bin/env python3
"""Time and memory of `ladder` on a table of a million rows.

    python3 benchmarks/million_rows.py --program build/release/bin/ladder

Makes a CSV of 1,000,000 rows and 20 columns (some 180 MB) in four noisy clusters, of which 1,000 rows
have a label, then trains with the defaults, and predicts all rows. Prints seconds and the largest
resident memory of each process. Needs nothing but Python.
"""
import argparse
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time


def make(path, rows, columns, labels, seed):
    draw = random.Random(seed)
    centers = [[draw.gauss(0, 1.2) for _ in range(columns)] for _ in range(4)]
    names = [f"x{i}" for i in range(columns)]
    with open(path, "w") as file:
        file.write(",".join(names) + ",kind\n")
        for row in range(rows):
            is_class = row % 4
            cells = [f"{center + draw.gauss(0, 1):.6f}" for center in centers[is_class]]
            file.write(",".join(cells) + (f",c{is_class}\n" if row < labels else ",\n"))


def measured(command):
    """Run a command; return seconds and the largest resident memory in MiB."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"million_rows: {' '.join(map(str, command))} ended with status {status}")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="build/release/bin/ladder")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=pathlib.Path, help="keep the files there")
    flags = parser.parse_args()
    folder = flags.folder or pathlib.Path(tempfile.mkdtemp(prefix="ladder-million-"))
    folder.mkdir(exist_ok=True)
    table = folder / f"rows-{flags.rows}.csv"
    if not table.exists():
        make(table, flags.rows, 20, 1000, seed=1)
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    print(f"{flags.rows} rows, {table.stat().st_size / 1e6:.0f} MB")
    for name, command in [
        ("train", [flags.program, "train", table, "--label", "kind", "--out", run, "--quiet"]),
        ("predict", [flags.program, "predict", run, table, "-o", folder / "answers.csv"]),
        ("predict --probabilities", [flags.program, "predict", run, table, "--probabilities", "-o",
                                     folder / "answers.csv"]),
        ("inspect", [flags.program, "inspect", table, "--label", "kind"]),
    ]:
        seconds, memory = measured(command)
        print(f"{name:<24} {seconds:7.1f} s  {memory:7.0f} MiB", flush=True)
    if not flags.folder:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
