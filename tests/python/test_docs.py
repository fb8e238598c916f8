"""The code of docs/python.md runs, and does what the page says; examples of docstrings do, too."""

from __future__ import annotations

import doctest
import importlib
import pathlib
import re

import pytest
from conftest import REPOSITORY


def blocks_of(page: pathlib.Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def test_the_tutorial(tmp_path, monkeypatch):
    blocks = blocks_of(REPOSITORY / "docs/python.md")
    assert len(blocks) == 9
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for number, block in enumerate(blocks, 1):
        if "import torch" in block:
            pytest.importorskip("torch", exc_type=ImportError)
        exec(compile(block, f"docs/python.md, block {number}", "exec"), names)
    errors = names["errors"]
    assert isinstance(errors, dict)
    assert min(errors, key=errors.get) == "ladder", errors
    assert (tmp_path / "runs/machines-python/model.ladder").exists()
    costs = names["costs"]
    assert isinstance(costs, list) and costs[-1] < costs[0] / 2


@pytest.mark.parametrize("name", ["_classifier", "_libtorch", "_rows", "ops"])
def test_examples_of_docstrings(name):
    if name == "ops":
        pytest.importorskip("torch", exc_type=ImportError)
    module = importlib.import_module(f"ladder_networks.{name}")
    failed, run = doctest.testmod(module)
    assert run > 0 and failed == 0


def test_every_parameter_is_documented():
    from inspect import signature

    from ladder_networks import LadderClassifier

    text = LadderClassifier.__doc__ or ""
    section = text[text.index("Parameters\n") : text.index("Attributes\n")]
    documented = re.findall(r"^    (\w+) : ", section, re.MULTILINE)
    assert documented == list(signature(LadderClassifier).parameters)
