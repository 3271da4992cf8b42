"""Signal and noise through a random ReLU network, one step after another (Labatie 2019; the moments study, section 1).

In and out: `both`, a tensor (2 points, features): one feature vector a row, the signal's first and as many of the noise
below. A point is an image, or one position of an image; then the rows are ordered by image, row and column. The noise
goes through the signal's derivative: it meets the same weights, and the gates and statistics that the signal sets.
Steps whose name ends in `_` write into the tensor that they are given: on a CPU in C (native/propagation.c), with sums
in float64; elsewhere, and where C cannot be compiled, by torch.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from distnlc.metrics.gaussians import Gaussians
from distnlc.metrics.native_functions import ADDRESS, COUNT, REAL, fits, functions

Boundary = Literal["periodic", "symmetric", "zero"]
HE, LECUN = 2.0, 1.0
"""fan-in times variance of the weights"""


@dataclass(frozen=True)
class Grid:
    """The positions of square images; side 1 is for vectors."""

    side: int = 1
    boundary: Boundary = "periodic"

    def halved(self) -> "Grid":
        """The positions after a convolution of stride 2."""
        return Grid((self.side + 1) // 2, self.boundary)


def draw_weights(
    features_in: int, features_out: int, kernel: int, gain: float, gaussians: Gaussians, dtype: torch.dtype
) -> Tensor:
    """Independent N(0, gain / fan-in) weights: (in, out), or (out, in, kernel, kernel) for a kernel above 1.

    They are numbers of 32 bits whatever the dtype, so that a network is the same one in 64.
    """
    deviation = (gain / (kernel**2 * features_in)) ** 0.5
    shape = (features_in, features_out) if kernel == 1 else (features_out, kernel, kernel, features_in)
    weights = gaussians.draw(*shape, deviation=deviation).to(dtype)
    return weights if kernel == 1 else weights.permute(0, 3, 1, 2)  # channels last in memory


def convolve(both: Tensor, weights: Tensor, grid: Grid, stride: int = 1) -> Tensor:
    """The product with the weights (in, out), or a convolution with the weights (out, in, 3, 3)."""
    if weights.ndim == 2:
        return both @ weights
    images = both.view(-1, grid.side, grid.side, both.shape[1])
    padded = _padded(images, grid, stride).permute(0, 3, 1, 2)  # channels last in memory
    out = functional.conv2d(padded, weights, stride=stride)
    return out.permute(0, 2, 3, 1).reshape(-1, len(weights))


def _padded(images: Tensor, grid: Grid, stride: int) -> Tensor:
    """Images (n, side, side, features) that are continued by two cells along each side, for a kernel of 3.

    periodic: both cells at the low end, a shifted circular convolution; symmetric: the edge's cell again at either
    end; zero: as many zeros as the stride needs, the smaller half of them at the low end.
    """
    side, device = grid.side, images.device
    if grid.boundary == "zero":
        outside = max((-(-side // stride) - 1) * stride + 3 - side, 0)
        low, high = outside // 2, outside - outside // 2
        return functional.pad(images, (0, 0, low, high, low, high))
    cells = torch.arange(-2, side, device=device) % side
    if grid.boundary == "symmetric":
        cells = torch.arange(-1, side + 1, device=device).clamp(0, side - 1)
    return images[:, cells[:, None], cells]


def rectify_(both: Tensor) -> Tensor:
    """ReLU of the signal; the noise passes where the signal is positive."""
    signal, noise = both.chunk(2)
    if native := _native(both):
        native.rectify(signal.data_ptr(), noise.data_ptr(), signal.numel())
        return both
    signal.clamp_(min=0)
    noise.mul_(signal.sign())  # four times as fast as by a comparison
    return both


def normalize_(both: Tensor, epsilon: float) -> Tensor:
    """Batch norm without scale and shift; returns the variances (features,) that it divides by, epsilon left out.

    The signal is centred and divided; the noise is divided alone: statistics count as constants.
    """
    signal, noise = both.chunk(2)
    if native := _native(both):
        variances = both.new_empty(both.shape[1])
        native.normalize(signal.data_ptr(), noise.data_ptr(), *signal.shape, epsilon, variances.data_ptr())
        return variances
    signal.sub_(signal.mean(0))
    variances = signal.square().mean(0)
    both.mul_((variances + epsilon).rsqrt_())
    return variances


def rescale_(features: Tensor) -> Tensor:
    """Divides the noise, or the signal, by its root mean square, and returns the logarithm of the square of that.

    Done after every layer it keeps both far from overflow and underflow; the sum of what it returns (float64, on the
    device) is added to the logarithms of second moments. Without batch norm the network commutes with both, with batch
    norm with the noise's.
    """
    if native := _native(features):
        logarithm = torch.empty((), dtype=torch.float64)
        native.rescale(features.data_ptr(), features.numel(), logarithm.data_ptr())
        return logarithm
    square = features.square().mean()
    features.mul_(square.rsqrt())
    return square.double().log_()


def _native(tensor: Tensor) -> Any:
    """The functions of native/propagation.c for a tensor, None where they cannot be used."""
    return _functions(tensor.dtype) if fits(tensor) else None


@cache
def _functions(dtype: torch.dtype) -> Any:
    if library := functions("propagation", dtype):
        library.rectify.argtypes = [ADDRESS, ADDRESS, COUNT]
        library.normalize.argtypes = [ADDRESS, ADDRESS, COUNT, COUNT, REAL, ADDRESS]
        library.rescale.argtypes = [ADDRESS, COUNT, ADDRESS]
        for each in (library.rectify, library.normalize, library.rescale):
            each.restype = None
    return library
