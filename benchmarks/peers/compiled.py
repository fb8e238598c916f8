"""The training step with the cost and its gradients under torch.compile, and the fused Adam.

Normal draws stay outside of the compiled graph: the compiler's own CPU generator is the slower one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

import torch_network


def cost_and_gradients(*batch) -> tuple[float, dict[str, np.ndarray]]:
    return torch_network.cost_and_gradients(torch.compile(torch_network.total_cost), *batch)


def make_step() -> Callable[[], float]:
    return torch_network.make_step(torch.compile(torch_network.total_cost))
