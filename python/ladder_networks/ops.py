"""The fused operators of a ladder network, for PyTorch.

Importing this module registers ``torch.ops.ladder.linear``, ``normalise`` and ``denoise`` with their
gradients. The functions below call them with names in place of positions::

    from ladder_networks import ops

    result = ops.normalise(x, groups=[(100, 0.3), (100, 0.0)], noise=ops.Noise(1), beta=beta,
                           activation="relu")

On the CPU float32 and float64, and on CUDA float32 and bfloat16 where the package was compiled with
nvcc, run hand-written kernels, one for the forward and one for the backward pass. All else is computed
by PyTorch's own operators. ``torch.compile`` records a
call as one operator forward and one backward.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

import ladder_networks  # noqa: F401  registers the operators

__all__ = ["Denoised", "Noise", "Normalised", "denoise", "linear", "normalise", "parameter_count"]

_ACTIVATIONS = ("identity", "relu", "leaky-relu", "tanh", "gelu")
_COMBINATORS = ("gaussian", "vanilla", "gaussian_sigmoid")
_MLP = 3


def _index(names: Sequence[str], name: str, what: str) -> int:
    if name not in names:
        raise ValueError(f"{what}: expected one of {', '.join(names)} but got {name!r}.")
    return names.index(name)


class Noise:
    """A stream of standard normal numbers, drawn by the operators that use them.

    A number depends on the seed and its position in the stream only: two streams of one seed give
    the same numbers on any number of threads.

    Each draw advances the stream. A function under ``torch.utils.checkpoint`` runs a second time in
    the backward pass and would draw other numbers: make its stream inside of it,
    ``Noise(seed, offset)``.

    Parameters
    ----------
    seed : int
        Seed of the stream, 0 to 2**63 - 1.
    offset : int, default=0
        Position to begin at, 0 to 2**63 - 1: the `offset` of a stream that was left.

    Raises
    ------
    ValueError
        A seed or an offset out of range.
    RuntimeError
        A draw while a backward pass runs a forward pass again.

    Examples
    --------
    >>> x = torch.zeros(4, 2)
    >>> first, second = (
    ...     normalise(x, groups=[(4, 1.0)], noise=Noise(7), mean=torch.zeros(2), std=torch.ones(2))
    ...     for _ in range(2)
    ... )
    >>> torch.equal(first.h, second.h), bool(first.h.abs().min() > 0)
    (True, True)
    """

    def __init__(self, seed: int, offset: int = 0) -> None:
        for name, value in (("a seed", seed), ("an offset", offset)):
            if not 0 <= operator.index(value) < 2**63:
                raise ValueError(f"Noise: expected {name} from 0 to 2**63 - 1 but got {value}.")
        self.seed = operator.index(seed)
        # A tensor: torch.compile would compile anew for each value of an int.
        self._position = torch.tensor(operator.index(offset))
        self._backward = _backward_pass()

    @property
    def offset(self) -> int:
        """Position of the next number."""
        return int(self._position)

    def _draw(self, rows: int, columns: int) -> Tensor:
        """Return the position of a new matrix; it takes a block of four numbers for four rows."""
        if not torch.compiler.is_compiling() and _backward_pass() not in (-1, self._backward):
            raise RuntimeError(
                "Noise: expected to draw in a forward pass but got a backward pass that runs it "
                "again (under torch.utils.checkpoint make the stream inside of the function: "
                "Noise(seed, offset))."
            )
        begin = self._position.clone()
        self._position.add_((rows + 3) // 4 * columns)
        return begin


def _backward_pass() -> int:
    """Return the number of the backward pass that runs on this thread, -1 for none."""
    number: int = torch._C._current_graph_task_id()
    return number


class Normalised(NamedTuple):
    """What `normalise` returns."""

    h: Tensor
    """Activations, [rows, columns]."""
    z: list[Tensor]
    """z of each group, [rows of the group, columns], noise included; empty without `keep_z`."""
    mean: Tensor
    """Means, [groups, columns]."""
    std: Tensor
    """Square roots of the biased variance + 1e-10, [groups, columns]."""


class Denoised(NamedTuple):
    """What `denoise` returns."""

    z_hat: Tensor
    """Reconstruction, [rows, columns]."""
    cost: Tensor
    """Denoising cost, a scalar; 0 without a target."""


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """Return ``x @ weight.T``.

    Parameters
    ----------
    x : Tensor of shape (rows, inputs)
        Rows.
    weight : Tensor of shape (outputs, inputs)
        Weights.

    Returns
    -------
    y : Tensor of shape (rows, outputs)
        Products. In float32 on a CPU with AVX2 they have the same bits on any number of threads.

    Examples
    --------
    >>> linear(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0], [5.0, 6.0]]))
    tensor([[11., 17.]])
    """
    if x.dim() != 2 or weight.dim() != 2 or x.shape[1] != weight.shape[1]:
        raise ValueError(
            "linear: expected x [R, K] and weight [C, K] but got "
            f"{list(x.shape)} and {list(weight.shape)}."
        )
    y: Tensor = torch.ops.ladder.linear(x, weight)
    return y


def normalise(
    x: Tensor,
    *,
    groups: Sequence[tuple[int, float]] | None = None,
    noise: Noise | Tensor | None = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    activation: str = "identity",
    leaky_slope: float = 0.1,
    mean: Tensor | None = None,
    std: Tensor | None = None,
    keep_z: bool = True,
) -> Normalised:
    """Normalise groups of rows, add noise, scale, shift and activate.

    ``z = (x - mean) / std + noise_std * n`` and ``h = act(gamma * (z + beta))``, with the mean and
    standard deviation of each group of rows. Gradients flow into `x`, `gamma` and `beta` through
    all that is returned.

    Parameters
    ----------
    x : Tensor of shape (rows, columns)
        Rows.
    groups : sequence of (int, float), default=None
        Rows of each group and the standard deviation of its noise. Together all rows. None: one
        group without noise.
    noise : Noise or Tensor, default=None
        Where noise is drawn, or its standard normal numbers, (noisy rows, columns).
    gamma, beta : Tensor of shape (columns,), default=None
        Scale and shift.
    activation : str, default="identity"
        "identity", "relu", "leaky-relu", "tanh" or "gelu".
    leaky_slope : float, default=0.1
        Slope of "leaky-relu" below 0.
    mean, std : Tensor of shape (columns,), default=None
        Stored statistics instead of measured ones.
    keep_z : bool, default=True
        False: z is not returned and takes no memory.

    Returns
    -------
    result : Normalised
        h, z of each group, mean and std.

    Examples
    --------
    >>> result = normalise(torch.tensor([[0.0], [2.0]]), activation="leaky-relu")
    >>> result.h.flatten(), result.z[0].flatten()
    (tensor([-0.1000,  1.0000]), tensor([-1.,  1.]))
    """
    if x.dim() != 2:
        raise ValueError(f"normalise: expected x of shape [R, C] but got {list(x.shape)}.")
    if groups is None:
        groups = [(x.shape[0], 0.0)]
    rows = [int(count) for count, _ in groups]
    noise_std = [float(deviation) for _, deviation in groups]
    if sum(rows) != x.shape[0] or any(count < 1 for count in rows):
        raise ValueError(
            f"normalise: expected groups of at least 1 row that cover {x.shape[0]} rows but got "
            f"{rows}."
        )
    if mean is None and any(count < 2 for count in rows):
        raise ValueError(
            "normalise: expected groups of at least 2 rows to measure their statistics but got 1."
        )
    if (mean is None) != (std is None):
        raise ValueError("normalise: expected both stored mean and std or neither.")
    if any(deviation < 0 for deviation in noise_std):
        raise ValueError(f"normalise: expected noise of at least 0 but got {min(noise_std)}.")
    for name, vector in (("gamma", gamma), ("beta", beta), ("mean", mean), ("std", std)):
        if vector is not None and vector.shape != x.shape[1:]:
            raise ValueError(
                f"normalise: expected {name} [{x.shape[1]}] but got {list(vector.shape)}."
            )
        if vector is not None and (vector.dtype != x.dtype or vector.device != x.device):
            raise ValueError(
                f"normalise: expected {name} of type {x.dtype} on {x.device} but got "
                f"{vector.dtype} on {vector.device}."
            )
    noisy = sum(count for count, deviation in zip(rows, noise_std, strict=True) if deviation != 0)
    seed = 0
    values = position = None
    if noisy > 0:
        if noise is None:
            raise ValueError(f"normalise: expected noise for {noisy} noisy rows but got none.")
        if isinstance(noise, Noise):
            seed, position = noise.seed, noise._draw(noisy, x.shape[1]).to(x.device)
        elif noise.shape != (noisy, x.shape[1]):
            raise ValueError(
                f"normalise: expected noise [{noisy}, {x.shape[1]}] but got {list(noise.shape)}."
            )
        else:
            values = noise.to(x)
    return Normalised(
        *torch.ops.ladder.normalise(
            x, rows, noise_std, values, seed, 0, position, gamma, beta,
            _index(_ACTIVATIONS, activation, "normalise"), leaky_slope, mean, std, keep_z,
        )
    )  # fmt: skip


def parameter_count(function: str | Sequence[int] = "gaussian", *, augmented: bool = False) -> int:
    """Return the number of rows of `weight` that `denoise` needs.

    Examples
    --------
    >>> parameter_count("gaussian"), parameter_count("vanilla"), parameter_count([2, 2])
    (10, 9, 15)
    """
    if isinstance(function, str):
        return 9 if _index(_COMBINATORS, function, "parameter_count") == 1 else 10
    count, inputs = 0, 3 if augmented else 2
    for units in function:
        count += units * (inputs + 1)
        inputs = units
    return count + inputs + 1


def denoise(
    z_noisy: Tensor,
    u: Tensor,
    weight: Tensor,
    *,
    function: str | Sequence[int] = "gaussian",
    augmented: bool = False,
    leaky_slope: float = 0.1,
    target: Tensor | None = None,
    target_mean: Tensor | None = None,
    target_std: Tensor | None = None,
) -> Denoised:
    """Normalise the vertical signal, combine it with the lateral one and cost the result.

    ``u' = normalise(u)``, ``z_hat = g(z_noisy, u')`` and
    ``cost = mean(((z_hat - target_mean) / target_std - target) ** 2)``. Gradients flow into every
    tensor.

    Parameters
    ----------
    z_noisy : Tensor of shape (rows, columns)
        Lateral signal: z of the noisy rows.
    u : Tensor of shape (rows, columns)
        Vertical signal, before it is normalised.
    weight : Tensor of shape (parameter_count(function), columns)
        Parameters of g for each column.
    function : str or sequence of int, default="gaussian"
        "gaussian", "vanilla", "gaussian_sigmoid", or the units of a perceptron's hidden layers, at
        least 1 each.
    augmented : bool, default=False
        Perceptrons: inputs [u, z, u z] in place of [u, z].
    leaky_slope : float, default=0.1
        Perceptrons: slope of the leaky ReLU below 0, at least 0.
    target : Tensor of shape (rows, columns), default=None
        Clean z. None: no cost.
    target_mean, target_std : Tensor of shape (columns,), default=None
        Clean statistics that rescale z_hat.

    Returns
    -------
    result : Denoised
        z_hat and its cost.

    Examples
    --------
    >>> weight = torch.zeros(10, 1)
    >>> weight[9] = 1.0  # v = 1: z_hat is the lateral signal
    >>> result = denoise(torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [5.0]]), weight,
    ...                  target=torch.tensor([[1.0], [4.0]]))
    >>> result.z_hat.flatten(), result.cost
    (tensor([1., 2.]), tensor(2.))
    """
    if u.dim() != 2 or u.shape[0] < 2 or z_noisy.shape != u.shape:
        raise ValueError(
            "denoise: expected z_noisy and u [M, C] with at least 2 rows but got "
            f"{list(z_noisy.shape)} and {list(u.shape)}."
        )
    hidden = [] if isinstance(function, str) else [int(units) for units in function]
    if any(units < 1 for units in hidden):
        raise ValueError(f"denoise: expected hidden layers of at least 1 unit but got {hidden}.")
    if not isinstance(function, str) and not 0 <= leaky_slope < float("inf"):
        raise ValueError(f"denoise: expected a finite leaky_slope >= 0 but got {leaky_slope}.")
    count = parameter_count(function, augmented=augmented)
    if weight.shape != (count, u.shape[1]):
        raise ValueError(
            f"denoise: expected weight [{count}, {u.shape[1]}] but got {list(weight.shape)}."
        )
    if target is not None and target.shape != u.shape:
        raise ValueError(
            f"denoise: expected a target of shape {list(u.shape)} but got {list(target.shape)}."
        )
    if (target_mean is None) != (target_std is None):
        raise ValueError("denoise: expected both mean and std of the target or neither.")
    for name, given in (
        ("z_noisy", z_noisy), ("weight", weight), ("target", target),
        ("target_mean", target_mean), ("target_std", target_std),
    ):  # fmt: skip
        if given is not None and (given.dtype != u.dtype or given.device != u.device):
            raise ValueError(
                f"denoise: expected {name} of type {u.dtype} on {u.device} but got {given.dtype} "
                f"on {given.device}."
            )
        if given is not None and name.startswith("target_") and given.shape != u.shape[1:]:
            raise ValueError(
                f"denoise: expected {name} [{u.shape[1]}] but got {list(given.shape)}."
            )
    return Denoised(
        *torch.ops.ladder.denoise(
            z_noisy, u, weight,
            _index(_COMBINATORS, function, "denoise") if isinstance(function, str) else _MLP,
            hidden, augmented, leaky_slope, target, target_mean, target_std,
        )
    )  # fmt: skip
