"""Checks the reference itself: numerical gradients, costs known in closed form, invariants, Adam.

python tests/reference/check_reference.py
"""

from __future__ import annotations

import sys
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

import combinators_reference as combinators
import conv_fixtures
import conv_reference as conv
import ladder_reference as reference
from ladder_reference import Config
from make_fixtures import COMBINATOR_CONFIGS, CONFIGS, perturbed_parameters

LABELED, UNLABELED = 4, 6
Batch = tuple[Tensor, Tensor, Tensor]


def normals(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def make_batch(config: Config, generator: torch.Generator) -> Batch:
    x_labeled = normals(generator, LABELED, config.layers[0])
    y = torch.arange(LABELED) % config.layers[-1]
    return x_labeled, y, normals(generator, UNLABELED, config.layers[0])


def make_noise(config: Config, generator: torch.Generator) -> list[Tensor]:
    return [normals(generator, LABELED + UNLABELED, size) for size in config.layers]


ROUNDOFF = 2.0**-53  # float64
# Costs here are a few thousand operations long, and normalisation over a handful of rows enlarges what
# one operation loses by up to a thousand: values of about 1 agree within
TOLERANCE = 4000 * 1000 * ROUNDOFF
# Central differences of a cost of about 10 lose what a thousand roundings move it by, over the step.
STEP = 1e-7
SLOPE_TOLERANCE = 1000 * 10 * ROUNDOFF / STEP


def require_close(
    actual: Tensor, expected: Tensor, message: str, tolerance: float = TOLERANCE
) -> None:
    if not torch.allclose(actual, expected, rtol=tolerance, atol=tolerance):
        raise AssertionError(f"{message}: {actual.tolist()} against {expected.tolist()}")


def gradients_match_central_differences(generator: torch.Generator) -> None:
    small = [(name, replace(c, layers=(4, 3, 3, 3, 2))) for name, c in CONFIGS.items()]
    for name, config in small + list(COMBINATOR_CONFIGS.items()):
        batch, noise = make_batch(config, generator), make_noise(config, generator)
        parameters = perturbed_parameters(config, generator)
        names = list(parameters)

        def total(*values: Tensor) -> Tensor:
            return reference.cost(config, dict(zip(names, values)), *batch, noise).total

        leaves = [value.requires_grad_() for value in parameters.values()]
        assert torch.autograd.gradcheck(total, leaves, eps=STEP, atol=SLOPE_TOLERANCE, rtol=1e-4), name


def initial_gaussian_costs_have_a_closed_form(generator: torch.Generator) -> None:
    # At the published start z^ is zero: level 0 costs the mean square of x, and a level above it
    # mean((m/s)^2) + mean(v / (v + eps)) over its units.
    config = CONFIGS["full-gaussian-relu"]
    x_labeled, y, x = make_batch(config, generator)
    parameters = reference.initial_parameters(config, generator)
    noise = make_noise(config, generator)
    costs = reference.cost(config, parameters, x_labeled, y, x, noise).denoising
    require_close(costs[0], (x**2).mean(), "level 0")
    clean = reference.encode(config, parameters, x)
    for level in range(1, config.top + 1):
        mean, variance = clean.mean[level], clean.variance[level]
        expected = (mean**2 / variance).mean() + 1.0
        # The formula leaves out the epsilon beside the variance.
        left_out = (reference.EPSILON / variance.min()).item() * expected.item()
        require_close(costs[level], expected, f"level {level}", TOLERANCE + left_out)


def identity_denoisers_reconstruct_clean_input(generator: torch.Generator) -> None:
    rows = {
        "full-gaussian-relu": 9,
        "full-vanilla-leaky": 1,
        "combinator-no-sigmoid": 1,
        "combinator-no-cross": 1,
        "combinator-linear": 1,
    }
    for name, row in rows.items():
        config = (CONFIGS | COMBINATOR_CONFIGS)[name]
        parameters = perturbed_parameters(config, generator)
        table = torch.zeros_like(parameters["decoder.combinators.0.weight"])
        table[row] = 1.0
        parameters["decoder.combinators.0.weight"] = table
        costs = reference.cost(config, parameters, *make_batch(config, generator)).denoising
        require_close(costs[0], torch.zeros_like(costs[0]), name, 1e-20)


def perceptrons_are_stacks_of_linear_layers(generator: torch.Generator) -> None:
    for mlp in combinators.PERCEPTRONS.values():
        layers: list[torch.nn.Module] = []
        for ins, out in zip(mlp.sizes, mlp.sizes[1:]):
            layers += [torch.nn.Linear(ins, out, dtype=torch.float64), torch.nn.LeakyReLU(0.1)]
        stack = torch.nn.Sequential(*layers[:-1])
        table = torch.cat([value.detach().reshape(-1) for value in stack.parameters()])
        z, u = normals(generator, 6), normals(generator, 6)
        inputs = torch.stack([u, z, u * z][: mlp.sizes[0]], dim=1)
        actual = mlp(z[:, None], u[:, None], table[:, None])
        require_close(actual, stack(inputs), str(mlp.sizes))


def ablations_are_vanilla_without_terms(generator: torch.Generator) -> None:
    names = ("b0", "w0z", "w0u", "w0zu", "ws", "b1", "w1z", "w1u", "w1zu")
    kept = {
        "no-lateral": ("b0", "w0u", "ws", "b1", "w1u"),
        "no-sigmoid": ("b0", "w0z", "w0u", "w0zu"),
        "no-cross": ("b0", "w0z", "w0u", "ws", "b1", "w1z", "w1u"),
        "linear": ("b0", "w0z", "w0u"),
    }
    z, u = normals(generator, 6, 3), normals(generator, 6, 3)
    for name, terms in kept.items():
        table = normals(generator, combinators.ROWS[name], 3)
        whole = torch.zeros(9, 3, dtype=torch.float64)
        whole[[names.index(term) for term in terms]] = table
        expected = reference.vanilla(z, u, whole)
        require_close(combinators.FUNCTIONS[name](z, u, table), expected, name)


def supervised_cost_of_equal_logits_is_log_classes(generator: torch.Generator) -> None:
    config = CONFIGS["baseline"]
    parameters = perturbed_parameters(config, generator)
    top = f"stages.{config.top - 1}.normalization.gamma"
    parameters[top] = torch.zeros_like(parameters[top])
    result = reference.cost(config, parameters, *make_batch(config, generator))
    classes = torch.tensor(float(config.layers[-1]), dtype=torch.float64)
    require_close(result.supervised, classes.log(), "supervised")
    assert result.total is result.supervised and not result.denoising


def costs_ignore_the_order_and_repetition_of_rows(generator: torch.Generator) -> None:
    for name, config in CONFIGS.items():
        x_labeled, y, x = make_batch(config, generator)
        parameters = perturbed_parameters(config, generator)
        total = reference.cost(config, parameters, x_labeled, y, x).total
        order = torch.randperm(UNLABELED, generator=generator)
        shuffled = reference.cost(config, parameters, x_labeled, y, x[order]).total
        require_close(shuffled, total, f"{name} shuffled")
        doubled = [torch.cat([rows, rows]) for rows in (x_labeled, y, x)]
        require_close(reference.cost(config, parameters, *doubled).total, total, f"{name} doubled")


def supervised_cost_ignores_the_scale_of_weights(generator: torch.Generator) -> None:
    config = CONFIGS["full-gaussian-relu"]
    batch, noise = make_batch(config, generator), make_noise(config, generator)
    parameters = perturbed_parameters(config, generator)
    expected = reference.cost(config, parameters, *batch, noise).supervised
    scaled = parameters | {"stages.0.weight": 3.0 * parameters["stages.0.weight"]}
    actual = reference.cost(config, scaled, *batch, noise).supervised
    require_close(actual, expected, "scaled", 1e-7)


def total_is_the_weighted_sum(generator: torch.Generator) -> None:
    for name, config in CONFIGS.items():
        parameters = perturbed_parameters(config, generator)
        noise = make_noise(config, generator)
        result = reference.cost(config, parameters, *make_batch(config, generator), noise)
        expected = result.supervised
        for level, value in result.denoising.items():
            expected = expected + config.weights[level] * value
        require_close(result.total, expected, name)
        assert set(result.denoising) == {k for k, w in enumerate(config.weights) if w > 0}, name


def adam_agrees_with_torch(generator: torch.Generator) -> None:
    config = CONFIGS["full-vanilla-gelu"]
    batch, noise = make_batch(config, generator), make_noise(config, generator)
    parameters = perturbed_parameters(config, generator)
    leaves = {name: value.clone().requires_grad_() for name, value in parameters.items()}
    optimizer = torch.optim.Adam(leaves.values(), lr=0.002)
    adam = reference.Adam()
    for _ in range(10):
        _, gradients = reference.cost_and_gradients(config, parameters, *batch, noise)
        parameters = adam.step(parameters, gradients)
        optimizer.zero_grad()
        reference.cost(config, leaves, *batch, noise).total.backward()
        optimizer.step()
    for name, value in parameters.items():
        require_close(leaves[name].detach(), value, name)


def calibration_on_one_batch_evaluates_like_training(generator: torch.Generator) -> None:
    config = CONFIGS["full-gaussian-tanh"]
    parameters = perturbed_parameters(config, generator)
    x = normals(generator, 8, config.layers[0])
    statistics = {
        level: (mean, variance * 7 / 8)
        for level, (mean, variance) in reference.calibrate(config, parameters, x, 8).items()
    }
    expected = reference.encode(config, parameters, x).logits
    require_close(reference.evaluate(config, parameters, x, statistics), expected, "logits")


def conv_gradients_match_central_differences(generator: torch.Generator) -> None:
    for name, config in conv_fixtures.CONFIGS.items():
        *batch, noise = conv_fixtures.make_batch(config, generator)
        parameters = conv_fixtures.perturbed_parameters(config, generator)
        names = list(parameters)

        def total(*values: Tensor) -> Tensor:
            return conv.cost(config, dict(zip(names, values)), *batch, noise).total

        leaves = [value.requires_grad_() for value in parameters.values()]
        assert torch.autograd.gradcheck(
            # Ten times as many operations; all slopes are compared in one sum.
            total, leaves, eps=STEP, atol=10 * SLOPE_TOLERANCE, rtol=1e-3, fast_mode=True
        ), name


def maps_up_and_down_agree_with_torch(generator: torch.Generator) -> None:
    for border in conv.BORDERS:
        for kernel, stride in ((1, 1), (3, 1), (3, 2), (5, 3), (1, 2)):
            layer = conv.Conv(3, kernel, border, stride)
            below = (2, 7, 6)
            x, weight = normals(generator, 2, *below), normals(generator, 3, 2, kernel, kernel)
            y = F.conv2d(x, weight, stride=stride, padding=layer.padding)
            message = f"{border} {kernel} {stride}"
            require_close(conv.map_up(layer, x, weight), y, message)
            z = normals(generator, *y.shape)
            back = conv.map_down(layer, z, weight, below)
            assert back.shape == x.shape, message
            require_close((back * x).sum(), (z * y).sum(), f"{message} back")
    for size in (1, 2, 3):
        x = normals(generator, 2, 3, 7, 5)
        pools = (conv.MaxPool(size), F.max_pool2d), (conv.MeanPool(size), F.avg_pool2d)
        for layer, expected in pools:
            require_close(conv.map_up(layer, x, None), expected(x, size, ceil_mode=True), "pool")
        small = conv.map_up(conv.MeanPool(size), x, None)
        back = conv.map_down(conv.MeanPool(size), small, None, (3, 7, 5))
        require_close(conv.map_up(conv.MeanPool(size), back, None), small, "upsampled")


def conv_total_is_the_weighted_sum(generator: torch.Generator) -> None:
    for name, config in conv_fixtures.CONFIGS.items():
        *batch, noise = conv_fixtures.make_batch(config, generator)
        parameters = conv_fixtures.perturbed_parameters(config, generator)
        result = conv.cost(config, parameters, *batch, noise)
        expected = result.supervised
        for level, value in result.denoising.items():
            expected = expected + config.weights[level] * value
        require_close(result.total, expected, name)


CHECKS = (
    gradients_match_central_differences,
    initial_gaussian_costs_have_a_closed_form,
    identity_denoisers_reconstruct_clean_input,
    perceptrons_are_stacks_of_linear_layers,
    ablations_are_vanilla_without_terms,
    supervised_cost_of_equal_logits_is_log_classes,
    costs_ignore_the_order_and_repetition_of_rows,
    supervised_cost_ignores_the_scale_of_weights,
    total_is_the_weighted_sum,
    adam_agrees_with_torch,
    calibration_on_one_batch_evaluates_like_training,
    conv_gradients_match_central_differences,
    maps_up_and_down_agree_with_torch,
    conv_total_is_the_weighted_sum,
)


def main() -> int:
    for check in CHECKS:
        check(torch.Generator().manual_seed(1))
        print(f"ok {check.__name__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
