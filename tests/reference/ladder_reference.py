"""The ladder network on dense layers, in its textbook form: an independent check of the library.

Every pass is written out by itself: the clean and the corrupted encoder, each for the labeled and
the unlabeled rows with their own batch statistics. Autograd computes all gradients.

Level 0 is the input and level L the top. Stage index l in a parameter name means level l + 1:

    stages.{l}.weight               [C_{l+1}, C_l]  dense map, no bias
    stages.{l}.normalization.beta   [C_{l+1}]       where act is not linear, and at the top
    stages.{l}.normalization.gamma  [C_{l+1}]       at the top
    decoder.verticals.{l}.weight    [C_l, C_{l+1}]  map from level l + 1 down to level l
    decoder.combinators.{l}.weight  [rows, C_l]     Gaussian: a1..a10; Vanilla: b0, w0z, w0u, w0zu,
                                                    ws, b1, w1z, w1u, w1zu; others: see
                                                    combinators_reference.py

A decoder reaches down to the lowest level whose lambda is above zero; nothing exists below it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

import combinators_reference as combinators

EPSILON = 1e-10

ACTIVATIONS = {
    "identity": lambda x: x,
    "relu": torch.relu,
    "leaky_relu": lambda x: torch.where(x > 0, x, 0.1 * x),
    "tanh": torch.tanh,
    "gelu": lambda x: 0.5 * x * (1.0 + torch.erf(x / math.sqrt(2.0))),
}

COMBINATOR_ROWS = {"gaussian": 10, "vanilla": 9} | combinators.ROWS
# The rows that start at one; all others start at zero.
COMBINATOR_ONES = {"gaussian": (1, 6), "vanilla": (1, 4, 6)} | combinators.ONES
PERCEPTRON_STD = 0.025


@dataclass(frozen=True)
class Config:
    layers: tuple[int, ...]  # sizes of levels 0..L
    weights: tuple[float, ...]  # lambda of levels 0..L; all zero for the supervised baseline
    noise: tuple[float, ...]  # standard deviation of levels 0..L
    activation: str = "relu"  # of levels 1..L-1; the top is a softmax with gamma
    combinator: str = "gaussian"

    @property
    def top(self) -> int:
        return len(self.layers) - 1

    @property
    def lowest_decoded(self) -> int | None:
        """The lowest level with a denoising cost, or None for the baseline."""
        return next((level for level, weight in enumerate(self.weights) if weight > 0), None)


@dataclass
class Encoded:
    """What one pass leaves behind, by level; the statistics are those of z before normalising."""

    z: list[Tensor] = field(default_factory=list)
    mean: list[Tensor | None] = field(default_factory=list)
    variance: list[Tensor | None] = field(default_factory=list)
    logits: Tensor | None = None


@dataclass
class Cost:
    total: Tensor
    supervised: Tensor
    denoising: dict[int, Tensor]  # unweighted, by level


def initial_parameters(
    config: Config, generator: torch.Generator | None = None, dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """The published initialisation: weights N(0, 1/fan_in), beta 0, gamma 1."""

    def normal(rows: int, columns: int) -> Tensor:
        draws = torch.randn(rows, columns, generator=generator, dtype=dtype)
        return draws / math.sqrt(columns)

    sizes = config.layers
    parameters: dict[str, Tensor] = {}
    for level in range(1, config.top + 1):
        stage = f"stages.{level - 1}"
        parameters[f"{stage}.weight"] = normal(sizes[level], sizes[level - 1])
        if config.activation != "identity" or level == config.top:
            parameters[f"{stage}.normalization.beta"] = torch.zeros(sizes[level], dtype=dtype)
        if level == config.top:
            parameters[f"{stage}.normalization.gamma"] = torch.ones(sizes[level], dtype=dtype)
    if config.lowest_decoded is None:
        return parameters
    for level in range(config.lowest_decoded, config.top):
        parameters[f"decoder.verticals.{level}.weight"] = normal(sizes[level], sizes[level + 1])
    for level in range(config.lowest_decoded, config.top + 1):
        shape = (COMBINATOR_ROWS[config.combinator], sizes[level])
        if config.combinator in COMBINATOR_ONES:
            table = torch.zeros(shape, dtype=dtype)
            table[list(COMBINATOR_ONES[config.combinator])] = 1.0
        else:
            table = PERCEPTRON_STD * torch.randn(shape, generator=generator, dtype=dtype)
        parameters[f"decoder.combinators.{level}.weight"] = table
    return parameters


def normalize(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return (x - mean) / torch.sqrt(variance + EPSILON)


def batch_normalize(x: Tensor) -> Tensor:
    return normalize(x, x.mean(dim=0), x.var(dim=0, unbiased=False))


def encode(
    config: Config,
    parameters: dict[str, Tensor],
    x: Tensor,
    noise: list[Tensor] | None = None,
    statistics: dict[int, tuple[Tensor, Tensor]] | None = None,
) -> Encoded:
    """Runs one encoder pass over x [B, C_0].

    noise holds standard normals [B, C_l] for each level and makes the pass a corrupted one.
    statistics holds (mean, variance) by level to use in place of the batch's own.
    """
    if noise is not None:
        x = x + config.noise[0] * noise[0]
    out = Encoded(z=[x], mean=[None], variance=[None])
    h = x
    for level in range(1, config.top + 1):
        stage = f"stages.{level - 1}"
        z_pre = h @ parameters[f"{stage}.weight"].T
        if statistics is None:
            mean, variance = z_pre.mean(dim=0), z_pre.var(dim=0, unbiased=False)
        else:
            mean, variance = statistics[level]
        z = normalize(z_pre, mean, variance)
        if noise is not None:
            z = z + config.noise[level] * noise[level]
        out.z.append(z)
        out.mean.append(mean)
        out.variance.append(variance)
        if level == config.top:
            beta = parameters[f"{stage}.normalization.beta"]
            out.logits = parameters[f"{stage}.normalization.gamma"] * (z + beta)
        elif config.activation == "identity":
            h = z
        else:
            h = ACTIVATIONS[config.activation](z + parameters[f"{stage}.normalization.beta"])
    return out


def gaussian(z: Tensor, u: Tensor, table: Tensor) -> Tensor:
    a1, a2, a3, a4, a5, a6, a7, a8, a9, a10 = table
    mu = a1 * torch.sigmoid(a2 * u + a3) + a4 * u + a5
    v = a6 * torch.sigmoid(a7 * u + a8) + a9 * u + a10
    return (z - mu) * v + mu


def vanilla(z: Tensor, u: Tensor, table: Tensor) -> Tensor:
    b0, w0z, w0u, w0zu, ws, b1, w1z, w1u, w1zu = table
    inner = b1 + w1z * z + w1u * u + w1zu * z * u
    return b0 + w0z * z + w0u * u + w0zu * z * u + ws * torch.sigmoid(inner)


COMBINATORS = {"gaussian": gaussian, "vanilla": vanilla} | combinators.FUNCTIONS


def decode(config: Config, parameters: dict[str, Tensor], corrupted: Encoded) -> dict[int, Tensor]:
    """Walks down from the top of a corrupted pass; returns the reconstruction of each level."""
    combinator = COMBINATORS[config.combinator]
    z_hat: dict[int, Tensor] = {}
    for level in range(config.top, config.lowest_decoded - 1, -1):
        if level == config.top:
            u = batch_normalize(torch.softmax(corrupted.logits, dim=1))
        else:
            vertical = parameters[f"decoder.verticals.{level}.weight"]
            u = batch_normalize(z_hat[level + 1] @ vertical.T)
        table = parameters[f"decoder.combinators.{level}.weight"]
        z_hat[level] = combinator(corrupted.z[level], u, table)
    return z_hat


def cost(
    config: Config,
    parameters: dict[str, Tensor],
    x_labeled: Tensor,
    y: Tensor,
    x_unlabeled: Tensor,
    noise: list[Tensor] | None = None,
) -> Cost:
    """The total cost of one batch of N labeled and M unlabeled rows.

    noise, where given, holds one tensor [N + M, C_l] of standard normals for each level 0..L, rows
    in the order labeled, unlabeled. Without it the corrupted passes run unperturbed.
    """
    rows = x_labeled.shape[0]
    labeled_noise = None if noise is None else [level[:rows] for level in noise]
    unlabeled_noise = None if noise is None else [level[rows:] for level in noise]

    labeled = encode(config, parameters, x_labeled, labeled_noise)
    supervised = F.nll_loss(torch.log_softmax(labeled.logits, dim=1), y)
    total = supervised
    denoising: dict[int, Tensor] = {}
    if config.lowest_decoded is None:
        return Cost(total, supervised, denoising)

    corrupted = encode(config, parameters, x_unlabeled, unlabeled_noise)
    clean = encode(config, parameters, x_unlabeled)
    z_hat = decode(config, parameters, corrupted)
    for level, weight in enumerate(config.weights):
        if weight == 0:
            continue
        reconstruction = z_hat[level]
        if level > 0:
            reconstruction = normalize(reconstruction, clean.mean[level], clean.variance[level])
        squares = (reconstruction - clean.z[level]) ** 2
        denoising[level] = squares.sum(dim=1).mean() / config.layers[level]
        total = total + weight * denoising[level]
    return Cost(total, supervised, denoising)


def calibrate(
    config: Config, parameters: dict[str, Tensor], inputs: Tensor, batch_size: int
) -> dict[int, tuple[Tensor, Tensor]]:
    """Measures the statistics for evaluation: means of batch means and of unbiased variances.

    Each batch runs the clean path under its own statistics. batch_size divides the number of rows.
    """
    batches = inputs.split(batch_size)
    assert all(batch.shape[0] == batch_size for batch in batches)
    passes = [encode(config, parameters, batch) for batch in batches]
    unbiased = batch_size / (batch_size - 1)
    return {
        level: (
            torch.stack([p.mean[level] for p in passes]).mean(dim=0),
            torch.stack([p.variance[level] * unbiased for p in passes]).mean(dim=0),
        )
        for level in range(1, config.top + 1)
    }


def evaluate(
    config: Config,
    parameters: dict[str, Tensor],
    x: Tensor,
    statistics: dict[int, tuple[Tensor, Tensor]],
) -> Tensor:
    """Logits [B, C_L] of the clean path under stored statistics."""
    return encode(config, parameters, x, statistics=statistics).logits


class Adam:
    """Adam with bias correction, written out: Kingma and Ba, algorithm 1."""

    def __init__(
        self, rate: float = 0.002, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8
    ):
        self.rate, self.beta1, self.beta2, self.eps = rate, beta1, beta2, eps
        self.steps = 0
        self.first: dict[str, Tensor] = {}
        self.second: dict[str, Tensor] = {}

    def step(
        self, parameters: dict[str, Tensor], gradients: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        self.steps += 1
        updated = {}
        for name, value in parameters.items():
            gradient = gradients[name]
            zeros = torch.zeros_like(value)
            m = self.beta1 * self.first.get(name, zeros) + (1 - self.beta1) * gradient
            v = self.beta2 * self.second.get(name, zeros) + (1 - self.beta2) * gradient**2
            self.first[name], self.second[name] = m, v
            m_hat = m / (1 - self.beta1**self.steps)
            v_hat = v / (1 - self.beta2**self.steps)
            updated[name] = value - self.rate * m_hat / (torch.sqrt(v_hat) + self.eps)
        return updated


def cost_and_gradients(
    config: Config,
    parameters: dict[str, Tensor],
    x_labeled: Tensor,
    y: Tensor,
    x_unlabeled: Tensor,
    noise: list[Tensor] | None = None,
) -> tuple[Cost, dict[str, Tensor]]:
    leaves = {name: value.detach().clone().requires_grad_() for name, value in parameters.items()}
    result = cost(config, leaves, x_labeled, y, x_unlabeled, noise)
    gradients = torch.autograd.grad(result.total, list(leaves.values()))
    return result, dict(zip(leaves, gradients))
