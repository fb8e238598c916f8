#!/usr/bin/env python3
"""Measure on many short runs which ideas keep runs of MNIST with few labels from being left behind.

    python3 benchmarks/short_runs.py --program build/release/bin/ladder-mnist
    python3 benchmarks/short_runs.py --record results/short-runs.json --report
    python3 benchmarks/short_runs.py --network fast-50 --record results/short-runs-fast-50.json

A short run of --network full is the first form of mnist-100-fast, in which runs were left behind (a
rate of .003 and no pieces), with half the units in each layer and 12 epochs: about a minute on one
core. The layers are as many as in the recipe, since networks of fewer layers end so far above it (5
to 7 %) that a cluster of 1 % of the images does not show. --network gamma is mnist-100-gamma in the
same way, half a minute: its long runs are decided in their first epochs. --network fast-50 is
mnist-100-fast with its former rate (.002, constant for half of the epochs), 50 labels and 8 epochs, a
minute: with 100 labels one run in eighteen was left behind, with 50 every second one, so that few
runs tell ideas apart.
Each idea is a set of flags on top of that. All ideas run on the same seeds, so on the same labels,
initial weights, order of rows and noise: an idea is compared with the plain run of the same seed.

The error is that of 10,000 validation rows, which are taken from the training images. Seeds start at
101: those of the published tables have no part in a choice.

Each run is a folder in --out, so that the study can be stopped and repeated at any time. --record is
a file with every value: runs that it knows are not repeated, and new ones are added, so that the
study goes on on another machine. Its flags are those that repeat the runs with the recipes of
today. The table at the end, or by --report alone, gives mean and standard
deviation, median, worst, the number of runs that end above 1.5 times the median of the plain runs
(left behind), the number of runs in which one class takes more than 60 rows of another one (lost
clusters; runs of earlier versions do not know it), the mean difference to the plain run of the same
seed with its standard error, and the sign test over these pairs.
"""
import argparse
import concurrent.futures
import json
import math
import pathlib
import statistics
import subprocess
import sys

SHORT = ["--layers", "500,250,125,125,125,10", "--precision", "bfloat16", "--epochs", "12",
         "--decay-from", "0.5", "--unlabeled-batch", "200", "--labeled-batch", "100",
         "--validation", "10000", "--eval-every", "0", "--threads", "1"]
NETWORKS = {
    "full": ["--recipe", "mnist-100-full", "--lambda", "2000,20,.2,.2,.2,.2,.2", "--lr", "0.003",
             *SHORT],
    "gamma": ["--recipe", "mnist-100-gamma", *SHORT],
    "fast-50": ["--recipe", "mnist-100-fast", "--labels", "50", "--lr", "0.002", "--decay-from",
                "0.5", "--neighbours", "0", "--epochs", "8", "--validation", "10000",
                "--eval-every", "1", "--threads", "1"],
}
LEFT_BEHIND = 1.5
LOST_CLUSTER = 60
INPUT_ALONE = "5000,0,0,0,0,0,0"

COMMON = {
    "plain": [],
    "rate .002": ["--lr", "0.002"],
    "rows projected": ["--project-rows"],
    "rows projected, rate .002": ["--project-rows", "--lr", "0.002"],
    "warm-up": ["--warm-up", "1"],
    "mutual information": ["--mutual-information", "0.1"],
    "mutual information .3": ["--mutual-information", "0.3"],
    "neighbours": ["--neighbours", "1"],
    "neighbours, mutual information": ["--neighbours", "1", "--mutual-information", "0.1"],
    "pseudo-labels": ["--pseudo-labels", "1"],
    "running means": ["--average-weights", "0.999"],
    "three starts": ["--candidates", "3", "--candidate-epochs", "3"],
    "graph labels": ["--graph-labels", "1"],
    "graph labels, mutual information": ["--graph-labels", "1", "--mutual-information", "0.1"],
    "graph labels, spread 4, pseudo-labels": [
        "--graph-labels", "1", "--graph-label-epochs", "6", "--mutual-information", "0.1",
        "--spread", "4", "--pseudo-labels", "1"],
}
OF_FULL = {
    "ramp of lambda": ["--lambda-ramp", "3"],
    "cost of the input alone": ["--lambda", INPUT_ALONE],
    "cost of the input alone, mutual information": ["--lambda", INPUT_ALONE,
                                                    "--mutual-information", "0.1"],
    "detached targets": ["--detach-targets"],
}
OF_FAST = {
    "plain": [],
    "no mutual information": ["--mutual-information", "0"],
    "spread 4": ["--spread", "4"],
    "spread 10": ["--spread", "10"],
    "spread .4, sureness .01": ["--mutual-information", "0.01", "--spread", "40"],
    "spread 1.2, sureness .3": ["--mutual-information", "0.3", "--spread", "4"],
    "spread 4, warm-up": ["--spread", "4", "--warm-up", "1"],
    "spread 4, three starts": ["--spread", "4", "--candidates", "3", "--candidate-epochs", "3"],
    "spread 4, rate .003": ["--spread", "4", "--lr", "0.003"],
    "spread 4, rate .005": ["--spread", "4", "--lr", "0.005"],
    "spread 4, rate .008": ["--spread", "4", "--lr", "0.008"],
    "no mutual information, rate .005": ["--mutual-information", "0", "--lr", "0.005"],
}
IDEAS = {
    "full": {**COMMON, **OF_FULL},
    "gamma": COMMON,
    "fast-50": OF_FAST,
}


class Study:
    """Short runs of one network, and the folder that they are in."""

    def __init__(self, network, out):
        self.plain = NETWORKS[network]
        self.ideas = IDEAS[network]
        self.out = out

    def flags(self, name):
        """The flags of a run: those of the idea, and those of the plain run that it does not set."""
        idea = self.ideas[name]
        plain = zip(self.plain[::2], self.plain[1::2])
        return [text for pair in plain if pair[0] not in idea for text in pair] + idea

    def folder(self, name, seed):
        idea = name.replace(" ", "-").replace(",", "").replace(".", "")
        return self.out / idea / f"seed-{seed}"


def run(study, program, name, seed):
    folder = study.folder(name, seed)
    if (folder / "result.json").exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    log_file = folder.with_suffix(".log")  # beside it: candidates want a new folder
    with open(log_file, "w") as log:
        status = subprocess.run([program, *study.flags(name), "--seed", str(seed), "--resume",
                                 "--out", str(folder)], stdout=log, stderr=log).returncode
    if status == 130:
        raise KeyboardInterrupt
    if status != 0:
        sys.exit(f"short_runs: {name}, seed {seed} ended with {status} (see {log_file})")
    for checkpoint in folder.glob("checkpoint*"):
        checkpoint.unlink()
    result = json.loads((folder / "result.json").read_text())
    print(f"{name}, seed {seed}: {result['validation_error']:.2f} %", flush=True)


def recorded(study, path):
    """Runs by idea and seed from a file of --record; those with other flags are left out."""
    if not path or not path.exists():
        return {}
    runs = {}
    for name, idea in json.loads(path.read_text())["ideas"].items():
        if name in study.ideas and sorted(idea["flags"].split()) == sorted(study.flags(name)):
            runs[name] = {int(seed): run for seed, run in idea["runs"].items()}
    return runs


def other_ideas(study, path):
    """Ideas in a file of --record that are not this study's: --record would lose their runs."""
    if not path or not path.exists():
        return []
    return sorted(set(json.loads(path.read_text())["ideas"]) - set(recorded(study, path)))


def runs_of(study, name, seeds, known):
    """Validation error, commit and processor by seed, of known runs and those of the study."""
    runs = dict(known.get(name, {}))
    for seed in seeds:
        folder = study.folder(name, seed)
        if (folder / "result.json").exists():
            machine = json.loads((folder / "config.json").read_text())["environment"]
            result = json.loads((folder / "result.json").read_text())
            runs[seed] = {"error": result["validation_error"], "commit": machine["commit"][:7],
                          "cpu": f"{machine['cpu']}, {machine['instruction_set']}"}
            if "confused" in result["last"]:
                runs[seed]["confused"] = result["last"]["confused"]["rows"]
    return dict(sorted(runs.items()))


def compare(values, plain):
    """Mean difference to the plain runs of the same seeds, its standard error, better and worse, p."""
    changes = [values[seed] - plain[seed] for seed in values if seed in plain]
    better, worse = sum(change < 0 for change in changes), sum(change > 0 for change in changes)
    if len(changes) < 2 or better + worse == 0:
        return None
    tail = sum(math.comb(better + worse, k) for k in range(min(better, worse) + 1))
    return {"mean": statistics.mean(changes),
            "standard_error": statistics.stdev(changes) / math.sqrt(len(changes)),
            "better": better, "worse": worse, "p": min(1.0, tail / 2 ** (better + worse - 1))}


def report(study, seeds, record, writes):
    known = recorded(study, record)
    all_runs = {name: runs_of(study, name, seeds, known) for name in study.ideas}
    errors_of = {name: {seed: run["error"] for seed, run in runs.items() if seed in seeds}
                 for name, runs in all_runs.items()}
    plain = errors_of["plain"]
    if not plain:
        sys.exit(f"short_runs: expected runs of the plain network in {study.out} but found none "
                 "(run without --report first)")
    limit = LEFT_BEHIND * statistics.median(plain.values())
    table = []
    for name, values in errors_of.items():
        if not values:
            continue
        errors = list(values.values())
        spread = f" +- {statistics.stdev(errors):.2f}" if len(errors) > 1 else ""
        beside = compare(values, plain) if name != "plain" else None
        change = " | | " if beside is None else (
            f"{beside['mean']:+.2f} +- {beside['standard_error']:.2f} | {beside['better']} : "
            f"{beside['worse']} | {beside['p']:.2g}")
        confused = [run["confused"] for seed, run in all_runs[name].items()
                    if seed in seeds and "confused" in run]
        lost = str(sum(rows > LOST_CLUSTER for rows in confused)) if confused else ""
        table.append(f"| {name} | {len(errors)} | {statistics.mean(errors):.2f}{spread} | "
                     f"{statistics.median(errors):.2f} | {max(errors):.2f} | "
                     f"{sum(error > limit for error in errors)} | {lost} | {change} |")
    print(f"Left behind: above {limit:.2f} %, {LEFT_BEHIND} times the median of the plain runs.\n")
    print("| idea | runs | error, % | median | worst | left behind | lost clusters | beside plain "
          "| better : worse | p |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    print("\n".join(table))
    if record and writes:
        ideas = {name: {"flags": " ".join(study.flags(name)), "runs": runs}
                 for name, runs in all_runs.items() if runs}
        record.write_text(json.dumps({"left_behind_above": limit, "ideas": ideas}, indent=1) + "\n")


def seeds_in(text):
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="build/release/bin/ladder-mnist", help="ladder-mnist")
    parser.add_argument("--network", choices=list(NETWORKS), default="full",
                        help="what short runs are made of (full)")
    parser.add_argument("--out", type=pathlib.Path,
                        help="folder of the runs (build/short-runs/NETWORK)")
    parser.add_argument("--seeds", type=seeds_in, default="101..130", help="101..130")
    parser.add_argument("--only", help="ideas to run, separated by ;")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once")
    parser.add_argument("--report", action="store_true", help="print the table of what is there; run and write nothing")
    parser.add_argument("--record", type=pathlib.Path,
                        help="file of every value: what it knows is not run, what is new is added")
    args = parser.parse_args()
    study = Study(args.network, args.out or pathlib.Path("build/short-runs") / args.network)
    others = other_ideas(study, args.record)
    if others:
        parser.error(f"expected the ideas of --network {args.network} in {args.record} but got also "
                     f"{'; '.join(others)}, with other flags (take another file)")
    if not args.report:
        names = [name.strip() for name in args.only.split(";")] if args.only else list(study.ideas)
        unknown = [name for name in names if name not in study.ideas]
        if unknown:
            parser.error(f"expected ideas among {'; '.join(study.ideas)} but got {'; '.join(unknown)}")
        known = recorded(study, args.record)
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            jobs = [pool.submit(run, study, args.program, name, seed)
                    for name in names for seed in args.seeds if seed not in known.get(name, {})]
            for job in jobs:
                job.result()
    report(study, args.seeds, args.record, writes=not args.report)


if __name__ == "__main__":
    main()
