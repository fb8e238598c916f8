#!/usr/bin/env python3
"""Measure on many short runs which ideas keep runs of MNIST with 100 labels from being left behind.

    python3 benchmarks/short_runs.py --program build/release/bin/ladder-mnist --out build/short-runs
    python3 benchmarks/short_runs.py --out build/short-runs --report --save results/short-runs.json

A short run is the first form of mnist-100-fast, in which runs were left behind (a rate of .003 and
no pieces), with half the units in each layer and 12 epochs: about a minute on one core. The layers are as many as in the recipe, since networks
of fewer layers end so far above it (5 to 7 %) that a cluster of 1 % of the images does not show.
Each idea is a set of flags on top of that. All ideas run on the same seeds, so on the same labels,
initial weights, order of rows and noise: an idea is compared with the plain run of the same seed.

The error is that of 10,000 validation rows, which are taken from the training images. Seeds start at
101: those of the published tables have no part in a choice.

Each run is a folder in --out, so that the study can be stopped and repeated at any time. --report
prints what is there: mean and standard deviation, median, worst, the number of runs that end above
1.5 times the median of the plain runs (left behind), the mean difference to the plain run of the
same seed with its standard error, and Wilcoxon's test over these pairs.
"""
import argparse
import concurrent.futures
import json
import math
import pathlib
import statistics
import subprocess
import sys

NETWORK = ["--recipe", "mnist-100-full", "--layers", "500,250,125,125,125,10",
           "--lambda", "2000,20,.2,.2,.2,.2,.2", "--precision", "bfloat16", "--epochs", "12",
           "--lr", "0.003", "--decay-from", "0.5", "--unlabeled-batch", "200",
           "--labeled-batch", "100", "--validation", "10000", "--eval-every", "0", "--threads", "1"]
LEFT_BEHIND = 1.5

IDEAS = {
    "plain": [],
    "rate .002": ["--lr", "0.002"],
    "rows projected": ["--project-rows"],
    "rows projected, rate .002": ["--project-rows", "--lr", "0.002"],
    "warm-up": ["--warm-up", "1"],
    "mutual information": ["--mutual-information", "0.1"],
    "ramp of lambda": ["--lambda-ramp", "3"],
    "pseudo-labels": ["--pseudo-labels", "1"],
    "detached targets": ["--detach-targets"],
    "running means": ["--average-weights", "0.999"],
    "three starts": ["--candidates", "3", "--candidate-epochs", "3"],
}


def flags_of(idea):
    """The flags of a run: those of the idea, and those of the plain run that it does not set."""
    plain = list(zip(NETWORK[::2], NETWORK[1::2]))
    return [text for pair in plain if pair[0] not in idea for text in pair] + idea


def folder_of(out, name, seed):
    return out / name.replace(" ", "-").replace(",", "").replace(".", "") / f"seed-{seed}"


def run(program, out, name, seed):
    folder = folder_of(out, name, seed)
    if (folder / "result.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "run.log", "w") as log:
        status = subprocess.run([program, *flags_of(IDEAS[name]), "--seed", str(seed), "--resume",
                                 "--out", str(folder)], stdout=log, stderr=log).returncode
    if status == 130:
        raise KeyboardInterrupt
    if status != 0:
        sys.exit(f"short_runs: {name}, seed {seed} ended with {status} (its last lines are in {folder}/run.log)")
    for checkpoint in folder.glob("checkpoint*"):
        checkpoint.unlink()
    result = json.loads((folder / "result.json").read_text())
    print(f"{name}, seed {seed}: {result['validation_error']:.2f} %", flush=True)


def values_of(out, name, seeds):
    """Validation error by seed, of the runs that are finished."""
    values = {}
    for seed in seeds:
        path = folder_of(out, name, seed) / "result.json"
        if path.exists():
            values[seed] = json.loads(path.read_text())["validation_error"]
    return values


def compare(values, plain):
    """Mean difference to the plain runs of the same seeds, its standard error, better and worse, p."""
    from scipy.stats import wilcoxon

    changes = [values[seed] - plain[seed] for seed in values if seed in plain]
    if len(changes) < 6 or not any(changes):
        return None
    return {"mean": statistics.mean(changes),
            "standard_error": statistics.stdev(changes) / math.sqrt(len(changes)),
            "better": sum(change < 0 for change in changes),
            "worse": sum(change > 0 for change in changes),
            "p": float(wilcoxon(changes).pvalue)}


def report(out, seeds, save):
    plain = values_of(out, "plain", seeds)
    if not plain:
        sys.exit(f"short_runs: expected runs of the plain network in {out} but found none (run without --report first)")
    limit = LEFT_BEHIND * statistics.median(plain.values())
    rows, table = {}, []
    for name in IDEAS:
        values = values_of(out, name, seeds)
        if not values:
            continue
        errors = list(values.values())
        row = {"flags": " ".join(flags_of(IDEAS[name])), "errors": values,
               "mean": statistics.mean(errors),
               "std": statistics.stdev(errors) if len(errors) > 1 else None,
               "median": statistics.median(errors), "worst": max(errors),
               "left_behind": sum(error > limit for error in errors),
               "beside_plain": compare(values, plain) if name != "plain" else None}
        config = json.loads((folder_of(out, name, min(values)) / "config.json").read_text())
        row["environment"] = config.get("environment")
        rows[name] = row
        beside = row["beside_plain"]
        change = ("" if beside is None else
                  f"{beside['mean']:+.2f} +- {beside['standard_error']:.2f} | {beside['better']} : "
                  f"{beside['worse']} | {beside['p']:.2g}")
        spread = "" if row["std"] is None else f" +- {row['std']:.2f}"
        table.append(f"| {name} | {len(errors)} | {row['mean']:.2f}{spread} | {row['median']:.2f} | "
                     f"{row['worst']:.2f} | {row['left_behind']} | {change or ' | | '} |")
    print(f"Left behind: above {limit:.2f} %, {LEFT_BEHIND} times the median of the plain runs.\n")
    print("| idea | runs | error, % | median | worst | left behind | beside plain | better : worse | p |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    print("\n".join(table))
    if save:
        save.write_text(json.dumps({"left_behind_above": limit, "ideas": rows}, indent=1) + "\n")


def seeds_in(text):
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="build/release/bin/ladder-mnist", help="ladder-mnist")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/short-runs"),
                        help="folder of the runs")
    parser.add_argument("--seeds", type=seeds_in, default="101..130", help="101..130")
    parser.add_argument("--only", help="ideas to run, separated by ;")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once")
    parser.add_argument("--report", action="store_true", help="print the table of what is there")
    parser.add_argument("--save", type=pathlib.Path, help="file for every value, as JSON")
    args = parser.parse_args()
    if not args.report:
        names = [name.strip() for name in args.only.split(";")] if args.only else list(IDEAS)
        unknown = [name for name in names if name not in IDEAS]
        if unknown:
            parser.error(f"expected ideas among {'; '.join(IDEAS)} but got {'; '.join(unknown)}")
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            jobs = [pool.submit(run, args.program, args.out, name, seed)
                    for name in names for seed in args.seeds]
            for job in jobs:
                job.result()
    report(args.out, args.seeds, args.save)


if __name__ == "__main__":
    main()
