"""Time the training step of several ranks, beside PyTorch's DistributedDataParallel.

    python3 benchmarks/ranks.py [--networks full,conv-small] [--ranks 1,2,4] [--rate 1gbit]
        [--program ladder-step-bench] [--beside ladder-step-bench of another commit]

Every implementation on every number of ranks is a group of processes with one thread each, which wait on
their standard input. After a warm-up, rounds of a few steps go through all groups in turn, so that whatever
else the machine does falls on all alike. A step of N ranks takes the rows of N steps. The table shows the
median step, rows per second as a multiple of one rank of the same implementation, and this library beside
PyTorch; behind it stands what the cost model of docs/ranks.md says for the measured step and exchange.

With --rate the ranks are halved between two network namespaces that are joined by a cable of this rate (it
takes root, ip and tc). Needs PyTorch and NumPy for the peers; --only ladder does without.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "build" / "release" / "bin" / "ladder-step-bench"
SERVER = ROOT / "benchmarks" / "peers" / "server.py"
TITLES = {
    "ladder": "this library",
    "beside": "this library, the other program",
    "ddp": "PyTorch DistributedDataParallel",
}
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}
MEGABYTES = {"full": 12.42, "conv-small": 0.5}  # of gradients
MACHINES = (8, 64)


class Machines:
    """Two network namespaces with a cable between them; without a rate this machine alone."""

    def __init__(self, rate: str | None):
        self.names: list[str] = []
        if rate is None:
            return
        names = [f"ladder-bench-{i}" for i in (0, 1)]
        for name in names:
            self.call("ip", "netns", "add", name)
            self.names.append(name)
        peer = ("type", "veth", "peer", "name", "end1", "netns", names[1])
        self.call("ip", "link", "add", "end0", "netns", names[0], *peer)
        for i, name in enumerate(names):
            for command in (
                f"addr add 10.78.0.{i + 1}/24 dev end{i}",
                f"link set end{i} up",
                "link set lo up",
            ):
                self.call("ip", "-n", name, *command.split())
            shape = f"tc qdisc add dev end{i} root tbf rate {rate} burst 256k latency 50ms"
            self.call("ip", "netns", "exec", name, *shape.split())

    @staticmethod
    def call(*command: str) -> None:
        subprocess.run(command, check=True)

    def __enter__(self) -> Machines:
        return self

    def __exit__(self, *error: object) -> None:
        for name in self.names:
            self.call("ip", "netns", "del", name)

    def prefix(self, rank: int, ranks: int) -> list[str]:
        if not self.names or ranks == 1:
            return []
        return ["ip", "netns", "exec", self.names[rank * 2 // ranks]]

    def address(self, ranks: int) -> str:
        return "10.78.0.1" if self.names and ranks > 1 else "127.0.0.1"


class Group:
    """The ranks of one implementation, which take steps on request."""

    def __init__(
        self, name: str, network: str, ranks: int, machines: Machines, programs: dict[str, Path]
    ):
        self.name, self.network, self.ranks = name, network, ranks
        self.seconds: list[float] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        if name in programs:
            command = [str(programs[name]), "--serve", "--network", network, "--threads", "1"]
        else:
            command = [sys.executable, str(SERVER), "eager", "--network", network, "--threads", "1"]
        self.processes = []
        for rank in range(ranks):
            variables = {
                "RANK": str(rank),
                "WORLD_SIZE": str(ranks),
                "LOCAL_RANK": str(rank),
                "MASTER_ADDR": machines.address(ranks),
                "MASTER_PORT": str(port),
                "OMP_NUM_THREADS": "1",
            }
            if machines.names and ranks > 1:
                variables["GLOO_SOCKET_IFNAME"] = f"end{rank * 2 // ranks}"
            self.processes.append(
                subprocess.Popen(
                    [*machines.prefix(rank, ranks), *command],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env=os.environ | MALLOC | variables,
                )
            )

    def run(self, steps: int) -> list[float]:
        """Take steps on all ranks; return their seconds on the slowest."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(f"{steps}\n")
            process.stdin.flush()
        answers = []
        for process in self.processes:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise SystemExit(f"{TITLES[self.name]}: a rank of {self.ranks} ended")
            answers.append(json.loads(line))
        return [max(each) for each in zip(*answers, strict=True)]

    def end(self) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()


def measure(network: str, options: argparse.Namespace, machines: Machines) -> dict:
    programs = {"ladder": options.program}
    if options.beside:
        programs["beside"] = options.beside
    names = [name for name in TITLES if name in programs or name == "ddp"]
    groups = [
        Group(name, network, ranks, machines, programs)
        for ranks in options.ranks
        for name in names
        if name in options.only or (name == "beside" and "ladder" in options.only)
    ]
    try:
        for group in groups:
            group.run(options.warm_up)
        for _ in range(options.rounds):
            for group in groups:
                group.seconds += group.run(options.steps)
    finally:
        for group in groups:
            group.end()
    return {(g.name, g.ranks): statistics.median(g.seconds) for g in groups}


def predicted(step: float, bytes_: float, machines: int, gigabits: float) -> float:
    """Rows per second of `machines` as a multiple of one: a ring moves 2 (N - 1) / N of the bytes."""
    exchange = 2 * (machines - 1) / machines * bytes_ / (gigabits * 1e9 / 8)
    return machines * step / (step + exchange)


def table(network: str, medians: dict) -> str:
    lines = [
        f"### {network}",
        "",
        "| ranks | implementation | step, ms | rows per second, one rank is 1 | step, PyTorch is 1 |",
        "|---|---|---|---|---|",
    ]
    for (name, ranks), seconds in medians.items():
        one = medians.get((name, 1))
        peer = medians.get(("ddp", ranks))
        rows = f"{ranks * one / seconds:.2f}" if one else "-"
        beside = f"{seconds / peer:.2f}" if peer else "-"
        lines.append(f"| {ranks} | {TITLES[name]} | {seconds * 1e3:.1f} | {rows} | {beside} |")
    step = medians.get(("ladder", 1))
    if step:
        lines += ["", "| machines | 1 Gbit | 10 Gbit | 100 Gbit |", "|---|---|---|---|"]
        for machines in MACHINES:
            cells = [
                f"{predicted(step, MEGABYTES[network] * 1e6, machines, rate):.1f}"
                for rate in (1, 10, 100)
            ]
            lines.append(f"| {machines} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--networks", type=words, default=["full", "conv-small"])
    parser.add_argument("--ranks", type=lambda t: [int(n) for n in t.split(",")], default=[1, 2, 4])
    parser.add_argument("--only", type=words, default=["ladder", "ddp"], help="ladder, ddp or both")
    parser.add_argument("--rate", help="of a cable between two network namespaces, 1gbit say")
    parser.add_argument("--program", type=Path, default=PROGRAM, help="of this library")
    parser.add_argument("--beside", type=Path, help="another build of it, of an older commit say")
    parser.add_argument("--warm-up", type=int, default=3, help="steps (default 3)")
    parser.add_argument("--steps", type=int, default=3, help="in a round (default 3)")
    parser.add_argument("--rounds", type=int, default=5, help="(default 5)")
    options = parser.parse_args()
    with Machines(options.rate) as machines:
        for network in options.networks:
            print(table(network, measure(network, options, machines)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
