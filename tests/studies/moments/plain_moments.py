"""The moments study as one would write it down: float64, convolutions as sums over the kernel, ranks by the SVD."""

import math
from typing import Any

import torch
from torch import Tensor

from distnlc.metrics.gaussians import Gaussians
from distnlc.studies.moments.spec import Spec


def mu2(x: Tensor) -> float:
    """x: (images, side, side, features)."""
    return float(((x - x.mean((0, 1, 2))) ** 2).mean())


def chi(x: Tensor, dx: Tensor) -> float:
    return math.sqrt(float((dx**2).mean()) / mu2(x))


def rank(x: Tensor) -> float:
    rows = x.reshape(-1, x.shape[-1])
    values = torch.linalg.svdvals(rows - rows.mean(0)) ** 2
    return float(values.sum() / values.max())


def convolution(x: Tensor, w: Tensor, boundary: str, stride: int = 1) -> Tensor:
    """w: (out, in, k, k)."""
    side, kernel = x.shape[1], w.shape[2]
    new = -(-side // stride)
    if kernel == 3 and boundary == "periodic":
        x = torch.cat([x[:, -2:], x], 1)
        x = torch.cat([x[:, :, -2:], x], 2)
    elif kernel == 3 and boundary == "symmetric":
        x = torch.cat([x[:, :1], x, x[:, -1:]], 1)
        x = torch.cat([x[:, :, :1], x, x[:, :, -1:]], 2)
    elif kernel == 3:
        low = 1 if stride == 1 or side % 2 else 0
        wider = torch.zeros(len(x), side + 2, side + 2, x.shape[3], dtype=x.dtype)
        wider[:, low : low + side, low : low + side] = x
        x = wider
    out = torch.zeros(len(x), new, new, len(w), dtype=x.dtype)
    for i in range(kernel):
        for j in range(kernel):
            out += x[:, i : i + stride * new : stride, j : j + stride * new : stride][:, :new, :new] @ w[:, :, i, j].T
    return out


def plain_simulation(part: Spec, x: Tensor, dx: Tensor, gaussians: Gaussians) -> list[dict[str, Any]]:
    """From the images and noise (images, side, side, channels), float64, that are given; every layer is measured."""

    def weights(into: int, gain: float) -> Tensor:
        deviation, k = (gain / (part.kernel**2 * into)) ** 0.5, part.kernel
        if k == 1:
            return gaussians.draw(into, part.width, deviation=deviation).double().T[:, :, None, None]
        return gaussians.draw(part.width, k, k, into, deviation=deviation).double().permute(0, 3, 1, 2)

    def conv(x: Tensor, dx: Tensor, gain: float = 2.0, stride: int = 1) -> tuple[Tensor, Tensor]:
        w = weights(x.shape[3], gain)
        return convolution(x, w, part.boundary, stride), convolution(dx, w, part.boundary, stride)

    def norm(y: Tensor, dy: Tensor) -> tuple[Tensor, Tensor]:
        deviation = (y.var((0, 1, 2), correction=0) + part.epsilon).sqrt()
        return (y - y.mean((0, 1, 2))) / deviation, dy / deviation

    def relu(y: Tensor, dy: Tensor) -> tuple[Tensor, Tensor]:
        return torch.relu(y), dy * (y > 0)

    def normalized(z: Tensor) -> dict[str, float]:
        return {
            "kurtosis_z": float(((z - z.mean((0, 1, 2))) ** 4).mean()),
            "mean_abs_z": float(z.abs().mean()),
            "delta_phi_predicted": float(
                1 - 2 * (z.clamp(min=0).mean((0, 1, 2)) * (-z).clamp(min=0).mean((0, 1, 2))).mean()
            )
            ** -0.5,
        }

    def by_norm(y: Tensor, dy: Tensor, before: float) -> float:
        ratios = (dy**2).mean((0, 1, 2)) / y.var((0, 1, 2), correction=0)
        return math.sqrt(float(ratios.mean())) / before

    x, dx = conv(x, dx, 1.0, 1 if part.kernel == 1 else 2)
    rows = []
    for layer in range(1, part.depth + 1):
        before = chi(x, dx)
        row: dict[str, Any] = {"layer": layer}
        if part.net == "vanilla":
            y, dy = conv(x, dx)
            halves = (y.clamp(min=0).mean((0, 1, 2)) * (-y).clamp(min=0).mean((0, 1, 2))).mean()
            row["delta_chi_predicted"] = float(1 - halves / mu2(x)) ** -0.5
            x, dx = relu(y, dy)
            row |= {"delta_chi": chi(x, dx) / before, "rank_signal": rank(x), "rank_noise": rank(dx)}
        elif part.net == "bn_ff":
            y, dy = conv(x, dx)
            row["delta_bn_predicted"] = by_norm(y, dy, before)
            z, dz = norm(y, dy)
            x, dx = relu(z, dz)
            row |= normalized(z) | {"delta_bn": chi(z, dz) / before, "delta_phi": chi(x, dx) / chi(z, dz)}
            row |= {"delta_chi": chi(x, dx) / before, "rank_signal": rank(x), "rank_noise": rank(dx)}
        else:
            row["delta_bn_predicted"] = by_norm(x, dx, before)
            z, dz = norm(x, dx)
            u, du = relu(z, dz)
            y, dy = conv(u, du)
            row |= normalized(z) | {"delta_bn": chi(z, dz) / before, "delta_phi": chi(y, dy) / chi(z, dz)}
            row |= {"delta_chi": chi(y, dy) / before, "rank_signal": rank(u), "rank_noise": rank(du)}
            y, dy = conv(*relu(*norm(y, dy)))
            x, dx = x + y, dx + dy
        if part.net != "vanilla":
            row["delta_chi_predicted"] = row["delta_bn_predicted"] * row["delta_phi_predicted"]
        row |= {"chi": chi(x, dx), "log_second_moment_signal": math.log(float((x**2).mean()))}
        rows.append(row | {"log_variance_noise": math.log(float((dx**2).mean()))})
    return rows
