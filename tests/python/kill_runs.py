#!/usr/bin/env python3
"""Kill `ladder train` at random moments and check that it always ends at the same model.

    python3 tests/python/kill_runs.py --program build/release/bin/ladder --kills 100

The same training runs whole once. Then it is started again and again with --resume in one folder and
killed by SIGKILL after a random time, often enough to hit set-up, steps, evaluations, checkpoints and
the end. When a run ends, the model file must have the bytes of the whole run, and the next one starts in
a new folder. After 8 kills a run is left to end, so that a machine that has become slower does not kill
the same one for ever.
"""
import argparse
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

MOST_KILLS_OF_A_RUN = 8


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="build/release/bin/ladder")
    parser.add_argument("--data", default="examples/data/machines.csv")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    flags = parser.parse_args()
    draw = random.Random(flags.seed)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ladder-kills-"))
    command = [flags.program, "train", flags.data, "--label", "state", "--ignore", "machine",
               "--epochs", "6", "--layers", "20,10", "--threads", "1", "--no-baseline", "--no-report",
               "--quiet", "--resume", "--out"]

    begin = time.monotonic()
    subprocess.run([*command, folder / "whole"], check=True, stdout=subprocess.DEVNULL)
    whole_seconds = time.monotonic() - begin
    expected = (folder / "whole/model.ladder").read_bytes()

    kills = finished = runs = 0
    while kills < flags.kills:
        run = folder / f"run-{runs}"
        runs += 1
        most = min(kills + MOST_KILLS_OF_A_RUN, flags.kills)
        while True:
            process = subprocess.Popen([*command, run], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE)
            try:
                process.wait(draw.uniform(0, 1.1 * whole_seconds) if kills < most else None)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                continue
            if process.returncode != 0:
                sys.exit(f"kill_runs: {run} failed after {kills} kills: "
                         f"{process.stderr.read().decode()}")
            break
        left = [path.name for path in run.iterdir() if path.name.endswith(".tmp")]
        if left:
            sys.exit(f"kill_runs: {run} keeps temporary files: {left}")
        if (run / "model.ladder").read_bytes() != expected:
            sys.exit(f"kill_runs: the model in {run} differs from that of the whole run")
        finished += 1
        print(f"run {runs}: {kills} kills so far", file=sys.stderr, flush=True)
    print(f"{kills} kills in {runs} runs of {whole_seconds:.1f} s; all {finished} models have the same "
          f"{len(expected)} bytes")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
