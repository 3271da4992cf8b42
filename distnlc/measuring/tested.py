"""The sensitivity of a network, trained or not, on the test part, beside the networks of the sensitivity example.

In: a network in its own mode, with inputs of a dataset's test part. Out: `Measured` with rows of the sensitivity
study's two metrics, on as many points as in `sensitivity-small`; where the example has networks on that dataset, its
place among them and the nearest of them.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import Tensor

from distnlc.measuring.result import Measured, Row
from distnlc.metrics import catalog
from distnlc.metrics.measurable import Network
from distnlc.metrics.sensitivity import probability_jacobian
from distnlc.metrics.transitions import transitions
from distnlc.records import Quantity

JACOBIAN = {
    "probability_jacobian": catalog.PROBABILITY_JACOBIAN,
    "probability_jacobian_sem": catalog.PROBABILITY_JACOBIAN_ERROR,
    "probability_jacobian_points": catalog.PROBABILITY_JACOBIAN_POINTS,
}
TRANSITIONS = {"transitions": catalog.TRANSITIONS, "transitions_sem": catalog.TRANSITIONS_ERROR}
POINTS, TRAJECTORIES = 1000, 20
"""at most, of the test part"""


def with_tested(
    found: Measured, network: Network, inputs: Tensor, image_shape: tuple[int, ...] | None, data: str
) -> Measured:
    """`found` with these rows. inputs: (points, d_in...) of the test part, in the network's type. image_shape: how rows
    of numbers are read as images; None: as they are. data: the dataset's name."""
    from distnlc.analysis.nlc.expectation import place_among
    from distnlc.analysis.sensitivity.neighbours import CAVEAT, fitted_networks, neighbours

    def jacobian() -> Sequence[float]:
        of_points = probability_jacobian(network, inputs[:POINTS], batch_size=found.batch_size)
        return of_points.norm, of_points.standard_error, of_points.effective_points

    def changes() -> Sequence[float]:
        of_images = transitions(network, inputs[:TRAJECTORIES], image_shape=image_shape)
        return of_images.mean, of_images.standard_error

    rows = [*_rows(JACOBIAN, jacobian), *_rows(TRANSITIONS, changes)]
    others, norm = fitted_networks(data), rows[0].value
    if others.empty:
        return replace(found, rows=(*found.rows, *rows))

    def placed(row: Row) -> Row:
        if row.value is None or row.name not in others:
            return row
        among = place_among(others[row.name].dropna(), row.value)
        return replace(row, percentile=among.percentile, median=among.median, count=among.count)

    note = f"the test part's percentiles and medians: of {len(others)} fitted networks on {data}; {CAVEAT}"
    return replace(
        found,
        rows=(*found.rows, *map(placed, rows)),
        neighbours=() if norm is None else neighbours(others, norm),
        notes=(*found.notes, note),
    )


def _rows(quantities: dict[str, Quantity], measure: Callable[[], Sequence[float]]) -> list[Row]:
    began, reason = time.perf_counter(), None
    values: Sequence[float | None] = [None] * len(quantities)
    try:
        values = measure()
    except ValueError as error:
        reason = f"is not defined: {error}"
    seconds = time.perf_counter() - began
    return [
        Row(name=name, label=one.label, group="test", log=one.log, value=value, reason=reason, seconds=seconds)
        for (name, one), value in zip(quantities.items(), values, strict=True)
    ]
