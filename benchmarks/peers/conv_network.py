"""The cost of one step of a convolutional network in plain PyTorch.

Rows are stacked as in torch_network.py, one pass for the labeled noisy, unlabeled noisy and
unlabeled clean ones. The decoder's map for a convolution is written as in the papers' code, a
convolution with the opposite border.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from problem import CLASSES, EPSILON, ROWS

IMAGES = 2000


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
class Layout:
    shape: tuple[int, ...]
    layers: tuple
    weights: tuple[float, ...]  # lambda
    slope: float = 0.0  # of a leaky ReLU
    top_gamma: bool = True


SMALL = (
    Conv(32, 5, True),
    POOL,
    Conv(64, 3),
    Conv(64, 3, True),
    POOL,
    Conv(128, 3),
    Conv(CLASSES, 1),
    GLOBAL_POOL,
    DENSE,
)

NETWORKS = {
    "conv-fc": Layout(
        (1, 28, 28),
        (Conv(1000, 26), *(Conv(n, 1) for n in (500, 250, 250, 250, CLASSES)), GLOBAL_POOL),
        (1000.0, 10.0) + (0.1,) * 6,
    ),
    "conv-small": Layout((1, 28, 28), SMALL, (0.0,) * 9 + (1.0,)),
    "conv-small-full": Layout((1, 28, 28), SMALL, (1000.0, 10.0) + (0.1,) * 8),
    "conv-large": Layout(
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
            Conv(CLASSES, 1),
            GLOBAL_POOL,
        ),
        (0.0,) * 12 + (4.0,),
        slope=0.1,
        top_gamma=False,
    ),
}


def uniform(weight: Tensor, fan_in: int) -> Tensor:
    bound = math.sqrt(3 / fan_in)
    return weight.uniform_(-bound, bound)


class Network(nn.Module):
    groups = 3  # of rows: every network here has a cost above level 0

    def __init__(self, layout: Layout):
        super().__init__()
        self.layout = layout
        top = len(layout.layers)
        self.lowest = next(level for level, weight in enumerate(layout.weights) if weight > 0)
        self.shapes = [layout.shape]  # of one row, by level
        self.weights, self.betas = nn.ParameterDict(), nn.ParameterDict()
        self.tables, self.verticals = nn.ParameterDict(), nn.ParameterDict()
        for level, layer in enumerate(layout.layers, start=1):
            channels, *size = self.shapes[-1]
            if isinstance(layer, Conv):
                weight = torch.empty(layer.channels, channels, layer.kernel, layer.kernel)
                self.weights[str(level)] = uniform(weight, channels * layer.kernel**2)
                size = [n + 2 * layer.padding - layer.kernel + 1 for n in size]
                shape = (layer.channels, *size)
            elif layer == POOL:
                shape = (channels, *(-(-n // 2) for n in size))
            else:
                shape = (channels,)
                if layer == DENSE:
                    weight = torch.randn(CLASSES, channels) / math.sqrt(channels)
                    self.weights[str(level)] = weight
            if isinstance(layer, Conv) or level == top:
                self.betas[str(level)] = torch.zeros(shape[0])
            self.shapes.append(shape)
        self.gamma = nn.Parameter(torch.ones(CLASSES)) if layout.top_gamma else None
        for level in range(self.lowest, top + 1):
            table = torch.zeros(10, self.shapes[level][0])
            table[[1, 6]] = 1.0
            self.tables[str(level)] = table
            layer = layout.layers[level] if level < top else None
            below = self.shapes[level][0]
            if isinstance(layer, Conv):
                vertical = torch.empty(below, layer.channels, layer.kernel, layer.kernel)
                self.verticals[str(level)] = uniform(vertical, layer.channels * layer.kernel**2)
            elif layer == DENSE:
                self.verticals[str(level)] = torch.randn(below, CLASSES) / math.sqrt(CLASSES)

    def data(self) -> tuple[Tensor, Tensor]:
        """Set all images, and the classes of the first ones."""
        images = torch.randint(0, 256, (IMAGES, *self.layout.shape)).float() / 255
        return images, torch.arange(ROWS) % CLASSES

    def up(self, level: int, h: Tensor) -> Tensor:
        layer = self.layout.layers[level - 1]
        if isinstance(layer, Conv):
            return F.conv2d(h, self.weights[str(level)], padding=layer.padding)
        if layer == POOL:
            return F.max_pool2d(h, 2, ceil_mode=True)
        if layer == GLOBAL_POOL:
            return h.mean((2, 3)) * (h.shape[3] * math.sqrt(3.0))
        return F.linear(h, self.weights[str(level)])

    def down(self, level: int, z: Tensor) -> Tensor:
        layer, shape = self.layout.layers[level], self.shapes[level]
        if isinstance(layer, Conv):
            padding = layer.kernel - 1 - layer.padding
            return F.conv2d(z, self.verticals[str(level)], padding=padding)
        if layer == DENSE:
            return F.linear(z, self.verticals[str(level)])
        if layer == POOL:
            height, width = shape[1:]
            return F.interpolate(z, scale_factor=2)[:, :, :height, :width]
        return z[:, :, None, None].expand(-1, -1, *shape[1:])  # global mean pool

    def cost(
        self, x_labeled: Tensor, y: Tensor, x_unlabeled: Tensor, noise: list[Tensor]
    ) -> Tensor:
        """Return the total cost. `noise` has all rows of each level, zeros in the clean ones."""
        layers, weights = self.layout.layers, self.layout.weights
        h = torch.cat([x_labeled, x_unlabeled, x_unlabeled]) + noise[0]
        unlabeled, clean = slice(ROWS, 2 * ROWS), slice(2 * ROWS, 3 * ROWS)
        corrupted, targets, scales = {0: h[unlabeled]}, {}, {}
        for level, layer in enumerate(layers, start=1):
            z_pre = self.up(level, h)
            groups = z_pre.view(3, ROWS, *z_pre.shape[1:])
            dims = (1, 3, 4) if z_pre.dim() == 4 else (1,)
            variance, mean = torch.var_mean(groups, dim=dims, unbiased=False, keepdim=True)
            scale = torch.rsqrt(variance + EPSILON)
            z = ((groups - mean) * scale).view_as(z_pre) + noise[level]
            if level >= self.lowest:
                corrupted[level] = z[unlabeled]
                targets[level], scales[level] = z_pre[clean], scale[2]
            h = z
            if str(level) in self.betas:
                h = h + self.betas[str(level)].view(-1, *[1] * (h.dim() - 2))
            if isinstance(layer, Conv):
                slope = self.layout.slope
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
            a = [row.view(shape) for row in self.tables[str(level)].unbind(0)]
            mu = a[0] * torch.sigmoid(a[1] * u + a[2]) + a[3] * u + a[4]
            v = a[5] * torch.sigmoid(a[6] * u + a[7]) + a[8] * u + a[9]
            z_hat = (corrupted[level] - mu) * v + mu
            if level > 0:
                difference = (z_hat - targets[level]) * scales[level]
            else:
                difference = z_hat - x_unlabeled
            total = total + weights[level] * difference.square().mean()
        return total
