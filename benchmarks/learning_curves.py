"""Draw the test error of recorded runs by epoch, beside the published errors.

    python3 benchmarks/learning_curves.py [--results DIR] [--svg PATH]

Read RESULTS/FOLDER/seed-N/metrics.jsonl, every fifth epoch. The vertical axis is logarithmic. A dashed
line marks the published mean of a recipe. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BFLOAT16 = "-bfloat16"  # the end of a folder's name
# Folders, name in the picture, color, published mean in % [Rasmus2015, table 1].
RECIPES = (
    (("mnist-100-baseline",), "supervised baseline", "#777777", 21.74),
    (("mnist-100-gamma", "mnist-100-gamma" + BFLOAT16), "Gamma-model", "#e08214", 3.06),
    (("mnist-100-full",), "full ladder", "#2166ac", 1.06),
)
EVERY = 5  # epochs: some runs evaluated after each epoch, others after five
LEFT, TOP, WIDTH, HEIGHT, RIGHT, BOTTOM = 56, 34, 470, 250, 245, 46
LOW, HIGH = 0.7, 40.0  # percent
TICKS = (1, 2, 5, 10, 20)


def curve(path: Path) -> list[tuple[int, float]]:
    """Epoch and test error after every fifth epoch."""
    lines = (json.loads(line) for line in path.read_text().splitlines())
    return [(line["epoch"], line["test_error"]) for line in lines if line["epoch"] % EVERY == 0]


def curves_of(results: Path, folder: str) -> list[list[tuple[int, float]]]:
    """One curve for each seed."""
    return [curve(path) for path in sorted(results.glob(f"{folder}/seed-*/metrics.jsonl"))]


def picture(results: Path) -> str:
    runs = {
        folder: curves_of(results, folder) for folders, *_ in RECIPES for folder in folders
    }
    epochs = max(epoch for curves in runs.values() for points in curves for epoch, _ in points)

    def x(epoch: float) -> float:
        return LEFT + epoch / epochs * WIDTH

    def y(error: float) -> float:
        share = (math.log(error) - math.log(LOW)) / (math.log(HIGH) - math.log(LOW))
        return TOP + (1 - share) * HEIGHT

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" '
        f'height="{TOP + HEIGHT + BOTTOM}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="{TOP - 14}">Test error in %, MNIST with 100 labels</text>',
    ]
    for tick in TICKS:
        parts.append(
            f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" '
            f'stroke="#dddddd"/><text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" '
            f'text-anchor="end">{tick}</text>'
        )
    for epoch in range(0, epochs + 1, 25):
        parts.append(
            f'<text x="{x(epoch):.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{epoch}</text>'
        )
    parts.append(
        f'<text x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 38}" text-anchor="middle">epoch</text>'
    )
    for folders, name, color, published in RECIPES:
        curves = [points for folder in folders for points in runs[folder]]
        if not curves:
            continue
        parts.append(
            f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y(published):.1f}" '
            f'y2="{y(published):.1f}" stroke="{color}" stroke-dasharray="5 4"/>'
        )
        for points in curves:
            line = " ".join(f"{x(epoch):.1f},{y(error):.1f}" for epoch, error in points)
            parts.append(
                f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="1.3"/>'
            )
        seeds = f"{len(curves)} seed{'s' if len(curves) > 1 else ''}"
        rounded = sum(len(runs[folder]) for folder in folders if folder.endswith(BFLOAT16))
        if rounded:
            seeds += f", {rounded} in bfloat16"
        parts.append(
            f'<text x="{LEFT + WIDTH + 10}" y="{y(published) - 2:.1f}" fill="{color}">{name}</text>'
            f'<text x="{LEFT + WIDTH + 10}" y="{y(published) + 13:.1f}" fill="{color}" '
            f'font-size="11">{seeds}; published {published}</text>'
        )
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Draw the test error of recorded runs by epoch.")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="folder of the runs")
    parser.add_argument(
        "--svg",
        type=Path,
        default=ROOT / "docs" / "pictures" / "learning-curves.svg",
        help="file of the picture",
    )
    options = parser.parse_args()
    if not any(options.results.glob("*/seed-*/metrics.jsonl")):
        parser.error(f"expected runs in {options.results} but found none (--results DIR)")
    options.svg.write_text(picture(options.results))
    print(f"picture in {options.svg}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
