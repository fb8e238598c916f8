"""The LibTorch of the installed wheel ``torch``, which the compiled module links."""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import importlib.util
import pathlib

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


def _load_libraries() -> None:
    """Load the CPU libraries of the wheel, wherever Python finds it."""
    spec = importlib.util.find_spec("torch")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for name in ("libc10.so", "libtorch_cpu.so"):
            library = pathlib.Path(place) / "lib" / name
            if library.exists():
                ctypes.CDLL(str(library))


def load_libtorch() -> None:
    """Check the series of torch and load the compiled module with its LibTorch.

    The module looks for LibTorch beside itself. Where it is elsewhere, as in a virtual environment
    that sees the packages of another one, its libraries are loaded first. PyTorch itself is only
    imported as a last resort: the classifier needs LibTorch alone, and so it also works where the
    wheel lacks the CUDA libraries that ``import torch`` asks for.
    """
    check_series(_found_version())
    for prepare in (lambda: None, _load_libraries, lambda: importlib.import_module("torch")):
        try:
            prepare()
            importlib.import_module("ladder_networks._core")
            return
        except (ImportError, OSError) as error:
            last = error
    raise last
