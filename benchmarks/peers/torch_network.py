"""The cost of one step in plain PyTorch, shared by the eager and the compiled peer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import problem
from problem import ROWS, SIZES, TOP

Tensors = dict[str, Tensor]


def combine(z: Tensor, u: Tensor, table: Tensor) -> Tensor:
    a1, a2, a3, a4, a5, a6, a7, a8, a9, a10 = table.unbind(0)
    mu = a1 * torch.sigmoid(a2 * u + a3) + a4 * u + a5
    v = a6 * torch.sigmoid(a7 * u + a8) + a9 * u + a10
    return (z - mu) * v + mu


def total_cost(
    parameters: Tensors, x_labeled: Tensor, y: Tensor, x_unlabeled: Tensor, noise: list[Tensor]
) -> Tensor:
    """The total cost; noise holds for each level [3 * ROWS, C], zero in the clean rows.

    Rows are stacked as labeled noisy, unlabeled noisy, unlabeled clean. Against a pass for each of
    the three this was slightly quicker in eager mode and quicker to compile.
    """
    h = torch.cat([x_labeled, x_unlabeled, x_unlabeled]) + noise[0]
    unlabeled, clean = slice(ROWS, 2 * ROWS), slice(2 * ROWS, 3 * ROWS)
    corrupted, z_pre_clean, clean_scale = [h[unlabeled]], [None], [None]
    for level in range(1, TOP + 1):
        stage = f"stages.{level - 1}"
        z_pre = F.linear(h, parameters[f"{stage}.weight"])
        groups = z_pre.view(3, ROWS, -1)
        variance, mean = torch.var_mean(groups, dim=1, unbiased=False, keepdim=True)
        scale = torch.rsqrt(variance + problem.EPSILON)
        z = ((groups - mean) * scale).view(3 * ROWS, -1) + noise[level]
        corrupted.append(z[unlabeled])
        z_pre_clean.append(z_pre[clean])
        clean_scale.append(scale[2])
        h = z + parameters[f"{stage}.normalization.beta"]
        if level < TOP:
            h = torch.relu(h)
    logits = parameters[f"{stage}.normalization.gamma"] * h[: 2 * ROWS]

    total = F.cross_entropy(logits[:ROWS], y)
    below = torch.softmax(logits[unlabeled], dim=1)
    for level in range(TOP, -1, -1):
        if level < TOP:
            below = F.linear(z_hat, parameters[f"decoder.verticals.{level}.weight"])
        u = F.batch_norm(below, None, None, training=True, eps=problem.EPSILON)
        z_hat = combine(corrupted[level], u, parameters[f"decoder.combinators.{level}.weight"])
        if level > 0:
            # BN'(z_hat) - z: the mean cancels between the two.
            difference = (z_hat - z_pre_clean[level]) * clean_scale[level]
        else:
            difference = z_hat - x_unlabeled
        total = total + problem.LAMBDA[level] * difference.square().mean()
    return total


def load(values: dict[str, np.ndarray]) -> Tensors:
    return {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}


def silence() -> list[Tensor]:
    return [torch.zeros(3 * ROWS, size) for size in SIZES]


def cost_and_gradients(
    cost: Callable[..., Tensor],
    values: dict[str, np.ndarray],
    x_labeled: np.ndarray,
    y: np.ndarray,
    x_unlabeled: np.ndarray,
) -> tuple[float, dict[str, np.ndarray]]:
    """The total cost without noise and its gradients."""
    parameters = load(values)
    batch = (torch.from_numpy(rows) for rows in (x_labeled, y, x_unlabeled))
    total = cost(parameters, *batch, silence())
    gradients = torch.autograd.grad(total, list(parameters.values()))
    return total.item(), {name: value.numpy() for name, value in zip(parameters, gradients)}


def make_step(cost: Callable[..., Tensor]) -> Callable[[], float]:
    """A function that runs one training step on the given cost and returns the cost."""
    torch.manual_seed(0)
    parameters = load(problem.initial_parameters())
    optimizer = torch.optim.Adam(
        parameters.values(),
        lr=problem.RATE,
        betas=(problem.BETA1, problem.BETA2),
        eps=problem.ADAM_EPSILON,
        fused=True,
    )
    images, labels = torch.from_numpy(problem.images()), torch.from_numpy(problem.labels())
    sampler = problem.Sampler()
    noise = silence()

    def step() -> float:
        labeled, unlabeled = (torch.from_numpy(rows) for rows in sampler.draw())
        for level in noise:
            level[: 2 * ROWS].normal_(0.0, problem.NOISE)
        total = cost(parameters, images[labeled], labels[labeled], images[unlabeled], noise)
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
        return total.item()

    return step
