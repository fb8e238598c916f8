"""Compares conv_eager, narrowed and in float64, with the reference: cost and every gradient.

python benchmarks/peers/check_conv.py
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

import conv_eager

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "reference"))
import conv_reference as reference  # noqa: E402

TOLERANCE = 1e-8
SHAPES = {"conv-fc": (1, 8, 8), "conv-small": (1, 9, 9), "conv-large": (3, 15, 16)}


def narrowed(name: str) -> conv_eager.Network:
    """Few channels and small maps; the large kernel fits them as it fitted the large ones."""
    network = conv_eager.NETWORKS[name]
    last = max(k for k, layer in enumerate(network.layers) if isinstance(layer, conv_eager.Conv))

    def narrow(place: int, layer):
        if not isinstance(layer, conv_eager.Conv):
            return layer
        channels = layer.channels if place == last else 3 + place % 2
        return replace(layer, channels=channels, kernel=min(layer.kernel, 6))

    layers = tuple(narrow(k, layer) for k, layer in enumerate(network.layers))
    return replace(network, shape=SHAPES[name], layers=layers)


def translate(layer) -> reference.Layer:
    if isinstance(layer, conv_eager.Conv):
        border = "full" if layer.full else "valid"
        return reference.Conv(layer.channels, layer.kernel, border)
    return {
        conv_eager.POOL: reference.MaxPool(2),
        conv_eager.GLOBAL_POOL: reference.GlobalMeanPool(),
        conv_eager.DENSE: reference.Dense(10),
    }[layer]


def named(ladder: conv_eager.Ladder) -> dict[str, Tensor]:
    """Its parameters by the reference's names."""
    names = {f"stages.{k}.weight": weight for k, weight in enumerate(ladder.weights)}
    names |= {f"stages.{k}.normalization.beta": beta for k, beta in enumerate(ladder.betas)}
    names[f"stages.{len(ladder.weights) - 1}.normalization.gamma"] = ladder.gamma
    names |= {f"decoder.combinators.{k}.weight": table for k, table in ladder.tables.items()}
    names |= {f"decoder.verticals.{k}.weight": map_ for k, map_ in ladder.verticals.items()}
    return {name: value for name, value in names.items() if value is not None}


def turned(name: str, value: Tensor) -> Tensor:
    """The reference keeps a decoder's kernel as the convolution that it goes back through has it."""
    conv = "verticals" in name and value.dim() == 4
    return value.flip(2, 3).transpose(0, 1) if conv else value


def error(name: str) -> float:
    torch.manual_seed(1)
    network = narrowed(name)
    ladder = conv_eager.Ladder(network)
    with torch.no_grad():
        for parameter in ladder.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    rows = conv_eager.ROWS
    batch = torch.rand(rows, *network.shape), torch.arange(rows) % 10
    batch = (*batch, torch.rand(rows, *network.shape))

    total = ladder.cost(*batch)
    parameters = named(ladder)
    assert len(parameters) == len(ladder.parameters())
    gradients = dict(zip(parameters, torch.autograd.grad(total, list(parameters.values()))))

    config = reference.Config(
        network.shape,
        tuple(translate(layer) for layer in network.layers),
        network.weights,
        (conv_eager.NOISE,) * len(ladder.shapes),
        activation="leaky_relu" if network.slope else "relu",
        top_gamma=network.top_gamma,
    )
    noise = [level[: 2 * rows] / conv_eager.NOISE for level in ladder.noise]
    values = {name: turned(name, value.detach()) for name, value in parameters.items()}
    exact, expected = reference.cost_and_gradients(config, values, *batch, noise)
    assert set(expected) == set(gradients)
    errors = [abs((total - exact.total) / exact.total).item()]
    for key, value in expected.items():
        errors.append(((turned(key, gradients[key]) - value).norm() / value.norm()).item())
    return max(errors)


def main() -> int:
    torch.set_default_dtype(torch.float64)
    failed = False
    for name in conv_eager.NETWORKS:
        found = error(name)
        failed |= not found < TOLERANCE
        print(f"{'FAILED' if not found < TOLERANCE else 'ok'} {name}: relative error {found:.1e}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
