"""The training step in eager PyTorch with the fused Adam."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import torch_network


def cost_and_gradients(*batch) -> tuple[float, dict[str, np.ndarray]]:
    return torch_network.cost_and_gradients(torch_network.total_cost, *batch)


def make_step() -> Callable[[], float]:
    return torch_network.make_step(torch_network.total_cost)
