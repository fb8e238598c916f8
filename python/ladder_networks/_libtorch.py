"""The LibTorch of the installed wheel ``torch``, which the compiled module links."""

from __future__ import annotations

import importlib
import importlib.metadata

from ladder_networks._build import TORCH_SERIES


def _found_version() -> str | None:
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None


def check_series(version: str | None) -> None:
    """Raise ImportError unless `version` is of the series that the module was compiled for.

    Parameters
    ----------
    version : str or None
        Version of the wheel ``torch``, or None where there is none.

    Examples
    --------
    >>> check_series(f"{TORCH_SERIES}.0+cu130")
    >>> check_series(None)
    Traceback (most recent call last):
        ...
    ImportError: ladder_networks: expected torch 2.11 but found none (pip install 'torch==2.11.*').
    """
    if version is None or ".".join(version.split("+")[0].split(".")[:2]) != TORCH_SERIES:
        found = "found none" if version is None else f"got {version}"
        raise ImportError(
            f"ladder_networks: expected torch {TORCH_SERIES} but {found} "
            f"(pip install 'torch=={TORCH_SERIES}.*')."
        )


def load_libtorch() -> None:
    """Check the series of torch and load the compiled module with its LibTorch.

    PyTorch itself is imported only where the module does not find LibTorch beside itself, as in a
    virtual environment that sees the packages of another one. The classifier needs LibTorch only,
    and so it also works where the wheel lacks the CUDA libraries that ``import torch`` asks for.
    """
    check_series(_found_version())
    try:
        importlib.import_module("ladder_networks._core")
    except ImportError:
        importlib.import_module("torch")
        importlib.import_module("ladder_networks._core")
