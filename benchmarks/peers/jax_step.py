"""The training step in JAX: one jitted function with donated state, on stacked rows."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

import problem
from problem import ROWS, SIZES, TOP

Arrays = dict[str, jax.Array]

LAMBDA = problem.LAMBDA["full"]
# Of products on CUDA, where JAX's default would be tf32.
PRECISIONS = {"float32": "highest", "tf32": "tensorfloat32"}


def normalize(x: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
    """x with zero mean and unit variance along the axis, and the reciprocal standard deviation."""
    mean = x.mean(axis, keepdims=True)
    variance = jnp.square(x - mean).mean(axis, keepdims=True)
    scale = jax.lax.rsqrt(variance + problem.EPSILON)
    return (x - mean) * scale, scale


def combine(z: jax.Array, u: jax.Array, table: jax.Array) -> jax.Array:
    a1, a2, a3, a4, a5, a6, a7, a8, a9, a10 = table
    mu = a1 * jax.nn.sigmoid(a2 * u + a3) + a4 * u + a5
    v = a6 * jax.nn.sigmoid(a7 * u + a8) + a9 * u + a10
    return (z - mu) * v + mu


def draw_noise(key: jax.Array) -> list[jax.Array]:
    """Return noise of each level for the two corrupted groups, [2, ROWS, C]."""
    keys = jax.random.split(key, len(SIZES))
    draw = lambda k, size: problem.NOISE * jax.random.normal(k, (2, ROWS, size), jnp.float32)
    return [draw(k, size) for k, size in zip(keys, SIZES)]


def corrupt(groups: jax.Array, noise: jax.Array | None) -> jax.Array:
    if noise is None:
        return groups
    return jnp.concatenate([groups[:2] + noise, groups[2:]])


def total_cost(
    parameters: Arrays,
    x_labeled: jax.Array,
    y: jax.Array,
    x_unlabeled: jax.Array,
    noise: list[jax.Array] | None,
) -> jax.Array:
    # Row groups: labeled noisy, unlabeled noisy, unlabeled clean.
    noise = noise or [None] * len(SIZES)
    h = corrupt(jnp.stack([x_labeled, x_unlabeled, x_unlabeled]), noise[0])
    corrupted, z_pre_clean, clean_scale = [h[1]], [None], [None]
    for level in range(1, TOP + 1):
        stage = f"stages.{level - 1}"
        weight = parameters[f"{stage}.weight"]
        z_pre = (h.reshape(3 * ROWS, -1) @ weight.T).reshape(3, ROWS, -1)
        z, scale = normalize(z_pre, axis=1)
        z = corrupt(z, noise[level])
        corrupted.append(z[1])
        z_pre_clean.append(z_pre[2])
        clean_scale.append(scale[2])
        h = z + parameters[f"{stage}.normalization.beta"]
        if level < TOP:
            h = jax.nn.relu(h)
    logits = parameters[f"{stage}.normalization.gamma"] * h[:2]

    log_probabilities = jax.nn.log_softmax(logits[0])
    total = -jnp.take_along_axis(log_probabilities, y[:, None], axis=1).mean()
    below = jax.nn.softmax(logits[1])
    for level in range(TOP, -1, -1):
        if level < TOP:
            below = z_hat @ parameters[f"decoder.verticals.{level}.weight"].T
        u, _ = normalize(below, axis=0)
        z_hat = combine(corrupted[level], u, parameters[f"decoder.combinators.{level}.weight"])
        if level > 0:
            # BN'(z_hat) - z: the mean cancels between the two.
            difference = (z_hat - z_pre_clean[level]) * clean_scale[level]
        else:
            difference = z_hat - x_unlabeled
        total = total + LAMBDA[level] * jnp.square(difference).mean()
    return total


compiled_cost = jax.jit(jax.value_and_grad(total_cost))


def adam(parameters: Arrays, gradients: Arrays, state: dict) -> tuple[Arrays, dict]:
    steps = state["steps"] + 1
    beta1, beta2 = problem.BETA1, problem.BETA2
    first = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, state["first"], gradients)
    second = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, state["second"], gradients)
    rate = problem.RATE / (1 - beta1**steps)
    root = jax.lax.rsqrt(1 - beta2**steps)

    def update(p: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
        return p - rate * m / (jnp.sqrt(v) * root + problem.ADAM_EPSILON)

    updated = jax.tree.map(update, parameters, first, second)
    return updated, {"first": first, "second": second, "steps": steps}


def load(values: dict[str, np.ndarray]) -> Arrays:
    return {name: jnp.array(value) for name, value in values.items()}


def cost_and_gradients(
    values: dict[str, np.ndarray], x_labeled: np.ndarray, y: np.ndarray, x_unlabeled: np.ndarray
) -> tuple[float, dict[str, np.ndarray]]:
    """Return the total cost without noise, and its gradients."""
    batch = jnp.array(x_labeled), jnp.array(y.astype(np.int32)), jnp.array(x_unlabeled)
    total, gradients = compiled_cost(load(values), *batch, None)
    return float(total), {name: np.asarray(value) for name, value in gradients.items()}


def make_step(device: str = "cpu", precision: str = "float32") -> tuple[Callable, Callable]:
    """Return a function that starts a step, and a function that waits for all started steps."""
    if device == "cuda":
        jax.config.update("jax_default_matmul_precision", PRECISIONS[precision])
    parameters = load(problem.initial_parameters())
    zeros = lambda: jax.tree.map(jnp.zeros_like, parameters)
    state = {"first": zeros(), "second": zeros(), "steps": jnp.zeros((), jnp.float32)}
    key = jax.random.key(0, impl="rbg")  # on a CPU much quicker than the default generator
    images, labels = jnp.array(problem.images()), jnp.array(problem.labels().astype(np.int32))
    rng = np.random.default_rng(0)
    epoch, left = (), 0

    def run(parameters, state, key, images, labels, epoch):
        place = state["steps"].astype(jnp.int32) % len(epoch[0])
        labeled, unlabeled = (rows[place] for rows in epoch)
        key, noise_key = jax.random.split(key)
        batch = images[labeled], labels[labeled], images[unlabeled]
        noise = draw_noise(noise_key)
        total, gradients = jax.value_and_grad(total_cost)(parameters, *batch, noise)
        parameters, state = adam(parameters, gradients, state)
        return parameters, state, key, total

    compiled = jax.jit(run, donate_argnums=(0, 1, 2))

    def step() -> None:
        nonlocal parameters, state, key, epoch, left
        if left == 0:
            epoch = tuple(jnp.array(rows.astype(np.int32)) for rows in problem.epoch_rows(rng))
            left = len(epoch[0])
        left -= 1
        parameters, state, key, _ = compiled(parameters, state, key, images, labels, epoch)

    return step, lambda: jax.block_until_ready((parameters, state))
