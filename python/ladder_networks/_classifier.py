"""The scikit-learn estimator."""

from __future__ import annotations

import numbers
import os
import pathlib
import re
import tempfile
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted

from ladder_networks import _core
from ladder_networks._report import FitReport
from ladder_networks._rows import (
    Labels,
    Rows,
    check_images,
    classes_from_texts,
    classes_of,
    in_place,
    is_images,
    is_pandas,
    labels_of,
    table_of,
    text_of,
    validated,
)


class LadderWarning(UserWarning):
    """What `LadderClassifier` says about data that it takes, but that may not be meant so."""


def _refuse(name: str, expected: str, value: object) -> TypeError:
    return TypeError(f"LadderClassifier: expected {expected} for {name} but got {value!r}.")


def _whole(name: str, value: Any, least: int | None = None) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise _refuse(name, "a whole number", value)
    if least is not None and value < least:
        raise ValueError(f"LadderClassifier: expected {name} of at least {least} but got {value}.")
    if abs(int(value)) >= 2**63:
        raise ValueError(f"LadderClassifier: expected {name} below 2**63 but got {value}.")
    return int(value)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise _refuse(name, "a number", value)
    return float(value)


def _list(name: str, value: Any) -> list[Any]:
    if isinstance(value, str) or not hasattr(value, "__len__") or not hasattr(value, "__iter__"):
        raise _refuse(name, "a list of numbers", value)
    if len(value) == 0:
        raise ValueError(
            f"LadderClassifier: expected {name} of at least one number, or None for the "
            "default, but got none."
        )
    return list(value)


def _flag(name: str, value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)) or (
        isinstance(value, numbers.Integral) and value in (0, 1)
    ):
        return bool(value)
    raise _refuse(name, "True or False", value)


def _name(name: str, value: Any) -> str:
    if name == "device" and type(value).__module__ == "torch":
        value = str(value)
    if not isinstance(value, str):
        raise _refuse(name, "a name", value)
    return str(value)


# How errors of the library speak of settings, and how Python has them.
_OWN_WORDS = (
    (r"(\d+) lambdas,", r"\1 denoising_weights,"),
    (r"fixed lambdas \(leave lambda empty,", "fixed denoising_weights (leave them None,"),
    (r"\blambda\b", "denoising_weights"),
    (r"continue it with --resume or", "continue it with resume=True or"),
    (r"\bin \d+ labeled rows of column '[^']*' \(regression is not supported; .*\)",
     "among labels that are floats (regression is not supported; give classes as whole numbers or "
     "texts, such as y.astype(str))"),
    (r"\bidentifying columns only\.", "identifying columns only (whole numbers that count the rows "
     "identify them; shuffle the rows if they are a measurement)."),
)  # fmt: skip


def _in_own_words(message: str) -> str:
    first = message.strip().splitlines()[0] if message.strip() else message
    for pattern, words in _OWN_WORDS:
        first = re.sub(pattern, words, first)
    return first


# Most notes that are shown as warnings; the attribute notes_ has all.
_MOST_WARNINGS = 5
# Reasons for leaving out a column that has nothing to say.
_PLAIN_REASONS = ("constant", "empty")


def _column_notes(model: _core.Classifier) -> tuple[list[str], list[str]]:
    """Return notes on columns, those apart that say nothing surprising."""
    notes, quiet = [], []
    for name, _, dropped in model.inputs:
        if dropped in _PLAIN_REASONS:
            quiet.append(f"column '{name}' is not used: {dropped}")
        elif dropped:
            hint = " (shuffle the rows if it is a measurement)" if dropped.startswith("counts ") else ""
            notes.append(f"column '{name}' is not used: {dropped}{hint}")
    return notes + [f"{name}: {note}" for name, note in model.notes], quiet


def _strange_notes(columns: Sequence[tuple[str, bool, int, int, bool]]) -> list[str]:
    """Return the notes of the program on columns with values unlike those of training."""
    notes = []
    for name, is_text, present, strange, rare in columns:
        if strange == 0 or (2 * strange <= present and (not is_text or rare)):
            continue
        if is_text:
            kind = "rare or not in training" if rare else "not in training"
            notes.append(f"column '{name}': {strange} of {present} texts were {kind}")
        else:
            notes.append(
                f"column '{name}': {strange} of {present} numbers are {_core.far_from:g} standard "
                "deviations or more away from those of training"
            )
    return notes


def _warn(notes: Sequence[str], stacklevel: int) -> None:
    shown = list(notes[:_MOST_WARNINGS])
    if len(notes) > len(shown):
        shown.append(f"and {len(notes) - len(shown)} notes more")
    for note in shown:
        warnings.warn(f"LadderClassifier: {note}.", LadderWarning, stacklevel=stacklevel + 1)


def _names(count: int) -> list[str]:
    """Return the names that the C++ library gives to columns without a name."""
    return [f"x{i}" for i in range(count)]


def _order_of(places: npt.ArrayLike) -> npt.NDArray[np.int64] | None:
    """Return the places of sorted classes in the model, None where the model has the same order."""
    order = np.asarray(places, dtype=np.int64)
    return None if np.array_equal(order, np.arange(len(order))) else order


class _Bar:
    """A progress bar of tqdm over training steps."""

    def __init__(self) -> None:
        from tqdm.auto import tqdm

        self.bar = tqdm(unit="step", desc="LadderClassifier")

    def __call__(self, step: int, steps: int, cost: float) -> None:
        self.bar.total = steps
        self.bar.set_postfix(cost=f"{cost:.4g}", refresh=False)
        self.bar.update(step - self.bar.n)

    def finish(self, steps: int) -> None:
        """Show all steps, also of a training that took less time than between two reports."""
        self.bar.total = max(steps, self.bar.total or 0)  # folds are further steps
        self.bar.update(self.bar.total - self.bar.n)


def _checked_weights(sample_weight: npt.ArrayLike, rows: int) -> npt.NDArray[np.float64]:
    """Return a weight of at least 0 for each row."""
    weights: npt.NDArray[np.float64] = _check_sample_weight(
        sample_weight, np.empty((rows, 0)), dtype=np.float64
    )
    if np.any(weights < 0):
        raise ValueError(
            f"LadderClassifier: expected sample_weight of at least 0 but got {weights.min():g}."
        )
    return weights


class LadderClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classifier that learns from a few labeled and many unlabeled rows by a ladder network.

    The unlabeled rows are part of ``X``; their label is -1, None, NaN, or an empty text. Columns of
    numbers, texts and categories are standardised and encoded by the estimator itself, and missing
    values are allowed, so that no preprocessing is needed. A model that is saved is the file that
    the program ``ladder`` and the C++ class ``ladder::Classifier`` read, and the other way round.

    Parameters
    ----------
    layers : sequence of int, default=None
        Units of the hidden layers. None: three layers whose width follows rows and columns.
    noise : float, default=None
        Standard deviation of the noise in training, in standard deviations of a column or hidden
        unit. None: 0.3; for images, 0.3 in the layers and 1.0 at the input. A number sets both.
    epochs : int, default=None
        Passes over all rows. None: enough for 6000 steps.
    minutes : float, default=None
        Train for about this time instead of a number of epochs.
    learning_rate : float, default=0.002
        Learning rate of Adam; it falls to zero over the second half of the training.
    batch_size : int, default=None
        Rows of a step, labeled or not. None: from the number of rows.
    labeled_batch_size : int, default=None
        Labeled rows of a step. None: from their number.
    activation : str, default="relu"
        "identity", "relu", "leaky-relu", "tanh" or "gelu".
    combinator : str, default="gaussian"
        Denoising function, such as "gaussian", "vanilla" or "amlp-2-2-2".
    denoising_weights : sequence of float, default=None
        Weights of the denoising costs, one for each level from the input to the classes. None:
        weights that follow the size of the costs.
    input_weight : float, default=10.0
        Weight of the input's denoising cost where `denoising_weights` is None. No effect on
        convolutional networks, whose only denoising cost is at the top.
    labels_alone : bool, default=False
        Train the same network on the labeled rows only: what the unlabeled rows bring is the
        difference.
    balance : str, default="none"
        How classes with few labeled rows are treated: "none" (the smallest error), "weights"
        (they weigh more in the supervised cost: better balanced accuracy for little more error)
        or "sampling" (they are drawn more often, which costs rows of common classes).
    validation : float, default=None
        Share of the labeled rows that is held back to measure the error. None: 0.1 where there
        are at least 100 labeled rows, else 0.
    folds : int, default=0
        Measure the error by this number of stratified folds instead. Each fold trains one more model.
    convolutional : bool, default=False
        Images: convolutions in place of dense layers.
    precision : str, default="float32"
        "float32", "bfloat16", "tf32" or "float64".
    device : str, default="cpu"
        Device to train on, such as "cuda". The trained model is on the CPU.
    folder : path-like, default=None
        Folder in which the run is recorded. ``ladder report FOLDER`` draws a page from it. A folder
        holds one run: give each call of `fit` another one, also where scikit-learn makes the calls.
    resume : bool, default=False
        Continue the run in `folder`, with the same rows and settings, or start it where there is
        none.
    random_state : int, RandomState instance or None, default=None
        Seed of initial weights, row order, noise and held-back rows. An integer is the seed of
        ``ladder train --seed``.
    progress : bool, default=False
        Show a progress bar (needs tqdm).

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted as by ``np.unique``. Probabilities have this order.
    n_features_in_ : int
        Number of columns seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns seen during `fit`. Defined only when `X` has column names that are
        all strings.
    report_ : FitReport
        What the training did.
    notes_ : list of str
        What is worth knowing about the data: columns that are not used, spellings that are one
        class, how many rows have no label. Surprising ones are also shown as `LadderWarning`.

    See Also
    --------
    sklearn.semi_supervised.LabelSpreading : Spreads labels along a graph of neighbours.
    sklearn.semi_supervised.SelfTrainingClassifier : Labels rows with another classifier's
        predictions.

    Notes
    -----
    Ctrl-C ends the training. The model so far is kept, `report_.status` is "interrupted", and a
    warning says so. Other Python threads run during `fit` and `predict`.

    `fit`, and methods that predict, warn by `LadderWarning` about data that they take, but that may
    not be meant so: a column that only counts the rows, labels of several spellings, columns whose
    values are unlike those of training. After an error, `fit` leaves the estimator as it was.

    References
    ----------
    A. Rasmus, H. Valpola, M. Honkala, M. Berglund, T. Raiko: "Semi-Supervised Learning with Ladder
    Networks", NIPS 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from ladder_networks import LadderClassifier
    >>> rng = np.random.default_rng(0)
    >>> truth = np.arange(300) % 3
    >>> X = np.array([[0, 0], [5, 0], [0, 5]])[truth] + rng.normal(size=(300, 2))
    >>> y = np.where(np.arange(300) < 12, truth, -1)
    >>> classifier = LadderClassifier(epochs=30, random_state=1).fit(X, y)
    >>> classifier.predict([[0, 0], [5, 0], [0, 5]])
    array([0, 1, 2])
    >>> classifier.predict_proba(X).shape
    (300, 3)
    >>> bool(classifier.score(X, truth) > 0.95)
    True
    """

    _model: _core.Classifier
    _order: npt.NDArray[np.int64] | None = None  # of classes_ in the model
    _known: list[str] | None = None  # columns of a model file that may be those of an array
    classes_: npt.NDArray[Any]
    n_features_in_: int
    report_: FitReport
    notes_: list[str]

    def __init__(
        self,
        *,
        layers: Sequence[int] | None = None,
        noise: float | None = None,
        epochs: int | None = None,
        minutes: float | None = None,
        learning_rate: float = 0.002,
        batch_size: int | None = None,
        labeled_batch_size: int | None = None,
        activation: str = "relu",
        combinator: str = "gaussian",
        denoising_weights: Sequence[float] | None = None,
        input_weight: float = 10.0,
        labels_alone: bool = False,
        balance: str = "none",
        validation: float | None = None,
        folds: int = 0,
        convolutional: bool = False,
        precision: str = "float32",
        device: str = "cpu",
        folder: str | os.PathLike[str] | None = None,
        resume: bool = False,
        random_state: int | np.random.RandomState | None = None,
        progress: bool = False,
    ) -> None:
        self.layers = layers
        self.noise = noise
        self.epochs = epochs
        self.minutes = minutes
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.labeled_batch_size = labeled_batch_size
        self.activation = activation
        self.combinator = combinator
        self.denoising_weights = denoising_weights
        self.input_weight = input_weight
        self.labels_alone = labels_alone
        self.balance = balance
        self.validation = validation
        self.folds = folds
        self.convolutional = convolutional
        self.precision = precision
        self.device = device
        self.folder = folder
        self.resume = resume
        self.random_state = random_state
        self.progress = progress

    def _options(self) -> _core.Options:
        options = _core.Options()
        options.program = "ladder_networks"
        if self.layers is not None:
            options.layers = [_whole("layers", units) for units in _list("layers", self.layers)]
        if self.denoising_weights is not None:
            given = _list("denoising_weights", self.denoising_weights)
            options.denoising_weights = [_number("denoising_weights", weight) for weight in given]
        if self.noise is not None:
            options.noise = _number("noise", self.noise)
        if self.epochs is not None:
            options.epochs = _whole("epochs", self.epochs)
            if options.epochs < 1:
                raise ValueError(
                    f"LadderClassifier: expected at least 1 epoch but got {options.epochs}."
                )
        if self.minutes is not None:
            options.minutes = _number("minutes", self.minutes)
        if self.batch_size is not None:
            options.batch_size = _whole("batch_size", self.batch_size, least=2)
        if self.labeled_batch_size is not None:
            size = _whole("labeled_batch_size", self.labeled_batch_size, least=1)
            options.labeled_batch_size = size
        if self.validation is not None:
            options.validation = _number("validation", self.validation)
        if self.folder is not None:
            options.folder = os.fspath(self.folder)
        if _flag("resume", self.resume):
            if self.folder is None:
                raise ValueError("LadderClassifier: expected a folder to resume but got none.")
            options.resume = (pathlib.Path(self.folder) / "config.json").exists()
        options.learning_rate = _number("learning_rate", self.learning_rate)
        options.input_weight = _number("input_weight", self.input_weight)
        options.labels_alone = _flag("labels_alone", self.labels_alone)
        options.folds = _whole("folds", self.folds)
        options.convolutional = _flag("convolutional", self.convolutional)
        options.combinator = _name("combinator", self.combinator)
        options.set_activation(_name("activation", self.activation))
        options.set_balance(_name("balance", self.balance))
        options.set_precision(_name("precision", self.precision))
        options.set_device(_name("device", self.device))
        if isinstance(self.random_state, numbers.Integral):
            if self.random_state < 0:
                raise ValueError(
                    f"LadderClassifier: expected random_state of at least 0 but got "
                    f"{self.random_state}."
                )
            if self.random_state >= 2**64:
                raise ValueError(
                    f"LadderClassifier: expected random_state below 2**64 but got "
                    f"{self.random_state}."
                )
            options.seed = int(self.random_state)
        else:
            options.seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        return options

    def fit(
        self,
        X: Rows,
        y: Labels,
        sample_weight: npt.ArrayLike | None = None,
    ) -> LadderClassifier:
        """Train on all rows, of which some have a label.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows. An array holds numbers, in which NaN is a missing value; a frame of pandas or
            polars may also have columns of texts and categories. Arrays that speak DLPack or the
            buffer protocol are read where they lie. An array of uint8 with the shape
            (n_samples, height, width) or (n_samples, channels, height, width) holds images. Masked
            values of a masked array are missing.
        y : array-like of shape (n_samples,)
            Classes: whole numbers or texts. -1, None, NaN, a masked value or an empty text: the row
            has no label.
        sample_weight : array-like of shape (n_samples,), default=None
            How often a row is drawn, in proportion to the others. Rows of weight 0 are left out.

        Returns
        -------
        self : LadderClassifier
            The trained classifier.
        """
        before = dict(self.__dict__)
        try:
            surprising = self._fit(X, y, sample_weight)
            is_interrupted = self.report_.status == "interrupted"
            if not is_interrupted:
                _warn(surprising, stacklevel=2)  # an error where a filter makes one of it
        except BaseException:  # what was trained before is still there, with its columns
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        if is_interrupted:  # whoever interrupts hours of training wants what they gave
            warnings.warn(
                f"LadderClassifier: training was interrupted after {self.report_.steps} steps; "
                "the model so far is kept.",
                stacklevel=2,
            )
            _warn(surprising, stacklevel=2)
        return self

    def _fit(self, X: Rows, y: Labels, sample_weight: npt.ArrayLike | None) -> list[str]:
        """Train, and return the notes that are worth a warning."""
        labels, unlabeled = labels_of(y)
        options = self._options()
        rows = in_place(X)
        images = is_images(rows)
        if images:
            check_images(rows)
            self.n_features_in_ = int(np.prod(rows.shape[1:]))
            if hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
        else:
            rows = validated(self, rows, fitting=True)
        check_consistent_length(rows, labels)
        used: npt.NDArray[np.int64] | None = None
        if sample_weight is not None:
            weights = _checked_weights(sample_weight, len(labels))
            if not np.any(weights > 0):
                raise ValueError(
                    "LadderClassifier: expected sample_weight with a weight above 0 but all of "
                    f"the {len(weights)} weights are zero."
                )
            if np.any(weights == 0):
                used = np.flatnonzero(weights)
                weights, labels, unlabeled = weights[used], labels[used], unlabeled[used]
                rows = rows.iloc[used] if is_pandas(rows) else rows[used]
            options.set_row_weights(weights)
        found = classes_of(labels, unlabeled)
        # Whole numbers and texts are classes. Floats are, too, unless they look like a quantity.
        options.labels_are_classes = found.values.dtype.kind != "f"

        bar = _Bar() if _flag("progress", self.progress) else None
        try:
            if images:
                model, report = _core.fit_images(
                    options, rows, found.codes, found.names, bar
                )
            else:
                columns = self._columns()
                label = getattr(y, "name", None)
                label = label if isinstance(label, str) and label else "label"
                while label in columns:
                    label += "_"
                table = table_of(rows, columns)
                table.add_texts(label, found.codes.astype(np.int32), found.names)
                model, report = _core.fit_table(options, table, label, bar)
            if bar is not None and report["status"] == "finished":
                bar.finish(report["steps"])
        except ValueError as error:
            message = _in_own_words(str(error))
            raise error if message == str(error) else ValueError(message) from None
        finally:
            if bar is not None:
                bar.bar.close()
        self._model = model
        self._known = None
        self.classes_ = found.values
        # The library orders texts that are numbers by value.
        places = {name: place for place, name in enumerate(model.classes)}
        self._order = _order_of([places[name] for name in found.names])
        if self._order is not None and "held_back_labels" in report:
            place_of = np.argsort(self._order).astype(np.int64)
            report["held_back_labels"] = place_of[report["held_back_labels"]]
            if "held_back_probabilities" in report:
                report["held_back_probabilities"] = self._sorted(report["held_back_probabilities"])
        if used is not None and "held_back_rows" in report:
            report["held_back_rows"] = used[report["held_back_rows"]]
        self.report_ = FitReport._of(report, self.classes_)
        notes, quiet = _column_notes(model)
        surprising = found.notes + notes
        self.notes_ = surprising + found.quiet_notes + quiet
        return surprising

    def predict_proba(self, X: Rows) -> npt.NDArray[np.float32]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows of the kind that `fit` was given.

        Returns
        -------
        probabilities : ndarray of float32, shape (n_samples, n_classes)
            A row for each row of `X`, a column for each class in the order of `classes_`.
        """
        return self._predicted(X, stacklevel=3)

    def predict_log_proba(self, X: Rows) -> npt.NDArray[np.float32]:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows of the kind that `fit` was given.

        Returns
        -------
        logarithms : ndarray of float32, shape (n_samples, n_classes)
            In the order of `classes_`; minus infinity for a probability of 0.
        """
        with np.errstate(divide="ignore"):
            return np.log(self._predicted(X, stacklevel=3))

    def _predicted(self, X: Rows, stacklevel: int) -> npt.NDArray[np.float32]:
        check_is_fitted(self)
        if (shape := self._model.image_shape) is not None:
            images = in_place(X)
            if not is_images(images):
                raise ValueError(
                    "LadderClassifier: expected images as uint8 (n_samples, height, width) or "
                    f"(n_samples, channels, height, width) but got {type(X).__name__} "
                    f"{getattr(X, 'dtype', '')} {getattr(X, 'shape', '')}."
                )
            check_images(images, shape)
            return self._sorted(self._model.predict_images(images))
        rows = validated(self, X, fitting=False, known=self._known)
        table = table_of(rows, self._columns())
        probabilities = self._sorted(self._model.predict_table(table))
        _warn(_strange_notes(self._model.strange_values(table)), stacklevel)
        return probabilities

    def predict(self, X: Rows) -> npt.NDArray[Any]:
        """Return the most probable class of each row.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows of the kind that `fit` was given.

        Returns
        -------
        classes : ndarray of shape (n_samples,)
            Class labels, of the type of `classes_`.
        """
        best = np.argmax(self._predicted(X, stacklevel=3), axis=1)
        classes: npt.NDArray[Any] = self.classes_[best]
        return classes

    def score(
        self, X: Rows, y: Labels, sample_weight: npt.ArrayLike | None = None
    ) -> float:
        """Return the share of rows whose class is predicted right.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            Rows of the kind that `fit` was given.
        y : array-like of shape (n_samples,)
            Classes. Rows without a label are left out, so that cross validation may divide rows
            with and without label alike.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        accuracy : float
            Mean accuracy of the rows with a label.
        """
        check_is_fitted(self)
        labels, unlabeled = labels_of(y, self._model.classes)
        best = np.argmax(self._predicted(X, stacklevel=3), axis=1)
        check_consistent_length(best, labels)
        known, answers = labels[~unlabeled], best[~unlabeled]
        if len(known) == 0:
            raise ValueError(
                f"LadderClassifier: expected a row with a label but got none of {len(labels)}."
            )
        if known.dtype.kind in "biuf" and self.classes_.dtype.kind in "biuf":
            right = self.classes_[answers] == known
        else:  # texts: all spellings of a class that the library knows
            codes: dict[str, int] = {}
            of_row = [codes.setdefault(text_of(value), len(codes)) for value in known]
            places = np.asarray(_core.class_places(list(codes), self._model.classes))
            order = np.arange(len(self.classes_)) if self._order is None else self._order
            right = places[of_row] == order[answers]
        if sample_weight is None:
            return float(np.mean(right))
        given = np.asarray(sample_weight)
        check_consistent_length(given, labels)
        if not np.any(given[~unlabeled]):
            raise ValueError(
                "LadderClassifier: expected sample_weight above 0 for a row with a label but got "
                "none."
            )
        weights = _checked_weights(given, len(labels))
        return float(np.average(right, weights=weights[~unlabeled]))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as one file that C++ and the program ``ladder`` read.

        Parameters
        ----------
        path : path-like
            File to write, ``sensor.ladder`` say. It is written atomically.
        """
        check_is_fitted(self)
        self._model.save(os.fspath(path))

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write the model in a format that other programs read.

        The file takes raw rows and has the class names; probabilities are in the order of these,
        which may differ from `classes_`.

        Parameters
        ----------
        path : path-like
            File to write. Its ending names the format: ``.onnx`` for an inference graph,
            ``.py`` for a module that needs only PyTorch (with its weights beside it),
            ``.safetensors`` or ``.pt`` for weights and texts.
        """
        check_is_fitted(self)
        self._model.export(os.fspath(path))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LadderClassifier:
        """Return the classifier of a model file, or of the run folder that holds one.

        Classes that are whole numbers (1, 1.0) become integers, all others texts. The parameters
        of the new estimator are the defaults: the file holds a model, not the wish to train one.

        Parameters
        ----------
        path : path-like
            A file that `save`, C++ or the program ``ladder`` wrote. It is read as data; nothing in
            it is executed.

        Returns
        -------
        classifier : LadderClassifier
            A classifier that predicts.
        """
        if not pathlib.Path(path).exists():
            raise FileNotFoundError(
                f"LadderClassifier: expected a model file or run folder but found no {os.fspath(path)}."
            )
        classifier = cls()
        model = _core.Classifier.load(os.fspath(path))
        classifier._model = model
        classes = classes_from_texts(model.classes)
        order = np.argsort(classes, kind="stable")
        classifier.classes_ = classes[order]
        classifier._order = _order_of(order)
        shape = model.image_shape
        if shape is not None:
            classifier.n_features_in_ = int(np.prod(shape))
        else:
            names = [name for name, _, _ in model.inputs]
            classifier.n_features_in_ = len(names)
            if names != _names(len(names)):
                classifier.feature_names_in_ = np.asarray(names, dtype=object)
            else:
                classifier._known = names
        return classifier

    def _sorted(self, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return probabilities of the model in the order of `classes_`."""
        if self._order is None:
            return probabilities
        return np.ascontiguousarray(probabilities[:, self._order])

    def _columns(self) -> list[str]:
        names = getattr(self, "feature_names_in_", None)
        return _names(self.n_features_in_) if names is None else [str(name) for name in names]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_model")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "_model" in state:
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / "model.ladder"
                self._model.save(path)
                state["_model"] = path.read_bytes()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = {"resume": False} | state  # older states have none
        if "_model" in state:
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / "model.ladder"
                path.write_bytes(state["_model"])
                state["_model"] = _core.Classifier.load(path)
        super().__setstate__(state)
