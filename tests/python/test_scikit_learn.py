"""LadderClassifier keeps scikit-learn's conventions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils import estimator_checks

from ladder_networks import LadderClassifier

# What cannot pass, and why.
EXPECTED_FAILURES = {
    "check_classifiers_classes": (
        "one of its problems has the classes -1 and 1, and -1 marks a row without label; "
        "scikit-learn leaves that problem out for its own semi-supervised classifiers, by name"
    ),
    "check_sample_weight_equivalence_on_dense_data": (
        "rows, noise and initial weights are drawn at random: a row that is repeated and a row of "
        "weight 2 are drawn as often as each other, but not in the same steps"
    ),
}


def quick() -> LadderClassifier:
    return LadderClassifier(layers=(30,), epochs=60, random_state=0)


def test_check_estimator_passes_but_for_what_is_listed():
    results = estimator_checks.check_estimator(
        quick(), expected_failed_checks=EXPECTED_FAILURES, on_fail=None, on_skip=None
    )
    failed = [(r["check_name"], r["exception"]) for r in results if r["status"] == "failed"]
    assert failed == []
    assert {r["check_name"] for r in results if r["status"] == "xfail"} == set(EXPECTED_FAILURES)
    assert sum(r["status"] == "passed" for r in results) >= 50


def test_classes_as_for_scikit_learns_semi_supervised_classifiers():
    # The check knows these estimators by name, and takes labels without -1 for them.
    estimator_checks.check_classifiers_classes("LabelSpreading", quick())


def test_weights_count_as_repeated_rows_in_the_mean():
    # A row of class 0 among rows of class 1 that are its exact copies: its probability follows
    # how often it is drawn with each label. Repeated rows and weights draw the same share.
    X = np.repeat([[0.0], [1.0]], [40, 40], axis=0)
    y = np.r_[np.tile([0, 1], 20), np.ones(40, dtype=int)]
    weights = np.where(np.arange(80) % 2 == 0, 3, 1).astype(float)
    weights[40:] = 1
    weighted = LadderClassifier(layers=(10,), noise=0.0, epochs=300, random_state=0)
    repeated = LadderClassifier(layers=(10,), noise=0.0, epochs=150, random_state=0)
    weighted.fit(X, y, sample_weight=weights)
    often = np.repeat(np.arange(80), weights.astype(int))
    repeated.fit(X[often], y[often])
    plain = LadderClassifier(layers=(10,), noise=0.0, epochs=300, random_state=0).fit(X, y)
    at_zero = [m.predict_proba([[0.0]])[0, 0] for m in (weighted, repeated, plain)]
    # Drawn shares are 3/4, 3/4 and 1/2.
    assert at_zero[0] == pytest.approx(0.75, abs=0.1)
    assert at_zero[1] == pytest.approx(0.75, abs=0.1)
    assert at_zero[2] == pytest.approx(0.5, abs=0.1)
