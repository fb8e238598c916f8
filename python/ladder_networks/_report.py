"""What a training did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ladder_networks._core import CurvePoint, Report


@dataclass(frozen=True)
class FitReport:
    """What `LadderClassifier.fit` did.

    Attributes
    ----------
    status : str
        "finished" or "interrupted".
    rows, labeled_rows : int
        Rows that were trained on, and those of them with a label.
    epochs, steps : int
        Passes over all rows that were asked for, and training steps that were done.
    seconds : float
        Duration of the training.
    curve : list of dict
        A point for each evaluation: epoch, step, supervised_cost, denoising_costs (a value for
        each level from the input up, None where the level has no cost), total_cost,
        validation_error (percent) and seconds.
    held_back : str
        How the error was measured: "none", "held-back rows" or "5 folds".
    held_back_rows : ndarray of int64, shape (n_held_back,)
        Rows of X whose labels were held back.
    held_back_labels : ndarray, shape (n_held_back,)
        Classes of these rows.
    held_back_probabilities : ndarray of float32, shape (n_held_back, n_classes)
        Probabilities of these rows, by a network that has not seen their labels. Shape
        (0, n_classes) where there would be more than 100 million.
    held_back_error : float or None
        Percentage of these rows whose class is predicted wrong.
    """

    status: str
    rows: int
    labeled_rows: int
    epochs: int
    steps: int
    seconds: float
    curve: list[CurvePoint] = field(repr=False)
    held_back: str
    held_back_rows: npt.NDArray[np.int64] = field(repr=False)
    held_back_labels: npt.NDArray[Any] = field(repr=False)
    held_back_probabilities: npt.NDArray[np.float32] = field(repr=False)
    held_back_error: float | None

    @classmethod
    def _of(cls, report: Report, classes: npt.NDArray[Any]) -> FitReport:
        labels = report.get("held_back_labels", np.empty(0, np.int64))
        probabilities = report.get(
            "held_back_probabilities", np.empty((0, len(classes)), np.float32)
        )
        error = report.get("held_back_error")
        if error is None and len(labels) > 0:
            error = float(100 * np.mean(probabilities.argmax(axis=1) != labels))
        return cls(
            status=report["status"],
            rows=report["rows"],
            labeled_rows=report["labeled_rows"],
            epochs=report["epochs"],
            steps=report["steps"],
            seconds=report["seconds"],
            curve=report["curve"],
            held_back=report["held_back"],
            held_back_rows=report.get("held_back_rows", np.empty(0, np.int64)),
            held_back_labels=classes[labels],
            held_back_probabilities=probabilities,
            held_back_error=error,
        )

    def __str__(self) -> str:
        lines = [
            f"{self.status}: {self.steps} steps, {self.epochs} epochs, {self.seconds:.1f} s",
            f"rows: {self.rows}, {self.labeled_rows} of them labeled",
        ]
        if self.held_back_error is not None:
            lines.append(
                f"error: {self.held_back_error:.2f} % of {len(self.held_back_labels)} rows "
                f"({self.held_back})"
            )
        return "\n".join(lines)
