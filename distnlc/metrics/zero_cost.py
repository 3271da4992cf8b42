"""All zero-cost proxies of one network, on one random batch, each with its cost, and the reason where one is missing.

In: a network, inputs (points, d_in...), labels (points,) if there are any. Out: name, as in catalog/zero_cost.py ->
value, reason, seconds. The batch is the same for all of them and small, so that a network of 25 million parameters on
images is measured in less than 4 GiB; numbers of batches of another size cannot be compared.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from distnlc.metrics.batches import random_batches
from distnlc.metrics.fisher import fisher
from distnlc.metrics.gradient_norm import gradient_norm
from distnlc.metrics.grasp import grasp
from distnlc.metrics.jacobian_covariance import jacobian_covariance
from distnlc.metrics.layerwise_naswot import layerwise_naswot
from distnlc.metrics.measurable import Network, UnmeasurableError, of_device
from distnlc.metrics.naswot import naswot
from distnlc.metrics.ntk_condition import ntk_condition_number
from distnlc.metrics.size import size
from distnlc.metrics.snip import snip
from distnlc.metrics.synflow import synflow
from distnlc.metrics.zen_score import zen_score
from distnlc.spec import MOST_SHOWN, derive_seed

POINTS = 32
"""of the batch"""
TWICE = 16
"""the first of them, for what differentiates twice: that takes three times as much memory"""
OF_LABELS = {"gradient_norm": gradient_norm, "snip": snip, "grasp": grasp, "fisher": fisher}
OF_INPUTS = {
    "synflow": synflow,
    "jacobian_covariance": jacobian_covariance,
    "naswot": naswot,
    "layerwise_naswot": layerwise_naswot,
}
SIZES = ("depth", "width", "parameters")


class Proxy(NamedTuple):
    """One value."""

    value: float | None
    reason: str | None
    """why there is no value"""
    seconds: float
    """wall time of its measurement"""


def zero_cost(
    network: Network,
    inputs: Tensor,
    labels: Tensor | None,
    *,
    loss_scale: float = 1.0,
    seed: int = 0,
    ntk: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Proxy]:
    """Return all of them by name, in the catalog's order.

    inputs: (points, d_in...), float32 or float64, of which a random batch is taken. labels: (points,) whole numbers;
    None: those that need them are missing. loss_scale: c, by which the loss divides the outputs. ntk: whether the NTK's
    condition number is measured too, which takes hours for a large network. progress: is told each name before it is
    measured. Raises only what says nothing about the network, such as that memory has run out.
    """
    random = torch.Generator().manual_seed(derive_seed("metrics", seed, "zero cost"))
    (rows,) = random_batches(inputs, POINTS, 1, random)
    batch = inputs[rows]
    measures: dict[str, Callable[[], float]] = {}
    for name, of_labels in OF_LABELS.items():
        some = rows[:TWICE] if of_labels is grasp else rows
        measures[name] = partial(_of_labels, of_labels, network, inputs, labels, some, loss_scale)
    for name, of_inputs in OF_INPUTS.items():
        measures[name] = partial(of_inputs, network, batch)
    measures["zen_score"] = partial(zen_score, network, batch, seed=seed)
    if ntk:
        measures["ntk_condition_number"] = partial(ntk_condition_number, network, batch[:TWICE])
    found = {}
    for name, measure in measures.items():
        progress(name)
        found[name] = _measured(measure)
    progress("size")
    return found | _sizes(network, batch)


def _of_labels(
    measure: Callable[..., float],
    network: Network,
    inputs: Tensor,
    labels: Tensor | None,
    rows: Tensor,
    loss_scale: float,
) -> float:
    if labels is None:
        raise UnmeasurableError("it needs labels")
    return measure(network, inputs[rows], labels[rows], loss_scale=loss_scale)


def _measured(measure: Callable[[], float]) -> Proxy:
    began = time.perf_counter()
    try:
        value, reason = measure(), None
    except Exception as error:  # whatever the user's code raises
        value, reason = None, _reason(error)
    return Proxy(value, reason, time.perf_counter() - began)


def _reason(error: Exception) -> str:
    """Why there is no value; errors of the device are raised again."""
    if of_device(error):
        raise error
    said = " ".join(str(error).split())[:MOST_SHOWN]
    return said if isinstance(error, ValueError) else f"the network raised {type(error).__name__}: {said}"


def _sizes(network: Network, batch: Tensor) -> dict[str, Proxy]:
    """Depth, width and number of parameters, which one pass gives."""
    began = time.perf_counter()
    try:
        values, reason = size(network, batch)._asdict(), "the network has no hidden layer"
    except Exception as error:  # whatever the user's code raises
        values, reason = dict[str, float | None](), _reason(error)
    seconds = time.perf_counter() - began
    return {
        name: Proxy(value, reason if value is None else None, seconds)
        for name, value in ((name, values.get(name)) for name in SIZES)
    }
