"""The normalized sensitivity chi: how much a network amplifies noise, relative to its signal, from its inputs to each
module's output (section 3 of the study of well-behaved networks; normalized_sensitivity.md says how to read it).

In: a network and inputs x (batch, ...), float32 or float64. Out: one row per measuring point (taps.py), from one pass
that carries the signal and the noise dx = J dx0 together (forward differentiation, as torch.func.jvp does it). dx0 is
unit Gaussian noise; the result does not depend on its size, since dx is linear in it. Where the text is silent:
    batch norm       its statistics are constants to the noise: the running ones in evaluation, else those of the batch,
                     which is all of the inputs (fixed_statistics.py)
    channels         the last axis of (batch, channels) and of sequences (batch, time, channels), else axis 1, as of
                     images (batch, channels, height, width); a Conv1d's outputs are read as sequences, too
    moments          in float64, as logarithms: nothing overflows but the numbers of the network itself
    nothing to see   a signal that varies by rounding alone has no chi and no rank (nan), and noise of zeros no rank
"""

import math
import warnings
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

from distnlc.metrics.batches import gaussian, random_batches
from distnlc.metrics.effective_rank import effective_rank
from distnlc.metrics.fixed_statistics import FixedStatistics
from distnlc.metrics.jacobian import linearize
from distnlc.metrics.measurable import Network, UnmeasurableError, undisturbed
from distnlc.metrics.passes import INPUT, NO_DERIVATIVE, OUTPUT, called, checked_finite, outputs_of, prepared, type_name
from distnlc.metrics.taps import Tap
from distnlc.networks.device_errors import of_device
from distnlc.spec import MOST_SHOWN, derive_seed

RESOLVED = 100
"""times the spacing of floating-point numbers, relative to its size, that a signal must vary by"""
plain_attention = partial(sdpa_kernel, SDPBackend.MATH)
"""the fused kernels cannot be differentiated forward, nor twice; a mode such as FixedStatistics switches torch's fast
encoder off"""


class Sensitivity(NamedTuple):
    """Signal and noise at one measuring point."""

    place: str
    """the module's path in the network; `(input)` and `(output)` are the first and the last"""
    module: str
    """its type, such as `Conv2d`; empty at the input"""
    call: int
    """which of the module's calls, from 1"""
    shape: tuple[int, ...]
    """of one datapoint there"""
    chi: float
    """sqrt of the noise factor [mu2(dx) / mu2(x)] / [mu2(dx0) / mu2(x0)]: 1 at the input; above 1 noise has grown; inf
    or nan where the noise is beyond the largest number of its type"""
    rank_signal: float
    """effective rank: the number of directions that the signal varies in, at least 1"""
    rank_noise: float
    """effective rank of the noise"""
    varying: float
    """share mu2(x) / nu2(x) of the signal's power that differs between datapoints and positions, 0 to 1"""


@undisturbed()
def normalized_sensitivity(network: Network, inputs: Tensor, *, noise_seed: int = 0) -> list[Sensitivity]:
    """Return signal and noise at the input, at every module's output in order of execution, and at the output.

    network: a module, or another callable, of which only input and output are seen. inputs: (batch, ...), all
    propagated as one batch; some hundreds are enough. The measuring is in their type and on their device, to which a
    copy of the module is converted. Batch norm uses running statistics in `eval()` mode and else those of the batch,
    held fixed in both. Nothing that is given changes; dropout is left out (see measurable.py). Raises ValueError for
    inputs or a network that cannot be measured, with the place and the type of a module that torch cannot differentiate
    forward.
    """
    inputs, function, module = _prepared(network, inputs)
    noise = unit_noise(inputs, noise_seed)
    origin = _Moments.of(Tap(INPUT, ""), inputs, noise)
    rows = [origin.row(origin)]

    def see(tap: Tap, tensor: Tensor) -> None:
        signal, arrived = forward_ad.unpack_dual(tensor)
        if arrived is not None:
            rows.append(_Moments.of(tap, signal, arrived).row(origin))

    with forward_ad.dual_level(), plain_attention(), FixedStatistics():
        with warnings.catch_warnings():  # the first one imports torch's own scripts, which it has deprecated itself
            warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
            dual = forward_ad.make_dual(inputs.clone(), noise)
        outputs = called(function, module, dual, see, why=partial(_why, dtype=inputs.dtype))
        signal, arrived = forward_ad.unpack_dual(outputs)
        if arrived is None:
            raise UnmeasurableError(NO_DERIVATIVE)
        return [*rows, _Moments.of(Tap(OUTPUT, type_name(module)), signal, arrived).row(origin)]


@undisturbed()
def output_sensitivity(network: Network, inputs: Tensor, *, noise_seed: int = 0) -> Sensitivity:
    """Return the last row of the same, but for rounding, by backpropagation (jacobian.py).

    It begins at once, while the first forward differentiation of a process makes torch load its compiler, which takes
    seconds. Raises ValueError as above, and for a network that cannot be differentiated twice.
    """
    inputs, function, module = _prepared(network, inputs)
    noise = unit_noise(inputs, noise_seed)
    with plain_attention(), FixedStatistics():
        try:
            signal, push_forward, _ = linearize(lambda batch: outputs_of(function(batch.clone()), inputs), inputs)
            arrived = push_forward(noise)
        except RuntimeError as error:
            if of_device(error):
                raise
            said = " ".join(str(error).split())[:MOST_SHOWN]
            raise UnmeasurableError(f"the network cannot be differentiated twice: RuntimeError: {said}") from error
    origin = _Moments.of(Tap(INPUT, ""), inputs, noise)
    return _Moments.of(Tap(OUTPUT, type_name(module)), signal, arrived).row(origin)


def batch_sensitivity(network: Network, inputs: Tensor, *, batch_size: int, seed: int) -> Sensitivity:
    """Return the output's row of one random batch of the inputs (points, d_in...). Raises ValueError as above."""
    random = torch.Generator().manual_seed(derive_seed("metrics", seed, "sensitivity"))
    (rows,) = random_batches(inputs, batch_size, 1, random)
    return output_sensitivity(network, inputs[rows], noise_seed=derive_seed("metrics", seed, "noise"))


def _prepared(network: Network, inputs: Tensor) -> tuple[Tensor, Network, nn.Module | None]:
    """The inputs, and a copy of the network in their type with batch norm as it is needed. Raises ValueError."""
    inputs, function, module = prepared(network, inputs, at_least=2)
    if not bool((inputs != inputs[0]).any()):
        raise ValueError(f"inputs must differ from one another, found the same datapoint {len(inputs)} times")
    if module is not None:
        FixedStatistics().take_layered(module)
    return inputs, function, module


def unit_noise(inputs: Tensor, noise_seed: int) -> Tensor:
    """dx0, unit Gaussian numbers of the inputs' shape; not those of inputs that were drawn from the same seed."""
    return gaussian(inputs.shape, torch.Generator().manual_seed(derive_seed("noise", noise_seed)), inputs)


def _why(said: str, dtype: torch.dtype) -> str:
    """Whether an error says that forward differentiation is missing."""
    if "forward AD" not in said and "forward mode AD" not in said:
        return "raised an error"
    why = "cannot be differentiated forward by torch, which carries the noise"
    if dtype == torch.float32:
        why += " (give inputs.double(): in float64 torch may take another routine)"
    return why


class _Moments(NamedTuple):
    """What a row needs of one measuring point."""

    tap: Tap
    shape: tuple[int, ...]
    log_factor: float
    """log [mu2(dx) / mu2(x)]"""
    rank_signal: float
    rank_noise: float
    varying: float

    @classmethod
    def of(cls, tap: Tap, signal: Tensor, noise: Tensor) -> "_Moments":
        """Raises UnmeasurableError for a signal that is not finite; noise may have grown beyond the largest number."""
        vectors, noises = _vectors(signal), _vectors(noise)
        checked_finite(tap, vectors)
        centered = vectors - vectors.mean(0)
        size, spread = _log_mean_square(vectors), _log_mean_square(centered)
        if not spread > size + 2 * math.log(RESOLVED * torch.finfo(signal.dtype).eps):
            return cls(tap, tuple(signal.shape[1:]), math.nan, math.nan, _rank(noises), 0.0)
        log_factor = _log_mean_square(noises) - spread
        ranks = _rank(centered), _rank(noises)
        return cls(tap, tuple(signal.shape[1:]), log_factor, *ranks, min(math.exp(spread - size), 1.0))

    def row(self, origin: "_Moments") -> Sensitivity:
        log_chi = (self.log_factor - origin.log_factor) / 2
        chi = math.inf if log_chi > math.log(torch.finfo(torch.float64).max) else math.exp(log_chi)
        return Sensitivity(*self.tap, self.shape, chi, self.rank_signal, self.rank_noise, self.varying)


def _vectors(tensor: Tensor) -> Tensor:
    """The feature vectors (batch and positions, channels), float64."""
    tensor = tensor.detach()
    if tensor.ndim == 1:
        return tensor.double()[:, None]
    channels_last = tensor.movedim(1, -1) if tensor.ndim > 3 else tensor
    return channels_last.double().flatten(0, -2)


def _log_mean_square(values: Tensor) -> float:
    """The logarithm of their mean square, -inf of zeros; no square overflows. inf or nan if one of them is."""
    scale = float(values.abs().amax())
    if scale == 0:
        return -math.inf
    if not math.isfinite(scale):
        return scale
    return 2 * math.log(scale) + math.log(float((values / scale).square().mean()))


def _rank(vectors: Tensor) -> float:
    """Their effective rank; nan where they are zeros or not finite."""
    scale = float(vectors.abs().amax())
    return float(effective_rank(vectors / scale)) if 0 < scale < math.inf else math.nan
