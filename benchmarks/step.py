"""Times the training step of the library beside other implementations of it, interleaved.

    benchmarks/run.sh [FLAGS]        prepares everything and calls this
    python benchmarks/step.py --help

Every implementation is a process that waits on its standard input. After a warm-up of each, rounds
of a few steps go through all of them in turn, so that whatever else the machine does falls on all
alike. The table goes to standard output as Markdown, and everything to a JSON file.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVER = ROOT / "benchmarks" / "peers" / "server.py"
PROGRAM = ROOT / "build" / "release" / "bin" / "ladder-step-bench"
RESULTS = ROOT / "build" / "benchmarks"

PROGRAM_FLAGS = {
    "ladder": [],
    "ladder-bfloat16": ["--precision", "bfloat16"],
    "floor": ["--floor"],
}
PEERS = {"eager": "eager", "compiled": "compiled", "jax": "jax_step"}
TITLES = {
    "ladder": "this library",
    "ladder-bfloat16": "this library, bfloat16 products",
    "floor": "its matrix products alone",
    "eager": "PyTorch eager, fused Adam",
    "compiled": "PyTorch compiled, fused Adam",
    "jax": "JAX, one jitted step",
}
CONVOLUTIONAL = ("ladder", "ladder-bfloat16", "eager")
MLP = "full"
NETWORKS = {
    MLP: "MLP 784-1000-500-250-250-250-10, full ladder",
    "conv-fc": "conv-fc on 1x28x28, full ladder",
    "conv-small": "conv-small on 1x28x28, Gamma-model",
    "conv-large": "conv-large on 3x32x32, Gamma-model",
}
# Buffers of a step go back to the heap, not to the kernel; the program sets the same for itself.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}


class Missing(Exception):
    """An implementation that cannot run; the message says why."""


class Runner:
    """One implementation in a process of its own."""

    def __init__(self, name: str, command: list[str], log: Path):
        self.name = name
        self.seconds: list[float] = []
        self._log = log
        if not Path(command[0]).exists():
            raise Missing(f"{Path(command[0]).name} is not built")
        with open(log, "w") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ | MALLOC,
            )

    def ask(self, line: str):
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self._process.stdout.readline()
        if not answer:
            self._process.wait()
            said = self._log.read_text().strip().splitlines()
            raise Missing(said[-1] if said else f"ended with status {self._process.returncode}")
        return json.loads(answer)

    def run(self, steps: int) -> None:
        self.seconds += self.ask(str(steps))

    def versions(self) -> dict[str, str]:
        return self.ask("versions") if self.name in PEERS else {}

    def close(self) -> None:
        if self._process.poll() is None:
            try:
                self._process.communicate("quit\n", timeout=30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def command_of(name: str, options: argparse.Namespace) -> list[str]:
    threads = ["--threads", str(options.threads)]
    network = ["--network", options.network]
    if name in PROGRAM_FLAGS:
        return [str(options.program), "--serve", *network, *PROGRAM_FLAGS[name], *threads]
    if options.network == MLP:
        return [sys.executable, str(SERVER), PEERS[name], *threads]
    return [sys.executable, str(SERVER), f"conv_{PEERS[name]}", *network, *threads]


def start(options: argparse.Namespace) -> tuple[list[Runner], dict[str, str], dict[str, str]]:
    """Those that run, warmed up; their packages' versions; the reasons of the missing ones."""
    runners, versions, missing = [], {}, {}
    for name in options.only:
        print(f"{name}: starting", file=sys.stderr, flush=True)
        try:
            runner = Runner(name, command_of(name, options), RESULTS / f"{name}.log")
            runner.run(options.warmup)
            versions |= runner.versions()
        except Missing as reason:
            missing[name] = str(reason)
            continue
        runner.seconds.clear()
        runners.append(runner)
    return runners, versions, missing


def measure(runners: list[Runner], missing: dict[str, str], options: argparse.Namespace) -> None:
    rounds = -(-options.steps // options.round)
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        first = number % len(runners) if runners else 0
        for runner in runners[first:] + runners[:first]:
            if runner.name in missing:
                continue
            try:
                runner.run(options.round)
            except Missing as reason:
                missing[runner.name] = str(reason)


def git_commit() -> str:
    def git(*arguments: str) -> str:
        call = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
        return call.stdout.strip() if call.returncode == 0 else ""

    commit = git("rev-parse", "--short=12", "HEAD")
    return (
        f"{commit} with changes" if commit and git("status", "--porcelain") else commit or "unknown"
    )


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def vector_units() -> list[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return []
    flags = next((line.split() for line in text.splitlines() if line.startswith("flags")), [])
    return [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]


def describe_machine(options: argparse.Namespace, versions: dict[str, str]) -> dict:
    return {
        "cpu": cpu_model(),
        "vector_units": vector_units(),
        "threads": options.threads,
        "system": platform.platform(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": versions,
        "commit": git_commit(),
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    }


def summarize(runners: list[Runner], missing: dict[str, str]) -> dict[str, dict]:
    done = {r.name: r.seconds for r in runners if r.name not in missing}
    medians = {name: statistics.median(seconds) for name, seconds in done.items()}
    summary = {}
    for name, seconds in done.items():
        quarter, _, three_quarters = statistics.quantiles(seconds, n=4)
        summary[name] = {
            "title": TITLES[name],
            "steps": len(seconds),
            "median_ms": 1e3 * medians[name],
            "min_ms": 1e3 * min(seconds),
            "quartiles_ms": [1e3 * quarter, 1e3 * three_quarters],
            "ratio_to_ladder": medians[name] / medians["ladder"] if "ladder" in medians else None,
            "ratio_to_floor": medians[name] / medians["floor"] if "floor" in medians else None,
        }
    return summary


def to_markdown(
    network: str, machine: dict, summary: dict[str, dict], missing: dict[str, str]
) -> str:
    def ratio(value: float | None) -> str:
        return "" if value is None else f"{value:.2f}"

    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        f"One training step, {NETWORKS[network]}, 100 + 100 rows, float32:",
        "",
        "| implementation | median ms | min ms | to this library | to its products alone |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in summary.values():
        lines.append(
            f"| {row['title']} | {row['median_ms']:.2f} | {row['min_ms']:.2f} "
            f"| {ratio(row['ratio_to_ladder'])} | {ratio(row['ratio_to_floor'])} |"
        )
    for name, reason in missing.items():
        lines.append(f"| {TITLES[name]} | missing: {reason.replace('|', '/')} | | | |")
    lines += [
        "",
        f"{machine['cpu']} ({', '.join(machine['vector_units']) or 'unknown vector units'}), "
        f"{machine['threads']} threads, load {machine['load_before']:.2f} before the run; "
        f"{versions or 'no packages'}; Python {machine['python']}; commit {machine['commit']}; "
        f"{machine['date']}.",
    ]
    return "\n".join(lines)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    names = [*PROGRAM_FLAGS, *PEERS]
    parser = argparse.ArgumentParser(description="Times one training step beside its peers.")
    parser.add_argument("--threads", type=int, default=2, help="threads of each (default 2)")
    parser.add_argument("--steps", type=int, default=200, help="timed steps of each (default 200)")
    parser.add_argument("--round", type=int, default=20, help="steps in a row (default 20)")
    parser.add_argument("--warmup", type=int, default=20, help="untimed steps (default 20)")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=names,
        metavar="NAME",
        help=f"some of {', '.join(names)} (default: all but ladder-bfloat16; of a convolutional "
        "network there are ladder, ladder-bfloat16 and eager)",
    )
    parser.add_argument(
        "--network", choices=NETWORKS, default=MLP, help=f"what is trained (default {MLP})"
    )
    parser.add_argument(
        "--program", type=Path, default=PROGRAM, help="the library's benchmark program"
    )
    parser.add_argument(
        "--json", type=Path, help="where the JSON goes (step.json, step-NETWORK.json)"
    )
    options = parser.parse_args(arguments)
    if min(options.threads, options.round) < 1 or min(options.steps, options.warmup) < 2:
        parser.error("expected at least 1 thread, 1 step a round, 2 steps and 2 of warm-up")
    there = [name for name in names if options.network == MLP or name in CONVOLUTIONAL]
    options.only = options.only or [name for name in there if name != "ladder-bfloat16"]
    if set(options.only) - set(there):
        parser.error(f"expected some of {', '.join(there)} with --network {options.network}")
    suffix = "" if options.network == MLP else f"-{options.network}"
    options.json = options.json or RESULTS / f"step{suffix}.json"
    return options


def main() -> int:
    options = parse()
    RESULTS.mkdir(parents=True, exist_ok=True)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    machine = describe_machine(options, {})
    runners, machine["versions"], missing = start(options)
    try:
        measure(runners, missing, options)
    finally:
        for runner in runners:
            runner.close()
    summary = summarize(runners, missing)
    print(to_markdown(options.network, machine, summary, missing))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "network": options.network,
        "machine": machine,
        "results": summary,
        "missing": missing,
    }
    options.json.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written to {options.json}", file=sys.stderr)
    return 0 if summary else 1


if __name__ == "__main__":
    sys.exit(main())
