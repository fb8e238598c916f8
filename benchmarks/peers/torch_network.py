"""The cost of one step of a dense network in plain PyTorch."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import problem
from problem import ROWS, SIZES, TOP


def combine(z: Tensor, u: Tensor, table: Tensor) -> Tensor:
    a1, a2, a3, a4, a5, a6, a7, a8, a9, a10 = table.unbind(0)
    mu = a1 * torch.sigmoid(a2 * u + a3) + a4 * u + a5
    v = a6 * torch.sigmoid(a7 * u + a8) + a9 * u + a10
    return (z - mu) * v + mu


class Network(nn.Module):
    """Stacked rows: labeled noisy, unlabeled noisy and unlabeled clean, those that are needed.

    Against a pass for each of the three this was slightly quicker in eager mode and quicker to
    compile.
    """

    shapes = tuple((size,) for size in SIZES)  # of one row, by level

    def __init__(self, name: str, values: dict[str, np.ndarray] | None = None):
        super().__init__()
        self.weights = problem.LAMBDA[name]
        self.lowest = problem.lowest_level(self.weights)
        self.groups = problem.row_groups(self.weights)
        self.names = []
        for key, value in (values or problem.initial_parameters(name)).items():
            self.names.append(key)
            self.register_parameter(key.replace(".", "_"), nn.Parameter(torch.tensor(value)))

    def value(self, name: str) -> Tensor:
        """Return a parameter by its name in the library."""
        return getattr(self, name.replace(".", "_"))

    def data(self) -> tuple[Tensor, Tensor]:
        """Set all images, and the classes of the first ones."""
        return torch.from_numpy(problem.images()), torch.from_numpy(problem.labels())

    def decoded(self, level: int) -> bool:
        return self.lowest is not None and level >= self.lowest

    def cost(
        self, x_labeled: Tensor, y: Tensor, x_unlabeled: Tensor | None, noise: list[Tensor]
    ) -> Tensor:
        """Return the total cost. `noise` has [rows, C] for each level, zeros in the clean rows."""
        h = torch.cat([x_labeled, x_unlabeled, x_unlabeled][: self.groups]) + noise[0]
        unlabeled, clean = slice(ROWS, 2 * ROWS), slice(2 * ROWS, 3 * ROWS)
        corrupted, targets, scales = {0: h[unlabeled]}, {}, {}
        for level in range(1, TOP + 1):
            stage = f"stages.{level - 1}"
            z_pre = F.linear(h, self.value(f"{stage}.weight"))
            groups = z_pre.view(self.groups, ROWS, -1)
            variance, mean = torch.var_mean(groups, dim=1, unbiased=False, keepdim=True)
            scale = torch.rsqrt(variance + problem.EPSILON)
            z = ((groups - mean) * scale).view(self.groups * ROWS, -1) + noise[level]
            if self.decoded(level):
                corrupted[level] = z[unlabeled]
            if self.weights[level] > 0:
                targets[level], scales[level] = z_pre[clean], scale[2]
            h = z + self.value(f"{stage}.normalization.beta")
            if level < TOP:
                h = torch.relu(h)
        logits = self.value(f"{stage}.normalization.gamma") * h[: 2 * ROWS]

        total = F.cross_entropy(logits[:ROWS], y)
        if self.lowest is None:
            return total
        below = torch.softmax(logits[unlabeled], dim=1)
        for level in range(TOP, self.lowest - 1, -1):
            if level < TOP:
                below = F.linear(z_hat, self.value(f"decoder.verticals.{level}.weight"))
            u = F.batch_norm(below, None, None, training=True, eps=problem.EPSILON)
            table = self.value(f"decoder.combinators.{level}.weight")
            z_hat = combine(corrupted[level], u, table)
            if self.weights[level] > 0:
                if level > 0:
                    # BN'(z_hat) - z: the mean cancels between the two.
                    difference = (z_hat - targets[level]) * scales[level]
                else:
                    difference = z_hat - x_unlabeled
                total = total + self.weights[level] * difference.square().mean()
        return total
