"""All initial metrics of any network: the NLC and its rivals, those of the groups, the user's own.

In: a torch module or another callable (batch, d_in...) -> (batch, d_out), inputs (points, d_in...), and labels
(points,) if there are any. Out: a row for each metric, with its value or why there is none, and notes on every
departure from the network as it was given. A copy in float64 without dropout is measured (metrics/measurable.py says
how it is made): the metrics are those of one function, and the first steps to the ends of linear regions drown in the
rounding of float32. Otherwise the network's mode stays as it is: batch norm in training mode is a function of batches,
and is measured as that. Of a network that is large less is measured (effort.py), so that it takes minutes; the walks to
the ends of linear regions and the NTK's condition number take longer, and are measured where they are asked for.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from traceback import extract_tb

import torch
from torch import Tensor, nn

from distnlc.measuring.effort import FEWEST, effort_for, give_back, passes_of
from distnlc.measuring.result import Measured, Row
from distnlc.metrics.batches import checked_batch_size
from distnlc.metrics.extra import measure_extra
from distnlc.metrics.group_functions import Given, measure_groups
from distnlc.metrics.groups import GROUPS, group_of
from distnlc.metrics.jacobian import linearize
from distnlc.metrics.measurable import (
    DROPOUTS,
    Measurable,
    Network,
    UnmeasurableError,
    dtype_name,
    frozen_copy,
    measurable,
    shown,
    undisturbed,
)
from distnlc.metrics.spec import MetricsSpec
from distnlc.metrics.suite import measure_function
from distnlc.networks.device_errors import of_device
from distnlc.records import INITIAL, MeasurementRow, quantities
from distnlc.spec import MOST_SHOWN, derive_seed
from distnlc.studies.nlc.records import ArchitectureRow

PACKAGE = Path(__file__).parent.parent
COLUMNS = {
    name: quantity
    for name, quantity in quantities(ArchitectureRow).items()
    if quantity.group == "initial" and name.startswith("init_")
}
"""name -> quantity of the metrics that need only a function, in the order of the table `architectures`"""
WALKED = ("init_linear_region", "init_relative_diameter", "init_local_lipschitz")
NOT_ASKED = "takes many passes and was not asked for (walks)"
LABELLED = ("init_gradient_component", "init_gradient_length")
_REGION = (
    "is told from rounding at no datapoint, or the network has a kink there, as where the pixels of a flat background "
    "tie in a max-pool"
)
HIDDEN = {
    "init_linear_region": _REGION,
    "init_relative_diameter": _REGION,
    "init_cosine_correlation": "is not defined: inputs or outputs differ in direction by rounding alone",
}
"""metrics that have no value for some networks, and why that is"""
BOUNDED = ("rank_signal", "rank_noise")
"""metrics that are smaller than the number of points that they are measured on"""
Told = Callable[[str, float], None]


@undisturbed()
def measure_network(
    network: Network,
    inputs: Tensor,
    labels: Tensor | None = None,
    *,
    batch_size: int = 250,
    spec: MetricsSpec | None = None,
    seed: int = 0,
    walks: bool = False,
    ntk: bool = False,
    progress: Told = lambda _, __: None,
) -> Measured:
    """Return all rows, compared with nothing yet; arguments as in `measured.measure`.

    progress: is told what begins, and which share of the work is done. Raises ValueError for a network, inputs or
    labels that cannot be measured.
    """
    spec, size = spec or MetricsSpec(), checked_batch_size(inputs, batch_size)
    if len(inputs) < 2 or not bool(inputs.isfinite().all()):
        raise ValueError(f"inputs must be at least 2 points of finite numbers, found {shown(inputs)}")
    given, function, inputs, notes = _converted(network, inputs, min(size, FEWEST))
    effort = effort_for(given, inputs, size, spec)
    outputs = _outputs(function, inputs[: effort.batch_size])
    if labels is not None:
        labels = _checked_labels(labels.to(inputs.device), len(inputs), outputs)
    if effort.note:
        notes.append(effort.note)
    if effort.points < len(inputs):
        rows = torch.randperm(len(inputs), generator=_random(seed))[: effort.points].to(inputs.device)
        inputs, labels = inputs[rows], None if labels is None else labels[rows]
    why_no_walks = _why_no_walks(function, inputs[: effort.batch_size]) if walks else NOT_ASKED
    reasons = dict.fromkeys(WALKED, why_no_walks) if why_no_walks else {}
    spec = spec.model_copy(update={"nlc_batches": effort.nlc_batches} | ({"walk_batches": 0} if why_no_walks else {}))
    if labels is None:
        reasons |= dict.fromkeys(LABELLED, "is not defined: it needs labels")
    fewer = effort.twice is not None and effort.twice < size
    begun = _Begun(passes_of(effort, outputs=outputs), progress, ntk=ntk, large=effort.note is not None)
    measured = measure_function(
        *(function, inputs, labels, spec), loss_scale=None, batch_size=effort.batch_size, seed=seed, begun=begun
    )
    del function  # a copy of the network, as large as that
    of_groups = measure_groups(
        [group for group in GROUPS if group != "ntk" or ntk],
        Given(
            *(given, inputs, labels, float(measured["init_loss_scale"]), effort.batch_size, seed),
            ellipses=effort.ellipses,
            at_a_time=effort.at_a_time,
            twice=effort.twice,
        ),
        unit_id="",
        begun=begun,
    )
    if isinstance(given, nn.Module):
        for parameter in given.parameters():
            parameter.requires_grad_(True)  # as a study gives a network to metrics of the user's own
    if spec.extra:
        begun("metrics of your own")
    own = measure_extra(given, inputs, labels, spec, unit_id="", stage=INITIAL, seed=seed)
    return Measured(
        rows=(
            *(_column(name, measured, reasons) for name in COLUMNS),
            *(
                _row(row, group_of(row.name) or "own", comparable=row.name not in BOUNDED or not fewer)
                for row in of_groups
            ),
            *(_row(row, "own") for row in own),
        ),
        parameters=sum(each.numel() for each in network.parameters()) if isinstance(network, nn.Module) else None,
        outputs=outputs,
        input_shape=tuple(inputs.shape[1:]),
        points=len(inputs),
        batch_size=effort.batch_size,
        dtype=dtype_name(inputs.dtype),
        seed=seed,
        notes=tuple(notes),
    )


class _Begun:
    """Tells what begins and which share of the work is done, by the passes that each measurement is worth."""

    def __init__(self, passes: Mapping[str, float], progress: Told, *, ntk: bool, large: bool) -> None:
        self.passes = {name: count for name, count in passes.items() if ntk or name != "ntk_condition_number"}
        self.progress, self.done, self.large = progress, 0.0, large

    def __call__(self, name: str) -> None:
        if self.large:
            give_back()
        self.progress(name.removesuffix("_seconds").replace("_", " "), self.done / sum(self.passes.values()))
        self.done += self.passes.get(name, 0.0)


def _column(name: str, measured: Mapping[str, float], reasons: Mapping[str, str]) -> Row:
    """The row of one of COLUMNS; infinity is a value, nan is none."""
    one, value = COLUMNS[name], measured.get(name, math.nan)
    missing = math.isnan(value)
    hidden = HIDDEN.get(name, "is not defined: the outputs, or how they change, overflow")
    return Row(
        name=name,
        label=one.label,
        group="function",
        log=one.log,
        value=None if missing else float(value),
        reason=(reasons.get(name) or hidden) if missing else None,
        seconds=sum(measured.get(part, 0.0) for part in one.cost) if one.cost else None,
    )


def _row(row: MeasurementRow, group: str, *, comparable: bool = True) -> Row:
    return Row(
        name=row.name,
        label=row.label,
        group=group,
        log=row.log,
        value=row.value,
        reason=row.reason,
        seconds=row.seconds,
        comparable=comparable,
    )


def _random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(derive_seed("measure", seed, "points"))


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


def _converted(network: Network, inputs: Tensor, few: int) -> tuple[Network, Measurable, Tensor, list[str]]:
    """Network, the function that it is, and inputs in float64, or in float32 where the network takes no other; notes on
    what that changes. Tried on the first `few` inputs. Raises ValueError if it computes in neither."""
    notes = list[str]()
    try:
        given, function = _in_type(network, inputs[:few].double())
        inputs = inputs.double()
    except _TypeRefusedError as reason:
        given, function = _in_type(network, inputs[:few].float())
        inputs = inputs.float()
        notes.append(f"measured in float32, where rounding hides small changes; in float64 {reason}")
    return given, function, inputs, notes + _differences(network, inputs.dtype)


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


def _why_no_walks(function: Network, batch: Tensor) -> str | None:
    """Why the Jacobian cannot be applied to a direction, None if it can: some operations have one derivative only."""
    try:
        _, push_forward, _ = linearize(function, batch)
        push_forward(torch.ones_like(batch))
    except RuntimeError as error:
        if of_device(error):
            raise
        return f"differentiates twice: {brief(error)}"
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
