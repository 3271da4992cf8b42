"""Gradient scale coefficients between places of a layered network: how much f_l feels a small change of f_k.

    GSC(k, l) = Q ||J||_qm * Q ||f_k|| / Q ||f_l||,  J of f_l with respect to f_k, ||J||_qm = ||J||_F / sqrt(d_k)

with Q the quadratic mean over the datapoints (spec 2, section 2.1 and 2.3). In: a layered network and inputs. Out: one
matrix for all pairs. ||J||_F^2 is the mean of ||v^T J||^2 over v with E v v^T = 1, and one backward pass of v from f_l
gives it for every k: v are independent signs for each datapoint and neuron, or each unit vector in turn, exact.
Definition 2 of the paper prints every factor squared; its propositions and tables are not, and so is this.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from distnlc.metrics.gradient_scale import quadratic_mean
from distnlc.metrics.measurable import undisturbed
from distnlc.networks.layered import Layered, Skip
from distnlc.networks.mlp import MLP
from distnlc.networks.operations import operations


@undisturbed()
def gradient_scale_between(
    network: MLP, inputs: Tensor, *, probes: int | None = None, above: int | None = None, seed: int = 0
) -> Tensor:
    """GSC(k, l) of all pairs of places, (places, places): the row is f_k, the lower place, the column f_l, the upper.

    Places are the input (number 0) and the output of each operation in order of execution (`MLP.signals`). The value is
    NaN where the column lies below the row, and where a skip connection leads around f_k to f_l: there the Jacobian
    tells of a part of the paths alone. inputs: (batch, d_in). probes: passes for each place, of random signs; None: as
    many as it has neurons, exact. above: the one upper place that is asked for, the others are NaN; None: all. With
    batch norm the gradient runs through the batch statistics, and one pass for a unit vector would add the datapoints'
    effects on one another up: ValueError asks for probes.
    """
    if probes is None and any(layer.normalization == "batch" for layer in network.layered.layers):
        raise ValueError("gradient_scale_between: with batch norm no exact Jacobians; give a number of probes")
    if probes is not None and probes < 1:
        raise ValueError(f"gradient_scale_between: expected at least one probe, found {probes}")
    signals = _signals(network, inputs)
    lengths = [quadratic_mean(signal) for signal in signals]
    generator = torch.Generator().manual_seed(seed)
    found = torch.full((len(signals), len(signals)), math.nan, dtype=torch.float64)
    for number in range(len(signals)) if above is None else [range(len(signals))[above]]:
        upper = signals[number]
        below = [place for place in range(number + 1) if not _led_around(network.layered, place, number)]
        squares = torch.zeros(len(below), dtype=torch.float64)
        for probe in _probes(upper, probes, generator):
            gradients = torch.autograd.grad(upper, [signals[k] for k in below], probe, retain_graph=True)
            squares += torch.stack([gradient.square().sum() for gradient in gradients]).double() / len(inputs)
        for place, square in zip(below, squares / (probes or 1), strict=True):
            width = signals[place].shape[-1]
            found[place, number] = float(square / width) ** 0.5 * lengths[place] / lengths[number]
    return found


def _signals(network: MLP, inputs: Tensor) -> list[Tensor]:
    """The input and every operation's output, with their graph."""
    inputs = inputs.detach().requires_grad_()
    return [inputs, *network.signals(inputs)]


def _probes(signal: Tensor, probes: int | None, generator: torch.Generator) -> Iterator[Tensor]:
    """Gradients to begin with at a place, of the shape of its signal (batch, width)."""
    if probes is None:
        for neuron in range(signal.shape[-1]):
            probe = torch.zeros_like(signal)
            probe[:, neuron] = 1
            yield probe
    else:
        for _ in range(probes):
            signs = torch.randint(2, signal.shape, generator=generator)
            yield (2 * signs - 1).to(signal)


def _led_around(layered: Layered, place: int, above: int) -> bool:
    """Whether a skip connection leads around one place to one above it."""
    return any(begin < place < end <= above for begin, end in _skips(layered))


def _skips(layered: Layered) -> list[tuple[int, int]]:
    """The places where each skip connection begins and ends."""
    places = {(each.kind, each.layer): place for place, each in enumerate(operations(layered), start=1)}

    def begin(skip: Skip) -> int:
        linear = places["linear", skip.start]
        return linear if skip.begins_after == "linear" else places.get(("normalization", skip.start), linear)

    return [(begin(skip), places["linear", skip.end]) for skip in layered.skips]
