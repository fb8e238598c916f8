"""Writes CSV files that are hard to read, and what pyarrow reads from them.

    python csv_cases.py FOLDER SEED COUNT

FOLDER/cases.json lists the files: for each its name, whether its marks are decimal commas, and its
columns with their values. Numbers are numbers, texts are texts, null is missing.
"""

import gzip
import json
import random
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

MISSING = ["", "NA", "N/A", "n/a", "#NA", "#N/A", "<NA>", "NaN", "nan", "-nan", "?", "NULL", "null", "None"]
WORDS = ["a", "Köln", "say \"yes\"", "5\" pipe", "two\nlines", "dos\r\nline", "old\rline", "x,y", "x;y",
         "x\ty", "x|y", "'", "\"", "\"\"", "-", "+", ".", "e5", "1e", "1.2.3", "1_000", " both ",
         "日本語", "🙂", "#", "\\", "\\n", "none", "na", "=1+1", "--1", "end\n", "\nbegin", "a" * 300]


def number(random: random.Random, kind: str) -> str:
    if kind == "integer":
        return str(random.choice([0, 1, -1, 7, 10**6, -(10**12), random.randrange(-(10**18), 10**18)]))
    form = random.randrange(9)
    value = random.choice([random.gauss(0, 1), random.uniform(-1e6, 1e6), random.gauss(0, 1) * 10 ** random.randrange(-300, 300)])
    if form < 3:
        return repr(value)
    if form == 3:
        return f"{value:.{random.randrange(1, 25)}e}"
    if form == 4:
        return f"{random.gauss(0, 100):.{random.randrange(0, 22)}f}"
    if form == 5:
        return f"{random.randrange(100)}E{random.randrange(-9, 9):+d}"
    if form == 6:
        return "." + str(random.randrange(10**9))
    if form == 7:
        return "".join(random.choice("0123456789") for _ in range(random.randrange(1, 40))) + "."
    return random.choice(["-0", "0", "00012", "-0.0", "4.9e-324", "1.7976931348623157e308", "2.2250738585072014e-308"])


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def cell(random: random.Random, text: str, delimiter: str) -> str:
    needs = any(c in text for c in (delimiter, "\n", "\r")) or text.startswith('"') or text != text.strip()
    return quoted(text) if needs or random.random() < 0.2 else text


def write_case(random: random.Random, folder: Path, index: int) -> dict:
    delimiter = random.choice([",", ",", ";", "\t", "|"])
    comma = delimiter == ";" and random.random() < 0.6
    end = random.choice(["\n", "\r\n", "\r"])
    rows = 30000 if index % 100 == 99 else random.choice([1, 2, 5, 20, 45])
    kinds = [random.choice(["number", "integer", "text", "mixed", "missing"]) for _ in range(random.randrange(1, 8))]
    kinds.append("number")
    names = [random.choice(["n", "naïve", "a b", "it's", "q\"q", f"c{delimiter}d", "line\nbreak"]) + f" {c}" for c in range(len(kinds))]
    lines = [delimiter.join(cell(random, name, delimiter) for name in names)]
    for row in range(rows):
        cells = []
        for kind in kinds:
            if kind == "missing" or random.random() < 0.1:
                text = random.choice(MISSING)
            elif kind == "text" or (kind == "mixed" and (row == 0 or random.random() < 0.3)):
                text = random.choice(WORDS)
            else:
                text = number(random, "integer" if kind == "integer" else "number")
                text = text.replace(".", ",") if comma else text
                if kind != "mixed" and random.random() < 0.1:
                    text = f" {text} " if delimiter == "," else text
                    cells.append(text)
                    continue
            cells.append(cell(random, text, delimiter))
        lines.append(delimiter.join(cells))
        if random.random() < 0.03:
            lines.append("")
    data = end.join(lines) + random.choice(["", end, end + end])
    data = random.choice(["", "\ufeff"]) + data
    packed = random.random() < 0.3
    path = folder / f"{index}.csv{'.gz' if packed else ''}"
    path.write_bytes(gzip.compress(data.encode()) if packed else data.encode())

    # Every column that has a text is one: pyarrow would take dates and truths for what they are.
    types = {name: pa.string() for name, kind in zip(names, kinds) if kind == "text"}
    table = pa.csv.read_csv(
        pa.input_stream(str(path), compression="gzip" if packed else None),
        read_options=pa.csv.ReadOptions(use_threads=False, block_size=1 << 28),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            null_values=MISSING, strings_can_be_null=True, decimal_point="," if comma else ".", column_types=types
        ),
    )
    columns = []
    for name in table.column_names:
        column = table[name]
        text = pa.types.is_string(column.type)
        values = column.to_pylist()
        # A column without values has no kind.
        columns.append({"name": name, "text": text, "empty": column.null_count == len(column),
                        "values": values if text else [None if v is None else float(v) for v in values]})
    return {"file": path.name, "columns": columns, "rows": table.num_rows}


def main() -> None:
    folder, seed, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    generator = random.Random(seed)
    cases = [write_case(generator, folder, index) for index in range(count)]
    (folder / "cases.json").write_text(json.dumps(cases, ensure_ascii=False), encoding="utf-8")


main()
