"""A model file is one and the same for Python, C++ and the program `ladder`."""

from __future__ import annotations

import pathlib
import pickle
import subprocess
import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY, Clouds

from ladder_networks import LadderClassifier

DATA = REPOSITORY / "examples/data"


@pytest.fixture(scope="module")
def machines() -> tuple[pd.DataFrame, pd.Series]:
    """Measurements of motors, and their state where it is known."""
    frame = pd.read_csv(DATA / "machines.csv")
    return frame.drop(columns=["machine", "state"]), frame["state"]


@pytest.fixture(scope="module")
def new_machines() -> pd.DataFrame:
    return pd.read_csv(DATA / "machines-test.csv").drop(columns=["machine", "state"])


@pytest.fixture(scope="module")
def trained(machines) -> LadderClassifier:
    frame, state = machines
    return LadderClassifier(epochs=2, random_state=1).fit(frame, state)


def run(programs: pathlib.Path, *flags: object) -> None:
    command = [str(programs / "ladder"), *map(str, flags)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr


def predicted(programs: pathlib.Path, model: pathlib.Path, data: pathlib.Path) -> pd.DataFrame:
    answers = model.parent / f"{model.stem}-answers.csv"
    run(programs, "predict", model, data, "--probabilities", "-o", answers)
    return pd.read_csv(answers)


def test_the_program_reads_models_of_python(programs, trained, new_machines, tmp_path):
    trained.save(tmp_path / "machines.ladder")
    answers = predicted(programs, tmp_path / "machines.ladder", DATA / "machines-test.csv")
    assert answers["class"].tolist() == trained.predict(new_machines).tolist()
    columns = [f"p:{name}" for name in trained.classes_]
    # The program prints the shortest decimal that gives the same float32.
    np.testing.assert_array_equal(
        answers[columns].to_numpy(np.float32), trained.predict_proba(new_machines)
    )


def test_python_reads_models_of_the_program(programs, new_machines, tmp_path):
    run(
        programs, "train", DATA / "machines.csv", "--label", "state", "--ignore", "machine",
        "--epochs", 2, "--seed", 1, "--out", tmp_path / "run", "--no-baseline", "--no-report",
    )  # fmt: skip
    model = LadderClassifier.load(tmp_path / "run")
    assert model.feature_names_in_.tolist() == list(new_machines.columns)
    assert model.classes_.tolist() == ["good", "misaligned", "unbalanced", "worn bearing"]
    answers = predicted(programs, tmp_path / "run/model.ladder", DATA / "machines-test.csv")
    columns = [f"p:{name}" for name in model.classes_]
    np.testing.assert_array_equal(
        answers[columns].to_numpy(np.float32), model.predict_proba(new_machines)
    )
    model.save(tmp_path / "again.ladder")
    assert (tmp_path / "again.ladder").read_bytes() == (tmp_path / "run/model.ladder").read_bytes()


def test_python_and_the_program_train_one_network(programs, trained, new_machines, tmp_path):
    # One seed, one table: the weights are the same, and so are the probabilities.
    run(
        programs, "train", DATA / "machines.csv", "--label", "state", "--ignore", "machine",
        "--epochs", 2, "--seed", 1, "--out", tmp_path / "run", "--no-baseline", "--no-report",
    )  # fmt: skip
    by_program = LadderClassifier.load(tmp_path / "run")
    np.testing.assert_array_equal(
        by_program.predict_proba(new_machines), trained.predict_proba(new_machines)
    )


def test_a_loaded_model_scores_the_labels_that_it_was_trained_with(clouds: Clouds, tmp_path):
    for kind in (np.str_, np.float64):
        labels = np.asarray(clouds.y).astype(kind)
        model = LadderClassifier(epochs=3, random_state=1).fit(clouds.X, labels)
        model.save(tmp_path / "model.ladder")
        loaded = LadderClassifier.load(tmp_path / "model.ladder")
        assert model.score(clouds.X, labels) > 0.5
        assert loaded.score(clouds.X, labels) == model.score(clouds.X, labels)
    some = [None if label < 0 else bool(label == 0) for label in clouds.y]
    model = LadderClassifier(epochs=3, random_state=1).fit(clouds.X, some)
    model.save(tmp_path / "model.ladder")
    loaded = LadderClassifier.load(tmp_path / "model.ladder")
    assert loaded.score(clouds.X, some) == model.score(clouds.X, some) > 0.5


def test_labels_that_are_numbers_are_compared_by_value(programs, clouds: Clouds, tmp_path):
    rows = pd.DataFrame(clouds.X, columns=["a", "b"])
    labels = ["" if label < 0 else f"{label}.0" for label in clouds.y]
    rows.assign(state=labels).to_csv(tmp_path / "rows.csv", index=False)
    run(
        programs, "train", tmp_path / "rows.csv", "--label", "state", "--epochs", 3, "--seed", 1,
        "--out", tmp_path / "run", "--no-baseline", "--no-report",
    )  # fmt: skip
    model = LadderClassifier.load(tmp_path / "run")
    assert model.classes_.tolist() == [0, 1, 2]
    score = model.score(rows, clouds.truth)
    assert score > 0.5
    for truth in (clouds.truth.astype(float), clouds.truth.astype(str), [f"{t}.0" for t in clouds.truth]):
        assert model.score(rows, truth) == score


def test_texts_that_are_numbers_are_classes_in_their_own_order(clouds: Clouds, tmp_path):
    names = np.array(["5", "10", "20"])[clouds.truth]
    labels = np.where(clouds.y < 0, "-1", names)
    model = LadderClassifier(epochs=30, random_state=1, folds=2).fit(clouds.X, labels)
    assert model.classes_.tolist() == ["10", "20", "5"]  # as np.unique has them
    probabilities = model.predict_proba(clouds.X)
    assert model.score(clouds.X, names) > 0.95
    report = model.report_
    np.testing.assert_array_equal(report.held_back_labels, labels[report.held_back_rows])
    best = model.classes_[report.held_back_probabilities.argmax(axis=1)]
    assert report.held_back_error == pytest.approx(100 * np.mean(best != report.held_back_labels))
    assert report.held_back_error <= 100 / 12
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(clouds.X), probabilities)
    model.save(tmp_path / "model.ladder")
    loaded = LadderClassifier.load(tmp_path / "model.ladder")
    assert loaded.classes_.tolist() == [5, 10, 20]
    np.testing.assert_array_equal(loaded.predict_proba(clouds.X)[:, [1, 2, 0]], probabilities)
    halves = np.where(clouds.y < 0, "", np.array(["9.5", "10.5", "11.5"])[clouds.truth])
    model = LadderClassifier(epochs=3, random_state=1).fit(clouds.X, halves)
    model.save(tmp_path / "model.ladder")
    loaded = LadderClassifier.load(tmp_path / "model.ladder")
    assert loaded.classes_.tolist() == model.classes_.tolist() == ["10.5", "11.5", "9.5"]
    np.testing.assert_array_equal(loaded.predict_proba(clouds.X), model.predict_proba(clouds.X))


def test_missing_and_truth_values_of_the_program_are_known_in_python(programs, tmp_path):
    rows = pd.DataFrame(
        {
            "x": [float(i % 7) if i % 5 else -999.0 for i in range(60)],
            "on": [i % 3 == 0 for i in range(60)],
            "kind": [["a", "b", "?"][i % 3] for i in range(60)],
            "state": [["p", "q"][i % 2] for i in range(60)],
        }
    )
    text = rows.to_csv(index=False).replace("True", "true").replace("False", "false")
    (tmp_path / "rows.csv").write_text(text)
    run(
        programs, "train", tmp_path / "rows.csv", "--label", "state", "--missing", "-999",
        "--epochs", 2, "--seed", 1, "--out", tmp_path / "run", "--no-baseline", "--no-report",
    )  # fmt: skip
    answers = predicted(programs, tmp_path / "run/model.ladder", tmp_path / "rows.csv")
    model = LadderClassifier.load(tmp_path / "run")
    np.testing.assert_array_equal(
        answers[[f"p:{name}" for name in model.classes_]].to_numpy(np.float32),
        model.predict_proba(rows.drop(columns="state")),
    )


@pytest.mark.parametrize(
    "grade",
    [
        pd.Categorical([1.0, 2.0, None] * 100),
        pd.Categorical([1.5, 2.0, 3.0] * 100),
        pd.Categorical(pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03"] * 100)),
        pd.Series([1.0, "a", 2] * 100, dtype=object),
    ],
    ids=["whole floats", "floats", "days", "mixed"],
)
def test_levels_are_found_in_the_csv_file_of_a_frame(programs, clouds: Clouds, tmp_path, grade):
    rows = pd.DataFrame({"x": clouds.X[:, 0], "grade": grade})
    model = LadderClassifier(epochs=3, random_state=1).fit(rows, clouds.y)
    model.save(tmp_path / "model.ladder")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    answers = predicted(programs, tmp_path / "model.ladder", tmp_path / "rows.csv")
    np.testing.assert_array_equal(
        answers[[f"p:{name}" for name in model.classes_]].to_numpy(np.float32),
        model.predict_proba(rows),
    )


def test_numbers_of_a_frame_are_found_among_levels_of_a_csv_file(programs, clouds: Clouds, tmp_path):
    rows = pd.DataFrame({"x": clouds.X[:, 0], "grade": clouds.truth + 1.0})
    labels = np.where(clouds.y < 0, "", clouds.y.astype(str))
    rows.assign(state=labels).to_csv(tmp_path / "rows.csv", index=False)
    run(
        programs, "train", tmp_path / "rows.csv", "--label", "state", "--text-columns", "grade",
        "--epochs", 3, "--seed", 1, "--out", tmp_path / "run", "--no-baseline", "--no-report",
    )  # fmt: skip
    model = LadderClassifier.load(tmp_path / "run")
    answers = predicted(programs, tmp_path / "run/model.ladder", tmp_path / "rows.csv")
    np.testing.assert_array_equal(
        answers[[f"p:{name}" for name in model.classes_]].to_numpy(np.float32),
        model.predict_proba(rows),
    )


def test_columns_of_a_loaded_model_are_not_taken_by_place_where_they_have_names(
    clouds: Clouds, tmp_path
):
    rows = pd.DataFrame(clouds.X, columns=["x0", "x1"])
    model = LadderClassifier(epochs=3, random_state=1).fit(rows, clouds.y)
    model.save(tmp_path / "model.ladder")
    loaded = LadderClassifier.load(tmp_path / "model.ladder")
    expected = model.predict_proba(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(loaded.predict_proba(rows), expected)
        np.testing.assert_array_equal(loaded.predict_proba(clouds.X), expected)
    for other in (["x1", "x0"], ["x0", "y"]):
        with pytest.raises(ValueError, match=f"expected the columns x0, x1 .* {', '.join(other)}"):
            loaded.predict(rows.set_axis(other, axis=1))
    again = pickle.loads(pickle.dumps(loaded))
    with pytest.raises(ValueError, match="expected the columns x0, x1 in this order but got x1, x0"):
        again.predict(rows[["x1", "x0"]])


def test_a_recorded_run_has_its_model_and_a_page(programs, clouds: Clouds, tmp_path):
    model = LadderClassifier(epochs=3, random_state=1, folder=tmp_path / "run")
    model.fit(clouds.X, clouds.y)
    again = LadderClassifier.load(tmp_path / "run")
    np.testing.assert_array_equal(again.predict_proba(clouds.X), model.predict_proba(clouds.X))
    assert again.classes_.tolist() == [0, 1, 2]
    assert not hasattr(again, "feature_names_in_")
    assert again.n_features_in_ == 2
    run(programs, "report", tmp_path / "run", "-o", tmp_path / "page.html")
    assert "<html" in (tmp_path / "page.html").read_text()
    with pytest.raises(ValueError, match="run"):
        LadderClassifier(epochs=3, random_state=1, folder=tmp_path / "run").fit(clouds.X, clouds.y)
