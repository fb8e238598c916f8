"""Times the training step of the full ladder against batch size, width, depth and threads.

    ./bootstrap.sh build && python3 benchmarks/scaling.py [--program PATH] [--svg PATH]

Each point is the median of a few steps of `ladder-step-bench`, beside the median of the matrix
products that the step contains. Points of a series take turns in rounds. A Markdown table goes to
standard output, a plot of the same to an SVG file.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "build" / "release" / "bin" / "ladder-step-bench"
SVG = ROOT / "docs" / "pictures" / "scaling.svg"
HIDDEN = (1000, 500, 250, 250, 250)
CLASSES = 10
PIXELS = 784


@dataclass
class Point:
    label: str  # of the abscissa
    batch: int = 100
    hidden: tuple[int, ...] = HIDDEN
    threads: int = 2
    step: list[float] = field(default_factory=list)
    products: list[float] = field(default_factory=list)

    def flags(self) -> list[str]:
        layers = ",".join(str(units) for units in (*self.hidden, CLASSES))
        return ["--layers", layers, "--batch", str(self.batch), "--threads", str(self.threads)]

    def work(self) -> float:
        """Operations of the matrix products of one step."""
        sizes = (PIXELS, *self.hidden, CLASSES)
        total = 0
        for level, (below, above) in enumerate(zip(sizes, sizes[1:])):
            encoder = 3 * self.batch * (3 if level else 2)  # three row groups
            decoder = 3 * self.batch
            total += 2 * below * above * (encoder + decoder)
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


class Server:
    """A `ladder-step-bench --serve`, asked for times step by step."""

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


def measure(point: Point, program: Path, budget: float) -> None:
    """Steps and products in turns, for about `budget` seconds."""
    with Server(program, point.flags()) as step, Server(
        program, ["--floor", *point.flags()]
    ) as products:
        slowest = max(step.seconds(3))
        products.seconds(3)
        rounds = max(3, min(20, int(budget / (2 * slowest))))
        for _ in range(rounds):
            point.step += step.seconds(1)
            point.products += products.seconds(1)


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


def plot(series: dict[str, list[Point]]) -> str:
    """Four panels, logarithmic in time; the dashed line grows as the work does."""
    width, height, left, top = 250, 210, 52, 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{len(series) * (width + left + 16)}" '
        f'height="{height + top + 52}" font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
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

        parts.append(
            f'<rect x="{x0}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#999"/>'
        )
        parts.append(f'<text x="{x0 + width / 2}" y="{top - 10}" text-anchor="middle">{name}</text>')
        for decade in range(math.ceil(low), math.floor(high) + 1):
            y = at(0, 10**decade).split(",")[1]
            parts.append(f'<text x="{x0 - 6}" y="{y}" text-anchor="end" dy="4">{10**decade:g}</text>')
            parts.append(f'<line x1="{x0}" x2="{x0 + width}" y1="{y}" y2="{y}" stroke="#ddd"/>')
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
    parts.append(
        f'<text x="{left}" y="{top + height + 40}">milliseconds; '
        '<tspan fill="#2166ac">training step</tspan>, '
        '<tspan fill="#e08214">its matrix products alone</tspan>, '
        '<tspan fill="#777">dashed: in proportion to the work</tspan></text>'
    )
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Times the step against its sizes.")
    parser.add_argument("--program", type=Path, default=PROGRAM)
    parser.add_argument("--svg", type=Path, default=SVG, help="where the plot goes")
    parser.add_argument("--budget", type=float, default=8, help="seconds for a point (default 8)")
    options = parser.parse_args()
    if not options.program.exists():
        parser.error(f"expected {options.program}; ./bootstrap.sh build makes it")
    for name, points in SERIES.items():
        for point in points:
            print(f"{name}: {point.label}", file=sys.stderr, flush=True)
            measure(point, options.program, options.budget)
    print(table(SERIES))
    options.svg.write_text(plot(SERIES))
    print(f"plot in {options.svg}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
