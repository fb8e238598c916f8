"""Ladder networks on maps, in their textbook form: an independent check of the library.

Like ladder_reference.py, with levels that are maps [C, H, W] or rows [C]. Everything is written out
from its definition on [B, C, H, W]: a convolution is a sum over the places of its kernel, the
decoder's map for it the convolution with the opposite border and the kernel turned round, over a map
with stride - 1 zeros between its values. Autograd computes all gradients.

Level 0 is the input and level L the top. Stage index l in a parameter name means level l + 1:

    stages.{l}.weight               [O, C, k, k] or [O, C H W]
    stages.{l}.normalization.beta   [C]    where act is not linear, and at the top
    stages.{l}.normalization.gamma  [C]    at the top, unless the network has none
    decoder.verticals.{l}.weight    [O, C, k, k] or [C H W, O]: from level l + 1 down to level l
    decoder.combinators.{l}.weight  [rows, C]
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Union

import torch
import torch.nn.functional as F
from torch import Tensor

from ladder_reference import (
    ACTIVATIONS,
    COMBINATOR_ONES,
    COMBINATOR_ROWS,
    COMBINATORS,
    EPSILON,
    Cost,
)

BORDERS = ("valid", "same", "full")


@dataclass(frozen=True)
class Dense:
    units: int


@dataclass(frozen=True)
class Conv:
    channels: int
    kernel: int
    border: str = "valid"
    stride: int = 1

    @property
    def padding(self) -> int:
        return {"valid": 0, "same": self.kernel // 2, "full": self.kernel - 1}[self.border]


@dataclass(frozen=True)
class MaxPool:
    size: int = 2


@dataclass(frozen=True)
class MeanPool:
    size: int = 2


@dataclass(frozen=True)
class GlobalMeanPool:
    pass


Layer = Union[Dense, Conv, MaxPool, MeanPool, GlobalMeanPool]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Config:
    input_shape: Shape
    layers: tuple[Layer, ...]
    weights: tuple[float, ...]  # lambda of levels 0..L
    noise: tuple[float, ...]  # standard deviation of levels 0..L
    activation: str = "relu"
    combinator: str = "gaussian"
    top_gamma: bool = True

    @property
    def top(self) -> int:
        return len(self.layers)

    @property
    def lowest_decoded(self) -> int | None:
        return next((level for level, weight in enumerate(self.weights) if weight > 0), None)

    @property
    def shapes(self) -> list[Shape]:
        """Of one row at levels 0..L."""
        shapes = [self.input_shape]
        for layer in self.layers:
            shapes.append(shape_after(layer, shapes[-1]))
        return shapes

    def has_beta(self, level: int) -> bool:
        return level == self.top or isinstance(self.layers[level - 1], (Dense, Conv))


def shape_after(layer: Layer, shape: Shape) -> Shape:
    if isinstance(layer, Dense):
        return (layer.units,)
    channels, *sizes = shape
    if isinstance(layer, Conv):
        return (
            layer.channels,
            *((n + 2 * layer.padding - layer.kernel) // layer.stride + 1 for n in sizes),
        )
    if isinstance(layer, GlobalMeanPool):
        return (channels,)
    return (channels, *(math.ceil(n / layer.size) for n in sizes))


def initial_parameters(
    config: Config, generator: torch.Generator | None = None, dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """The published initialisation: N(0, 1/fan_in) dense, U(+-sqrt(3/fan_in)) convolution."""

    def normal(rows: int, columns: int) -> Tensor:
        draws = torch.randn(rows, columns, generator=generator, dtype=dtype)
        return draws / math.sqrt(columns)

    def uniform(shape: Shape, fan_in: int) -> Tensor:
        draws = torch.rand(shape, generator=generator, dtype=dtype)
        return (2.0 * draws - 1.0) * math.sqrt(3.0 / fan_in)

    shapes = config.shapes
    parameters: dict[str, Tensor] = {}
    for level, layer in enumerate(config.layers, start=1):
        stage, below, here = f"stages.{level - 1}", shapes[level - 1], shapes[level]
        if isinstance(layer, Dense):
            parameters[f"{stage}.weight"] = normal(layer.units, math.prod(below))
        elif isinstance(layer, Conv):
            shape = (layer.channels, below[0], layer.kernel, layer.kernel)
            parameters[f"{stage}.weight"] = uniform(shape, math.prod(shape[1:]))
        if config.has_beta(level):
            parameters[f"{stage}.normalization.beta"] = torch.zeros(here[0], dtype=dtype)
        if level == config.top and config.top_gamma:
            parameters[f"{stage}.normalization.gamma"] = torch.ones(here[0], dtype=dtype)
    if config.lowest_decoded is None:
        return parameters
    for level in range(config.lowest_decoded, config.top):
        layer, name = config.layers[level], f"decoder.verticals.{level}.weight"
        if isinstance(layer, Dense):
            parameters[name] = normal(math.prod(shapes[level]), layer.units)
        elif isinstance(layer, Conv):
            shape = (layer.channels, shapes[level][0], layer.kernel, layer.kernel)
            parameters[name] = uniform(shape, layer.channels * layer.kernel**2)
    for level in range(config.lowest_decoded, config.top + 1):
        table = torch.zeros(COMBINATOR_ROWS[config.combinator], shapes[level][0], dtype=dtype)
        table[list(COMBINATOR_ONES[config.combinator])] = 1.0
        parameters[f"decoder.combinators.{level}.weight"] = table
    return parameters


def convolve(x: Tensor, weight: Tensor, padding: tuple[int, int, int, int], stride: int) -> Tensor:
    """Sums, over the places of the kernel, what the map holds under that place.

    padding is (left, right, top, bottom), weight [O, C, k, k].
    """
    x = F.pad(x, padding)
    kernel = weight.shape[2]
    rows, columns = ((n - kernel) // stride + 1 for n in x.shape[2:])
    y = torch.zeros((), dtype=x.dtype)
    for i in range(kernel):
        for j in range(kernel):
            seen = x[:, :, i : i + stride * rows : stride, j : j + stride * columns : stride]
            seen = seen[:, :, :rows, :columns]
            y = y + torch.einsum("bchw,oc->bohw", seen, weight[:, :, i, j])
    return y


def convolve_back(z: Tensor, weight: Tensor, layer: Conv, below: Shape) -> Tensor:
    """The convolution with the opposite border, for weight [O, C, k, k] from O channels to C."""
    spread = z.new_zeros(*z.shape[:2], *((n - 1) * layer.stride + 1 for n in z.shape[2:]))
    spread[:, :, :: layer.stride, :: layer.stride] = z
    before = layer.kernel - 1 - layer.padding
    down, right = (
        n - (size + before - layer.kernel + 1) for n, size in zip(below[1:], spread.shape[2:])
    )
    turned = weight.flip(2, 3).transpose(0, 1)
    return convolve(spread, turned, (before, right, before, down), 1)


def pool(x: Tensor, size: int, reduce) -> Tensor:
    """Windows of size x size from the upper left; those at the far edges hold what is left."""
    return torch.stack(
        [
            torch.stack(
                [
                    reduce(x[:, :, i : i + size, j : j + size].flatten(2))
                    for j in range(0, x.shape[3], size)
                ],
                dim=-1,
            )
            for i in range(0, x.shape[2], size)
        ],
        dim=-2,
    )


def upsample(x: Tensor, size: int, below: Shape) -> Tensor:
    x = x.repeat_interleave(size, dim=2).repeat_interleave(size, dim=3)
    return x[:, :, : below[1], : below[2]]


def map_up(layer: Layer, h: Tensor, weight: Tensor | None) -> Tensor:
    if isinstance(layer, Dense):
        return h.flatten(1) @ weight.T
    if isinstance(layer, Conv):
        return convolve(h, weight, (layer.padding,) * 4, layer.stride)
    if isinstance(layer, MaxPool):
        return pool(h, layer.size, lambda window: window.max(dim=2).values)
    if isinstance(layer, MeanPool):
        return pool(h, layer.size, lambda window: window.mean(dim=2))
    # The published factor: lost in z, but BN' of this level's cost divides by the deviation here.
    return h.sum(dim=(2, 3)) / (h.shape[2] * h.shape[3]) * (h.shape[3] * math.sqrt(3.0))


def map_down(layer: Layer, z: Tensor, weight: Tensor | None, below: Shape) -> Tensor:
    if isinstance(layer, Dense):
        return (z @ weight.T).reshape(z.shape[0], *below)
    if isinstance(layer, Conv):
        return convolve_back(z, weight, layer, below)
    if isinstance(layer, GlobalMeanPool):
        return z[:, :, None, None].repeat(1, 1, *below[1:])
    return upsample(z, layer.size, below)


def by_channel(values: Tensor, like: Tensor) -> Tensor:
    return values if like.dim() == 2 else values[:, None, None]


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel."""
    dims = (0,) if x.dim() == 2 else (0, 2, 3)
    return x.mean(dim=dims), x.var(dim=dims, unbiased=False)


def normalize(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return (x - by_channel(mean, x)) / torch.sqrt(by_channel(variance, x) + EPSILON)


def batch_normalize(x: Tensor) -> Tensor:
    return normalize(x, *moments(x))


@dataclass
class Encoded:
    z: list[Tensor] = field(default_factory=list)
    mean: list[Tensor | None] = field(default_factory=list)
    variance: list[Tensor | None] = field(default_factory=list)
    logits: Tensor | None = None


def encode(
    config: Config,
    parameters: dict[str, Tensor],
    x: Tensor,
    noise: list[Tensor] | None = None,
    statistics: dict[int, tuple[Tensor, Tensor]] | None = None,
) -> Encoded:
    """Runs one encoder pass over x [B, C, H, W].

    noise holds standard normals [B, *shape] for each level and makes the pass a corrupted one.
    statistics holds (mean, variance) by level to use in place of the batch's own.
    """
    if noise is not None:
        x = x + config.noise[0] * noise[0]
    out = Encoded(z=[x], mean=[None], variance=[None])
    h = x
    for level, layer in enumerate(config.layers, start=1):
        stage = f"stages.{level - 1}"
        z_pre = map_up(layer, h, parameters.get(f"{stage}.weight"))
        mean, variance = moments(z_pre) if statistics is None else statistics[level]
        z = normalize(z_pre, mean, variance)
        if noise is not None:
            z = z + config.noise[level] * noise[level]
        out.z.append(z)
        out.mean.append(mean)
        out.variance.append(variance)
        h = z
        if config.has_beta(level):
            h = h + by_channel(parameters[f"{stage}.normalization.beta"], h)
        if level == config.top:
            gamma = parameters.get(f"{stage}.normalization.gamma")
            out.logits = h if gamma is None else gamma * h
        elif config.has_beta(level):
            h = ACTIVATIONS[config.activation](h)
    return out


def decode(config: Config, parameters: dict[str, Tensor], corrupted: Encoded) -> dict[int, Tensor]:
    shapes = config.shapes
    z_hat: dict[int, Tensor] = {}
    for level in range(config.top, config.lowest_decoded - 1, -1):
        if level == config.top:
            u = torch.softmax(corrupted.logits, dim=1)
        else:
            weight = parameters.get(f"decoder.verticals.{level}.weight")
            u = map_down(config.layers[level], z_hat[level + 1], weight, shapes[level])
        table = [by_channel(row, u) for row in parameters[f"decoder.combinators.{level}.weight"]]
        combinator = COMBINATORS[config.combinator]
        z_hat[level] = combinator(corrupted.z[level], batch_normalize(u), table)
    return z_hat


def cost(
    config: Config,
    parameters: dict[str, Tensor],
    x_labeled: Tensor,
    y: Tensor,
    x_unlabeled: Tensor,
    noise: list[Tensor] | None = None,
) -> Cost:
    """The cost of one step; noise [N + M, *shape] by level is for the corrupted rows, labeled first."""
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
        denoising[level] = squares.flatten(1).sum(dim=1).mean() / math.prod(config.shapes[level])
        total = total + weight * denoising[level]
    return Cost(total, supervised, denoising)


def cost_and_gradients(
    config: Config, parameters: dict[str, Tensor], *batch
) -> tuple[Cost, dict[str, Tensor]]:
    leaves = {name: value.detach().clone().requires_grad_() for name, value in parameters.items()}
    result = cost(config, leaves, *batch)
    gradients = torch.autograd.grad(result.total, list(leaves.values()))
    return result, dict(zip(leaves, gradients))


def calibrate(
    config: Config, parameters: dict[str, Tensor], inputs: Tensor, batch_size: int
) -> dict[int, tuple[Tensor, Tensor]]:
    """Means of batch means and of unbiased batch variances, a value of a channel being a draw."""
    batches = inputs.split(batch_size)
    assert all(batch.shape[0] == batch_size for batch in batches)
    passes = [encode(config, parameters, batch) for batch in batches]
    statistics = {}
    for level, shape in enumerate(config.shapes[1:], start=1):
        count = batch_size * math.prod(shape[1:])
        mean = torch.stack([p.mean[level] for p in passes]).mean(dim=0)
        variance = torch.stack([p.variance[level] for p in passes]).mean(dim=0)
        statistics[level] = (mean, variance * count / (count - 1))
    return statistics


def evaluate(
    config: Config,
    parameters: dict[str, Tensor],
    x: Tensor,
    statistics: dict[int, tuple[Tensor, Tensor]],
) -> Tensor:
    return encode(config, parameters, x, statistics=statistics).logits
