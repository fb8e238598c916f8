"""The fused operators in PyTorch: values, gradients, shapes without memory, torch.compile."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from ladder_networks import ops  # noqa: E402
from plain_operators import plain_denoise, plain_normalise, values  # noqa: E402

D = torch.float64


GROUPS = [(6, 0.3), (5, 0.0)]


def inputs_of_normalise():
    return values(11, 3), values(6, 3, seed=1, grad=False), values(3, seed=2), values(3, seed=3)


def inputs_of_denoise():
    z, u = values(7, 3, seed=4), values(7, 3, seed=5)
    w, target = values(10, 3, seed=6), values(7, 3, seed=7)
    return z, u, w, target, values(3, seed=8), (values(3, seed=9, grad=False) ** 2 + 0.5).requires_grad_()


def sum_of(*tensors: torch.Tensor) -> torch.Tensor:
    """A scalar in which every value has another weight."""
    return sum((t * torch.arange(1, t.numel() + 1).reshape(t.shape)).sum() for t in tensors)


@pytest.mark.parametrize("name", ["identity", "relu", "leaky-relu", "tanh", "gelu"])
def test_normalise_and_its_gradients_follow_the_formula(name):
    x, noise, gamma, beta = inputs_of_normalise()
    act = {
        "identity": lambda a: a,
        "relu": torch.relu,
        "leaky-relu": lambda a: torch.nn.functional.leaky_relu(a, 0.1),
        "tanh": torch.tanh,
        "gelu": torch.nn.functional.gelu,
    }[name]
    ours = ops.normalise(x, groups=GROUPS, noise=noise, gamma=gamma, beta=beta, activation=name)
    theirs = plain_normalise(x, GROUPS, noise, gamma, beta, act)
    for a, b in zip((ours.h, *ours.z, ours.mean, ours.std), (theirs[0], *theirs[1], *theirs[2:])):
        torch.testing.assert_close(a, b)
    ours_grad = torch.autograd.grad(
        sum_of(ours.h, *ours.z, ours.mean, ours.std), (x, gamma, beta)
    )
    theirs_grad = torch.autograd.grad(
        sum_of(theirs[0], *theirs[1], *theirs[2:]), (x, gamma, beta)
    )
    for a, b in zip(ours_grad, theirs_grad):
        torch.testing.assert_close(a, b)


def test_denoise_and_its_gradients_follow_the_formula():
    z, u, w, target, mean, std = inputs = inputs_of_denoise()
    ours = ops.denoise(z, u, w, target=target, target_mean=mean, target_std=std)
    theirs = plain_denoise(*inputs)
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b)
    ours_grad = torch.autograd.grad(sum_of(*ours), inputs)
    for a, b in zip(ours_grad, torch.autograd.grad(sum_of(*theirs), inputs)):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("function", ["gaussian", "vanilla", "gaussian_sigmoid", [3, 2]], ids=str)
def test_gradients_against_differences(function):
    z, u, _, target, mean, std = inputs_of_denoise()
    w = values(ops.parameter_count(function), 3, seed=10)
    assert torch.autograd.gradcheck(
        lambda *t: tuple(
            ops.denoise(*t[:3], function=function, target=t[3], target_mean=t[4], target_std=t[5])
        ),
        (z, u, w, target, mean, std),
    )
    x, noise, gamma, beta = inputs_of_normalise()

    def normalised(x, gamma, beta):
        r = ops.normalise(
            x, groups=GROUPS, noise=noise, gamma=gamma, beta=beta, activation="tanh"
        )
        return (r.h, *r.z, r.mean, r.std)

    assert torch.autograd.gradcheck(normalised, (x, gamma, beta))
    assert torch.autograd.gradcheck(ops.linear, (x, values(4, 3, seed=11)))


# ---- torch.compile


def stage(x, weight, gamma, beta, combinator, top):
    """A ladder stage and its denoising cost, on clean and noisy rows at once."""
    half = x.shape[0] // 2
    pre = ops.linear(x, weight)
    noise = torch.ones(half, weight.shape[0], dtype=x.dtype)
    r = ops.normalise(
        pre, groups=[(half, 0.3), (half, 0.0)], noise=noise, gamma=gamma, beta=beta,
        activation="relu",
    )  # fmt: skip
    d = ops.denoise(
        r.z[0], top, combinator, target=r.z[1], target_mean=r.mean[1], target_std=r.std[1]
    )
    return r.h.square().mean() + d.cost


def inputs_of_stage(dtype=torch.float32, rows=20):
    shapes = [(rows, 5), (4, 5), (4,), (4,), (10, 4), (rows // 2, 4)]
    return [values(*shape, seed=i, dtype=dtype) for i, shape in enumerate(shapes)]


@pytest.mark.parametrize("dynamic", [False, True])
def test_compiled_functions_give_the_same_values_and_gradients(dynamic):
    torch._dynamo.reset()
    compiled = torch.compile(stage, backend="aot_eager", fullgraph=True, dynamic=dynamic)
    for rows in (20, 28):
        inputs = inputs_of_stage(rows=rows)
        expected = stage(*inputs)
        found = compiled(*inputs)
        torch.testing.assert_close(found, expected)
        for a, b in zip(torch.autograd.grad(found, inputs), torch.autograd.grad(expected, inputs)):
            torch.testing.assert_close(a, b)
        with torch.no_grad():
            torch.testing.assert_close(compiled(*inputs), expected)


def test_a_compiled_graph_holds_the_operators():
    torch._dynamo.reset()
    names: list[str] = []

    def keep(graph, _):
        names.extend(str(node.target) for node in graph.graph.nodes)
        return graph

    from torch._dynamo.backends.common import aot_autograd
    from functorch.compile import make_boxed_func

    def compiler(graph, inputs):
        keep(graph, inputs)
        return make_boxed_func(graph.forward)

    compiled = torch.compile(stage, backend=aot_autograd(fw_compiler=compiler), fullgraph=True)
    compiled(*inputs_of_stage()).backward()
    for name in ("normalise_forward", "normalise_backward", "denoise_forward", "denoise_backward"):
        assert sum(f"ladder.{name}" in target for target in names) == 1, names


@pytest.mark.parametrize("dynamic", [None, True])
def test_a_compiled_function_draws_from_a_stream_without_compiling_anew(dynamic):
    def noisy(x, noise):
        return ops.normalise(x, groups=[(10, 1.0)], noise=noise, activation="relu").h

    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compiled = torch.compile(noisy, backend="aot_eager", fullgraph=True, dynamic=dynamic)
    x = values(10, 4, dtype=torch.float32)
    first, second = ops.Noise(5, offset=8), ops.Noise(5, offset=8)
    limit = torch._dynamo.config.recompile_limit
    for _ in range(limit + 2):
        found, expected = compiled(x, first), noisy(x, second)
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
        torch.testing.assert_close(*(torch.autograd.grad(h.sum(), x) for h in (found, expected)))
    assert first.offset == second.offset == 8 + (limit + 2) * 3 * 4
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_a_stream_is_not_drawn_from_again_by_a_checkpointed_function(use_reentrant):
    from torch.utils.checkpoint import checkpoint

    x = values(10, 4)
    outside = ops.Noise(5)

    def drawing_from(stream):
        return lambda t: ops.normalise(t, groups=[(10, 1.0)], noise=stream(), activation="relu").h

    h = checkpoint(drawing_from(lambda: outside), x, use_reentrant=use_reentrant)
    with pytest.raises(RuntimeError, match="Noise: expected to draw in a forward pass but got a ba"):
        h.square().sum().backward()
    inside = drawing_from(lambda: ops.Noise(5, offset=12))
    (expected,) = torch.autograd.grad(inside(x).square().sum(), x)
    checkpoint(inside, x, use_reentrant=use_reentrant).square().sum().backward()
    torch.testing.assert_close(x.grad, expected, rtol=0, atol=0)


@pytest.mark.parametrize("seed, offset", [(-1, 0), (2**63, 0), (1, -1), (1, 2**63)])
def test_a_stream_refuses_numbers_out_of_range(seed, offset):
    with pytest.raises(ValueError, match="Noise: expected an? (seed|offset) from 0 to 2.*63 - 1 but"):
        ops.Noise(seed, offset)


def test_checks_of_torch_library():
    x, noise, gamma, beta = inputs_of_normalise()
    one = (x.detach(), [6, 5], [0.3, 0.0], noise, 0, 0, None, gamma.detach(), beta.detach(), 1, 0.1)
    torch.library.opcheck(torch.ops.ladder.normalise_forward.default, (*one, None, None))
    h, z, mean, std = torch.ops.ladder.normalise_forward(*one, None, None)
    torch.library.opcheck(
        torch.ops.ladder.normalise_backward.default,
        (x.detach(), z, mean, std, [6, 5], [0.3, 0.0], gamma.detach(), None, 1, 0.1, False,
         h, None, None, std),
    )  # fmt: skip
    z, u, w, target, mean, std = (t.detach() for t in inputs_of_denoise())
    two = (z, u, w, 0, [], False, 0.1, target, mean, std)
    torch.library.opcheck(torch.ops.ladder.denoise_forward.default, two)
    z_hat, cost, u_mean, u_std = torch.ops.ladder.denoise_forward(*two)
    torch.library.opcheck(
        torch.ops.ladder.denoise_backward.default, (*two, u_mean, u_std, z_hat, z_hat, cost)
    )


def test_tensors_without_memory():
    x = torch.empty(11, 3, device="meta", requires_grad=True)
    r = ops.normalise(x, groups=[(6, 0.0), (5, 0.0)])
    assert r.h.shape == (11, 3) and [z.shape[0] for z in r.z] == [6, 5] and r.mean.shape == (2, 3)
    d = ops.denoise(r.z[0], r.z[0], torch.empty(10, 3, device="meta"), target=r.z[0])
    assert d.z_hat.is_meta and d.cost.shape == ()


def test_other_types_are_computed_by_pytorch():
    x = values(8, 3, dtype=torch.bfloat16)
    r = ops.normalise(x, activation="relu")
    r.h.sum().backward()
    assert r.h.dtype == torch.bfloat16 and x.grad is not None


def test_errors():
    x, noise, gamma, beta = inputs_of_normalise()
    z, u, w, target, mean, std = inputs_of_denoise()
    cases = [
        (lambda: ops.linear(x, w[:, :2]), r"linear: expected x \[R, K\] and weight \[C, K\]"),
        (lambda: ops.normalise(x[0]), r"expected x of shape \[R, C\] but got \[3\]"),
        (lambda: ops.normalise(x, groups=[(4, 0.0)]), r"that cover 11 rows but got \[4\]"),
        (lambda: ops.normalise(x, groups=GROUPS), "expected noise for 6 noisy rows but got none"),
        (lambda: ops.normalise(x, groups=GROUPS, noise=u), r"expected noise \[6, 3\] but got \[7, 3\]"),
        (lambda: ops.normalise(x, gamma=w[:, 0]), r"expected gamma \[3\] but got \[10\]"),
        (lambda: ops.normalise(x, beta=beta.float()), "expected beta of type torch.float64"),
        (lambda: ops.normalise(x, activation="swish"), "expected one of identity, relu, .* 'swish'"),
        (lambda: ops.normalise(x, mean=gamma), "expected both stored mean and std or neither"),
        (lambda: ops.normalise(x[:1]), "at least 2 rows to measure"),
        (lambda: ops.denoise(z[:3], u, w), r"expected z_noisy and u \[M, C\] with at least 2 rows"),
        (lambda: ops.denoise(z, u, w[:9]), r"expected weight \[10, 3\] but got \[9, 3\]"),
        (lambda: ops.denoise(z, u, w, target=x), r"a target of shape \[7, 3\] but got \[11, 3\]"),
        (lambda: ops.denoise(z, u, w.float()), "expected weight of type torch.float64"),
        (lambda: ops.denoise(z, u, w, target=z, target_std=std), "both mean and std of the target"),
        (
            lambda: ops.denoise(z, u, w, function=[2, 0]),
            r"expected hidden layers of at least 1 unit but got \[2, 0\]",
        ),
        (
            lambda: ops.denoise(z, u, w, function=[2], leaky_slope=-0.1),
            "expected a finite leaky_slope >= 0 but got -0.1",
        ),
        (
            lambda: ops.denoise(z, u, w, function=[2], leaky_slope=float("nan")),
            "expected a finite leaky_slope >= 0 but got nan",
        ),
        (
            lambda: ops.denoise(z, u, w, target=z, target_mean=mean.repeat(2, 1), target_std=std),
            r"expected target_mean \[3\] but got \[2, 3\]",
        ),
        (
            lambda: ops.denoise(z, u, w, target=z, target_mean=mean, target_std=std[0]),
            r"expected target_std \[3\] but got \[\]",
        ),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()


def test_fused_operators_beside_plain_pytorch_in_one_network():
    """Both give the same cost, and the same gradients of all inputs."""
    rows, columns = 200, 50
    x, top = values(rows, columns), values(100, columns)
    noise = values(100, columns, seed=1, grad=False)
    gamma, beta = (values(columns, seed=s) for s in (2, 3))
    w = values(10, columns, seed=4)
    groups = [(100, 0.3), (100, 0.0)]
    r = ops.normalise(x, groups=groups, noise=noise, gamma=gamma, beta=beta, activation="relu")
    fused = (
        r.h.sum()
        + ops.denoise(r.z[0], top, w, target=r.z[1], target_mean=r.mean[1], target_std=r.std[1]).cost
    )
    h, z, mean, std = plain_normalise(x, groups, noise, gamma, beta, torch.relu)
    plain = h.sum() + plain_denoise(z[0], top, w, z[1], mean[1], std[1])[1]
    torch.testing.assert_close(fused, plain)
    inputs = (x, top, gamma, beta, w)
    for ours, theirs in zip(
        torch.autograd.grad(fused, inputs), torch.autograd.grad(plain, inputs), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
