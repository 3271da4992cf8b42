"""Metrics of the user's own, measured on one network.

In: a network, the training part, the spec's section `metrics`. Out: rows of the table `measurements`. A metric gets
copies, so that nothing it does changes the study, and torch's random numbers from a seed that the network, the stage
and the metric fix. One that raises, or gives no finite number, gives a missing value with its reason, and the unit goes
on.
"""

import copy
import math
import time
from collections.abc import Callable
from typing import Any

from torch import Tensor

from distnlc.metrics.measurable import Network
from distnlc.metrics.spec import MetricsSpec
from distnlc.networks.device_errors import of_device
from distnlc.networks.seeded import seeded
from distnlc.plugins import Metric, loaded, plugin_required
from distnlc.records import MeasurementRow
from distnlc.spec import derive_seed

REASON_CHARACTERS = 300


def measure_extra(
    network: Network, inputs: Tensor, labels: Tensor | None, effort: MetricsSpec, *, unit_id: str, stage: str, seed: int
) -> list[MeasurementRow]:
    """The metrics that `effort.extra` names, one row each. Raises SpecError for a metric that is not here.

    network: (batch, d_in) -> (batch, d_out). inputs: (points, d_in). labels: (points,), if there are any. seed: of the
    network.
    """
    rows = []
    for named in effort.extra:
        metric = plugin_required(Metric, named.name)
        began = time.perf_counter()
        given = copy.deepcopy(network), inputs.clone(), None if labels is None else labels.clone(), effort
        with seeded(derive_seed("metric", seed, stage, metric.name), inputs.device):
            value, reason = _value(loaded(metric.measure), *given)
        rows.append(
            MeasurementRow(
                unit_id=unit_id,
                stage=stage,
                name=metric.name,
                label=metric.label,
                log=metric.log,
                value=value,
                reason=reason,
                seconds=time.perf_counter() - began,
            )
        )
    return rows


def _value(measure: Callable[..., Any], *given: Any) -> tuple[float | None, str | None]:
    """The metric's value, or why there is none."""
    try:
        found = measure(*given)
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        if of_device(error):
            raise
        return None, said(f"raised {type(error).__name__}: {error}")
    if found is None:
        return None, "is not defined there (it gave None)"
    try:
        value = math.nan if isinstance(found, str | bytes) else float(found)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:  # RuntimeError: a tensor of several numbers
        if of_device(error):
            raise
        return None, f"gave {type(found).__name__}, not a number"
    return (value, None) if math.isfinite(value) else (None, f"gave {found!r}"[:REASON_CHARACTERS])


def said(reason: str) -> str:
    """A reason on one line of the table, whatever an error's text holds."""
    return " ".join(reason.split())[:REASON_CHARACTERS]
