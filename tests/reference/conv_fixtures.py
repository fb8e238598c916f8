"""The fixtures of networks on maps; make_fixtures.py writes and checks them with the others.

A fixture is a flat dict of tensors, one step on one batch:

    config.input_shape   int64 [1 or 3]
    config.layers        int64 [L, 4]   kind (0 dense, 1 convolution, 2 max pool, 3 mean pool, 4 global
                                        mean pool), units, channels or window size, kernel,
                                        border (0 valid, 1 same, 2 full) + 3 * stride
    config.lambda        float64 [L+1]
    config.noise         float64 [L+1]
    config.activation, config.combinator  int64 [], as in make_fixtures.py
    config.top_gamma     int64 []
    x_labeled [N, *shape], y int64 [N], x_unlabeled [M, *shape]
    noise.{l}            [(N+M) H W, C] standard normals, a row for each position of each row; level 0
                                        [N+M, C H W]
    param.{name}, grad.{name}
    cost.total, cost.supervised, cost.denoising.{l} (unweighted; where lambda is above zero)

x and noise are float32, exactly what the float64 reference was given. The evaluation fixture adds
calibrate.* and eval.* as in make_fixtures.py, with l = 1..L.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

import conv_reference as reference
from conv_reference import Config, Conv, Dense, GlobalMeanPool, MaxPool, MeanPool

ACTIVATION_CODES = {"identity": 0, "relu": 1, "leaky_relu": 2, "tanh": 3, "gelu": 4}
COMBINATOR_CODES = {"gaussian": 0, "vanilla": 1}

LABELED, UNLABELED = 3, 4
SMALLEST_GRADIENT = 1e-5


def config(shape, layers, weights, **options) -> Config:
    """Noise of a different size at every level, so that none can stand for another."""
    noise = tuple(0.2 + 0.15 * (level % 3) for level in range(len(layers) + 1))
    return Config(shape, tuple(layers), tuple(weights), noise, **options)


def some(levels: int) -> tuple[float, ...]:
    """A weight for every level, none like its neighbour."""
    return tuple(1.0 / (1 + level) + 0.1 for level in range(levels + 1))


def top_only(levels: int, weight: float) -> tuple[float, ...]:
    return (0.0,) * levels + (weight,)


# The published networks, narrowed.
CONV_FC = [Conv(5, 6), Conv(4, 1), Conv(3, 1), Conv(3, 1), Conv(3, 1), Conv(3, 1), GlobalMeanPool()]
CONV_SMALL = [
    Conv(2, 5, "full"),
    MaxPool(2),
    Conv(3, 3),
    Conv(3, 3, "full"),
    MaxPool(2),
    Conv(4, 3),
    Conv(3, 1),
    GlobalMeanPool(),
    Dense(3),
]
CONV_LARGE = [
    Conv(2, 3),
    Conv(2, 3, "full"),
    Conv(2, 3, "full"),
    MaxPool(2),
    Conv(3, 3),
    Conv(3, 3, "full"),
    Conv(3, 3),
    MaxPool(2),
    Conv(3, 3),
    Conv(3, 1),
    Conv(3, 1),
    GlobalMeanPool(),
]

CONFIGS = {
    "conv-borders": config(
        (2, 5, 4),
        [Conv(3, 3, "full"), MaxPool(2), Conv(2, 3, "same"), Conv(3, 2), Dense(4), Dense(3)],
        some(6),
    ),
    "conv-strides": config(
        (1, 8, 7),
        [
            Conv(2, 3, "same", 2),
            Conv(2, 2, "full", 2),
            MeanPool(2),
            Conv(3, 2, "valid", 2),
            GlobalMeanPool(),
        ],
        some(5),
        activation="leaky_relu",
        combinator="vanilla",
        top_gamma=False,
    ),
    "conv-pools": config(
        (2, 7, 8),
        [MeanPool(2), Conv(3, 3, "same"), MaxPool(3), GlobalMeanPool(), Dense(3)],
        some(5),
        activation="tanh",
    ),
    "conv-fc": config((1, 8, 8), CONV_FC, (2.0, 1.0) + (0.3,) * 6),
    "conv-small-gamma": config((1, 9, 9), CONV_SMALL, top_only(9, 1.0)),
    "conv-small-full": config((1, 9, 9), CONV_SMALL, some(9), activation="gelu"),
    "conv-small-baseline": config((1, 9, 9), CONV_SMALL, (0.0,) * 10),
    "conv-large-gamma": config(
        (3, 12, 16), CONV_LARGE, top_only(12, 4.0), activation="leaky_relu", top_gamma=False
    ),
}


def encode_layer(layer) -> list[int]:
    if isinstance(layer, Dense):
        return [0, layer.units, 0, 0]
    if isinstance(layer, Conv):
        place = reference.BORDERS.index(layer.border) + 3 * layer.stride
        return [1, layer.channels, layer.kernel, place]
    if isinstance(layer, MaxPool):
        return [2, layer.size, 0, 0]
    if isinstance(layer, MeanPool):
        return [3, layer.size, 0, 0]
    return [4, 0, 0, 0]


def describe(config: Config) -> dict[str, Tensor]:
    return {
        "config.input_shape": torch.tensor(config.input_shape),
        "config.layers": torch.tensor([encode_layer(layer) for layer in config.layers]),
        "config.lambda": torch.tensor(config.weights, dtype=torch.float64),
        "config.noise": torch.tensor(config.noise, dtype=torch.float64),
        "config.activation": torch.tensor(ACTIVATION_CODES[config.activation]),
        "config.combinator": torch.tensor(COMBINATOR_CODES[config.combinator]),
        "config.top_gamma": torch.tensor(int(config.top_gamma)),
    }


def perturbed_parameters(config: Config, generator: torch.Generator) -> dict[str, Tensor]:
    """The published initialisation with everything moved off its zeros and ones."""
    parameters = reference.initial_parameters(config, generator)
    return {
        name: value + 0.3 * torch.randn(value.shape, generator=generator, dtype=value.dtype)
        for name, value in parameters.items()
    }


def normals(generator: torch.Generator, *shape: int) -> Tensor:
    """Float64 numbers that a float32 holds."""
    return torch.randn(*shape, generator=generator, dtype=torch.float32).double()


def make_batch(config: Config, generator: torch.Generator):
    classes = config.shapes[-1][0]
    x_labeled = normals(generator, LABELED, *config.input_shape)
    x_unlabeled = normals(generator, UNLABELED, *config.input_shape)
    noise = [normals(generator, LABELED + UNLABELED, *shape) for shape in config.shapes]
    return x_labeled, torch.arange(LABELED) % classes, x_unlabeled, noise


def noise_rows(level: int, noise: Tensor) -> Tensor:
    """As the library draws: a row for each position, but level 0 as it stands."""
    if level == 0 or noise.dim() == 2:
        return noise.flatten(1)
    return noise.permute(0, 2, 3, 1).flatten(0, 2)


def training_fixture(config: Config, seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    parameters = perturbed_parameters(config, generator)
    x_labeled, y, x_unlabeled, noise = make_batch(config, generator)
    fixture = describe(config) | {
        "x_labeled": x_labeled.float(),
        "y": y,
        "x_unlabeled": x_unlabeled.float(),
    }
    used = noise if any(config.weights) else [values[:LABELED] for values in noise]
    fixture |= {f"noise.{k}": noise_rows(k, values).float() for k, values in enumerate(used)}
    fixture |= {f"param.{name}": value for name, value in parameters.items()}
    result, gradients = reference.cost_and_gradients(
        config, parameters, x_labeled, y, x_unlabeled, noise
    )
    fixture |= {"cost.total": result.total.detach(), "cost.supervised": result.supervised.detach()}
    fixture |= {f"cost.denoising.{k}": value.detach() for k, value in result.denoising.items()}
    fixture |= {f"grad.{name}": value for name, value in gradients.items()}
    return fixture


def smallest_gradient(fixture: dict[str, Tensor]) -> float:
    return min(v.abs().min().item() for name, v in fixture.items() if name.startswith("grad."))


def telling_training_fixture(config: Config) -> dict[str, Tensor]:
    """The first seed under which every single gradient entry can be told from rounding."""
    for seed in range(1, 10_000):
        fixture = training_fixture(config, seed)
        if smallest_gradient(fixture) > SMALLEST_GRADIENT:
            return fixture
    raise RuntimeError("no seed gives a gradient without zeros")


def evaluation_fixture(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    parameters = perturbed_parameters(config, generator)
    inputs = normals(generator, 9, *config.input_shape)
    x = normals(generator, 4, *config.input_shape)
    batch_size = 3
    statistics = reference.calibrate(config, parameters, inputs, batch_size)
    fixture = describe(config) | {f"param.{name}": value for name, value in parameters.items()}
    fixture |= {"calibrate.inputs": inputs.float(), "calibrate.batch_size": torch.tensor(batch_size)}
    for level, (mean, variance) in statistics.items():
        fixture |= {f"calibrate.mean.{level}": mean, f"calibrate.var.{level}": variance}
    logits = reference.evaluate(config, parameters, x, statistics)
    return fixture | {"eval.x": x.float(), "eval.logits": logits}


def make_fixtures() -> dict[str, dict[str, Tensor]]:
    fixtures = {name: telling_training_fixture(config) for name, config in CONFIGS.items()}
    fixtures["conv-evaluation"] = evaluation_fixture(CONFIGS["conv-borders"])
    return fixtures
