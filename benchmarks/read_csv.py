"""Times reading a CSV file on one core: this library beside pyarrow and pandas, interleaved.

    cmake --build build/release --target ladder-csv-bench
    .venv-tests/bin/python benchmarks/read_csv.py [--rows N] [--columns N] [--rounds N]

Two files are made in a temporary folder and removed at the end: numbers as Python prints them, with
16 to 18 digits, and rounded to 4 digits. Every reader is a separate process, bound to one core.
In each round they take turns. The table gives medians of the processor time that a read takes,
which other programs change less than the clock, in MB of the file a second, and by how much the
peak memory of the process grows.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "build" / "release" / "bin" / "ladder-csv-bench"

PEER = """
import json, resource, sys, time
name, path = sys.argv[1:]
if name == "pyarrow":
    import pyarrow, pyarrow.csv
    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    options = pyarrow.csv.ReadOptions(use_threads=False)
    read = lambda: pyarrow.csv.read_csv(path, read_options=options).num_rows
else:
    import pandas
    engine = {"pandas": {"engine": "c"}, "pandas-round-trip": {"engine": "c", "float_precision": "round_trip"}}[name]
    read = lambda: len(pandas.read_csv(path, **engine))
peak_mib = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak_mib()
for line in sys.stdin:
    start = time.process_time()
    rows = read()
    seconds = time.process_time() - start
    peak = peak_mib() - before
    print(json.dumps({"rows": rows, "seconds": seconds, "peak_mib": peak}), flush=True)
"""
READERS = ("this library", "pyarrow", "pandas", "pandas-round-trip")


def write_file(path: Path, rows: int, columns: int, digits: int | None) -> None:
    import numpy
    import pyarrow
    import pyarrow.csv

    generator = numpy.random.default_rng(0)
    table = {}
    for column in range(columns):
        values = generator.normal(size=rows)
        table[f"f{column}"] = values if digits is None else numpy.round(values, digits)
    pyarrow.csv.write_csv(pyarrow.table(table), path)


def start(reader: str, path: Path, core: int) -> subprocess.Popen:
    if reader == "this library":
        command = [str(PROGRAM), str(path)]
    else:
        command = [sys.executable, "-c", PEER, reader, str(path)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )


def ask(process: subprocess.Popen) -> dict:
    process.stdin.write("\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        sys.exit(f"read_csv.py: {process.args[0]} ended without an answer")
    return json.loads(answer)


def measure(path: Path, options: argparse.Namespace) -> dict[str, list[dict]]:
    core = min(os.sched_getaffinity(0))
    processes = {reader: start(reader, path, core) for reader in READERS}
    answers: dict[str, list[dict]] = {reader: [] for reader in READERS}
    for number in range(options.rounds + 1):
        for reader, process in processes.items():
            answer = ask(process)
            if answer["rows"] != options.rows:
                sys.exit(f"read_csv.py: {reader} read {answer['rows']} rows, not {options.rows}")
            if number > 0:  # the first warms up
                answers[reader].append(answer)
    for process in processes.values():
        process.communicate()
    return answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if not PROGRAM.exists():
        sys.exit(f"read_csv.py: expected {PROGRAM} (build the target ladder-csv-bench)")
    print(f"{options.rows:,} rows of {options.columns} numbers, one core, medians of {options.rounds}\n")
    print("| file | reader | processor seconds | MB/s | memory, MiB |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for digits, title in ((None, "all digits"), (4, "4 digits")):
            path = Path(folder) / "numbers.csv"
            write_file(path, options.rows, options.columns, digits)
            size = path.stat().st_size / 1e6
            for reader, answers in measure(path, options).items():
                seconds = statistics.median(answer["seconds"] for answer in answers)
                peak = max(answer["peak_mib"] for answer in answers)
                print(f"| {title}, {size:.0f} MB | {reader} | {seconds:.2f} | {size / seconds:.0f} | {peak} |", flush=True)


if __name__ == "__main__":
    main()
