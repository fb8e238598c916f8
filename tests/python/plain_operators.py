"""The formulas of the fused operators by PyTorch's own, which tests and a benchmark compare them with."""

from __future__ import annotations

import torch


def values(*shape: int, seed: int = 0, grad: bool = True, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype).requires_grad_(grad)


def plain_normalise(x, groups, noise, gamma, beta, act):
    """The formula of `ops.normalise`, by PyTorch's own operators."""
    h, z, mean, std = [], [], [], []
    row = noise_row = 0
    for count, deviation in groups:
        part = x[row : row + count]
        mean.append(part.mean(0))
        std.append((part.var(0, unbiased=False) + 1e-10).sqrt())
        z.append((part - mean[-1]) / std[-1])
        if deviation:
            z[-1] = z[-1] + deviation * noise[noise_row : noise_row + count]
            noise_row += count
        h.append(act(gamma * (z[-1] + beta)))
        row += count
    return torch.cat(h), z, torch.stack(mean), torch.stack(std)


def plain_denoise(z, u, w, target, mean, std):
    """The formula of `ops.denoise` with the Gaussian combinator."""
    v = (u - u.mean(0)) / (u.var(0, unbiased=False) + 1e-10).sqrt()
    mu = w[0] * torch.sigmoid(w[1] * v + w[2]) + w[3] * v + w[4]
    share = w[5] * torch.sigmoid(w[6] * v + w[7]) + w[8] * v + w[9]
    z_hat = (z - mu) * share + mu
    return z_hat, (((z_hat - mean) / std - target) ** 2).mean()
