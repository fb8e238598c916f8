"""Time the training step of the full ladder by its sizes, and one thread against several.

    ./bootstrap.sh build && python3 benchmarks/scaling.py [--program PATH] [--svg PATH]

Print two Markdown tables. The first compares the step with its matrix products, by batch size, width,
depth and threads. The second compares one thread with several for networks of all sizes, on an idle
machine and beside busy loops on every core. Each number is a median over steps of `ladder-step-bench`;
the programs that are compared take turns. Plot the first table and the ratios of the second in an SVG
file.

On a shared machine, measure in slices: `--keep FILE --slice 120` measures for two minutes, keeps the
times in FILE and exits with status 3 until the last slice, which prints the tables.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "build" / "release" / "bin" / "ladder-step-bench"
SVG = ROOT / "docs" / "pictures" / "scaling.svg"
HIDDEN = (1000, 500, 250, 250, 250)
CLASSES = 10
PIXELS = 784


@dataclass
class Point:
    label: str  # at the horizontal axis
    batch: int = 100  # unlabeled rows
    hidden: tuple[int, ...] = HIDDEN
    threads: int = 2
    inputs: int = PIXELS
    classes: int = CLASSES
    labeled: int | None = None  # as many as unlabeled ones
    step: list[float] = field(default_factory=list)  # seconds
    products: list[float] = field(default_factory=list)

    def flags(self) -> list[str]:
        layers = ",".join(str(units) for units in (*self.hidden, self.classes))
        return [
            *("--inputs", str(self.inputs), "--layers", layers, "--batch", str(self.batch)),
            *("--labeled", str(self.labeled or self.batch), "--threads", str(self.threads)),
        ]

    def work(self) -> float:
        """Operations of the matrix products of one step."""
        sizes = (self.inputs, *self.hidden, self.classes)
        rows = (self.labeled or self.batch) + 2 * self.batch  # three row groups
        total = 0
        for level, (below, above) in enumerate(zip(sizes, sizes[1:])):
            total += 2 * below * above * (rows * (3 if level else 2) + 3 * self.batch)
        return total


SERIES = {
    "rows of each kind in a batch": [
        Point(str(batch), batch=batch) for batch in (100, 300, 1000, 3000, 10000)
    ],
    "width of hidden levels": [
        Point(f"x{factor}", hidden=tuple(factor * units for units in HIDDEN))
        for factor in (1, 2, 4)
    ],
    "hidden levels of 500 units": [
        Point(str(depth), hidden=(500,) * depth) for depth in (1, 2, 4, 8, 16)
    ],
    "threads": [Point(str(threads), threads=threads) for threads in (1, 2)],
}


# From the quickstart's network up: what one thread and several are compared on.
SIZES = [
    Point("20-100-50-3, 60 + 100 rows", 100, (100, 50), inputs=20, classes=3, labeled=60),
    Point("16-200-100-50-10, 100 + 100 rows", 100, (200, 100, 50), inputs=16),
    Point("784-500-10, 100 + 100 rows", 100, (500,)),
    Point("784-1000-500-250-250-250-10, 100 + 100 rows"),
    Point("the same, 1000 + 1000 rows", 1000),
]


class Slice:
    """Times by name, kept in a file, and the seconds left to measure more."""

    def __init__(self, path: Path | None, seconds: float):
        self._path = path
        self._end = time.monotonic() + seconds
        self._times = json.loads(path.read_text()) if path and path.exists() else {}

    def times(self, name: str, measured: Callable[[], list[list[float]]]) -> list[list[float]]:
        """Return the kept times of this name, or measure them."""
        if name not in self._times:
            if time.monotonic() > self._end:
                sys.exit(3)
            print(name, file=sys.stderr, flush=True)
            self._times[name] = measured()
            if self._path:
                self._path.write_text(json.dumps(self._times))
        return self._times[name]


class BusyLoops:
    """Run `count` programs that only compute."""

    def __init__(self, count: int):
        self._count = count

    def __enter__(self) -> BusyLoops:
        command = [sys.executable, "-c", "while True: pass"]
        self._processes = [subprocess.Popen(command) for _ in range(self._count)]
        time.sleep(0.5)  # their start
        return self

    def __exit__(self, *_) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


class Server:
    """Start `ladder-step-bench --serve` and ask it for the times of steps."""

    def __init__(self, program: Path, flags: list[str]):
        self._process = subprocess.Popen(
            [str(program), "--serve", *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def seconds(self, steps: int) -> list[float]:
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_) -> None:
        self._process.communicate("quit\n")


def measure(point: Point, program: Path, budget: float) -> list[list[float]]:
    """Time steps and products in turns, for about `budget` seconds."""
    times: list[list[float]] = [[], []]
    with Server(program, point.flags()) as step, Server(
        program, ["--floor", *point.flags()]
    ) as products:
        slowest = max(step.seconds(3))
        products.seconds(3)
        rounds = max(3, min(20, int(budget / (2 * slowest))))
        for _ in range(rounds):
            times[0] += step.seconds(1)
            times[1] += products.seconds(1)
    return times


@dataclass
class Comparison:
    """Medians in milliseconds of a step on one thread and on several."""

    label: str
    loops: int
    one: float
    several: float


def compare(
    point: Point, threads: int, loops: int, program: Path, budget: float
) -> list[list[float]]:
    """Time one thread and several in turns, beside busy loops, for about `budget` seconds."""
    with Server(program, replace(point, threads=1).flags()) as one, Server(
        program, replace(point, threads=threads).flags()
    ) as several, BusyLoops(loops):
        # Turns of some 50 ms: longer than what the system lets a program run at a time.
        slowest = max(one.seconds(5) + several.seconds(5))
        steps = max(2, min(100, int(0.05 / slowest)))
        times: list[list[float]] = [[], []]
        end = time.monotonic() + budget
        while time.monotonic() < end or len(times[0]) < 3:
            for server, seconds in zip((one, several), times):
                seconds.append(sum(server.seconds(steps)) / steps)
    return times


def comparison_table(comparisons: list[Comparison], threads: int) -> str:
    lines = [
        f"| network | busy loops beside it | 1 thread, ms | {threads} threads, ms | ratio |",
        "|---|---:|---:|---:|---:|",
    ]
    for c in comparisons:
        lines.append(
            f"| {c.label} | {c.loops} | {c.one:.2f} | {c.several:.2f} | {c.several / c.one:.2f} |"
        )
    return "\n".join(lines)


def table(series: dict[str, list[Point]]) -> str:
    lines = [
        "| | | step, ms | its products, ms | ratio | billion operations | step per work, to the first |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for name, points in series.items():
        first = statistics.median(points[0].step) / points[0].work()
        for point in points:
            step = statistics.median(point.step)
            products = statistics.median(point.products)
            lines.append(
                f"| {name} | {point.label} | {1e3 * step:.1f} | {1e3 * products:.1f} "
                f"| {step / products:.2f} | {point.work() / 1e9:.2f} "
                f"| {step / point.work() / first:.2f} |"
            )
    return "\n".join(lines)


def plot(series: dict[str, list[Point]], comparisons: list[Comparison], threads: int) -> str:
    """Plot times in panels with a logarithmic axis, and the ratios of the comparisons as bars."""
    width, height, left, top = 250, 210, 52, 30
    panels = len(series) + 1
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{panels * (width + left + 16)}" '
        f'height="{height + top + 52}" font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]

    def frame(x0: float, title: str) -> None:
        parts.append(
            f'<rect x="{x0}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#999"/>'
        )
        parts.append(
            f'<text x="{x0 + width / 2}" y="{top - 10}" text-anchor="middle">{title}</text>'
        )

    def line_across(x0: float, y: float, label: str) -> None:
        parts.append(f'<text x="{x0 - 6}" y="{y}" text-anchor="end" dy="4">{label}</text>')
        parts.append(f'<line x1="{x0}" x2="{x0 + width}" y1="{y}" y2="{y}" stroke="#ddd"/>')

    for number, (name, points) in enumerate(series.items()):
        x0 = number * (width + left + 16) + left
        steps = [1e3 * statistics.median(p.step) for p in points]
        products = [1e3 * statistics.median(p.products) for p in points]
        linear = [steps[0] * p.work() / points[0].work() for p in points]
        if name == "threads":
            linear = [steps[0] / p.threads for p in points]
        low = math.floor(math.log10(min(products + linear)) * 3) / 3
        high = math.ceil(math.log10(max(steps + linear)) * 3) / 3

        def at(i: int, value: float) -> str:
            x = x0 + 12 + i * (width - 24) / (len(points) - 1)
            y = top + height - (math.log10(value) - low) / (high - low) * height
            return f"{x:.1f},{y:.1f}"

        frame(x0, name)
        for decade in range(math.ceil(low), math.floor(high) + 1):
            line_across(x0, float(at(0, 10**decade).split(",")[1]), f"{10**decade:g}")
        for values, style in (
            (linear, 'stroke="#999" stroke-dasharray="4 3"'),
            (products, 'stroke="#e08214"'),
            (steps, 'stroke="#2166ac" stroke-width="2"'),
        ):
            line = " ".join(at(i, value) for i, value in enumerate(values))
            parts.append(f'<polyline points="{line}" fill="none" {style}/>')
        for i, point in enumerate(points):
            x = at(i, steps[i]).split(",")[0]
            parts.append(
                f'<text x="{x}" y="{top + height + 15}" text-anchor="middle">{point.label}</text>'
            )
    x0 = len(series) * (width + left + 16) + left
    ratios = [c.several / c.one for c in comparisons]
    most = max(1.5, math.ceil(max(ratios) * 4) / 4)
    frame(x0, f"{threads} threads to one, by network")
    for mark in (0.5, 1.0, 1.5):
        line_across(x0, top + height - mark / most * height, f"{mark:g}")
    step = width / len(SIZES)
    for i, point in enumerate(SIZES):
        of_point = [c for c in comparisons if c.label == point.label]
        for n, c in enumerate(of_point):
            tall = c.several / c.one / most * height
            x = x0 + (i + 0.15) * step + n * 0.35 * step
            color = "#2166ac" if c.loops == 0 else "#b2182b"
            parts.append(
                f'<rect x="{x:.1f}" y="{top + height - tall:.1f}" width="{0.35 * step:.1f}" '
                f'height="{tall:.1f}" fill="{color}"/>'
            )
        parts.append(
            f'<text x="{x0 + (i + 0.5) * step:.1f}" y="{top + height + 15}" '
            f'text-anchor="middle">{point.work() / 1e9:.2g}</text>'
        )
    parts.append(
        f'<text x="{x0}" y="{top + height + 40}">billion operations; <tspan fill="#2166ac">alone'
        '</tspan>, <tspan fill="#b2182b">beside busy loops</tspan></text>'
    )
    parts.append(
        f'<text x="{left}" y="{top + height + 40}">milliseconds; '
        '<tspan fill="#2166ac">training step</tspan>, '
        '<tspan fill="#e08214">its matrix products alone</tspan>, '
        '<tspan fill="#777">dashed: in proportion to the work</tspan></text>'
    )
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Time the training step against its sizes.")
    parser.add_argument("--program", type=Path, default=PROGRAM)
    parser.add_argument("--svg", type=Path, default=SVG, help="path of the plot to write")
    parser.add_argument("--budget", type=float, default=8, help="seconds per point (default 8)")
    parser.add_argument("--threads", type=int, default=2, help="threads to compare with one")
    parser.add_argument(
        "--only-threads", action="store_true", help="print the second table and write no plot"
    )
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep times here, and go on with them")
    parser.add_argument(
        "--slice", type=float, default=math.inf, metavar="SECONDS", help="time to measure for (no limit)"
    )
    options = parser.parse_args()
    if options.slice < math.inf and not options.keep:
        parser.error("expected --keep FILE with --slice, to go on with the times")
    kept = Slice(options.keep, options.slice)
    if not options.program.exists():
        parser.error(f"expected {options.program}; ./bootstrap.sh build makes it")
    if not options.only_threads:
        for name, points in SERIES.items():
            for point in points:
                point.step, point.products = kept.times(
                    f"{name}: {point.label}",
                    lambda: measure(point, options.program, options.budget),
                )
    comparisons = []
    for point in SIZES:
        for loops in (0, options.threads):
            times = kept.times(
                f"{point.label}, {options.threads} threads, {loops} busy loops",
                lambda: compare(point, options.threads, loops, options.program, options.budget),
            )
            medians = [1e3 * statistics.median(t) for t in times]
            comparisons.append(Comparison(point.label, loops, *medians))
    if not options.only_threads:
        print(table(SERIES), end="\n\n")
    print(comparison_table(comparisons, options.threads))
    if not options.only_threads:
        options.svg.write_text(plot(SERIES, comparisons, options.threads))
        print(f"plot in {options.svg}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
