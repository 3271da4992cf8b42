"""The effort of measuring: less for a large network, so that it takes minutes on two cores and less than 4 GiB.

In: the network, its inputs, and what a study would do: all points, its batches. Out: the same, or less of it, with a
note. One pass forward is counted, its floating-point operations and the bytes that it keeps for the way back,
so that what is measured depends on the network alone, never on how fast the machine is. On a GPU nothing is cut.
"""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from distnlc.metrics.initial_sensitivity import BATCH, ELLIPSES, SAMPLES
from distnlc.metrics.measurable import Network
from distnlc.metrics.spec import MetricsSpec
from distnlc.metrics.zero_cost import FEW, POINTS

OPERATIONS = 4e12
"""of all passes together: two cores do 2e10 to 4e10 a second in float64"""
KEPT = 3 * 2**27
"""bytes that one batch may keep for the way back; what differentiates twice keeps three times as much"""
FEWEST = 24
"""points of the smallest batch, and of all batches together"""
BACK = 3
"""passes forward that one there and back takes"""
WEIGHED = 900
"""operations that a way back to all weights is worth for each of them, since it waits for memory"""
CUT = ("jacobian_seconds", "outputs_seconds", "gradients_seconds", "cosines_seconds", "ellipse_transitions")
"""what is measured on less; the rest takes one batch"""


@dataclass(frozen=True)
class Effort:
    """How much of a network is measured."""

    points: int
    batch_size: int
    nlc_batches: int
    ellipses: int
    of_weights: float
    """passes forward of a point that a way back to all weights is worth"""
    at_a_time: int = BATCH
    """points of an ellipse that go through the network together"""
    twice: int | None = None
    """points of a batch that is differentiated twice; None: as of any other"""
    note: str | None = None
    """what is less than in a study"""


def effort_for(network: Network, inputs: Tensor, batch_size: int, spec: MetricsSpec) -> Effort:
    """A study's effort, or what OPERATIONS and KEPT allow of it. inputs: (points, d_in...) in the network's type."""
    weights = sum(each.numel() for each in network.parameters()) if isinstance(network, nn.Module) else 0
    whole = Effort(len(inputs), min(batch_size, len(inputs)), spec.nlc_batches, ELLIPSES, WEIGHED / 2)
    if inputs.device.type != "cpu":
        return whole
    fitting = int(KEPT / max(_kept(network, inputs[:2]), 1))
    size = min(whole.batch_size, max(FEWEST, fitting))
    wanted = passes_of(whole)
    every = sum(wanted[name] for name in CUT)
    # At most one multiplication and addition for each weight at each place of the input: then all can be afforded.
    if weights and size == whole.batch_size and every * 2 * weights * inputs[0].numel() <= OPERATIONS:
        return whole
    operations = max(_operations(network, inputs[:2]), 1)
    passes, of_weights = OPERATIONS / operations, WEIGHED * weights / operations
    if size == whole.batch_size and every <= passes:
        return replace(whole, of_weights=of_weights)
    # A quarter each for the Jacobian, for the passes through all points, and for the ellipses.
    points = int(min(whole.points, max(passes / 4 / (BACK + 1), FEWEST)))
    points = max(points // size, 1) * size if points < whole.points else points
    batches = int(min(whole.nlc_batches, max(passes / 4 / BACK / size, FEWEST / size, 1)))
    ellipses = int(min(ELLIPSES, max(passes / 4 / SAMPLES, 1)))
    twice = min(size, max(FEW, fitting // 3))
    cut = {
        f"{points:,} of {whole.points:,} points": points < whole.points,
        f"batches of {size}, not of {whole.batch_size}": size < whole.batch_size,
        f"{batches} of {whole.nlc_batches} batches for the NLC": batches < whole.nlc_batches,
        f"{ellipses} of {ELLIPSES} ellipses": ellipses < ELLIPSES,
        f"batches of {twice} for chi and effective ranks, which differentiate twice": twice < size,
    }
    less = ", ".join(said for said, is_less in cut.items() if is_less)
    note = f"measured on less, since the network is large: {less}" if less else None
    if note and size < whole.batch_size:
        note += "; with batch norm, whose statistics are of a batch, another function than in larger ones"
    return Effort(points, size, batches, ellipses, of_weights, min(BATCH, max(FEWEST, fitting) // 3), twice, note)


def passes_of(effort: Effort, *, outputs: int = 10) -> Mapping[str, float]:
    """Forward passes of single points that each measurement is worth, by the name under which it begins."""
    proxies = {
        **dict.fromkeys(("gradient_norm", "snip", "fisher", "synflow"), POINTS * BACK + 3 * effort.of_weights),
        "grasp": FEW * BACK + 8 * effort.of_weights,
        "jacobian_covariance": FEW * outputs,
        "naswot": FEW,
        "layerwise_naswot": FEW,
        "zen_score": 2 * POINTS + 12 * effort.of_weights,
        "ntk_condition_number": 2 * FEW * outputs * BACK,
    }
    return {
        "jacobian_seconds": effort.nlc_batches * effort.batch_size * BACK,
        "outputs_seconds": effort.points,
        "gradients_seconds": effort.points * BACK,
        "cosines_seconds": min(4 * effort.batch_size, effort.points),
        "moments": 2 * (effort.twice or effort.batch_size),
        "gradients": BACK * effort.batch_size,
        "class_jacobian": effort.batch_size * 2 * outputs,
        "ellipse_transitions": effort.ellipses * SAMPLES,
        "imbalance": 32 * (BACK + effort.of_weights),
        **proxies,
    }


def give_back() -> None:
    """Returns freed memory to the system. glibc keeps it in pieces, on top of which the next measurement would have its
    peak: a ResNet with 23.5 million parameters took 4.7 GiB."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
    if trim is not None:
        trim(0)


def _operations(network: Network, pair: Tensor) -> float:
    """Floating-point operations of one point's pass forward. (The counter takes two seconds to be imported.)"""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(pair.clone())
    return counter.get_total_flops() / len(pair)


def _kept(network: Network, pair: Tensor) -> float:
    """Bytes that one point's pass keeps for the way back; parameters are not counted."""
    own = set[int]()
    if isinstance(network, nn.Module):
        own = {each.untyped_storage().data_ptr() for each in network.parameters()}
    kept = dict[int, int]()

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    points = pair.detach().clone().requires_grad_()
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(points.clone())  # a network may change its input in place
    return sum(count for place, count in kept.items() if place not in own) / len(pair)
