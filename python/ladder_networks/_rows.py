"""Rows and labels of Python as the C++ library takes them."""

from __future__ import annotations

import math
import numbers
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeAlias, TypeGuard

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


def name_of(value: object) -> str:
    """Return the name of a class; spaces around a text do not count, as in CSV files.

    Examples
    --------
    >>> name_of(" pear\\t"), name_of(3.0)
    ('pear', '3')
    """
    return text_of(value).strip(" \t")


# A number that may be spelled otherwise, as the C++ library has it: 01 is a code.
_PLAIN_NUMBER = re.compile(r"-?(?!0[0-9])([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)


def plain_number(text: str) -> float | None:
    """Return the value of a text that is a number of any spelling, None for another text.

    Examples
    --------
    >>> plain_number("1.0"), plain_number("01"), plain_number("pear")
    (1.0, None, None)
    """
    if _PLAIN_NUMBER.fullmatch(text) is None:
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def label_key(value: object) -> float | str:
    """Return what labels are compared by: numbers by value, however they are written."""
    text = name_of(value)
    number = plain_number(text)
    return text if number is None else number


def is_missing(value: object) -> bool:
    """Return whether a value of an object column is None, NaN, NA, NaT or a text of spaces only."""
    if value is None or (isinstance(value, str) and value.strip(" \t") == ""):
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


def in_place(rows: Rows) -> Any:
    """Return an array that speaks DLPack or the buffer protocol as a NumPy array on its memory."""
    if isinstance(rows, np.ndarray) or is_pandas(rows) or is_polars(rows):
        return rows
    if hasattr(rows, "__dlpack__"):
        exporter: Any = rows
        try:
            return np.from_dlpack(exporter)
        except (BufferError, RuntimeError, TypeError) as error:
            raise ValueError(
                f"LadderClassifier: expected an array in the memory of the CPU, without gradient, "
                f"but got {type(rows).__name__} ({error})."
            ) from error
    if isinstance(rows, memoryview):
        return np.asarray(rows)
    return rows


# ---- Columns of frames


def _factorised(values: Iterable[object]) -> _Texts:
    """Return codes and texts; spaces around a text do not count, as in CSV files."""
    levels: dict[str, int] = {}
    codes = [
        -1 if is_missing(value) else levels.setdefault(text_of(value).strip(" \t"), len(levels))
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
        raise _refuse(name, found)
    raise _refuse(name, kind)


def _polars_column(name: str, column: Any) -> npt.NDArray[Any] | _Texts:
    import polars as pl

    kind = column.dtype
    if kind.is_numeric():
        if isinstance(kind, pl.Decimal) or (column.null_count() > 0 and kind != pl.Float32):
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


def validated(estimator: Any, rows: Rows, *, fitting: bool) -> Any:
    """Return X as an array or a frame after scikit-learn's checks.

    Sets or checks `n_features_in_` and `feature_names_in_`. A frame of numbers, texts and
    categories stays a frame; arrays become matrices of numbers, in which NaN is a missing value.
    """
    checked = in_place(rows)
    if is_pandas(checked) or is_polars(checked):
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
    return validate_data(
        estimator,
        checked,
        reset=fitting,
        ensure_all_finite="allow-nan",
        ensure_min_samples=2 if fitting else 1,
    )


# ---- Labels


def _is_unlabeled(value: object) -> bool:
    if is_missing(value):
        return True
    if isinstance(value, str):  # "-1", "-1.0"
        text = value.strip(" \t")
        try:
            return text.startswith("-") and float(text) == -1
        except ValueError:
            return False
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and value == -1


def labels_of(y: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Return labels as an array [N], and which of them say that a row has no label.

    Examples
    --------
    >>> labels_of([0, 1, -1])
    (array([ 0,  1, -1]), array([False, False,  True]))
    >>> labels_of(["pear", None, "fig"])[1]
    array([False,  True, False])
    """
    if y is None:
        raise ValueError(
            "This LadderClassifier estimator requires y to be passed, but the target y is None."
        )
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(y, polars.Series):
        y = y.to_numpy() if y.dtype.is_numeric() else np.asarray(y.to_list(), dtype=object)
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(y, pandas.Series) and not isinstance(y.dtype, np.dtype):
        y = y.to_numpy(dtype=object)
    if isinstance(y, (list, tuple)) and any(is_missing(value) for value in y):
        y = np.asarray(y, dtype=object)
    y = column_or_1d(y, warn=True)
    if y.dtype.kind in "ib":
        return y, y == -1 if y.dtype.kind == "i" else np.zeros(len(y), dtype=bool)
    if y.dtype.kind == "u":
        return y, np.zeros(len(y), dtype=bool)
    if y.dtype.kind == "f":
        return y, np.isnan(y) | (y == -1)
    return y, np.fromiter((_is_unlabeled(value) for value in y), dtype=bool, count=len(y))


def classes_of(
    y: npt.NDArray[Any], unlabeled: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Return the classes in order, and the index of each row's class, -1 for rows without label.

    Texts that differ in the spaces around them are one class, which the first of them stands for.

    Examples
    --------
    >>> classes_of(np.array(["b", "a ", "a", "b"]), np.array([False, False, False, True]))
    (array(['a', 'b'], dtype='<U2'), array([ 1,  0,  0, -1]))
    """
    known = y[~unlabeled]
    if known.dtype == object and not any(isinstance(value, str) for value in known):
        known = np.asarray(known.tolist())
    try:
        if len(known) > 0:
            check_classification_targets(known)
        classes, index = np.unique(known, return_inverse=True)
    except TypeError as error:
        raise ValueError(
            "LadderClassifier: expected labels of one type but got texts beside numbers."
        ) from error
    if classes.dtype.kind in "OU":
        places: dict[str, int] = {}
        merged = [places.setdefault(name_of(value), len(places)) for value in classes]
        if len(places) < len(classes):
            _, first = np.unique(merged, return_index=True)
            classes, index = classes[first], np.asarray(merged)[index]
    if len(classes) < 2:
        raise ValueError(
            f"LadderClassifier: expected labels of at least 2 classes but got {len(classes)} "
            f"class{'' if len(classes) == 1 else 'es'} in {len(y)} rows."
        )
    codes = np.full(len(y), -1, dtype=np.int64)
    codes[~unlabeled] = index
    return classes, codes


def _whole_number(text: str) -> int | None:
    value = plain_number(text)
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
    whole = [number for number in map(_whole_number, texts) if number is not None]
    if whole and len(set(whole)) == len(texts):
        return np.asarray(whole)
    return np.asarray(list(texts), dtype=object)
