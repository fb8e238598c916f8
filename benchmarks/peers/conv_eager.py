"""The training step of the convolutional networks in plain PyTorch: NCHW, eager, fused Adam.

Rows are stacked as in torch_network.py, one pass for the labeled noisy, unlabeled noisy and unlabeled
clean ones. The decoder's map for a convolution is written as in the papers' code, a convolution with
the opposite border.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS, NOISE, EPSILON = 100, 0.3, 1e-10


@dataclass(frozen=True)
class Conv:
    channels: int
    kernel: int
    full: bool = False

    @property
    def padding(self) -> int:
        return self.kernel - 1 if self.full else 0


POOL, GLOBAL_POOL, DENSE = "max pool of 2", "global mean pool", "ten classes"


@dataclass(frozen=True)
class Network:
    shape: tuple[int, ...]
    layers: tuple
    weights: tuple[float, ...]  # lambda
    slope: float = 0.0  # of a leaky ReLU
    top_gamma: bool = True


NETWORKS = {
    "conv-fc": Network(
        (1, 28, 28),
        (Conv(1000, 26), *(Conv(n, 1) for n in (500, 250, 250, 250, 10)), GLOBAL_POOL),
        (1000.0, 10.0) + (0.1,) * 6,
    ),
    "conv-small": Network(
        (1, 28, 28),
        (
            Conv(32, 5, True),
            POOL,
            Conv(64, 3),
            Conv(64, 3, True),
            POOL,
            Conv(128, 3),
            Conv(10, 1),
            GLOBAL_POOL,
            DENSE,
        ),
        (0.0,) * 9 + (1.0,),
    ),
    "conv-large": Network(
        (3, 32, 32),
        (
            Conv(96, 3),
            Conv(96, 3, True),
            Conv(96, 3, True),
            POOL,
            Conv(192, 3),
            Conv(192, 3, True),
            Conv(192, 3),
            POOL,
            Conv(192, 3),
            Conv(192, 1),
            Conv(10, 1),
            GLOBAL_POOL,
        ),
        (0.0,) * 12 + (4.0,),
        slope=0.1,
        top_gamma=False,
    ),
}


class Ladder:
    def __init__(self, network: Network):
        self.network = network
        self.weights, self.betas, self.tables, self.verticals = [], [], {}, {}
        self.shapes = [network.shape]
        top = len(network.layers)
        for level, layer in enumerate(network.layers, start=1):
            channels, *size = self.shapes[-1]
            weight = None
            if isinstance(layer, Conv):
                bound = math.sqrt(3 / (channels * layer.kernel**2))
                weight = torch.empty(layer.channels, channels, layer.kernel, layer.kernel)
                weight.uniform_(-bound, bound)
                size = [n + 2 * layer.padding - layer.kernel + 1 for n in size]
                shape = (layer.channels, *size)
            elif layer == POOL:
                shape = (channels, *(-(-n // 2) for n in size))
            else:
                shape = (channels,)
                if layer == DENSE:
                    weight = torch.randn(10, channels) / math.sqrt(channels)
            self.weights.append(weight)
            affine = isinstance(layer, Conv) or level == top
            self.betas.append(torch.zeros(shape[0]) if affine else None)
            self.shapes.append(shape)
        self.gamma = torch.ones(10) if network.top_gamma else None
        self.lowest = next(k for k, weight in enumerate(network.weights) if weight > 0)
        for level in range(self.lowest, top + 1):
            table = torch.zeros(10, self.shapes[level][0])
            table[[1, 6]] = 1.0
            self.tables[level] = table
            layer = network.layers[level] if level < top else None
            if isinstance(layer, Conv):
                bound = math.sqrt(3 / (layer.channels * layer.kernel**2))
                below = self.shapes[level][0]
                vertical = torch.empty(below, layer.channels, layer.kernel, layer.kernel)
                self.verticals[level] = vertical.uniform_(-bound, bound)
        for tensor in self.parameters():
            tensor.requires_grad_()
        self.noise = [torch.zeros(3 * ROWS, *shape) for shape in self.shapes]

    def parameters(self) -> list[Tensor]:
        own = [*self.weights, *self.betas, self.gamma]
        return [t for t in (*own, *self.tables.values(), *self.verticals.values()) if t is not None]

    def up(self, layer, h: Tensor, weight: Tensor | None) -> Tensor:
        if isinstance(layer, Conv):
            return F.conv2d(h, weight, padding=layer.padding)
        if layer == POOL:
            return F.max_pool2d(h, 2, ceil_mode=True)
        return h.mean((2, 3)) if layer == GLOBAL_POOL else F.linear(h, weight)

    def down(self, level: int, z: Tensor) -> Tensor:
        layer, shape = self.network.layers[level], self.shapes[level]
        if isinstance(layer, Conv):
            return F.conv2d(z, self.verticals[level], padding=layer.kernel - 1 - layer.padding)
        return z[:, :, None, None].expand(-1, -1, *shape[1:])  # global mean pool

    def cost(self, x_labeled: Tensor, y: Tensor, x_unlabeled: Tensor) -> Tensor:
        for level in self.noise:
            level[: 2 * ROWS].normal_(0.0, NOISE)
        layers = self.network.layers
        h = torch.cat([x_labeled, x_unlabeled, x_unlabeled]) + self.noise[0]
        unlabeled, clean = slice(ROWS, 2 * ROWS), slice(2 * ROWS, 3 * ROWS)
        corrupted, targets, scales = [h[unlabeled]], [None], [None]
        for level, layer in enumerate(layers, start=1):
            z_pre = self.up(layer, h, self.weights[level - 1])
            groups = z_pre.view(3, ROWS, *z_pre.shape[1:])
            dims = (1, 3, 4) if z_pre.dim() == 4 else (1,)
            variance, mean = torch.var_mean(groups, dim=dims, unbiased=False, keepdim=True)
            scale = torch.rsqrt(variance + EPSILON)
            z = ((groups - mean) * scale).view_as(z_pre) + self.noise[level]
            corrupted.append(z[unlabeled])
            targets.append(z_pre[clean])
            scales.append(scale[2])
            h = z
            if self.betas[level - 1] is not None:
                h = h + self.betas[level - 1].view(-1, *[1] * (h.dim() - 2))
            if isinstance(layer, Conv):
                slope = self.network.slope
                h = F.leaky_relu(h, slope) if slope else torch.relu(h)
        logits = h[: 2 * ROWS]
        if self.gamma is not None:
            logits = self.gamma * logits

        total = F.cross_entropy(logits[:ROWS], y)
        below = torch.softmax(logits[unlabeled], dim=1)
        for level in range(len(layers), self.lowest - 1, -1):
            if level < len(layers):
                below = self.down(level, z_hat)
            u = F.batch_norm(below, None, None, training=True, eps=EPSILON)
            shape = (-1, *[1] * (u.dim() - 2))
            a = [row.view(shape) for row in self.tables[level].unbind(0)]
            mu = a[0] * torch.sigmoid(a[1] * u + a[2]) + a[3] * u + a[4]
            v = a[5] * torch.sigmoid(a[6] * u + a[7]) + a[8] * u + a[9]
            z_hat = (corrupted[level] - mu) * v + mu
            if level > 0:
                difference = (z_hat - targets[level]) * scales[level]
            else:
                difference = z_hat - x_unlabeled
            total = total + self.network.weights[level] * difference.square().mean()
        return total


def make_step(name: str) -> Callable[[], float]:
    torch.manual_seed(0)
    network = NETWORKS[name]
    ladder = Ladder(network)
    optimizer = torch.optim.Adam(ladder.parameters(), lr=0.002, fused=True)
    images = torch.randint(0, 256, (2000, *network.shape)).float() / 255
    y = torch.arange(ROWS) % 10

    def step() -> float:
        rows = torch.randint(0, len(images), (ROWS,))
        total = ladder.cost(images[:ROWS], y, images[rows])
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
        return total.item()

    return step
