"""Time the training step of the library and of other implementations, interleaved.

    benchmarks/run.sh [FLAGS]        prepares everything and calls this
    python benchmarks/step.py --help

Every implementation is a process that waits on its standard input. After a warm-up of each, rounds
of a few steps go through all of them in turn, so that whatever else the machine does falls on all
alike. On CUDA the steps of a round are queued and waited for once, and each counts as their mean.
A table for each network, and one of them all where there are several, go to standard output as
Markdown, and everything to a JSON file for each network.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import platform
import signal
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
    "ladder-no-graph": ["--no-graph"],
    "ladder-bfloat16": [],
    "floor": ["--floor"],
    "floor-bfloat16": ["--floor"],
}
PEERS = ("eager", "compiled", "compiled-graphs", "compiled-captured", "graphs", "jax")
TITLES = {
    "ladder": "this library",
    "ladder-no-graph": "this library, no graph",
    "ladder-bfloat16": "this library, bfloat16 products",
    "floor": "its products and convolutions alone",
    "floor-bfloat16": "its products and convolutions alone, bfloat16",
    "eager": "PyTorch eager, fused Adam",
    "compiled": "PyTorch compiled, fused Adam",
    "compiled-graphs": "PyTorch compiled, its CUDA graphs, fused Adam",
    "compiled-captured": "PyTorch compiled, the step one CUDA graph",
    "graphs": "PyTorch eager, the step one CUDA graph",
    "jax": "JAX, one jitted step",
}
CUDA_ONLY = {"ladder-no-graph", "compiled-graphs", "compiled-captured", "graphs"}
# With the precision under test for products, and float32 for the rest.
BFLOAT16 = {"ladder-bfloat16", "floor-bfloat16"}
MLP = "MLP 784-1000-500-250-250-250-10"
DENSE = {
    "full": f"{MLP}, full ladder",
    "gamma": f"{MLP}, Gamma-model",
    "bottom": f"{MLP}, denoising cost at the bottom",
    "baseline": f"{MLP}, no denoising cost",
    "table": "20-100-50-3, full ladder",
    "wide-table": "16-200-100-50-10, full ladder",
}
# Units of the networks for tables, from the input to the classes; peers read them as problem.SIZES.
TABLES = {"table": (20, 100, 50, 3), "wide-table": (16, 200, 100, 50, 10)}
NETWORKS = DENSE | {
    "conv-fc": "conv-fc on 1x28x28, full ladder",
    "conv-small": "conv-small on 1x28x28, Gamma-model",
    "conv-small-full": "conv-small on 1x28x28, full ladder",
    "conv-large": "conv-large on 3x32x32, Gamma-model",
}
# Buffers of a step go back to the heap, not to the kernel; the program sets the same for itself.
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}


class Missing(Exception):
    """An implementation that cannot run; the message says why."""


class Stopped(Exception):
    """SIGTERM: end, and report what has been measured so far."""


def stop(*_) -> None:
    raise Stopped


class Runner:
    """An implementation in its own process."""

    def __init__(self, name: str, command: list[str], log: Path, environment: dict[str, str]):
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
                env=os.environ | MALLOC | environment,
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
    precision = "bfloat16" if name in BFLOAT16 else options.precision
    table = TABLES.get(options.network)
    flags = ["--network", "full" if table else options.network, "--precision", precision]
    if options.device == "cuda":
        flags += ["--device", "cuda"]
    else:
        flags += ["--threads", str(options.threads)]
    if name in PROGRAM_FLAGS:
        if table:
            inputs, *layers = table
            flags += ["--inputs", str(inputs), "--layers", ",".join(map(str, layers))]
        return [str(options.program), "--serve", *PROGRAM_FLAGS[name], *flags]
    return [sys.executable, str(SERVER), name, *flags]


def start(options: argparse.Namespace) -> tuple[list[Runner], dict[str, str], dict[str, str]]:
    """Start and warm up the implementations. Return them, their packages, and why others are missing."""
    runners, versions, missing = [], {}, {}
    for name in options.only:
        print(f"{name}: starting", file=sys.stderr, flush=True)
        try:
            if name not in available(options):
                raise Missing("there is none of this network, device and precision")
            sizes = TABLES.get(options.network)
            environment = {"LADDER_BENCH_SIZES": ",".join(map(str, sizes))} if sizes else {}
            runner = Runner(
                name, command_of(name, options), RESULTS / f"{name}.log", environment
            )
            runner.run(options.warmup)
            versions |= runner.versions()
        except Missing as reason:
            missing[name] = str(reason)
            continue
        runner.seconds.clear()
        runners.append(runner)
    return runners, versions, missing


def measure(runners: list[Runner], missing: dict[str, str], options: argparse.Namespace) -> bool:
    """Return True if the measurement was complete."""
    rounds = -(-options.steps // options.round)
    signal.signal(signal.SIGTERM, stop)
    try:
        take_turns(rounds, runners, missing, options)
    except Stopped:
        print("stopped: the table holds the steps so far", file=sys.stderr, flush=True)
        return False
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return True


def take_turns(
    rounds: int, runners: list[Runner], missing: dict[str, str], options: argparse.Namespace
) -> None:
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
    if not commit:
        return os.environ.get("LADDER_COMMIT", "unknown")
    return f"{commit} with changes" if git("status", "--porcelain") else commit


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


def gpu_model() -> str:
    """Return the name of the GPU and its driver."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        call = subprocess.run(query, capture_output=True, text=True)
    except OSError:
        return "unknown GPU"
    name, _, driver = call.stdout.partition("\n")[0].partition(", ")
    return f"{name}, driver {driver}" if call.returncode == 0 and name else "unknown GPU"


def describe_machine(options: argparse.Namespace, versions: dict[str, str]) -> dict:
    return {
        "gpu": gpu_model() if options.device == "cuda" else None,
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
    done = {r.name: r.seconds for r in runners if r.name not in missing and len(r.seconds) > 1}
    medians = {name: statistics.median(seconds) for name, seconds in done.items()}
    summary = {}
    for name, seconds in done.items():
        quarter, _, three_quarters = statistics.quantiles(seconds, n=4)
        floor = "floor-bfloat16" if name in BFLOAT16 else "floor"
        summary[name] = {
            "title": TITLES[name],
            "steps": len(seconds),
            "median_ms": 1e3 * medians[name],
            "min_ms": 1e3 * min(seconds),
            "quartiles_ms": [1e3 * quarter, 1e3 * three_quarters],
            "ratio_to_ladder": medians[name] / medians["ladder"] if "ladder" in medians else None,
            "ratio_to_floor": medians[name] / medians[floor] if floor in medians else None,
        }
    return summary


def place_of(machine: dict) -> str:
    if machine["gpu"]:
        return f"{machine['gpu']}, {machine['cpu']}"
    units = ", ".join(machine["vector_units"]) or "unknown vector units"
    load = f"load {machine['load_before']:.2f} before the run"
    return f"{machine['cpu']} ({units}), {machine['threads']} threads, {load}"


def to_markdown(
    options: argparse.Namespace, machine: dict, summary: dict[str, dict], missing: dict[str, str]
) -> str:
    def ratio(value: float | None) -> str:
        return "" if value is None else f"{value:.2f}"

    digits = 3 if options.device == "cuda" else 2
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    rows = "100" if options.network == "baseline" else "100 + 100"
    lines = [
        f"One training step, {NETWORKS[options.network]}, {rows} rows, {options.precision}:",
        "",
        "| implementation | median ms | min ms | to this library | to its products alone |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in summary.values():
        lines.append(
            f"| {row['title']} | {row['median_ms']:.{digits}f} | {row['min_ms']:.{digits}f} "
            f"| {ratio(row['ratio_to_ladder'])} | {ratio(row['ratio_to_floor'])} |"
        )
    for name, reason in missing.items():
        lines.append(f"| {TITLES[name]} | missing: {reason.replace('|', '/')} | | | |")
    lines += [
        "",
        f"{place_of(machine)}; {versions or 'no packages'}; Python {machine['python']}; "
        f"commit {machine['commit']}; {machine['date']}.",
    ]
    return "\n".join(lines)


def to_summary(tables: dict[str, dict[str, dict]]) -> str:
    """Return step times relative to this library, by network."""
    columns = [name for name in TITLES if any(name in table for table in tables.values())]
    others = [name for name in columns if name != "ladder"]
    lines = [
        "Times as long as this library, medians:",
        "",
        f"| network | steps | this library, ms | {' | '.join(TITLES[name] for name in others)} |",
        f"|---|---:|---:|{'---:|' * len(others)}",
    ]
    for network, table in tables.items():
        ladder = table.get("ladder")
        cells = [f"{ladder['median_ms']:.4g}" if ladder else "missing"]
        for name in others:
            ratio = table.get(name, {}).get("ratio_to_ladder")
            cells.append("" if ratio is None else f"{ratio:.2f}")
        steps = min((row["steps"] for row in table.values()), default=0)
        lines.append(f"| {NETWORKS[network]} | {steps} | {' | '.join(cells)} |")
    return "\n".join(lines)


def jax_has_cuda() -> bool:
    return any(importlib.util.find_spec(f"jax_cuda{major}_plugin") for major in (12, 13))


def available(options: argparse.Namespace) -> list[str]:
    """Return the implementations of what is to be timed."""

    def there(name: str) -> bool:
        if name == "jax":
            full = options.network in ("full", *TABLES) and options.precision != "bfloat16"
            return full and (options.device == "cpu" or jax_has_cuda())
        if name in CUDA_ONLY and options.device == "cpu":
            return False
        return name not in BFLOAT16 or options.precision == "float32"

    return [name for name in (*PROGRAM_FLAGS, *PEERS) if there(name)]


def usual(options: argparse.Namespace) -> list[str]:
    """Return the implementations that are timed by default."""
    left_out = set(BFLOAT16)
    if options.network not in DENSE and options.device == "cpu":
        left_out.add("compiled")  # minutes
        if options.network == "conv-fc":
            left_out.add("eager")  # a minute and more for each step
    return [name for name in available(options) if name not in left_out]


def settle(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Complete flags that depend on others, and refuse contradictions."""
    cuda = options.device == "cuda"
    if options.precision == "tf32" and not cuda:
        parser.error("expected --device cuda with --precision tf32")
    dense = options.network in DENSE
    many = cuda and dense
    few = 20 if cuda or dense else 4
    options.steps = options.steps or (2000 if many else 200)
    options.round = options.round or (100 if many else few)
    options.warmup = options.warmup or (100 if many else few)
    if min(options.threads, options.round) < 1 or min(options.steps, options.warmup) < 2:
        parser.error("expected at least 1 thread, 1 step a round, 2 steps and 2 of warm-up")
    options.only = options.only or usual(options)
    defaults = {"network": "full", "device": "cpu", "precision": "float32"}
    others = [getattr(options, name) for name in defaults]
    others = [value for value in others if value not in defaults.values()]
    options.json = options.json or RESULTS / f"{'-'.join(['step', *others])}.json"


def parse(arguments: list[str] | None = None) -> list[argparse.Namespace]:
    """Return the options of each network to time."""
    names = [*PROGRAM_FLAGS, *PEERS]
    parser = argparse.ArgumentParser(description="Times one training step beside its peers.")
    parser.add_argument(
        "--network",
        nargs="+",
        choices=[*NETWORKS, "all"],
        default=["full"],
        metavar="NAME",
        help=f"what is trained: some of {', '.join(NETWORKS)}, or all (default full)",
    )
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="where (default cpu)"
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "tf32", "bfloat16"),
        default="float32",
        help="of the products (default float32; tf32 on CUDA alone)",
    )
    parser.add_argument("--threads", type=int, default=2, help="of the CPU, of each (default 2)")
    parser.add_argument(
        "--steps", type=int, help="timed steps of each (default 200; 2000 of dense ones on CUDA)"
    )
    parser.add_argument(
        "--round", type=int, help="steps in a row (20; 100; 4 of convolutions on a CPU)"
    )
    parser.add_argument("--warmup", type=int, help="untimed steps (the same)")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=names,
        metavar="NAME",
        help=f"some of {', '.join(names)} (default: all that there are for the network, device and "
        "precision but those with bfloat16 in their name; on a CPU no compiled convolutions, and "
        "no eager conv-fc)",
    )
    parser.add_argument(
        "--program", type=Path, default=PROGRAM, help="the library's benchmark program"
    )
    parser.add_argument(
        "--json",
        type=Path,
        help="where the JSON goes (step.json; step-NETWORK-DEVICE-PRECISION.json of others)",
    )
    options = parser.parse_args(arguments)
    networks = list(NETWORKS) if "all" in options.network else dict.fromkeys(options.network)
    if options.json and len(networks) > 1:
        parser.error("expected one network with --json")
    each = [argparse.Namespace(**vars(options) | {"network": network}) for network in networks]
    for one in each:
        settle(parser, one)
    return each


def time_network(options: argparse.Namespace) -> tuple[dict[str, dict], bool]:
    """Print and return the table of a network, and whether its measurement was complete."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until there is something to lose
    machine = describe_machine(options, {})
    runners, machine["versions"], missing = start(options)
    try:
        ended = measure(runners, missing, options)
    finally:
        for runner in runners:
            runner.close()
    summary = summarize(runners, missing)
    print(to_markdown(options, machine, summary, missing), end="\n\n", flush=True)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "network": options.network,
        "device": options.device,
        "precision": options.precision,
        "machine": machine,
        "results": summary,
        "missing": missing,
    }
    options.json.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written to {options.json}", file=sys.stderr)
    return summary, ended


def main() -> int:
    each = parse()
    RESULTS.mkdir(parents=True, exist_ok=True)
    if each[0].device == "cpu" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: each[0].threads])
    tables = {}
    for options in each:
        tables[options.network], ended = time_network(options)
        if not ended:
            break
    if len(tables) > 1:
        print(to_summary(tables))
    return 0 if all(tables.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
