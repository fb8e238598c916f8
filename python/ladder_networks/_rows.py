"""Rows and labels of Python as the C++ library takes them."""

from __future__ import annotations

import math
import numbers
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from ladder_networks import _core


class Frame(Protocol):
    """A frame of pandas or polars."""

    @property
    def columns(self) -> Any: ...
    def __len__(self) -> int: ...
    def __getitem__(self, key: Any, /) -> Any: ...


class DLPackArray(Protocol):
    """An array of another library, a tensor of PyTorch say."""

    def __dlpack__(self) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...


Rows: TypeAlias = npt.ArrayLike | Frame | DLPackArray
Labels: TypeAlias = npt.ArrayLike | Sequence[object]

# Types of values that the compiled module reads where they lie.
_READ_IN_PLACE = frozenset(
    np.dtype(name)
    for name in (
        "float64", "float32", "int64", "int32", "int16", "int8",
        "uint64", "uint32", "uint16", "uint8", "bool",
    )
)  # fmt: skip

_Texts: TypeAlias = tuple[npt.NDArray[np.int32], list[str]]


def text_of(value: object) -> str:
    """Return the text of a class or level, as the C++ library writes it.

    Examples
    --------
    >>> text_of(3), text_of(3.0), text_of(1e16), text_of(0.5), text_of(True), text_of("pear")
    ('3', '3', '1e+16', '0.5', 'True', 'pear')
    """
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, numbers.Real):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e16 else repr(number)
    return str(value)


# Space, tab and the no-break spaces, which do not count around labels and texts.
_BLANKS = " \t\u00a0\u202f\u2007\ufeff"


def name_of(value: object) -> str:
    """Return the name of a class; blanks around a text do not count, as in CSV files.

    Examples
    --------
    >>> name_of(" pear\t"), name_of(3.0)
    ('pear', '3')
    """
    return text_of(value).strip(_BLANKS)


# A number that may be spelled otherwise, as the C++ library has it: 01 is a code.
_PLAIN_NUMBER = re.compile(
    r"-?(?!0[0-9])([0-9]+[.,]?[0-9]*|[.,][0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE
)


def plain_number(text: str, commas: bool) -> float | None:
    """Return the value of a text that is a number of any spelling, None for another text.

    `commas`: a comma is a decimal mark.

    Examples
    --------
    >>> plain_number("1.0", False), plain_number("01", False), plain_number("pear", False)
    (1.0, None, None)
    >>> plain_number("1,0", True), plain_number("1,0", False)
    (1.0, None)
    """
    if _PLAIN_NUMBER.fullmatch(text) is None or ("," in text and not commas):
        return None
    value = float(text.replace(",", "."))
    return value if math.isfinite(value) else None


def is_missing(value: object) -> bool:
    """Return whether a value of an object column is None, NaN, NA, NaT or a text of spaces only."""
    if value is None or (isinstance(value, str) and value.strip(_BLANKS) == ""):
        return True
    if isinstance(value, numbers.Real):
        return math.isnan(value)
    return type(value).__name__ in ("NAType", "NaTType")


def is_pandas(rows: object) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(rows, pandas.DataFrame)


def is_polars(rows: object) -> bool:
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(rows, polars.DataFrame)


def is_images(rows: object) -> TypeGuard[npt.NDArray[np.uint8]]:
    """Return whether rows are images: uint8 [N, H, W] or [N, C, H, W]."""
    return isinstance(rows, np.ndarray) and rows.dtype == np.uint8 and rows.ndim in (3, 4)


def _refuse_images(expected: str, rows: npt.NDArray[Any], hint: str) -> ValueError:
    return ValueError(
        f"LadderClassifier: expected images as {expected} but got {rows.dtype} {rows.shape} ({hint})."
    )


def check_images(rows: Any, shape: tuple[int, int, int] | None = None) -> None:
    """Refuse arrays that are images of another type or layout.

    `shape`: channels, height and width of the images that a model takes.
    """
    if not isinstance(rows, np.ndarray) or rows.ndim not in (3, 4) or rows.dtype.kind not in "biuf":
        return
    if rows.dtype != np.uint8:
        hint = "pixels from 0 to 255: X.astype(np.uint8)"
        if rows.dtype.kind == "f":
            hint = "pixels from 0 to 1: (255 * X).astype(np.uint8)"
        raise _refuse_images("uint8", rows, hint)
    last = rows.shape[-1]
    if rows.ndim == 4 and last in (1, 3, 4) and min(rows.shape[1:3]) > 4 and rows.shape[1:] != shape:
        raise _refuse_images(
            "(n_samples, channels, height, width)",
            rows,
            "channels come first: np.moveaxis(X, -1, 1)",
        )


def _unmasked(rows: np.ma.MaskedArray[Any, Any]) -> npt.NDArray[Any]:
    """Return the numbers of a masked array, NaN where they are masked."""
    if not np.ma.is_masked(rows):
        return np.asarray(rows.data)
    if is_images(rows.data):
        raise ValueError("LadderClassifier: expected images without a mask but got masked pixels.")
    single = rows.dtype.kind == "f" and rows.dtype.itemsize == 4
    numbers_of = np.ma.array(rows, dtype=np.float32 if single else np.float64)
    return np.asarray(np.ma.filled(numbers_of, np.nan))


def in_place(rows: Rows) -> Any:
    """Return an array that speaks DLPack or the buffer protocol as a NumPy array on its memory.

    Masked values become NaN.
    """
    if isinstance(rows, np.ma.MaskedArray):
        return _unmasked(rows)
    if isinstance(rows, np.ndarray) or is_pandas(rows) or is_polars(rows):
        return rows
    if hasattr(rows, "__dlpack__"):
        exporter: Any = rows
        try:
            return np.from_dlpack(exporter)
        except (BufferError, RuntimeError, TypeError) as error:
            raise ValueError(
                f"LadderClassifier: expected an array in the memory of the CPU, without gradient "
                f"and of a type that NumPy has, but got {type(rows).__name__} ({error})."
            ) from error
    if isinstance(rows, memoryview):
        return np.asarray(rows)
    return rows


# ---- Columns of frames


def _factorised(values: Iterable[object]) -> _Texts:
    """Return codes and texts; spaces around a text do not count, as in CSV files."""
    levels: dict[str, int] = {}
    codes = [
        -1 if is_missing(value) else levels.setdefault(text_of(value).strip(_BLANKS), len(levels))
        for value in values
    ]
    return np.asarray(codes, dtype=np.int32), list(levels)


def _refuse(name: str, kind: object) -> TypeError:
    return TypeError(
        f"LadderClassifier: expected numbers, texts or categories in column '{name}' but got "
        f"{kind} (turn dates and lists into numbers first)."
    )


def _of_categories(codes: npt.ArrayLike, categories: Iterable[object]) -> _Texts:
    """Return codes whose levels are texts, none of them empty or twice."""
    level, texts = _factorised(categories)
    codes = np.asarray(codes, dtype=np.int64)
    return np.where(codes < 0, -1, level[codes] if len(level) else -1).astype(np.int32), texts


def _pandas_column(name: str, column: Any) -> npt.NDArray[Any] | _Texts:
    import pandas as pd

    kind = column.dtype
    types = pd.api.types
    if isinstance(kind, pd.CategoricalDtype):
        return _of_categories(column.cat.codes, column.cat.categories)
    if types.is_bool_dtype(kind):
        return _factorised(column)
    if types.is_numeric_dtype(kind) and not types.is_complex_dtype(kind):
        if isinstance(kind, np.dtype):
            return np.asarray(column.to_numpy())
        single = str(kind) in ("Float32", "float[pyarrow]")
        return np.asarray(
            column.to_numpy(dtype=np.float32 if single else np.float64, na_value=np.nan)
        )
    if types.is_string_dtype(kind) or types.is_object_dtype(kind):
        found = types.infer_dtype(column, skipna=True)
        if found in ("integer", "floating", "mixed-integer-float", "decimal"):
            return np.asarray(pd.to_numeric(column), dtype=np.float64)
        if found in ("string", "boolean", "empty", "mixed-integer"):
            return _factorised(column)
        if found == "mixed" and all(
            isinstance(value, (str, numbers.Real, np.bool_)) or is_missing(value)
            for value in column
        ):
            return _factorised(column)
        raise _refuse(name, found)
    raise _refuse(name, kind)


def _polars_column(name: str, column: Any) -> npt.NDArray[Any] | _Texts:
    import polars as pl

    kind = column.dtype
    if kind.is_numeric():
        wide = isinstance(kind, pl.Decimal) or str(kind) in ("Int128", "UInt128")
        if wide or (column.null_count() > 0 and kind != pl.Float32):
            column = column.cast(pl.Float64)
        return np.asarray(column.to_numpy())
    if kind in (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Null):
        return _factorised(column.to_list())
    raise _refuse(name, kind)


def _readable(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return numbers in a type that the compiled module reads; those in single precision stay so."""
    kind = values.dtype
    if kind in _READ_IN_PLACE and kind.isnative:
        return values
    single = kind.kind == "f" and kind.itemsize == 4
    return values.astype(np.float32 if single else np.float64)


def table_of(rows: Any, names: Sequence[str]) -> _core.Table:
    """Return a matrix or a frame as a table whose columns have these names."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(
                f"LadderClassifier: expected different column names but got '{name}' twice "
                "(rename one)."
            )
        seen.add(name)
    table = _core.Table(len(rows))
    if isinstance(rows, np.ndarray):
        table.add_matrix(names, _readable(rows))
        return table
    for at, name in enumerate(names):
        if is_pandas(rows):
            column = _pandas_column(name, rows.iloc[:, at])
        else:
            column = _polars_column(name, rows.to_series(at))
        if isinstance(column, tuple):
            table.add_texts(name, *column)
        else:
            table.add_numbers(name, _readable(column))
    return table


def _with_bare_names(frame: Any, known: Sequence[str] | None) -> Any:
    """Return a frame with the column names that the program reads from a CSV file of it.

    Blanks around a name do not count, and a column without a name is called by its place. `known`:
    names that a model has; those of older models may have blanks.
    """
    names = list(frame.columns)
    if not all(isinstance(name, str) for name in names) or (known is not None and names == known):
        return frame
    bare = [name.strip(" \t") or f"x{place}" for place, name in enumerate(names)]
    if bare == names or (known is not None and bare != known):
        return frame
    if twice := [name for name, uses in Counter(bare).items() if uses > 1]:
        raise ValueError(
            f"LadderClassifier: expected different column names but got '{twice[0]}' twice (spaces "
            "around a name do not count)."
        )
    if is_pandas(frame):
        return frame.set_axis(bare, axis=1)
    return frame.rename(dict(zip(names, bare, strict=True)))


def validated(
    estimator: Any, rows: Rows, *, fitting: bool, known: Sequence[str] | None = None
) -> Any:
    """Return X as an array or a frame after scikit-learn's checks.

    Sets or checks `n_features_in_` and `feature_names_in_`. A frame of numbers, texts and
    categories stays a frame; arrays become matrices of numbers, in which NaN is a missing value.

    `known`: names of the columns of a model whose training rows may have been an array, x0, x1, and
    so on. A frame that has some of them must have all, in their order.
    """
    checked = in_place(rows)
    if is_pandas(checked) or is_polars(checked):
        names = None if fitting else getattr(estimator, "feature_names_in_", None)
        checked = _with_bare_names(checked, known if names is None else list(names))
        found = list(checked.columns)
        if known is not None and found != known and not set(known).isdisjoint(found):
            raise ValueError(
                f"LadderClassifier: expected the columns {', '.join(known)} in this order but got "
                f"{', '.join(map(str, found))}."
            )
        if known is None or found != known:
            validate_data(estimator, checked, reset=fitting, skip_check_array=True)
        least = 2 if fitting else 1
        if len(checked) < least:
            raise ValueError(
                f"LadderClassifier: expected at least {least} rows but got {len(checked)} sample(s) "
                f"(shape={checked.shape})."
            )
        if checked.shape[1] == 0:
            raise ValueError(
                f"0 feature(s) (shape={checked.shape}) while a minimum of 1 is required by "
                "LadderClassifier."
            )
        return checked
    check_images(checked)
    return validate_data(
        estimator,
        checked,
        reset=fitting,
        ensure_all_finite="allow-nan",
        ensure_min_samples=2 if fitting else 1,
    )


# ---- Labels


def _is_minus_one(value: object, commas: bool) -> bool:
    """Return whether a label is -1. `commas`: -1,0 is."""
    if isinstance(value, str):  # with a hyphen or a minus
        text = value.strip(_BLANKS)
        size = text[1:]
        if not text.startswith(("-", "\u2212")) or not size.startswith(tuple("0123456789.,")):
            return False
        if "," in size and ("." in size or not commas):
            return False
        try:
            return float(size.replace(",", ".")) == 1
        except ValueError:
            return False
    return isinstance(value, (numbers.Real, Decimal)) and not isinstance(value, bool) and value == -1


def _has_decimal_commas(texts: Sequence[str]) -> bool:
    """Return whether a comma in labels is a decimal mark, by the rule of the C++ library."""
    return any("," in text for text in texts) and _core.has_decimal_commas(texts)


def _unlabeled(labels: npt.NDArray[Any], classes: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return which labels, texts or objects, say that there is none."""
    texts = list({value for value in labels if isinstance(value, str)})
    commas = _has_decimal_commas(texts)
    none = {text for text in texts if _is_minus_one(text, commas)}
    if classes:  # a class may be called so
        places = _core.class_places(texts, classes)
        none = {text for text, place in zip(texts, places, strict=True) if place == -1}
    return np.fromiter(
        (
            is_missing(value)
            or (value in none if isinstance(value, str) else _is_minus_one(value, commas))
            for value in labels
        ),
        dtype=bool,
        count=len(labels),
    )


def _of_polars(y: Any, polars: Any) -> npt.NDArray[Any]:
    """Return the labels of a series; whole numbers beside missing ones stay whole numbers."""
    kind = y.dtype
    if isinstance(kind, polars.Decimal):
        floats, whole = y.cast(polars.Float64), y.cast(polars.Int64, strict=False)
        y = whole if (whole.cast(polars.Float64) == floats).all() else floats
        kind = y.dtype
    wide = str(kind) in ("Int128", "UInt128")
    if kind.is_float() or (kind.is_integer() and y.null_count() == 0 and not wide):
        return np.asarray(y.to_numpy())
    values = np.empty(len(y), dtype=object)
    values[:] = y.to_list()
    return values


def _labels_of_pandas(y: Any, pandas: Any) -> Any:
    """Return labels of pandas' own types as objects: beside missing ones, too, 1 stays 1."""
    if isinstance(y, pandas.DataFrame) and y.shape[1] == 1:
        y = y.iloc[:, 0]
    if isinstance(getattr(y, "dtype", None), np.dtype):  # NumPy's own types stay what they are
        return y
    array = y.array if isinstance(y, (pandas.Series, pandas.Index)) else y
    if isinstance(array, pandas.Categorical):
        levels = np.empty(len(array.categories) + 1, dtype=object)  # the last one is None
        levels[:-1] = array.categories.to_numpy(dtype=object)
        return levels[array.codes]  # the code of a missing one is -1
    if isinstance(array, pandas.api.extensions.ExtensionArray):
        return array.to_numpy(dtype=object)
    return y


def labels_of(
    y: Any, classes: Sequence[str] = ()
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Return labels as an array [N], and which of them say that a row has no label.

    `classes`: those of a model, whose names are labels.

    Examples
    --------
    >>> labels_of([0, 1, -1])
    (array([ 0,  1, -1]), array([False, False,  True]))
    >>> labels_of(["pear", None, "fig"])[1]
    array([False,  True, False])
    >>> labels_of(np.ma.array([0, 1, 1], mask=[False, False, True]))[1]
    array([False, False,  True])
    """
    if y is None:
        raise ValueError(
            "This LadderClassifier estimator requires y to be passed, but the target y is None."
        )
    if isinstance(y, np.ma.MaskedArray):
        found, unlabeled = labels_of(y.data, classes)
        return found, unlabeled | np.ma.getmaskarray(y).reshape(-1)
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(y, polars.DataFrame) and y.width == 1:
        y = y.to_series()
    if polars is not None and isinstance(y, polars.Series):
        y = _of_polars(y, polars)
    pandas = sys.modules.get("pandas")
    if pandas is not None:
        y = _labels_of_pandas(y, pandas)
    if isinstance(y, (list, tuple)) and any(is_missing(value) for value in y):
        y = np.asarray(y, dtype=object)
    y = column_or_1d(y, warn=True)
    kind = y.dtype.kind
    if kind == "S" or (kind == "O" and any(isinstance(value, bytes) for value in y)):
        raise ValueError(
            "LadderClassifier: expected labels as numbers or texts but got bytes (decode them: "
            "y.astype(str))."
        )
    if kind in "ib":
        return y, y == -1 if kind == "i" else np.zeros(len(y), dtype=bool)
    if kind == "u":
        return y, np.zeros(len(y), dtype=bool)
    if kind == "f":
        return y, np.isnan(y) | (y == -1)
    if kind in "mM":
        return y, np.isnat(y)
    unlabeled = _unlabeled(y, classes)
    return y, unlabeled | (y == _MISSING_TEXT) if kind == "U" else unlabeled


# What NumPy makes of NaN among texts.
_MISSING_TEXT = "nan"


class Classes(NamedTuple):
    """Classes of labels."""

    values: npt.NDArray[Any]  # in order; each stands for all of its spellings
    names: list[str]  # what the library calls them
    codes: npt.NDArray[np.int64]  # the class of each row, -1 for rows without label
    notes: list[str]  # what is worth saying about the labels
    quiet_notes: list[str]  # and what every user of -1 knows


def _values_of(
    distinct: npt.NDArray[Any], counts: npt.NDArray[np.int64], places: npt.NDArray[np.int64]
) -> npt.NDArray[Any]:
    """Return a value for each place: its most frequent one, without the blanks around it."""
    bare = [name_of(value) if isinstance(value, str) else value for value in distinct]
    rows: Counter[tuple[int, object]] = Counter()
    for place, value, count in zip(places.tolist(), bare, counts.tolist(), strict=True):
        rows[place, value] += count
    best: dict[int, object] = {}
    for place, value in rows:  # of equal counts the first in order
        if place not in best or rows[place, value] > rows[place, best[place]]:
            best[place] = value
    values = np.empty(len(best), dtype=object)
    values[:] = [best[place] for place in range(len(best))]
    return values if distinct.dtype == object else values.astype(distinct.dtype)


def _label_notes(
    y: npt.NDArray[Any],
    texts: Sequence[str],
    codes: npt.NDArray[np.int32],
    unlabeled: npt.NDArray[np.bool_],
    names: Sequence[str],
) -> tuple[list[str], list[str]]:
    """Return the notes of the program on these labels, that on -1 apart from the others."""
    table = _core.Table(len(y))
    table.add_texts("label", codes, texts)
    notes = []
    for note in _core.label_notes(table, "label", names):
        end = note.find(" (--missing")  # a flag of the program
        hint = " (write it as None if it means no label)"
        notes.append(note if end < 0 else note[:end] + hint)
    if y.dtype.kind == "U" and (missing := np.count_nonzero(unlabeled & (y == _MISSING_TEXT))):
        rows = f"{missing} row{'' if missing == 1 else 's'}"
        notes.append(f"missing values mean no label: {rows} '{_MISSING_TEXT}'")
    minus = _minus_ones(y, unlabeled)
    quiet = f"-1 means no label: {minus} row{'' if minus == 1 else 's'}"
    return notes, [quiet] if minus else []


def _minus_ones(y: npt.NDArray[Any], unlabeled: npt.NDArray[np.bool_]) -> int:
    if y.dtype.kind in "if":
        return int(np.count_nonzero(unlabeled & (y == -1)))
    if y.dtype.kind in "OU":
        return sum(_is_minus_one(value, commas=True) for value in y[unlabeled])
    return 0


def classes_of(y: npt.NDArray[Any], unlabeled: npt.NDArray[np.bool_]) -> Classes:
    """Return the classes of labels and of each row.

    Spellings of one class by the rules of the library ("a" and "a ", "1" and "1.0", "true" and
    "True") are one class, which the most frequent of them stands for.

    Examples
    --------
    >>> found = classes_of(np.array(["b", "a ", "a", "b"]), np.array([False, False, False, True]))
    >>> found.values.tolist(), found.codes.tolist()
    (['a', 'b'], [1, 0, 0, -1])
    """
    known = y[~unlabeled]
    if known.dtype == object:
        texts_there = sum(isinstance(value, str) for value in known)
        if 0 < texts_there < len(known):
            raise ValueError(
                "LadderClassifier: expected labels of one type but got texts beside numbers."
            )
        if texts_there == 0:
            known = np.asarray(known.tolist())
    if known.dtype == object:
        other = next((value for value in known if not isinstance(value, str)), None)
        if other is not None:
            raise ValueError(
                "LadderClassifier: expected labels as numbers or texts but got "
                f"{type(other).__name__} (y.astype(str) makes texts of them)."
            )
    if len(known) > 0:
        check_classification_targets(known)
    distinct, index, counts = np.unique(known, return_inverse=True, return_counts=True)
    texts = [text_of(value) for value in distinct]
    # -1 shows what commas are, too.
    is_text = y.dtype.kind in "OU"
    none = list({value for value in y[unlabeled] if isinstance(value, str)}) if is_text else []
    none = [text for text in none if _is_minus_one(text, _has_decimal_commas([*texts, *none]))]
    names = _core.ordered_classes([*texts, *none])
    if len(names) < 2:
        minus = _minus_ones(y, unlabeled)
        hint = f" (-1 means no label: {minus} row{'' if minus == 1 else 's'}" if minus else ""
        if minus:
            hint += "; write the class another way)" if len(names) == 1 else ")"
        raise ValueError(
            f"LadderClassifier: expected labels of at least 2 classes but got {len(names)} "
            f"class{'' if len(names) == 1 else 'es'} in {len(y)} rows{hint}."
        )
    places = np.asarray(_core.class_places([*texts, *none], names)[: len(texts)], dtype=np.int64)
    if np.any(places < 0):  # what the library takes for no label
        more = unlabeled.copy()
        more[~unlabeled] = (places < 0)[index]
        return classes_of(y, more)
    values = _values_of(distinct, counts, places)
    order = np.argsort(values, kind="stable")
    rank = np.argsort(order, kind="stable")
    text_codes = np.full(len(y), -1, dtype=np.int32)
    text_codes[~unlabeled] = index
    codes = np.full(len(y), -1, dtype=np.int64)
    codes[~unlabeled] = rank[places][index]
    notes, quiet = _label_notes(y, texts, text_codes, unlabeled, names)
    return Classes(values[order], [names[place] for place in order], codes, notes, quiet)


def _whole_number(text: str, commas: bool) -> int | None:
    value = plain_number(text, commas)
    if value is None or not value.is_integer():
        return None
    number = int(text) if text.removeprefix("-").isdigit() else int(value)
    return number if -(2**63) <= number < 2**63 else None


def classes_from_texts(texts: Sequence[str]) -> npt.NDArray[Any]:
    """Return the classes of a model file: whole numbers where all texts are by value, else texts.

    Examples
    --------
    >>> classes_from_texts(["0", "1"]), classes_from_texts(["fig", "1"])
    (array([0, 1]), array(['fig', '1'], dtype=object))
    >>> classes_from_texts(["0.0", "1.0"])
    array([0, 1])
    """
    commas = _has_decimal_commas(texts)
    numbers_there = (_whole_number(text, commas) for text in texts)
    whole = [number for number in numbers_there if number is not None]
    if whole and len(set(whole)) == len(texts):
        return np.asarray(whole)
    return np.asarray(list(texts), dtype=object)
