"""The training step in PyTorch, in the forms of MODES: rows in, every parameter updated.

On CUDA data, rows and noise are on the device and nothing waits for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
import torch.distributed
from torch import Tensor, nn

import conv_network
import problem
import torch_network
from problem import LABELS, NOISE, ROWS

# Eager; cost and gradients by torch.compile; the same by its CUDA graphs; the whole step recorded
# as one CUDA graph, of the eager and of the compiled kernels.
MODES = ("eager", "compiled", "compiled-graphs", "graphs", "compiled-captured")
WARMUP = 5  # steps before one is recorded


def make_network(name: str) -> nn.Module:
    if name in conv_network.NETWORKS:
        return conv_network.Network(conv_network.NETWORKS[name])
    return torch_network.Network(name)


class Training(nn.Module):
    """The cost as a function of the rows of a step, with all else as parameters and buffers.

    Noise is drawn inside where a compiler for CUDA fuses the draws with what uses them. Else
    `draw_noise` does it before: the compiler's own generator on the CPU is slower than LibTorch's.
    """

    def __init__(self, network: nn.Module, device: str, precision: str, draws_inside: bool):
        super().__init__()
        self.network = network
        self.device = device
        self.bfloat16 = precision == "bfloat16"
        self.draws_inside = draws_inside
        images, labels = network.data()
        # The tensor cores take channels last.
        self.channels_last = device == "cuda" and images.dim() == 4 and precision != "float32"
        if self.channels_last:
            network.to(memory_format=torch.channels_last)
            images = images.permute(0, 2, 3, 1).contiguous()
        self.register_buffer("images", images)
        self.register_buffer("labels", labels)
        if not draws_inside:
            for level, shape in enumerate(network.shapes):
                zeros = torch.zeros(network.groups * ROWS, *shape)
                if self.channels_last and zeros.dim() == 4:
                    zeros = zeros.to(memory_format=torch.channels_last)
                self.register_buffer(f"noise_{level}", zeros)
        self.to(device)

    @property
    def noisy_rows(self) -> int:
        return min(self.network.groups, 2) * ROWS

    def draw_noise(self) -> None:
        if not self.draws_inside:
            for level in range(len(self.network.shapes)):
                getattr(self, f"noise_{level}")[: self.noisy_rows].normal_(0.0, NOISE)

    def noise(self) -> list[Tensor]:
        if not self.draws_inside:
            return [getattr(self, f"noise_{level}") for level in range(len(self.network.shapes))]
        clean = self.network.groups * ROWS - self.noisy_rows

        def draw(shape: tuple[int, ...]) -> Tensor:
            noisy = NOISE * torch.randn(self.noisy_rows, *shape, device=self.device)
            return torch.cat([noisy, torch.zeros(clean, *shape, device=self.device)])

        return [draw(shape) for shape in self.network.shapes]

    def forward(self, rows: Tensor) -> Tensor:
        """`rows` are the labeled ones and, where the costs need them, as many unlabeled ones."""
        x = self.images.index_select(0, rows)
        if self.channels_last:
            x = x.permute(0, 3, 1, 2)
        y = self.labels.index_select(0, rows[:ROWS])
        unlabeled = x[ROWS:] if self.network.groups > 1 else None
        # Each weight is read once a step: there is nothing for a cache of casts.
        with torch.autocast(self.device, torch.bfloat16, self.bfloat16, cache_enabled=False):
            return self.network.cost(x[:ROWS], y, unlabeled, self.noise())


class Rows:
    """Return the rows of each step on the device of the images, permuted."""

    def __init__(self, images: Tensor, groups: int):
        self._images, self._groups, self._epoch = images, groups, []

    def next(self) -> Tensor:
        if not self._epoch:
            device, count = self._images.device, len(self._images)
            unlabeled = torch.randperm(count, device=device).view(-1, ROWS)
            labeled = torch.rand(len(unlabeled), LABELS, device=device).argsort(1)
            both = torch.cat([labeled, unlabeled], 1) if self._groups > 1 else labeled
            self._epoch = list(both.unbind(0))
        return self._epoch.pop()


def set_precision(device: str, precision: str) -> None:
    if device == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.benchmark = True


def captured(step: Callable[[Tensor], None], rows: Rows) -> Callable[[], None]:
    """Return the step as one CUDA graph, which reads its rows from a fixed tensor."""
    place = rows.next().clone()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARMUP):
            step(place)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=side):
        step(place)

    def replay() -> None:
        place.copy_(rows.next())
        graph.replay()

    return replay


def make_step(
    mode: str, network: str, device: str = "cpu", precision: str = "float32"
) -> Callable[[], None]:
    """Return a function that runs a training step; on CUDA it only queues it."""
    torch.manual_seed(0)
    set_precision(device, precision)
    compiled, recorded = "compiled" in mode, mode in ("graphs", "compiled-captured")
    training = Training(make_network(network), device, precision, compiled and device == "cuda")
    cost: Callable[[Tensor], Tensor] = training
    if compiled:
        by_graphs = "reduce-overhead" if mode == "compiled-graphs" else None
        cost = torch.compile(training, dynamic=False, fullgraph=True, mode=by_graphs)
    optimizer = torch.optim.Adam(
        training.network.parameters(),
        lr=problem.RATE,
        betas=(problem.BETA1, problem.BETA2),
        eps=problem.ADAM_EPSILON,
        fused=True,
        capturable=recorded,
    )
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:  # ranks.py
        torch.distributed.init_process_group("gloo")
        torch.manual_seed(torch.distributed.get_rank())
        cost = nn.parallel.DistributedDataParallel(training, broadcast_buffers=False)
    rows = Rows(training.images, training.network.groups)

    def step(place: Tensor) -> None:
        if mode == "compiled-graphs":
            torch.compiler.cudagraph_mark_step_begin()
        training.draw_noise()
        cost(place).backward()
        optimizer.step()
        # No gradient outlives its step: the next one may be written to its memory.
        optimizer.zero_grad(set_to_none=True)

    return captured(step, rows) if recorded else lambda: step(rows.next())


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
