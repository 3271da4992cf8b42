"""The metrics of groups.py, measured on one network: each function there is called as a study needs it.

In: a network as it stands before training, the training part, the size of a batch, the network's seed. Out: rows of the
table `measurements`. A metric that is not defined for the network is missing, with the reason, and the unit goes on.
What costs little beside a training was chosen:
    moments, gradients     one random batch of the training part, one pass there and one back (moments: two)
    probability Jacobian   the points of one random batch, a pass back for each class
    transitions            eight ellipses of 1,024 points each, forward only
    imbalance of gamma     16 datapoints, one at a time, with two random losses each
    zero-cost proxies      32 datapoints, of which some proxies take the first 12 (zero_cost.py)
Every number is of the network as the module computes it: layer_gradients.py, faster for some layered networks, is not
used, since a batch takes milliseconds either way and two routes would differ in their last digits.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from distnlc.metrics.extra import said
from distnlc.metrics.gradient_summary import gradient_summary
from distnlc.metrics.groups import GROUPS, Measured
from distnlc.metrics.initial_sensitivity import BATCH, ELLIPSES, initial_probability_jacobian, initial_transitions
from distnlc.metrics.measurable import Network, UnmeasurableError
from distnlc.metrics.normalized_sensitivity import batch_sensitivity
from distnlc.metrics.scaling import scaling_imbalance
from distnlc.metrics.size import size
from distnlc.metrics.zero_cost import proxy
from distnlc.networks.device_errors import of_device
from distnlc.networks.seeded import seeded
from distnlc.plugins import loaded
from distnlc.records import INITIAL, MeasurementRow
from distnlc.spec import derive_seed

SCALING_EFFORT = {"samples": 16, "draws": 2}
"""datapoints, one at a time, and random losses of each"""


@dataclass(frozen=True)
class Given:
    """The network and the data that a metric is measured on."""

    network: Network
    """(batch, d_in...) -> (batch, d_out), without dropout; a module, unless the user's callable is none"""
    inputs: Tensor
    """(points, d_in...), in the network's type"""
    labels: Tensor | None
    """(points,) whole numbers; None: metrics that need them are missing"""
    loss_scale: float
    """c, by which the loss divides the outputs"""
    batch_size: int
    """as in training, where batch norm makes the network a function of batches"""
    seed: int
    """of the network"""
    ellipses: int = ELLIPSES
    """along which transitions are counted"""
    at_a_time: int = BATCH
    """points of an ellipse that go through the network together"""
    twice: int | None = None
    """points of a batch that is differentiated twice; None: batch_size"""


def measure_groups(
    groups: Sequence[str], given: Given, *, unit_id: str, begun: Callable[[str], None] = lambda _: None
) -> list[MeasurementRow]:
    """One row for each metric of these groups, in their order. begun: is told each function's name as it begins."""
    rows = list[MeasurementRow]()
    for measured in (each for group in groups for each in GROUPS[group]):
        begun(measured.measure.rpartition(":")[2])
        began = time.perf_counter()
        with seeded(derive_seed("metrics", given.seed, measured.measure), given.inputs.device):
            values, reason = _values(measured, given)
        seconds = time.perf_counter() - began
        rows += [
            MeasurementRow(
                unit_id=unit_id,
                stage=INITIAL,
                name=name,
                label=quantity.label,
                log=quantity.log,
                value=value,
                reason=reason if value is None else None,
                seconds=seconds,
            )
            for (name, quantity), value in zip(measured.quantities.items(), values, strict=True)
        ]
    return rows


def _values(measured: Measured, given: Given) -> tuple[list[float | None], str]:
    """The value of each quantity, and why there is none where that is None."""
    try:
        found = loaded(measured.measure)(given)
    except Exception as error:  # whatever a family's own code raises on a pass that no training makes
        if of_device(error):
            raise
        reason = (
            f"is not defined: {error}" if isinstance(error, ValueError) else f"raised {type(error).__name__}: {error}"
        )
        return [None] * len(measured.quantities), said(reason)
    finite = [None if value is None or not math.isfinite(value) else float(value) for value in found]
    return finite, f"is not defined: {measured.undefined}"


def moments(given: Given) -> Sequence[float]:
    """chi and the effective ranks of signal and noise, at the output of one random batch."""
    size = given.twice or given.batch_size
    found = batch_sensitivity(given.network, given.inputs, batch_size=size, seed=given.seed)
    return found.chi, found.rank_signal, found.rank_noise


def gradients(given: Given) -> Sequence[float | None]:
    """Gradient scale, its growth, and what enters the last activation function, of one random batch."""
    return gradient_summary(given.network, given.inputs, batch_size=given.batch_size, seed=given.seed)


def class_jacobian(given: Given) -> Sequence[float]:
    """The initial probability Jacobian."""
    found = initial_probability_jacobian(
        given.network, given.inputs, loss_scale=given.loss_scale, batch_size=given.batch_size, seed=given.seed
    )
    return (found,)


def ellipse_transitions(given: Given) -> Sequence[float]:
    """The initial transitions."""
    if given.labels is None:
        raise UnmeasurableError("it needs labels")
    found = initial_transitions(
        *(given.network, given.inputs, given.labels),
        batch_size=given.batch_size,
        ellipses=given.ellipses,
        at_a_time=given.at_a_time,
        seed=given.seed,
    )
    return (found,)


def imbalance(given: Given) -> Sequence[float]:
    """Logarithm of the largest over the smallest gamma."""
    return (scaling_imbalance(given.network, given.inputs, seed=given.seed, **SCALING_EFFORT),)


def sizes(given: Given) -> Sequence[float | None]:
    """Depth, width and number of parameters."""
    return size(given.network, given.inputs)


def _proxy(name: str, given: Given) -> Sequence[float]:
    found = proxy(name, given.network, given.inputs, given.labels, loss_scale=given.loss_scale, seed=given.seed)
    return (found,)


gradient_norm = partial(_proxy, "gradient_norm")
snip = partial(_proxy, "snip")
grasp = partial(_proxy, "grasp")
fisher = partial(_proxy, "fisher")
synflow = partial(_proxy, "synflow")
jacobian_covariance = partial(_proxy, "jacobian_covariance")
naswot = partial(_proxy, "naswot")
layerwise_naswot = partial(_proxy, "layerwise_naswot")
zen_score = partial(_proxy, "zen_score")
ntk_condition_number = partial(_proxy, "ntk_condition_number")
