"""Classifiers from a few labeled and many unlabeled rows, by ladder networks.

The package is a door to the C++ library Ladder: :class:`LadderClassifier` is a scikit-learn
estimator, and its models are the files that the C++ class ``ladder::Classifier`` and the program
``ladder`` read and write. :mod:`ladder_networks.ops` brings the fused operators into PyTorch.
"""

from ladder_networks._libtorch import load_libtorch

load_libtorch()

from ladder_networks._classifier import LadderClassifier, LadderWarning  # noqa: E402
from ladder_networks._core import version as __version__  # noqa: E402
from ladder_networks._report import FitReport  # noqa: E402

__all__ = ["FitReport", "LadderClassifier", "LadderWarning", "__version__"]
