"""Denoising functions beyond the published Gaussian and Vanilla, each written out by itself.

A function takes z~ [B, C], u [B, C] and a table of parameters [rows, C] that belong to the columns:

    gaussian_sigmoid  a1..a10, as the Gaussian function, its v passed through a sigmoid
    no_lateral        b0, w0u, ws, b1, w1u
    no_sigmoid        b0, w0z, w0u, w0zu
    no_cross          b0, w0z, w0u, ws, b1, w1z, w1u
    linear            b0, w0z, w0u
    direct            a, b
    mlp_*, amlp_*     layer by layer the weights [out, in], row by row, then the biases [out]
"""

from __future__ import annotations

import torch
from torch import Tensor


def sigmoid(x: Tensor) -> Tensor:
    return 1.0 / (1.0 + torch.exp(-x))


def gaussian_sigmoid(z: Tensor, u: Tensor, a: Tensor) -> Tensor:
    mu = a[0] * sigmoid(a[1] * u + a[2]) + a[3] * u + a[4]
    v = sigmoid(a[5] * sigmoid(a[6] * u + a[7]) + a[8] * u + a[9])
    return v * z + (1.0 - v) * mu


def no_lateral(z: Tensor, u: Tensor, w: Tensor) -> Tensor:
    return w[0] + w[1] * u + w[2] * sigmoid(w[3] + w[4] * u)


def no_sigmoid(z: Tensor, u: Tensor, w: Tensor) -> Tensor:
    return w[0] + w[1] * z + w[2] * u + w[3] * z * u


def no_cross(z: Tensor, u: Tensor, w: Tensor) -> Tensor:
    return w[0] + w[1] * z + w[2] * u + w[3] * sigmoid(w[4] + w[5] * z + w[6] * u)


def linear(z: Tensor, u: Tensor, w: Tensor) -> Tensor:
    return w[0] + w[1] * z + w[2] * u


def direct(z: Tensor, u: Tensor, w: Tensor) -> Tensor:
    return w[0] * u + w[1]


class Perceptron:
    """One small network for each column, one column after the other."""

    def __init__(self, hidden: tuple[int, ...], augmented: bool):
        self.sizes = (3 if augmented else 2, *hidden, 1)
        self.rows = sum(out * (ins + 1) for ins, out in zip(self.sizes, self.sizes[1:]))

    def column(self, z: Tensor, u: Tensor, w: Tensor) -> Tensor:
        values = [u, z, u * z][: self.sizes[0]]
        parameters = iter(w)
        for depth, (ins, out) in enumerate(zip(self.sizes, self.sizes[1:])):
            weights = [[next(parameters) for _ in range(ins)] for _ in range(out)]
            biases = [next(parameters) for _ in range(out)]
            values = [
                bias + sum(weight * value for weight, value in zip(row, values))
                for row, bias in zip(weights, biases)
            ]
            if depth < len(self.sizes) - 2:
                values = [torch.where(value > 0, value, 0.1 * value) for value in values]
        return values[0]

    def __call__(self, z: Tensor, u: Tensor, table: Tensor) -> Tensor:
        columns = range(table.shape[1])
        return torch.stack([self.column(z[:, c], u[:, c], table[:, c]) for c in columns], dim=1)


PERCEPTRONS = {
    "mlp-4": Perceptron((4,), augmented=False),
    "mlp-2-2": Perceptron((2, 2), augmented=False),
    "mlp-2-2-2": Perceptron((2, 2, 2), augmented=False),
    "amlp-4": Perceptron((4,), augmented=True),
    "amlp-2-2": Perceptron((2, 2), augmented=True),
    "amlp-2-2-2": Perceptron((2, 2, 2), augmented=True),
}

FUNCTIONS = {
    "gaussian-sigmoid": gaussian_sigmoid,
    "no-lateral": no_lateral,
    "no-sigmoid": no_sigmoid,
    "no-cross": no_cross,
    "linear": linear,
    "direct": direct,
} | PERCEPTRONS
ROWS = {
    "gaussian-sigmoid": 10,
    "no-lateral": 5,
    "no-sigmoid": 4,
    "no-cross": 7,
    "linear": 3,
    "direct": 2,
} | {name: perceptron.rows for name, perceptron in PERCEPTRONS.items()}
# The rows that start at one; all others start at zero, and those of a perceptron are drawn.
ONES = {
    "gaussian-sigmoid": (1, 6),
    "no-lateral": (2,),
    "no-sigmoid": (1,),
    "no-cross": (1, 3, 5),
    "linear": (1,),
    "direct": (0,),
}
