"""Types of the compiled module. It is private: call `LadderClassifier`."""

import os
from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

version: str
far_from: float

class CurvePoint(TypedDict):
    epoch: int
    step: int
    supervised_cost: float | None
    denoising_costs: list[float | None]
    total_cost: float
    validation_error: float | None
    seconds: float

class _Report(TypedDict):
    status: str
    rows: int
    labeled_rows: int
    epochs: int
    steps: int
    seconds: float
    curve: list[CurvePoint]
    held_back: str

class Report(_Report, total=False):
    held_back_rows: npt.NDArray[np.int64]
    held_back_labels: npt.NDArray[np.int64]
    held_back_probabilities: npt.NDArray[np.float32]
    held_back_error: float

class Table:
    def __init__(self, rows: int) -> None: ...
    def add_numbers(self, name: str, values: npt.NDArray[Any]) -> None: ...
    def add_matrix(self, names: Sequence[str], values: npt.NDArray[Any]) -> None: ...
    def add_texts(self, name: str, codes: npt.NDArray[Any], levels: Sequence[str]) -> None: ...

class Options:
    layers: Sequence[int]
    convolutional: bool
    combinator: str
    denoising_weights: Sequence[float]
    input_weight: float
    labels_alone: bool
    noise: float | None
    epochs: int
    minutes: float
    learning_rate: float
    batch_size: int | None
    labeled_batch_size: int | None
    validation: float | None
    folds: int
    seed: int
    labels_are_classes: bool
    folder: str | os.PathLike[str]
    resume: bool
    program: str
    def __init__(self) -> None: ...
    def set_activation(self, name: str) -> None: ...
    def set_balance(self, name: str) -> None: ...
    def set_precision(self, name: str) -> None: ...
    def set_device(self, name: str) -> None: ...
    def set_row_weights(self, weights: npt.NDArray[np.float64]) -> None: ...

class Classifier:
    @staticmethod
    def load(path: str | os.PathLike[str]) -> Classifier: ...
    def save(self, path: str | os.PathLike[str]) -> None: ...
    def export(self, path: str | os.PathLike[str]) -> None: ...
    @property
    def classes(self) -> list[str]: ...
    @property
    def label(self) -> str: ...
    @property
    def inputs(self) -> list[tuple[str, str, str]]: ...
    @property
    def notes(self) -> list[tuple[str, str]]: ...
    @property
    def image_shape(self) -> tuple[int, int, int] | None: ...
    @property
    def facts(self) -> list[tuple[str, str]]: ...
    def strange_values(self, table: Table) -> list[tuple[str, bool, int, int, bool]]: ...
    def predict_table(self, table: Table) -> npt.NDArray[np.float32]: ...
    def predict_images(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]: ...

Progress = Callable[[int, int, float], None]

def has_decimal_commas(texts: Sequence[str]) -> bool: ...
def ordered_classes(names: Sequence[str]) -> list[str]: ...
def class_places(texts: Sequence[str], classes: Sequence[str]) -> list[int]: ...
def label_notes(table: Table, label: str, classes: Sequence[str]) -> list[str]: ...
def fit_table(
    options: Options, table: Table, label: str, progress: Progress | None
) -> tuple[Classifier, Report]: ...
def fit_images(
    options: Options,
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    classes: Sequence[str],
    progress: Progress | None,
) -> tuple[Classifier, Report]: ...
