"""Writes the fixtures that the C++ tests compare the library with, or checks them.

    python tests/reference/make_fixtures.py           writes tests/fixtures/*.pt
    python tests/reference/make_fixtures.py --check   compares the committed ones with fresh ones

A fixture is a flat dict of tensors. A training fixture, one step and ten Adam steps on one batch:

    config.layers        int64 [L+1]    sizes of levels 0..L
    config.lambda        float64 [L+1]
    config.noise         float64 [L+1]  standard deviations; all zero where noise is off
    config.activation    int64 []       0 identity, 1 ReLU, 2 leaky ReLU (0.1), 3 tanh, 4 GELU (erf)
    config.combinator    int64 []       0 Gaussian, 1 Vanilla, 2 and up: COMBINATOR_CODES
    x_labeled [N, C_0], y int64 [N], x_unlabeled [M, C_0]
    noise.{l}            [N+M, C_l]     standard normals, labeled rows first; absent without noise
    param.{name}, grad.{name}           parameters and the gradient of the total cost
    cost.total, cost.supervised, cost.denoising.{l} (unweighted; where lambda is above zero)
    adam.total           [10]           total cost before each of ten steps (rate 0.002)
    adam.param.{name}                   parameters after them; the noise is the same in every step

The evaluation fixture has config.* and param.* as above, and with l the level, 1..L:

    calibrate.inputs, calibrate.batch_size, calibrate.mean.{l}, calibrate.var.{l}, eval.x,
    eval.logits

Fixtures of networks on maps are described in conv_fixtures.py.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

import conv_fixtures
import ladder_reference as reference
from ladder_reference import Config

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
ACTIVATION_CODES = {"identity": 0, "relu": 1, "leaky_relu": 2, "tanh": 3, "gelu": 4}
COMBINATOR_CODES = {
    "gaussian": 0,
    "vanilla": 1,
    "gaussian-sigmoid": 2,
    "no-lateral": 3,
    "no-sigmoid": 4,
    "no-cross": 5,
    "linear": 6,
    "mlp-4": 7,
    "amlp-2-2-2": 8,
    "direct": 9,
    "mlp-2-2": 10,
    "mlp-2-2-2": 11,
    "amlp-4": 12,
    "amlp-2-2": 13,
}

LAYERS = (7, 6, 5, 4, 3)
FULL = (2.0, 1.0, 0.5, 0.3, 0.2)
NOISE = (0.3, 0.25, 0.2, 0.35, 0.4)
LABELED, UNLABELED = 4, 6
ADAM_STEPS = 10
SMALLEST_GRADIENT = 1e-4
TOLERANCE = 1e-12

CONFIGS = {
    "full-gaussian-relu": Config(LAYERS, FULL, NOISE),
    "full-vanilla-leaky": Config(LAYERS, FULL, NOISE, "leaky_relu", "vanilla"),
    "full-gaussian-tanh": Config(LAYERS, FULL, NOISE, "tanh"),
    "full-vanilla-gelu": Config(LAYERS, FULL, NOISE, "gelu", "vanilla"),
    "gamma": Config(LAYERS, (0.0, 0.0, 0.0, 0.0, 0.5), NOISE),
    "bottom": Config(LAYERS, (2.0, 0.0, 0.0, 0.0, 0.0), NOISE),
    "baseline": Config(LAYERS, (0.0, 0.0, 0.0, 0.0, 0.0), NOISE),
}

# One network for each of the other combinators, with noise.
COMBINATOR_CONFIGS = {
    f"combinator-{name}": Config((5, 4, 3), (2.0, 1.0, 0.5), (0.3, 0.25, 0.2), "relu", name)
    for name, code in COMBINATOR_CODES.items()
    if code > 1
}


def perturbed_parameters(config: Config, generator: torch.Generator) -> dict[str, Tensor]:
    """The published initialisation with everything moved off its zeros and ones."""
    parameters = reference.initial_parameters(config, generator)
    size = 0.8 if "mlp" in config.combinator else 0.3  # a perceptron of small weights is nearly 0
    return {
        name: value + size * torch.randn(value.shape, generator=generator, dtype=value.dtype)
        for name, value in parameters.items()
    }


def describe(config: Config) -> dict[str, Tensor]:
    return {
        "config.layers": torch.tensor(config.layers),
        "config.lambda": torch.tensor(config.weights, dtype=torch.float64),
        "config.noise": torch.tensor(config.noise, dtype=torch.float64),
        "config.activation": torch.tensor(ACTIVATION_CODES[config.activation]),
        "config.combinator": torch.tensor(COMBINATOR_CODES[config.combinator]),
    }


def training_fixture(config: Config, seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def normals(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    parameters = perturbed_parameters(config, generator)
    classes = config.layers[-1]
    x_labeled = normals(LABELED, config.layers[0])
    y = torch.arange(LABELED) % classes
    x_unlabeled = normals(UNLABELED, config.layers[0])
    noise = None
    if any(config.noise):
        noise = [normals(LABELED + UNLABELED, size) for size in config.layers]
    batch = (x_labeled, y, x_unlabeled, noise)

    fixture = describe(config) | {"x_labeled": x_labeled, "y": y, "x_unlabeled": x_unlabeled}
    fixture |= {f"noise.{level}": value for level, value in enumerate(noise or [])}
    fixture |= {f"param.{name}": value for name, value in parameters.items()}

    result, gradients = reference.cost_and_gradients(config, parameters, *batch)
    fixture |= {"cost.total": result.total.detach(), "cost.supervised": result.supervised.detach()}
    fixture |= {f"cost.denoising.{k}": value.detach() for k, value in result.denoising.items()}
    fixture |= {f"grad.{name}": value for name, value in gradients.items()}

    adam, totals = reference.Adam(), []
    for _ in range(ADAM_STEPS):
        result, gradients = reference.cost_and_gradients(config, parameters, *batch)
        totals.append(result.total.detach())
        parameters = adam.step(parameters, gradients)
    fixture["adam.total"] = torch.stack(totals)
    fixture |= {f"adam.param.{name}": value for name, value in parameters.items()}
    return fixture


def telling_training_fixture(config: Config) -> dict[str, Tensor]:
    """The first seed under which every single gradient entry can be told from rounding."""
    for seed in range(1, 100_000):
        fixture = training_fixture(config, seed)
        gradients = [v.abs().min() for name, v in fixture.items() if name.startswith("grad.")]
        if min(gradients) > SMALLEST_GRADIENT:
            return fixture
    raise RuntimeError("no seed gives a gradient without zeros")


def evaluation_fixture(config: Config) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    parameters = perturbed_parameters(config, generator)
    inputs = torch.randn(15, config.layers[0], generator=generator, dtype=torch.float64)
    x = torch.randn(6, config.layers[0], generator=generator, dtype=torch.float64)
    batch_size = 5
    statistics = reference.calibrate(config, parameters, inputs, batch_size)
    fixture = describe(config) | {f"param.{name}": value for name, value in parameters.items()}
    fixture |= {"calibrate.inputs": inputs, "calibrate.batch_size": torch.tensor(batch_size)}
    for level, (mean, variance) in statistics.items():
        fixture |= {f"calibrate.mean.{level}": mean, f"calibrate.var.{level}": variance}
    fixture |= {"eval.x": x, "eval.logits": reference.evaluate(config, parameters, x, statistics)}
    return fixture


def make_fixtures() -> dict[str, dict[str, Tensor]]:
    fixtures = {}
    for name, config in CONFIGS.items():
        quiet = replace(config, noise=(0.0,) * len(config.noise))
        fixtures[f"{name}-quiet"] = telling_training_fixture(quiet)
        fixtures[f"{name}-noisy"] = telling_training_fixture(config)
    for name, config in COMBINATOR_CONFIGS.items():
        fixtures[name] = telling_training_fixture(config)
    fixtures["evaluation"] = evaluation_fixture(CONFIGS["full-gaussian-relu"])
    return fixtures | conv_fixtures.make_fixtures()


def packed(fixture: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors as views of one storage per dtype, which keeps the files small."""
    result = dict(fixture)
    for dtype in {value.dtype for value in fixture.values()}:
        names = [name for name, value in fixture.items() if value.dtype == dtype]
        flat = torch.cat([fixture[name].reshape(-1) for name in names])
        for name, part in zip(names, flat.split([fixture[name].numel() for name in names])):
            result[name] = part.view(fixture[name].shape)
    return result


def differences(name: str, made: dict[str, Tensor]) -> list[str]:
    path = FIXTURES / f"{name}.pt"
    if not path.exists():
        return [f"{name}: missing"]
    committed = torch.load(path)
    if list(committed) != list(made):
        return [f"{name}: keys differ: {sorted(set(committed) ^ set(made))}"]
    problems = []
    for key, value in made.items():
        other = committed[key]
        if value.shape != other.shape or value.dtype != other.dtype:
            problems.append(f"{name}: {key} has another shape or dtype")
        elif not torch.allclose(value, other, rtol=TOLERANCE, atol=TOLERANCE):
            problems.append(f"{name}: {key} differs by {(value - other).abs().max():.3g}")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes or checks tests/fixtures/*.pt.")
    parser.add_argument("--check", action="store_true", help="compare with the committed files")
    check = parser.parse_args().check
    fixtures = make_fixtures()
    if not check:
        FIXTURES.mkdir(parents=True, exist_ok=True)
        for name, fixture in fixtures.items():
            torch.save(packed(fixture), FIXTURES / f"{name}.pt")
        print(f"{len(fixtures)} fixtures written to {FIXTURES}")
        return 0
    problems = [line for name, fixture in fixtures.items() for line in differences(name, fixture)]
    for line in problems:
        print(line, file=sys.stderr)
    if not problems:
        print(f"{len(fixtures)} fixtures agree to {TOLERANCE}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
