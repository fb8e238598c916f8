#!/usr/bin/env python3
"""Make machines.csv and machines-test.csv: measurements of motors in four states.

Each row is a second of vibration at one speed and load: amplitudes at multiples of the speed, at the
frequency of a bearing, kurtosis, temperature. The state of 120 of the 4,000 rows is known, 30 of
each; the others have an empty cell. All numbers are simulated, with seed 7.

    python3 examples/data/make_machines.py examples/data
"""
import csv
import sys

import numpy as np

STATES = ["good", "unbalanced", "misaligned", "worn bearing"]
SHARES = [0.55, 0.2, 0.15, 0.1]
MODELS = ["A2", "A4", "B2", "B6", "C4"]


def measure(random, rows):
    state = random.choice(len(STATES), rows, p=SHARES)
    model = random.choice(len(MODELS), rows, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    speed = random.uniform(1000, 3000, rows)  # turns a minute
    load = random.beta(3, 2, rows)
    severity = random.uniform(0.7, 1.5, rows)
    rate = speed / 1800
    base = 0.12 * random.lognormal(0, 0.12, rows) * (1 + 0.5 * rate)

    once = base * (1 + 0.8 * rate**2)
    twice = base * (0.6 + 0.3 * load)
    thrice = base * 0.4
    tone = base * (0.3 + 0.1 * rate)
    axial = base * (0.5 + 0.4 * load)
    kurtosis = 3 + random.normal(0, 0.15, rows)
    heat = 36 + 14 * load * rate + 2 * (model % 3) + random.normal(0, 1.2, rows)

    unbalanced = state == 1
    once[unbalanced] *= 1 + 2.0 * (severity * rate)[unbalanced]
    misaligned = state == 2
    twice[misaligned] *= 1 + 2.0 * (severity * (0.4 + load))[misaligned]
    axial[misaligned] *= 1 + 1.5 * severity[misaligned]
    thrice[misaligned] *= 1 + 1.0 * severity[misaligned]
    worn = state == 3
    tone[worn] *= 1 + 4.0 * severity[worn] * (0.5 + 0.5 * load)[worn]
    kurtosis[worn] += 2.5 * severity[worn] * random.lognormal(0, 0.4, rows)[worn]
    heat[worn] += 4 * severity[worn] * rate[worn]

    noise = lambda: random.lognormal(0, 0.15, rows)
    columns = {
        "machine": [f"m{n:05d}" for n in random.permutation(100000)[:rows]],
        "model": [MODELS[m] for m in model],
        "speed_rpm": speed.round(0),
        "load": load.round(3),
        "once_mm_s": (10 * once * noise()).round(3),
        "twice_mm_s": (10 * twice * noise()).round(3),
        "thrice_mm_s": (10 * thrice * noise()).round(3),
        "bearing_mm_s": (10 * tone * noise()).round(3),
        "axial_mm_s": (10 * axial * noise()).round(3),
        "kurtosis": kurtosis.round(3),
        "temperature_c": heat.round(1),
        "firmware": ["2.4"] * rows,
        "state": [STATES[s] for s in state],
    }
    for name, share in [("temperature_c", 0.06), ("axial_mm_s", 0.03)]:
        values = [f"{value:g}" for value in columns[name]]
        for row in np.flatnonzero(random.random(rows) < share):
            values[row] = "NA"
        columns[name] = values
    return columns, state


def write(path, columns):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in zip(*columns.values()):
            writer.writerow([f"{cell:g}" if isinstance(cell, float) else cell for cell in row])


def main(folder):
    random = np.random.default_rng(7)
    columns, state = measure(random, 4000)
    labeled = np.concatenate([np.flatnonzero(state == s)[:30] for s in range(len(STATES))])
    known = set(labeled.tolist())
    columns["state"] = [text if row in known else "" for row, text in enumerate(columns["state"])]
    write(f"{folder}/machines.csv", columns)
    columns, _ = measure(random, 1500)
    write(f"{folder}/machines-test.csv", columns)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".")
