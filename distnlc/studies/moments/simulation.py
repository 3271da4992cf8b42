"""One simulation: signal and noise through one random network, measured every few layers (sections 1, 2 and 4).

In: the part, the dataset's images, a seed. Out: for each measured layer or residual unit the columns of `LayerRow` from
`layer` on. Where the paper leaves room, its author's code is followed: the image itself counts as layer 0, and there
the variances of signal and noise are 1; the noise is as large as the signal, since all is linear in it.

Noise and weights come from one sequence of numbers, in this order; on a GPU the noise is still the CPU's.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distnlc.metrics.effective_rank import effective_rank
from distnlc.metrics.gaussians import Gaussians
from distnlc.metrics.propagation import (
    HE,
    LECUN,
    Grid,
    convolve,
    draw_weights,
    normalize_,
    rectify_,
    rescale_,
)
from distnlc.metrics.sensitivity_increments import (
    exponential,
    increment_by_activation,
    increment_by_norm,
    increment_without_norm,
)
from distnlc.metrics.signal_moments import Moments, logarithm, moments
from distnlc.spec import derive_seed
from distnlc.studies.moments.spec import BRANCH, Spec

DTYPES = {"float32": torch.float32, "float64": torch.float64}
CONSTANT = 100
"""times the spacing of floating-point numbers, relative to its size, that a pixel must vary by"""
Row = dict[str, Any]


def normalized(images: Tensor) -> Tensor:
    """A batch by its own statistics: each channel of images (batch, channels, side, side), each feature of vectors.

    What does not vary within the batch by more than its mean is rounded, such as the corners of MNIST's images, becomes
    0.
    """
    over = (0, *range(2, images.ndim))
    centred = images - images.mean(over, keepdim=True)
    deviation = centred.square().mean(over, keepdim=True).sqrt()
    varies = deviation > CONSTANT * torch.finfo(images.dtype).eps * images.abs().amax(over, keepdim=True)
    return torch.where(varies, centred / torch.where(varies, deviation, 1), 0)


class Network:
    """The random convolutions of a simulation, drawn one after another and used once."""

    def __init__(self, part: Spec, grid: Grid, gaussians: Gaussians, dtype: torch.dtype) -> None:
        self.part, self.grid, self.gaussians, self.dtype = part, grid, gaussians, dtype

    def first(self, both: Tensor) -> Tensor:
        """From the image to the network's width, which is not counted in the depth; halves a grid of positions."""
        kernel, stride = self.part.kernel, 1 if self.part.kernel == 1 else 2
        weights = draw_weights(both.shape[1], self.part.width, kernel, LECUN, self.gaussians, self.dtype)
        out, self.grid = convolve(both, weights, self.grid, stride), self.grid if stride == 1 else self.grid.halved()
        return out

    def layer(self, both: Tensor) -> Tensor:
        """One convolution of width to width."""
        width = self.part.width
        weights = draw_weights(width, width, self.part.kernel, HE, self.gaussians, self.dtype)
        return convolve(both, weights, self.grid)


@torch.inference_mode()
def simulate(part: Spec, images: Tensor, seed: int, device: str = "cpu") -> list[Row]:
    """The measured layers of one simulation, in order.

    images: all of the dataset's, (n, channels, side, side) or (n, features), on the CPU. Raises ValueError where a
    quantity is not finite.
    """
    both, grid, gaussians = start(part, images, seed, device)
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        rows = list(propagated(part, both, grid, gaussians))
    for row in rows:
        wrong = [name for name, value in row.items() if value is not None and not math.isfinite(value)]
        if wrong:
            raise ValueError(
                f"the simulation with seed {seed} has no finite {', '.join(wrong)} at layer {row['layer']}: the signal "
                "has collapsed, or the sensitivity is above 1e308"
            )
    return rows if part.dtype == "float64" else [{name: _single(value) for name, value in row.items()} for row in rows]


def _single(value: Any) -> Any:
    """A number with the 24 binary digits that 32 bits have, whatever its exponent; stored, it takes half the space."""
    if not isinstance(value, float):
        return value
    fraction, exponent = math.frexp(value)
    return math.ldexp(round(fraction * 2**24), exponent - 24)


def start(part: Spec, images: Tensor, seed: int, device: str) -> tuple[Tensor, Grid, Gaussians]:
    """The images and the noise that a simulation begins with, their positions, and the numbers for its weights."""
    chosen = np.random.default_rng(derive_seed("images", seed)).permutation(len(images))[: part.batch]
    batch = images[torch.from_numpy(chosen)]
    batch = batch.flatten(1) if part.kernel == 1 else batch
    gaussians, dtype = Gaussians(seed), DTYPES[part.dtype]
    noise = gaussians.draw(*batch.shape)
    both = torch.cat([normalized(batch.to(device, dtype)), noise.to(device, dtype)])
    weights = gaussians if device == "cpu" else Gaussians(seed, device)
    if part.kernel == 1:
        return both, Grid(), weights
    rows = both.permute(0, 2, 3, 1).reshape(-1, batch.shape[1])
    return rows, Grid(batch.shape[-1], part.boundary), weights


def propagated(part: Spec, both: Tensor, grid: Grid, gaussians: Gaussians) -> Iterator[Row]:
    """The measured layers, one after another."""
    network = Network(part, grid, gaussians, both.dtype)
    log_signal, log_noise = torch.zeros(2, dtype=torch.float64, device=both.device)
    both = network.first(both)
    step = {"vanilla": _vanilla, "bn_ff": _feedforward, "bn_res": _residual}[part.net]
    for layer in range(1, part.depth + 1):
        both, row = step(network, both, part, layer % part.measure_every == 0)
        signal, noise = both.chunk(2)
        if row is not None:
            after: Moments = row.pop("moments")
            scales = float(log_signal), float(log_noise)
            yield {
                "layer": layer,
                "chi": exponential(after.log_sensitivity + (scales[1] - scales[0]) / 2),
                **row,
                "log_second_moment_signal": logarithm(after.second) + scales[0],
                "log_variance_noise": logarithm(after.noise) + scales[1],
            }
        log_noise += rescale_(noise)
        if part.net == "vanilla":
            log_signal += rescale_(signal)


def _vanilla(network: Network, before: Tensor, part: Spec, measured: bool) -> tuple[Tensor, Row | None]:
    """A layer of a network without batch norm."""
    both = network.layer(before)
    if not measured:
        return rectify_(both), None
    of_input, of_product = moments(before), moments(both)
    after = moments(rectify_(both))
    return both, {
        "moments": after,
        "delta_chi": exponential(after.log_sensitivity - of_input.log_sensitivity),
        "delta_chi_predicted": increment_without_norm(of_product.halves, of_input.variance),
        **_ranks(both),
    }


def _feedforward(network: Network, before: Tensor, part: Spec, measured: bool) -> tuple[Tensor, Row | None]:
    """A layer with batch norm; its increment by batch norm is that of the convolution too."""
    both = network.layer(before)
    if not measured:
        normalize_(both, part.epsilon)
        return rectify_(both), None
    of_input = moments(before)
    normalized, by_norm = _normalized_and_measured(both, part.epsilon, of_input)
    after = moments(rectify_(both))
    return both, {"moments": after, **_increments(of_input, normalized, after), **by_norm, **_ranks(both)}


def _residual(network: Network, before: Tensor, part: Spec, measured: bool) -> tuple[Tensor, Row | None]:
    """A residual unit; increments are those of the branch's first batch norm, and of ReLU and convolution behind it."""
    both = before.clone()
    row: Row | None = None
    if measured:
        of_input = moments(before)
        normalized, by_norm = _normalized_and_measured(both, part.epsilon, of_input)
        ranks = _ranks(rectify_(both))
        both = network.layer(both)
        row = {**_increments(of_input, normalized, moments(both)), **by_norm, **ranks}
    for _ in range(BRANCH - measured):
        normalize_(both, part.epsilon)
        both = network.layer(rectify_(both))
    both += before
    return both, row and {"moments": moments(both), **row}


def _normalized_and_measured(both: Tensor, epsilon: float, of_input: Moments) -> tuple[Moments, Row]:
    """Normalizes in place: moments of what comes out, and both predictions of theorem 3."""
    noise_ratio = moments(both).noise_ratio
    normalize_(both, epsilon)
    normalized = moments(both)
    by_norm = increment_by_norm(noise_ratio, of_input.log_sensitivity)
    by_activation = increment_by_activation(normalized.halves)
    return normalized, {
        "delta_bn_predicted": by_norm,
        "delta_phi_predicted": by_activation,
        "delta_chi_predicted": by_norm * by_activation,
        "kurtosis_z": normalized.fourth,
        "mean_abs_z": normalized.mean_absolute,
    }


def _increments(before: Moments, normalized: Moments, after: Moments) -> Row:
    return {
        "delta_chi": exponential(after.log_sensitivity - before.log_sensitivity),
        "delta_bn": exponential(normalized.log_sensitivity - before.log_sensitivity),
        "delta_phi": exponential(after.log_sensitivity - normalized.log_sensitivity),
    }


def _ranks(both: Tensor) -> Row:
    signal, noise = both.chunk(2)
    return {"rank_signal": effective_rank(signal), "rank_noise": effective_rank(noise)}
