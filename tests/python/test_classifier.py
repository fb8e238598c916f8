"""LadderClassifier beside what scikit-learn's own checks cover."""

from __future__ import annotations

import array
import io
import os
import pickle
import signal
import threading
import time
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import Clouds
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from ladder_networks import LadderClassifier
from ladder_networks._libtorch import check_series
from ladder_networks._rows import in_place, labels_of


def quick(**others: object) -> LadderClassifier:
    return LadderClassifier(**({"epochs": 30, "random_state": 1} | others))


def frame_of(clouds: Clouds) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "width": clouds.X[:, 0],
            "height": clouds.X[:, 1],
            "color": np.where(clouds.truth == 0, "red", "green"),
        }
    )


# ---- Labels and rows


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, "", "-1", -1])
def test_text_labels_with_every_sign_of_no_label(clouds, missing):
    names = np.array(["apple", "pear", "fig"], dtype=object)[clouds.truth]
    names[clouds.y < 0] = missing
    model = quick().fit(clouds.X, names)
    assert model.classes_.tolist() == ["apple", "fig", "pear"]
    assert model.report_.labeled_rows == 12
    assert model.predict([[0, 0], [5, 0], [0, 5]]).tolist() == ["apple", "pear", "fig"]


@pytest.mark.parametrize(
    "labels",
    [
        pd.Series([0, 1, None, 2], dtype="Int64", name="state"),
        pd.Series(["a", None, "b", "c"], dtype="category"),
        pd.Series(["a", None, "b", "c"], dtype="str"),
        pl.Series("state", [0, None, 1, 2]),
        pl.Series(["a", None, "b", "c"], dtype=pl.Categorical),
        ["a", None, "b", "c"],
        ["a", float("nan"), "b", "c"],
        ["1.0", "-1.0", "0.0", "2.0"],
        [0.0, float("nan"), 1.0, -1.0],
    ],
    ids=lambda labels: f"{type(labels).__module__.split('.')[0]}-{getattr(labels, 'dtype', '')}",
)
def test_labels_of_series_and_lists(labels):
    found, unlabeled = labels_of(labels)
    assert len(found) == 4
    assert unlabeled.sum() == (2 if isinstance(labels, list) and labels[0] == 0 else 1)


def test_frames_of_pandas_and_polars_give_one_model(clouds):
    frame = frame_of(clouds)
    frame.loc[5, "width"] = np.nan
    frame.loc[7, "color"] = None
    models = [
        quick().fit(frame, clouds.y),
        quick().fit(frame.astype({"color": "category"}), clouds.y),
        quick().fit(pl.from_pandas(frame), clouds.y),
        quick().fit(pl.from_pandas(frame).with_columns(pl.col("color").cast(pl.Categorical)), clouds.y),
    ]
    assert models[0].feature_names_in_.tolist() == ["width", "height", "color"]
    expected = models[0].predict_proba(frame)
    for model in models[1:]:
        np.testing.assert_array_equal(model.predict_proba(pl.from_pandas(frame)), expected)
    assert models[0].score(frame, clouds.truth) > 0.95


def test_spaces_around_texts_do_not_count(clouds):
    frame = frame_of(clouds)
    frame.loc[7, "color"] = None
    spaced = frame.copy()
    spaced["color"] = [None if c is None else f" {c}\t" if i % 2 else c for i, c in enumerate(frame["color"])]
    spaced.loc[7, "color"] = "  "
    expected = quick(epochs=3).fit(frame, clouds.y)
    model = quick(epochs=3).fit(spaced, clouds.y)
    np.testing.assert_array_equal(model.predict_proba(frame), expected.predict_proba(frame))
    np.testing.assert_array_equal(
        expected.predict_proba(spaced.astype({"color": "category"})), expected.predict_proba(frame)
    )

    # Nor do those around labels, as where the program reads both from a CSV file.
    truth = np.array(["apple", "pear", "fig"], dtype=object)[clouds.truth]
    names = [None if y < 0 else name for y, name in zip(clouds.y, truth, strict=True)]
    around = [
        " -1 " if name is None else f" {name}\t" if i % 2 else name for i, name in enumerate(names)
    ]
    expected = quick(epochs=3).fit(frame, names)
    model = quick(epochs=3).fit(frame, around)
    assert model.report_.labeled_rows == expected.report_.labeled_rows
    bare = [name.strip(" \t") for name in model.classes_]
    assert sorted(bare) == expected.classes_.tolist()
    assert set(model.classes_) <= set(around)
    np.testing.assert_array_equal(
        model.predict_proba(frame)[:, np.argsort(bare)], expected.predict_proba(frame)
    )
    assert model.score(frame, truth) == expected.score(frame, truth)


@pytest.mark.parametrize("device", ["meta", "gpu"])
def test_other_devices_are_refused_by_a_sentence(clouds, device):
    with pytest.raises(ValueError, match="expected the CPU or a CUDA device but got '?" + device):
        quick(device=device).fit(clouds.X, clouds.y)


@pytest.mark.parametrize("kind", ["float32", "int64", "uint8", "float16", ">f8", "bool"])
def test_every_type_of_numbers(clouds, kind):
    X = np.clip(np.round(clouds.X + 3), 0, 200).astype(kind)
    model = quick(epochs=3).fit(X, clouds.y)
    expected = quick(epochs=3).fit(X.astype(float), clouds.y)
    np.testing.assert_array_equal(model.predict_proba(X), expected.predict_proba(X.astype(float)))


def test_arrays_are_read_where_they_lie(clouds):
    class Exporter:
        """Speaks DLPack and nothing else."""

        def __init__(self, values: np.ndarray) -> None:
            self.values = values

        def __dlpack__(self, **options: object) -> object:
            return self.values.__dlpack__(**options)

        def __dlpack_device__(self) -> tuple[int, int]:
            return self.values.__dlpack_device__()

    X = clouds.X.astype(np.float32)
    assert np.shares_memory(in_place(Exporter(X)), X)
    assert np.shares_memory(in_place(memoryview(X)), X)
    expected = quick().fit(X, clouds.y).predict_proba(X)
    for view in (Exporter(X), memoryview(X), np.asfortranarray(X), np.repeat(X, 2, 0)[::2]):
        np.testing.assert_array_equal(quick().fit(view, clouds.y).predict_proba(view), expected)
    numbers = array.array("d", [1.0, 2.0])
    assert np.shares_memory(np.asarray(memoryview(numbers)), in_place(memoryview(numbers)))


def test_images(clouds):
    rng = np.random.default_rng(0)
    truth = np.arange(200) % 2
    images = rng.integers(0, 40, size=(200, 6, 6), dtype=np.uint8)
    images[truth == 1, :3] += 120
    images[truth == 0, 3:] += 120
    y = np.where(np.arange(200) < 10, truth, -1)
    model = quick().fit(images, y)
    assert model.score(images, truth) > 0.95
    assert model.n_features_in_ == 36
    np.testing.assert_array_equal(
        model.predict_proba(images[:, None]), model.predict_proba(images)
    )
    np.testing.assert_array_equal(
        model.predict_proba(images[::-1, :, ::-1]),
        model.predict_proba(images[::-1, :, ::-1].copy()),
    )
    with pytest.raises(ValueError, match="expected images as uint8 .* but got ndarray float64"):
        model.predict(images.astype(float))


# ---- scikit-learn's tools


def test_pipeline_grid_search_clone_and_pickle(clouds):
    pipeline = make_pipeline(StandardScaler(), quick())
    search = GridSearchCV(pipeline, {"ladderclassifier__noise": [0.1, 0.5]}, cv=2)
    search.fit(clouds.X, clouds.y)
    assert search.best_score_ > 0.8
    best = search.best_estimator_[-1]
    assert clone(best).get_params() == best.get_params()
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(
        again.predict_proba(clouds.X), search.best_estimator_.predict_proba(clouds.X)
    )


def test_beside_self_training(clouds):
    supervised = quick(labels_alone=True, epochs=30)
    self_training = SelfTrainingClassifier(supervised, max_iter=2).fit(clouds.X, clouds.y)
    assert self_training.score(clouds.X, clouds.truth) > 0.9


def test_one_seed_gives_one_model(clouds):
    first, second = (quick().fit(clouds.X, clouds.y) for _ in range(2))
    other = quick(random_state=2).fit(clouds.X, clouds.y)
    np.testing.assert_array_equal(first.predict_proba(clouds.X), second.predict_proba(clouds.X))
    assert np.any(first.predict_proba(clouds.X) != other.predict_proba(clouds.X))
    drawn = LadderClassifier(epochs=2, random_state=np.random.RandomState(3))
    assert drawn.fit(clouds.X, clouds.y).report_.steps == 20


def test_score_leaves_out_rows_without_label(clouds):
    model = quick().fit(clouds.X, clouds.y)
    y = clouds.truth.copy()
    wrong = np.flatnonzero(model.predict(clouds.X) != y)
    y[wrong] = -1
    assert model.score(clouds.X, y) == 1.0
    with pytest.raises(ValueError, match="expected a row with a label but got none of 300"):
        model.score(clouds.X, np.full(300, -1))


def test_rows_of_weight_zero_are_left_out(clouds):
    weights = np.where(np.arange(300) < 200, 1.0, 0.0)
    for rows in (clouds.X, pd.DataFrame(clouds.X), pl.DataFrame(clouds.X)):
        few = rows[:200]
        weighted = quick().fit(rows, clouds.y, sample_weight=weights)
        fewer = quick().fit(few, clouds.y[:200])
        np.testing.assert_array_equal(weighted.predict_proba(few), fewer.predict_proba(few))


def test_report_names_rows_of_x_where_some_have_no_weight(clouds):
    labeled = np.flatnonzero(clouds.y >= 0)
    weights = np.ones(len(clouds.y))
    weights[labeled[0]] = 0
    report = quick(folds=2).fit(clouds.X, clouds.y, sample_weight=weights).report_
    assert sorted(report.held_back_rows) == labeled[1:].tolist()
    np.testing.assert_array_equal(report.held_back_labels, clouds.y[report.held_back_rows])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"random_state": -1}, "expected random_state of at least 0 but got -1"),
        ({"layers": ()}, "expected layers of at least one number, or None for the default"),
        ({"denoising_weights": []}, "expected denoising_weights of at least one number"),
    ],
)
def test_settings_without_a_meaning_are_refused(clouds, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        quick(**settings).fit(clouds.X, clouds.y)


def test_report(clouds):
    model = quick(folds=2).fit(clouds.X, clouds.y)
    report = model.report_
    assert (report.status, report.rows, report.labeled_rows, report.epochs) == (
        "finished", 300, 12, 30,
    )  # fmt: skip
    assert report.steps == 300
    assert [point["epoch"] for point in report.curve] == list(range(1, 31))
    assert report.curve[-1]["total_cost"] < report.curve[0]["total_cost"]
    assert sorted(report.held_back_rows) == list(range(12))
    np.testing.assert_array_equal(report.held_back_labels, clouds.y[report.held_back_rows])
    assert report.held_back_error is not None and report.held_back_error <= 100 / 12
    assert str(report).splitlines()[0].startswith("finished: 300 steps, 30 epochs, ")
    assert str(report).splitlines()[-1].endswith("% of 12 rows (2 folds)")


# ---- Long trainings


class Soon:
    """Sends a signal as soon as the training reports progress."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number
        self.bar = self
        self.timer: threading.Timer | None = None

    def __call__(self, step: int, steps: int, cost: float) -> None:
        if self.timer is None:
            self.timer = threading.Timer(0.2, os.kill, (os.getpid(), self.number))
            self.timer.start()

    def close(self) -> None:
        assert self.timer is not None, "the training was over before it was told of"
        self.timer.join()


def test_ctrl_c_stops_and_keeps_the_model(clouds, monkeypatch):
    monkeypatch.setattr("ladder_networks._classifier._Bar", lambda: Soon(signal.SIGINT))
    endless = quick(epochs=100_000, progress=True)
    with pytest.warns(UserWarning, match="training was interrupted after [0-9]+ steps; the model"):
        endless.fit(clouds.X, clouds.y)
    assert endless.report_.status == "interrupted"
    assert endless.score(clouds.X, clouds.truth) > 0.9


def test_an_error_of_a_signal_handler_ends_fit(clouds, monkeypatch):
    def handler(number: int, frame: object) -> None:
        raise TimeoutError("too long")

    monkeypatch.setattr("ladder_networks._classifier._Bar", lambda: Soon(signal.SIGUSR1))
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(TimeoutError, match="too long"):
            quick(epochs=100_000, progress=True).fit(clouds.X, clouds.y)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_other_threads_run_during_fit_and_predict(clouds):
    counts = []

    def watched(work) -> int:
        ticks, done = 0, threading.Event()

        def run() -> None:
            work()
            done.set()

        thread = threading.Thread(target=run)
        begin = time.monotonic()
        thread.start()
        while not done.wait(0.005):
            ticks += 1
        thread.join()
        counts.append((ticks, time.monotonic() - begin))
        return ticks

    model = quick(epochs=200)
    # With the GIL held, this thread would wait for the end of the work and tick once or twice.
    assert watched(lambda: model.fit(clouds.X, clouds.y)) > 10, counts
    many = np.repeat(clouds.X, 2000, axis=0)
    assert watched(lambda: model.predict(many)) > 5, counts


def test_progress_bar(clouds, capsys):
    quick(epochs=400, progress=True).fit(clouds.X, clouds.y)
    assert "/4000" in capsys.readouterr().err


# ---- Errors


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"layers": [10.5]}, TypeError, "expected a whole number for layers but got 10.5"),
        ({"noise": "much"}, TypeError, "expected a number for noise but got 'much'"),
        ({"epochs": 0}, ValueError, "expected at least 1 epoch but got 0"),
        ({"noise": -1.0}, ValueError, "expected a noise of at least 0 but got -1"),
        ({"activation": "swish"}, ValueError, "swish"),
        ({"combinator": "gausian"}, ValueError, "gaussian"),
        ({"balance": "equal"}, ValueError, "none, sampling or weights but got 'equal'"),
        ({"minutes": 1.0}, ValueError, "expected epochs or minutes but got both"),
        ({"convolutional": True}, ValueError, "expected images for a convolutional network"),
    ],
    ids=str,
)
def test_settings_that_are_refused(clouds, settings, error, message):
    with pytest.raises(error, match=message) as caught:
        quick(**settings).fit(clouds.X, clouds.y)
    assert "\n" not in str(caught.value)


def test_rows_and_labels_that_are_refused(clouds):
    with pytest.raises(ValueError, match="at least 2 classes but got 1 class in 300 rows"):
        quick().fit(clouds.X, np.where(clouds.y == 0, 0, -1))
    with pytest.raises(ValueError, match="texts beside numbers"):
        quick().fit(clouds.X[:3], np.array(["a", 1, "b"], dtype=object))
    twice = pd.DataFrame(clouds.X, columns=["width", "width"])
    with pytest.raises(ValueError, match="'width'"):  # newer scikit-learn says it first
        quick().fit(twice, clouds.y)
    with pytest.raises(ValueError, match="infinity"):
        quick().fit(np.full((300, 2), np.inf), clouds.y)
    with pytest.raises(ValueError, match="sample_weight of at least 0 but got -1"):
        quick().fit(clouds.X, clouds.y, sample_weight=np.full(300, -1.0))
    dates = pd.DataFrame({"day": pd.date_range("2026-01-01", periods=300), "x": clouds.X[:, 0]})
    with pytest.raises(TypeError, match="numbers, texts or categories in column 'day' but got date"):
        quick().fit(dates, clouds.y)
    with pytest.raises(TypeError, match="in column 'day' but got Datetime"):
        quick().fit(pl.from_pandas(dates), clouds.y)
    model = quick().fit(frame_of(clouds), clouds.y)
    with pytest.raises(ValueError, match="expected finite numbers but got inf in row 1 of column 'width'"):
        model.predict(frame_of(clouds).assign(width=np.inf))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame_of(clouds).rename(columns={"width": "wide"}))


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a model file or run folder but found no"):
        LadderClassifier.load(tmp_path / "none.ladder")
    (tmp_path / "bad.ladder").write_bytes(b"not a model")
    with pytest.raises(ValueError, match="bad.ladder"):
        LadderClassifier.load(tmp_path / "bad.ladder")


@pytest.mark.parametrize("version", ["2.10.1", "2.12.0+cpu", "3.11.0", None])
def test_another_series_of_torch_is_refused(version):
    found = f"got {version}" if version else "found none"
    with pytest.raises(ImportError) as caught:
        check_series(version)
    assert str(caught.value).replace("+", " ").startswith(
        f"ladder_networks: expected torch 2.11 but {found}".replace("+", " ")
    )


def test_no_warnings_on_the_plain_path(clouds):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = quick().fit(clouds.X, clouds.y)
        model.predict(clouds.X)
        buffer = io.BytesIO()
        pickle.dump(model, buffer)
