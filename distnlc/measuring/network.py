"""All initial metrics of any network: the NLC and the competitors of the paper's section 6.

In: a torch module or another callable (batch, d_in...) -> (batch, d_out), inputs (points, d_in...), and labels
(points,) if there are any. Out: the metrics by their names in `ArchitectureRow`, and notes on every departure from the
network as it was given. A copy in float64 without dropout is measured (metrics/measurable.py says how it is made): the
metrics are those of one function, and the first steps to the ends of linear regions drown in the rounding of float32.
Otherwise the network's mode stays as it is: batch norm in training mode is a function of batches, and is measured as
that.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb

import torch
from torch import Tensor, nn

from distnlc.measuring.class_sensitivity import initial_class_sensitivity
from distnlc.metrics.batches import checked_batch_size
from distnlc.metrics.extra import measure_extra
from distnlc.metrics.gradient_summary import GradientSummary, gradient_summary
from distnlc.metrics.group_functions import SCALING_EFFORT
from distnlc.metrics.jacobian import linearize
from distnlc.metrics.measurable import (
    DROPOUTS,
    Measurable,
    Network,
    UnmeasurableError,
    dtype_name,
    frozen_copy,
    measurable,
    of_device,
    shown,
    undisturbed,
)
from distnlc.metrics.normalized_sensitivity import Sensitivity, batch_sensitivity
from distnlc.metrics.scaling import scaling_imbalance
from distnlc.metrics.spec import MetricsSpec
from distnlc.metrics.suite import measure_function
from distnlc.metrics.zero_cost import Proxy, zero_cost
from distnlc.records import INITIAL, MeasurementRow
from distnlc.spec import MOST_SHOWN

PACKAGE = Path(__file__).parent.parent
_REGION = (
    "at most datapoints rounding hides the network's changes, or the network has a kink, as where the pixels of a flat "
    "background tie in a max-pool"
)
HIDDEN = {
    "init_linear_region": ("linear region", _REGION),
    "init_relative_diameter": ("relative diameter", _REGION),
    "init_cosine_correlation": ("correlation preservation", "inputs or outputs differ in direction by rounding alone"),
}
"""metrics that have no value for some networks: what they are called, and why that is"""


@dataclass(frozen=True)
class Measurement:
    """The initial metrics of one network."""

    metrics: dict[str, float]
    """by their names in `ArchitectureRow`; those that could not be measured are absent"""
    sensitivity: Sensitivity | None
    """normalized sensitivity and effective ranks at the output, of one random batch; None if it has no value"""
    gradients: GradientSummary | None
    """gradient scale at the input, its growth, and what enters the last activation function, of one random batch; None
    if it has no value"""
    class_sensitivity: dict[str, float]
    """initial probability Jacobian and initial transitions, by the names in class_sensitivity.py"""
    scaling_imbalance: float | None
    """log of the largest over the smallest gamma; None for a callable that is no module, and if it has no value"""
    parameters: int | None
    """None for a callable that is no module"""
    d_out: int
    dtype: torch.dtype
    own: list[MeasurementRow]
    """those that `spec.extra` names, metrics of the user's own"""
    zero_cost: dict[str, Proxy]
    """zero-cost proxies and sizes, by the names in catalog/zero_cost.py, each with its cost or why it is missing"""
    notes: list[str]
    """in plain words, what was measured otherwise or not at all, and why; but for `zero_cost`, which says it itself"""


def measure(
    network: Network,
    inputs: Tensor,
    labels: Tensor | None = None,
    *,
    batch_size: int = 250,
    spec: MetricsSpec | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Return all initial metrics by their names in the table `architectures`, such as `init_nlc`.

    network: (batch, d_in...) -> (batch, d_out); if it is a module, a copy of it goes to the inputs' device, and to
    float64 if it can. inputs: (points, d_in...). labels: (points,), whole numbers in 0 ... d_out - 1; without them the
    gradients of the loss are left out. batch_size: as in training, where batch norm makes the network a function of
    batches. spec: how much is measured; left out, as much as in a study. Nothing that is given changes. Raises
    ValueError for a network, inputs or labels that cannot be measured.
    """
    return measure_network(network, inputs, labels, batch_size=batch_size, spec=spec, seed=seed).metrics


@undisturbed()
def measure_network(
    network: Network,
    inputs: Tensor,
    labels: Tensor | None = None,
    *,
    batch_size: int = 250,
    spec: MetricsSpec | None = None,
    seed: int = 0,
    ntk: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Measurement:
    """Return the same with notes on how it was measured.

    ntk: whether the NTK's condition number is measured, too. progress: is told the name of each zero-cost proxy before
    it is measured.
    """
    spec, notes = spec or MetricsSpec(), list[str]()
    size = checked_batch_size(inputs, batch_size)
    if len(inputs) < 2 or not bool(inputs.isfinite().all()):
        raise ValueError(f"inputs must be at least 2 points of finite numbers, found {shown(inputs)}")
    try:
        given, function = _in_type(network, inputs[:size].double())
        inputs = inputs.double()
    except _TypeRefusedError as reason:
        given, function = _in_type(network, inputs[:size].float())
        inputs = inputs.float()
        notes.append(f"measured in float32, where rounding hides small changes; in float64 {reason}")
    notes += _differences(network, inputs.dtype)
    d_out = _outputs(function, inputs[:size])
    if labels is None:
        notes.append("without labels there are no gradients of the loss and no initial transitions")
    else:
        labels = _checked_labels(labels.to(inputs.device), len(inputs), d_out)
    sensitivity = _sensitivity(given, inputs, size, seed, notes)
    gradients = _gradients(given, inputs, size, seed, notes)
    imbalance = _scaling_imbalance(given, inputs, seed, notes) if isinstance(given, nn.Module) else None
    if spec.walk_batches and (why_not := _why_not_twice(function, inputs[:size])):
        spec = spec.model_copy(update={"walk_batches": 0})
        notes.append(f"no Lipschitz estimate and linear regions, which differentiate twice: {why_not}")
    measured = measure_function(function, inputs, labels, spec, loss_scale=None, batch_size=size, seed=seed)
    metrics = {name: float(value) for name, value in measured.items() if name.startswith("init_")}
    notes += [f"no {what}: {why}" for name, (what, why) in HIDDEN.items() if math.isnan(metrics.get(name, 0))]
    metrics = {name: value for name, value in metrics.items() if not (name in HIDDEN and math.isnan(value))}
    of_classes, missing = initial_class_sensitivity(
        given, inputs, labels, loss_scale=metrics["init_loss_scale"], batch_size=size, seed=seed
    )
    notes += missing
    proxies = zero_cost(
        given, inputs, labels, loss_scale=metrics["init_loss_scale"], seed=seed, ntk=ntk, progress=progress
    )
    parameters = sum(each.numel() for each in network.parameters()) if isinstance(network, nn.Module) else None
    if isinstance(given, nn.Module):
        for parameter in given.parameters():
            parameter.requires_grad_(True)  # as a study gives a network to metrics of the user's own
    own = measure_extra(given, inputs, labels, spec, unit_id="", stage=INITIAL, seed=seed)
    return Measurement(
        metrics, sensitivity, gradients, of_classes, imbalance, parameters, d_out, inputs.dtype, own, proxies, notes
    )


def _sensitivity(network: Network, inputs: Tensor, batch_size: int, seed: int, notes: list[str]) -> Sensitivity | None:
    """That of a random batch; if there is none, a note says why."""
    try:
        found = batch_sensitivity(network, inputs, batch_size=batch_size, seed=seed)
    except ValueError as reason:
        notes.append(f"no normalized sensitivity: {reason}")
        return None
    if math.isnan(found.chi):
        notes.append("no normalized sensitivity: the outputs vary by rounding alone, or the noise overflows")
        return None
    return found


def _gradients(
    network: Network, inputs: Tensor, batch_size: int, seed: int, notes: list[str]
) -> GradientSummary | None:
    """That of a random batch; if there is none, or no activation function, a note says why."""
    try:
        found = gradient_summary(network, inputs, batch_size=batch_size, seed=seed)
    except ValueError as reason:
        notes.append(f"no gradient scale: {reason}")
        return None
    if found.preactivation_spread is None:
        notes.append("no spread before the activation: the network calls no activation function of torch's")
    return found


def _scaling_imbalance(network: nn.Module, inputs: Tensor, seed: int, notes: list[str]) -> float | None:
    """That of a few datapoints; if there is none, a note says why."""
    try:
        found = scaling_imbalance(network, inputs, seed=seed, **SCALING_EFFORT)
    except ValueError as reason:
        notes.append(f"no imbalance of the layers: {reason}")
        return None
    if math.isnan(found):
        notes.append("no imbalance of the layers: a layer's weights are all 0, or get no gradient")
        return None
    return found


class _TypeRefusedError(ValueError):
    """A network that does not compute in the type of its inputs."""


def _in_type(network: Network, batch: Tensor) -> tuple[Network, Measurable]:
    """The network in the batch's type and on its device, a copy if it is a module, and the function that it is.

    Raises UnmeasurableError, or _TypeRefusedError if it does not compute in that type.
    """
    if isinstance(network, nn.Module):
        network = frozen_copy(network).to(batch.device)
        network = network.double() if batch.dtype == torch.float64 else network.float()  # complex numbers stay
    function = measurable(network)
    try:
        with torch.no_grad():
            outputs = function(batch)
    except UnmeasurableError:
        raise
    except Exception as error:  # whatever the user's code raises
        if of_device(error):
            raise
        raise _TypeRefusedError(
            f"the network does not take a batch of {len(batch)} points of shape {tuple(batch.shape[1:])}, "
            f"{dtype_name(batch.dtype)}: {brief(error)}"
        ) from None
    if outputs.dtype != batch.dtype:
        raise _TypeRefusedError(f"the network maps {shown(batch)} to {shown(outputs)}")
    return network, function


def _differences(network: Network, dtype: torch.dtype) -> list[str]:
    """How the measured copy differs from the network."""
    if not isinstance(network, nn.Module):
        return []
    notes = []
    others = {parameter.dtype for parameter in network.parameters()} - {dtype}
    if others:
        notes.append(f"measured in {dtype_name(dtype)}, converted from {', '.join(sorted(map(dtype_name, others)))}")
    dropouts = [module for module in network.modules() if isinstance(module, DROPOUTS) and module.training]
    if any(getattr(module, "p", 0) or getattr(module, "dropout", 0) for module in dropouts):
        notes.append("measured without its dropout")
    return notes


def _outputs(function: Measurable, batch: Tensor) -> int:
    """The number of outputs d_out. Raises ValueError if they are not those of a function that can be measured."""
    with torch.no_grad():
        outputs = function(batch)
    if not bool(outputs.isfinite().all()):
        raise UnmeasurableError(f"the network's outputs must be finite, but of {shown(batch)} it makes nan or infinity")
    if why_not := function.why_no_function(batch):
        raise UnmeasurableError(why_not)
    if not bool((outputs != outputs[0]).any()):
        raise UnmeasurableError(
            "the network gives the same outputs for all inputs, so there is no nonlinearity to measure; "
            "does its last layer begin with zeros?"
        )
    return outputs.shape[1]


def _checked_labels(labels: Tensor, points: int, d_out: int) -> Tensor:
    expected = f"labels must be whole numbers in 0 ... {d_out - 1} (the network has {d_out} outputs), one per input"
    if labels.is_floating_point() or labels.shape != (points,):
        raise ValueError(f"{expected}, that is of shape ({points},), found {shown(labels)}")
    if int(labels.min()) < 0 or int(labels.max()) >= d_out:
        raise ValueError(f"{expected}, found numbers from {labels.min()} to {labels.max()}")
    return labels.long()


def _why_not_twice(function: Network, batch: Tensor) -> str | None:
    """Why the Jacobian cannot be applied to a direction, if so: some operations can be differentiated once only."""
    try:
        _, push_forward, _ = linearize(function, batch)
        push_forward(torch.ones_like(batch))
    except RuntimeError as error:
        if of_device(error):
            raise
        return brief(error)
    return None


def brief(error: BaseException) -> str:
    """One line on what the user's code raised, and where."""
    frames = [
        frame
        for frame in extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename and not Path(frame.filename).is_relative_to(PACKAGE)
    ]
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:MOST_SHOWN]}{where}"
