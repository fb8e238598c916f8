"""Compare cost and gradients of the convolutional networks, narrowed, with the reference.

python benchmarks/peers/check_conv.py
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

import conv_network
from problem import NOISE, ROWS

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "reference"))
import conv_reference as reference  # noqa: E402

TOLERANCE = 1e-8
SHAPES = {
    "conv-fc": (1, 8, 8),
    "conv-small": (1, 9, 9),
    "conv-small-full": (1, 9, 9),
    "conv-large": (3, 15, 16),
}


def narrowed(name: str) -> conv_network.Layout:
    """Return a network with few channels and small feature maps; the large kernel shrinks with them."""
    layout = conv_network.NETWORKS[name]
    last = max(k for k, layer in enumerate(layout.layers) if isinstance(layer, conv_network.Conv))

    def narrow(place: int, layer):
        if not isinstance(layer, conv_network.Conv):
            return layer
        channels = layer.channels if place == last else 3 + place % 2
        return replace(layer, channels=channels, kernel=min(layer.kernel, 6))

    layers = tuple(narrow(k, layer) for k, layer in enumerate(layout.layers))
    return replace(layout, shape=SHAPES[name], layers=layers)


def translate(layer) -> reference.Layer:
    if isinstance(layer, conv_network.Conv):
        border = "full" if layer.full else "valid"
        return reference.Conv(layer.channels, layer.kernel, border)
    return {
        conv_network.POOL: reference.MaxPool(2),
        conv_network.GLOBAL_POOL: reference.GlobalMeanPool(),
        conv_network.DENSE: reference.Dense(10),
    }[layer]


def named(network: conv_network.Network) -> dict[str, Tensor]:
    """Return parameters by their names in the reference."""
    names = {f"stages.{int(k) - 1}.weight": weight for k, weight in network.weights.items()}
    names |= {f"stages.{int(k) - 1}.normalization.beta": b for k, b in network.betas.items()}
    names |= {f"decoder.combinators.{k}.weight": table for k, table in network.tables.items()}
    names |= {f"decoder.verticals.{k}.weight": map_ for k, map_ in network.verticals.items()}
    if network.gamma is not None:
        names[f"stages.{len(network.layout.layers) - 1}.normalization.gamma"] = network.gamma
    return names


def turned(name: str, value: Tensor) -> Tensor:
    """Return a decoder kernel in the layout of the convolution that it transposes, as the reference does."""
    conv = "verticals" in name and value.dim() == 4
    return value.flip(2, 3).transpose(0, 1) if conv else value


def error(name: str) -> float:
    torch.manual_seed(1)
    layout = narrowed(name)
    network = conv_network.Network(layout)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    batch = torch.rand(ROWS, *layout.shape), torch.arange(ROWS) % 10
    batch = (*batch, torch.rand(ROWS, *layout.shape))
    noise = [torch.zeros(3 * ROWS, *shape) for shape in network.shapes]
    for level in noise:
        level[: 2 * ROWS].normal_()

    total = network.cost(*batch, [NOISE * level for level in noise])
    parameters = named(network)
    assert len(parameters) == len(list(network.parameters()))
    gradients = dict(zip(parameters, torch.autograd.grad(total, list(parameters.values()))))

    config = reference.Config(
        layout.shape,
        tuple(translate(layer) for layer in layout.layers),
        layout.weights,
        (NOISE,) * len(network.shapes),
        activation="leaky_relu" if layout.slope else "relu",
        top_gamma=layout.top_gamma,
    )
    values = {name: turned(name, value.detach()) for name, value in parameters.items()}
    noisy = [level[: 2 * ROWS] for level in noise]
    exact, expected = reference.cost_and_gradients(config, values, *batch, noisy)
    assert set(expected) == set(gradients)
    errors = [abs((total - exact.total) / exact.total).item()]
    for key, value in expected.items():
        errors.append(((turned(key, gradients[key]) - value).norm() / value.norm()).item())
    return max(errors)


def main() -> int:
    torch.set_default_dtype(torch.float64)
    failed = False
    for name in conv_network.NETWORKS:
        found = error(name)
        failed |= not found < TOLERANCE
        print(f"{'FAILED' if not found < TOLERANCE else 'ok'} {name}: relative error {found:.1e}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
