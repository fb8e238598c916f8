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
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from ladder_networks import LadderClassifier, LadderWarning
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
        ["1,0", "-1,0", "0,0", "2,0"],
        ["1", "\u22121", "0", "2"],
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
    with pytest.warns(LadderWarning, match="labels ' fig\t' and 'fig' are one class"):
        model = quick(epochs=3).fit(frame, around)
    assert model.report_.labeled_rows == expected.report_.labeled_rows
    assert model.classes_.tolist() == expected.classes_.tolist()
    np.testing.assert_array_equal(model.predict_proba(frame), expected.predict_proba(frame))
    assert model.score(frame, around) == model.score(frame, truth) == expected.score(frame, truth)


@pytest.mark.parametrize(
    ("names", "stray", "note"),
    [
        (("Yes", "No"), " Yes", "labels ' Yes' and 'Yes' are one class"),
        (("Yes", "No"), "\tYes", "labels '\tYes' and 'Yes' are one class"),
        (("Yes", "No"), "\u00a0Yes", "labels 'Yes' and '\u00a0Yes' are one class"),
        (("10.0", "20.0"), "10", "labels '10' and '10.0' are one class"),
        (("True", "False"), "true", "labels 'True' and 'true' are one class"),
    ],
)
def test_one_stray_spelling_of_a_label_renames_no_class(clouds, names, stray, note):
    truth = np.where(clouds.truth == 0, *names)
    labels = np.where(clouds.y < 0, "", truth).astype("U5")
    labels[0] = stray
    with pytest.warns(LadderWarning) as caught:
        model = quick().fit(clouds.X, labels)
    assert [str(one.message) for one in caught] == [f"LadderClassifier: {note}."]
    assert model.notes_ == [note]
    assert model.classes_.tolist() == sorted(names)
    assert np.mean(model.predict(clouds.X) == truth) > 0.95
    known = labels != ""
    right = np.mean(model.predict(clouds.X[known]) == truth[known])  # in the spelling of classes_
    assert model.score(clouds.X, labels) == pytest.approx(right)
    assert model.score(clouds.X[:1], [stray]) == model.score(clouds.X[:1], truth[:1])


def test_truth_values_are_scored_in_every_spelling(clouds, tmp_path):
    truth = clouds.truth == 0
    for false, true in (("false", "true"), ("FALSE", "TRUE"), (False, True)):
        labels = np.empty(300, dtype=object)
        labels[clouds.y >= 0] = np.array([false, true], dtype=object)[truth[clouds.y >= 0] * 1]
        model = quick().fit(clouds.X, labels)
        model.save(tmp_path / "model.ladder")
        for one in (model, LadderClassifier.load(tmp_path / "model.ladder")):
            expected = one.score(clouds.X, truth)
            assert expected > 0.95
            for others in (truth * 1, truth.astype(str), np.where(truth, "true", "false")):
                assert one.score(clouds.X, others) == expected


def test_labels_that_are_no_class_are_wrong_in_the_score(clouds):
    truth = np.array(["apple", "pear", "fig"], dtype=object)[clouds.truth]
    model = quick().fit(clouds.X, np.where(clouds.y < 0, None, truth))
    right = model.predict(clouds.X) == truth
    labels = truth.copy()
    labels[::3] = [f"kiwi {i}" for i in range(100)]  # the apples
    assert model.score(clouds.X, labels) == pytest.approx(np.mean(right & (truth != "apple")))


def test_missing_labels_of_numpy(clouds):
    known = clouds.y >= 0
    days = np.array(["2026-01-01", "2026-01-02", "2026-01-03"], dtype="M8[D]")[clouds.truth]
    days[~known] = np.datetime64("NaT")
    masked = np.ma.array(clouds.truth, mask=~known)
    texts = np.array(["a", "b", "c"])[clouds.truth].astype("U3")
    texts[~known] = "nan"  # what NumPy makes of NaN among texts
    for labels in (days, masked, masked[:, None], np.ma.array(texts, mask=~known)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a column of labels
            model = quick(epochs=1).fit(clouds.X, labels)
        assert (len(model.classes_), model.report_.labeled_rows) == (3, 12)
    with pytest.warns(LadderWarning, match="missing values mean no label: 288 rows 'nan'"):
        model = quick(epochs=1).fit(clouds.X, texts)
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert model.report_.labeled_rows == 12


def test_masked_numbers_are_missing(clouds):
    mask = clouds.X > 4
    model = quick(epochs=3).fit(np.ma.array(clouds.X, mask=mask), clouds.y)
    plain = np.where(mask, np.nan, clouds.X)
    expected = quick(epochs=3).fit(plain, clouds.y)
    np.testing.assert_array_equal(
        model.predict_proba(np.ma.array(clouds.X, mask=mask)), expected.predict_proba(plain)
    )
    images = np.ma.array(np.ones((4, 6, 6), np.uint8), mask=np.eye(6) * np.ones((4, 1, 1)))
    with pytest.raises(ValueError, match="expected images without a mask but got masked pixels"):
        quick().fit(images, [0, 1, 0, 1])


def test_whole_numbers_of_polars_stay_whole_beside_missing_ones(clouds):
    numbers = [9007199254740992, 9007199254740993, 5]
    labels = [None if y < 0 else numbers[y] for y in clouds.y]
    model = quick(epochs=1).fit(clouds.X, pl.Series(labels))
    assert model.classes_.tolist() == sorted(numbers)
    frame = pl.DataFrame({"x": clouds.X[:, 0]}).with_columns(
        pl.Series("i", clouds.truth).cast(pl.Int128)
    )
    assert quick(epochs=1).fit(frame, pl.Series([1, 2, None] * 100, dtype=pl.Int128)).classes_.tolist() == [1, 2]


def test_class_ids_are_classes(clouds):
    ids = np.r_[10115 + 7000 * np.arange(12), np.full(288, -1)]
    for labels in (ids, ids.astype(str), ids.astype(object)):
        assert len(quick(epochs=1).fit(clouds.X, labels).classes_) == 12
    lists = np.array(["cat", "dog", "cat;dog"])[clouds.truth]
    assert quick(epochs=1).fit(clouds.X, lists).classes_.tolist() == ["cat", "cat;dog", "dog"]
    with pytest.raises(ValueError, match="12 different numbers among labels that are floats") as caught:
        quick(epochs=1).fit(clouds.X, ids.astype(float))
    assert "column" not in str(caught.value)


# ---- What is said about data


def test_a_column_that_counts_the_rows_is_left_out_with_a_warning(clouds):
    X = np.c_[clouds.X, np.arange(300), np.ones(300)]
    with pytest.warns(LadderWarning) as caught:
        model = quick(epochs=1).fit(X, clouds.y)
    counts = "column 'x2' is not used: counts the rows (shuffle the rows if it is a measurement)"
    assert [str(one.message) for one in caught] == [f"LadderClassifier: {counts}."]
    assert caught[0].filename == __file__
    assert model.notes_ == [
        counts, "-1 means no label: 288 rows", "column 'x3' is not used: constant",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="shuffle the rows if they are a measurement"):
        quick().fit(np.arange(20.0)[:, None], np.arange(20) // 10)


def test_values_unlike_those_of_training_are_told(clouds):
    frame = frame_of(clouds)
    model = quick(epochs=1).fit(frame, clouds.y)
    strange = frame.assign(width=1e9, color=np.where(clouds.truth == 0, "blue", "green"))
    for call in (model.predict, model.predict_proba, lambda rows: model.score(rows, clouds.truth)):
        with pytest.warns(LadderWarning) as caught:
            call(strange)
        assert [str(one.message) for one in caught] == [
            "LadderClassifier: column 'width': 300 of 300 numbers are 8 standard deviations or more "
            "away from those of training.",
            "LadderClassifier: column 'color': 100 of 300 texts were not in training.",
        ]
    assert caught[0].filename == __file__


def test_classes_that_look_missing_are_told(clouds):
    labels = np.array(["NA", "b", "c"], dtype=object)[clouds.truth]
    with pytest.warns(LadderWarning, match="class 'NA' looks like a missing value .write it as None"):
        assert quick(epochs=1).fit(clouds.X, labels).classes_.tolist() == ["NA", "b", "c"]


def test_many_notes_are_cut_short(clouds):
    rows = pd.DataFrame({f"c{i}": np.arange(300) + i for i in range(7)} | {"x": clouds.X[:, 0]})
    with pytest.warns(LadderWarning) as caught:
        model = quick(epochs=1).fit(rows, clouds.y)
    assert len(caught) == 6
    assert str(caught[-1].message) == "LadderClassifier: and 2 notes more."
    assert len(model.notes_) == 8


# ---- Fitting again


def test_a_fit_that_fails_changes_nothing(clouds):
    frame = frame_of(clouds)
    model = quick(epochs=1).fit(frame, clouds.y)
    before = model.predict_proba(frame)
    for rows, labels in ((frame[["width"]], np.full(300, -1)), (clouds.X[:, :1], clouds.y[:2])):
        with pytest.raises(ValueError):
            model.fit(rows, labels)
        assert model.n_features_in_ == 3
        np.testing.assert_array_equal(model.predict_proba(frame), before)
    fresh = quick()
    with pytest.raises(ValueError):
        fresh.fit(frame, np.full(300, -1))
    assert not hasattr(fresh, "n_features_in_")


def test_a_run_is_resumed(clouds, tmp_path):
    first = quick(folder=tmp_path / "run", resume=True).fit(clouds.X, clouds.y)
    with pytest.raises(ValueError, match="continue it with resume=True or choose another folder"):
        quick(folder=tmp_path / "run").fit(clouds.X, clouds.y)
    again = quick(folder=tmp_path / "run", resume=True).fit(clouds.X, clouds.y)
    np.testing.assert_array_equal(again.predict_proba(clouds.X), first.predict_proba(clouds.X))
    with pytest.raises(ValueError, match="expected the settings and data that the run in"):
        quick(folder=tmp_path / "run", resume=True, noise=0.5).fit(clouds.X, clouds.y)
    with pytest.raises(ValueError, match="expected a folder to resume but got none"):
        quick(resume=True).fit(clouds.X, clouds.y)


# ---- Devices and types of numbers


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
    with pytest.raises(ValueError, match=r"uint8 but got float64 \(200, 6, 6\) .*\(255 \* X\)"):
        quick().fit(images / 255, y)
    with pytest.raises(ValueError, match=r"uint8 but got int64 .*X.astype\(np.uint8\)"):
        quick().fit(images.astype(np.int64), y)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_whose_channels_are_last_are_refused(clouds, channels):
    images = np.random.default_rng(0).integers(0, 255, (40, 8, 6, channels), dtype=np.uint8)
    labels = np.arange(40) % 2
    with pytest.raises(ValueError, match=r"channels come first: np.moveaxis\(X, -1, 1\)"):
        quick().fit(images, labels)
    model = quick(epochs=1).fit(np.moveaxis(images, -1, 1), labels)
    with pytest.raises(ValueError, match="channels come first"):
        model.predict(images)
    # Low images of many channels are none of these.
    assert quick(epochs=1).fit(images[:, :, :2], labels).n_features_in_ == 16 * channels


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
    # As texts of a file with decimal commas.
    texts = np.array([f"{label},0" for label in clouds.y], dtype=object)
    model = quick().fit(clouds.X, texts)
    assert list(model.classes_) == [f"{label},0" for label in sorted(set(clouds.y) - {-1})]
    known = clouds.y >= 0
    assert model.score(clouds.X, texts) == model.score(clouds.X[known], texts[known])


def test_labels_that_are_pairs_of_numbers_are_names(clouds):
    assert not labels_of(["-1,0", "0,-1", "1,0", "0,1"])[1].any()
    assert not labels_of(["-1,0", "0,0"], ["-1,0", "0,0", "1,0"])[1].any()
    assert labels_of(["-1,0", "0,0"], ["0,0", "1,0"])[1].tolist() == [True, False]
    names = np.array(["1,10", "1,1", "2,1"])
    labels = [names[label] if label >= 0 else None for label in clouds.y]
    model = quick().fit(clouds.X, labels)
    assert set(model.classes_) == set(labels) - {None}
    assert model.score(clouds.X, labels) > 0.5


def test_scores_are_those_of_numbers_where_texts_have_decimal_commas(clouds):
    names = np.array(["1,0", "1,3", "2,0"])
    model = quick().fit(clouds.X, [names[i] if i >= 0 else None for i in clouds.y])
    truth = np.array([1.0, 1.3, 2.0])[clouds.truth]
    for rows in (clouds.truth >= 0, clouds.truth != 1):  # all of them, and whole ones alone
        X = clouds.X[rows]
        assert model.score(X, truth[rows]) == model.score(X, names[clouds.truth[rows]]) > 0.5
    spelled = np.array(["1", "1,000", "2", "-1,0"])[clouds.truth + (clouds.y < 0)]
    assert len(quick(epochs=2).fit(clouds.X, spelled).classes_) == 2


def test_score_before_fit(clouds):
    with pytest.raises(NotFittedError):
        quick().score(clouds.X, clouds.y)


def test_a_model_of_an_array_knows_how_many_columns_it_had(clouds, tmp_path):
    quick().fit(clouds.X, clouds.y).save(tmp_path / "array")
    quick().fit(pd.DataFrame(clouds.X, columns=["a", "b"]), clouds.y).save(tmp_path / "frame")
    assert b'"array_columns": 2' in (tmp_path / "array").read_bytes()
    assert b'"array_columns": 0' in (tmp_path / "frame").read_bytes()


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
    with warnings.catch_warnings():  # that are errors lose nothing, either
        warnings.simplefilter("error")
        strict = quick(epochs=100_000, progress=True)
        with pytest.raises(UserWarning, match="training was interrupted"):
            strict.fit(clouds.X, clouds.y)
        assert strict.score(clouds.X, clouds.truth) > 0.9


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


def test_the_progress_bar_goes_on_with_the_folds(clouds, monkeypatch):
    class Record:
        def __init__(self) -> None:
            self.calls: list[tuple[int, int]] = []
            self.bar = self

        def __call__(self, step: int, steps: int, cost: float) -> None:
            self.calls.append((step, steps))

        def finish(self, steps: int) -> None:
            pass

        def close(self) -> None:
            pass

    record = Record()
    monkeypatch.setattr("ladder_networks._classifier._Bar", lambda: record)
    model = quick(epochs=5, folds=2, progress=True).fit(clouds.X, clouds.y)
    ends = [step for step, steps in record.calls if step > model.report_.steps]
    assert len(ends) >= 2 and ends == sorted(ends)
    assert record.calls[-1][0] == record.calls[-1][1] == ends[-1]


def test_a_warning_that_is_an_error_leaves_the_model(clouds):
    model = quick().fit(clouds.X, clouds.y)
    expected = model.predict_proba(clouds.X)
    labels = np.where(clouds.y < 0, "", clouds.truth.astype(str)).astype("U5")
    labels[0] = " " + labels[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error", LadderWarning)
        with pytest.raises(LadderWarning):
            model.fit(clouds.X, labels)
    assert np.array_equal(model.predict_proba(clouds.X), expected)


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
        ({"layers": 100}, TypeError, "expected a list of numbers for layers but got 100"),
        ({"denoising_weights": 5}, TypeError, "a list of numbers for denoising_weights but got 5"),
        ({"denoising_weights": [1]}, ValueError, "expected 5 denoising_weights, one for each level"),
        ({"layers": [10**20]}, ValueError, "expected layers below 2\\*\\*63 but got 1000"),
        ({"epochs": 2**63}, ValueError, "expected epochs below 2\\*\\*63"),
        ({"random_state": 2**64}, ValueError, "expected random_state below 2\\*\\*64"),
        ({"labeled_batch_size": 0}, ValueError, "labeled_batch_size of at least 1 but got 0"),
        ({"labels_alone": "no"}, TypeError, "True or False for labels_alone but got 'no'"),
        ({"precision": np.float32}, TypeError, "expected a name for precision but got <class"),
        ({"balance": None}, TypeError, "expected a name for balance but got None"),
    ],
    ids=str,
)
def test_settings_that_are_refused(clouds, settings, error, message):
    with pytest.raises(error, match=message) as caught:
        quick(**settings).fit(clouds.X, clouds.y)
    assert "\n" not in str(caught.value)


def test_texts_beside_numbers_of_every_kind_are_texts(clouds):
    for values in ([1.5, "a", None], [True, "x", None], [1, "a", 2.0]):
        frame = frame_of(clouds).assign(mixed=pd.Series(values * 100, dtype=object))
        model = quick(epochs=1).fit(frame, clouds.y)
        assert model.predict_proba(frame).shape == (300, 3)
    frame["mixed"] = pd.Series([[1], "a", None] * 100, dtype=object)
    with pytest.raises(TypeError, match="in column 'mixed' but got mixed"):
        quick().fit(frame, clouds.y)


def test_names_of_columns_are_those_of_a_csv_file(clouds, tmp_path):
    frame = pd.DataFrame(clouds.X, columns=[" a\t", ""])
    for rows in (frame, pl.DataFrame({" a\t": clouds.X[:, 0], "": clouds.X[:, 1]})):
        model = quick(epochs=1).fit(rows, clouds.y)
        assert model.feature_names_in_.tolist() == ["a", "x1"]
        model.save(tmp_path / "model.ladder")
        loaded = LadderClassifier.load(tmp_path / "model.ladder")
        for one in (model, loaded):
            np.testing.assert_array_equal(one.predict_proba(rows), model.predict_proba(frame))
    with pytest.raises(ValueError, match="different column names but got 'a' twice"):
        quick().fit(frame.set_axis([" a", "a"], axis=1), clouds.y)


@pytest.mark.parametrize("kind", [np.int32, np.uint8, np.int64, np.float32, np.uint64, np.bool_])
def test_labels_of_a_plain_series_keep_their_type(kind):
    values = np.array([1, 0, 1], dtype=kind)
    for series in (pd.Series(values), pd.Index(values)):
        found, _ = labels_of(series)
        assert found.dtype == values.dtype
        assert np.array_equal(found, values)


@pytest.mark.parametrize(
    "container",
    ["Int64", "categorical", "array", "frame", "polars", "polars frame", "decimal", "cents"],
)
def test_whole_numbers_of_pandas_stay_whole_beside_missing_labels(clouds, container):
    labels = [int(y) if row % 4 == 0 else None for row, y in enumerate(clouds.truth)]
    y = {
        "Int64": lambda: pd.Series(labels, dtype="Int64"),
        "categorical": lambda: pd.Series(pd.Categorical(labels)),
        "array": lambda: pd.array(labels, dtype="Int64"),
        "frame": lambda: pd.DataFrame({"y": pd.array(labels, dtype="Int64")}),
        "polars": lambda: pl.Series(labels),
        "polars frame": lambda: pl.DataFrame({"y": labels}),
        "decimal": lambda: pl.Series(labels).cast(pl.Decimal(10, 0)),
        "cents": lambda: pl.Series(labels).cast(pl.Decimal(10, 2)),
    }[container]()
    model = quick(epochs=1).fit(clouds.X, y)
    assert model.classes_.dtype.kind == "i"
    assert model.classes_.tolist() == sorted({label for label in labels if label is not None})


def test_rows_and_labels_that_are_refused(clouds):
    with pytest.raises(
        ValueError, match="at least 2 classes but got 1 class in 300 rows .-1 means no label: 296 rows"
    ):
        quick().fit(clouds.X, np.where(clouds.y == 0, 0, -1))
    with pytest.raises(ValueError, match="numbers or texts but got bytes .decode them"):
        quick().fit(clouds.X, np.array([b"a", b"b", b"c"])[clouds.truth])
    model = quick(epochs=1).fit(clouds.X, clouds.y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.score(clouds.X, clouds.truth[:5])
    with pytest.raises(ValueError, match="sample_weight above 0 for a row with a label but got none"):
        model.score(clouds.X, clouds.y, sample_weight=np.zeros(300))
    for mixed in (["a", *clouds.y[1:]], [*clouds.y[1:], "a"]):
        with pytest.raises(ValueError, match="texts beside numbers"):
            quick().fit(clouds.X, np.array(mixed, dtype=object))
    times = pd.Series(pd.date_range("2020-01-01", periods=300, tz="UTC"))
    with pytest.raises(ValueError, match="expected labels as numbers or texts but got Timestamp"):
        quick().fit(clouds.X, times)
    with pytest.raises(ValueError, match="sample_weight of at least 0 but got -1"):
        quick(epochs=1).fit(clouds.X, clouds.y).score(
            clouds.X, clouds.y, sample_weight=np.full(300, -1.0)
        )
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


def test_exports_predict_as_the_model_does(clouds, tmp_path, monkeypatch):
    model = quick(epochs=2).fit(pd.DataFrame(clouds.X, columns=["a", "b"]), clouds.y)
    for name in ("m.onnx", "m.safetensors", "m.pt", "exported.py"):
        model.export(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 0
    monkeypatch.syspath_prepend(tmp_path)
    exported = __import__("exported")
    rows = pd.DataFrame(clouds.X, columns=["a", "b"])
    expected = model.predict_proba(rows)
    # Four layers with sums of at most 100 products in another order, of values below 20; a softmax
    # halves a change of its logits at least.
    bound = 4 * 100 * 2.0**-24 * 20 / 2
    np.testing.assert_allclose(exported.predict_proba(rows).numpy(), expected, rtol=0, atol=bound)
    assert exported.predict(rows) == [str(name) for name in model.predict(rows)]
    for name in ("m.ladder", "m"):
        with pytest.raises(ValueError, match="ends in .onnx, .safetensors, .pt or .py but got"):
            model.export(tmp_path / name)
    with pytest.raises(NotFittedError):
        quick().export(tmp_path / "m.onnx")


def test_logarithms_of_probabilities(clouds):
    model = quick(epochs=2).fit(clouds.X, clouds.y)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(
            model.predict_log_proba(clouds.X), np.log(model.predict_proba(clouds.X))
        )


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
