"""All zero-cost proxies of one network, on one random batch, each with its cost, and the reason where one is missing.

In: a network, inputs (points, d_in...), labels (points,) if there are any. Out: name, as in catalog/zero_cost.py ->
value, reason, seconds. The batch is the same for all of them and small, so that a network of 25 million parameters on
images is measured in less than 4 GiB; numbers of batches of another size cannot be compared.
"""

import time
from collections.abc import Callable, Mapping
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
from distnlc.metrics.measurable import Network, UnmeasurableError
from distnlc.metrics.naswot import naswot
from distnlc.metrics.ntk_condition import ntk_condition_number
from distnlc.metrics.size import size
from distnlc.metrics.snip import snip
from distnlc.metrics.synflow import synflow
from distnlc.metrics.zen_score import zen_score
from distnlc.networks.device_errors import of_device
from distnlc.spec import MOST_SHOWN, derive_seed

POINTS = 32
"""of the batch"""
FEW = 12
"""the first points of the batch, for what differentiates twice, which takes three times as much memory, and for what
compares points in pairs: in a layer with fewer neurons than there are points the matrix of pairs is singular"""
OF_FEW = {"grasp", "ntk_condition_number", "jacobian_covariance", "naswot", "layerwise_naswot"}
OF_LABELS: Mapping[str, Callable[..., float]] = {
    "gradient_norm": gradient_norm,
    "snip": snip,
    "grasp": grasp,
    "fisher": fisher,
}
OF_INPUTS: Mapping[str, Callable[..., float]] = {
    "synflow": synflow,
    "jacobian_covariance": jacobian_covariance,
    "naswot": naswot,
    "layerwise_naswot": layerwise_naswot,
    "zen_score": zen_score,
    "ntk_condition_number": ntk_condition_number,
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
    """Return all zero-cost proxies of a network by name, in the catalog's order.

    inputs: (points, d_in...), float32 or float64, of which a random batch is taken. labels: (points,) whole numbers;
    None: the proxies that need them are missing. loss_scale: c, by which the loss divides the outputs. ntk: whether the
    NTK's condition number is measured too, which takes hours for a large network. progress: is told each name before it
    is measured. Raises only what says nothing about the network, such as that memory has run out.
    """
    found = {}
    for name in (*OF_LABELS, *OF_INPUTS):
        if name != "ntk_condition_number" or ntk:
            progress(name)
            found[name] = _measured(partial(proxy, name, network, inputs, labels, loss_scale=loss_scale, seed=seed))
    progress("size")
    return found | _sizes(network, inputs)


def proxy(
    name: str, network: Network, inputs: Tensor, labels: Tensor | None, *, loss_scale: float = 1.0, seed: int = 0
) -> float:
    """Return one proxy. Arguments as of `zero_cost`; raises ValueError where it has no value."""
    random = torch.Generator().manual_seed(derive_seed("metrics", seed, "zero cost"))
    (rows,) = random_batches(inputs, POINTS, 1, random)
    if name in OF_FEW:
        rows = rows[:FEW]
    if name in OF_LABELS:
        if labels is None:
            raise UnmeasurableError("it needs labels")
        return OF_LABELS[name](network, inputs[rows], labels[rows], loss_scale=loss_scale)
    settings = {"seed": seed} if name == "zen_score" else {}
    return OF_INPUTS[name](network, inputs[rows], **settings)


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


def _sizes(network: Network, inputs: Tensor) -> dict[str, Proxy]:
    """Depth, width and number of parameters, which one pass gives."""
    began = time.perf_counter()
    try:
        values, reason = size(network, inputs)._asdict(), "the network has no hidden layer"
    except Exception as error:  # whatever the user's code raises
        values, reason = dict[str, float | None](), _reason(error)
    seconds = time.perf_counter() - began
    return {
        name: Proxy(value, reason if value is None else None, seconds)
        for name, value in ((name, values.get(name)) for name in SIZES)
    }
