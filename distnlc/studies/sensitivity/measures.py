"""What is measured of one network on test points: probability Jacobians and transitions along translations (section 2).

In: a network, its data, the section `measure`. Out: columns of its row, rows of `layers` and `points`. Jacobians are of
the first test points, which the data room has shuffled, transitions of the first images of the same order.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from distnlc.data.dataset import Dataset
from distnlc.metrics.sensitivity import ProbabilityJacobian, probability_jacobian
from distnlc.metrics.transitions import Transitions, transitions
from distnlc.networks.loss import point_losses
from distnlc.networks.mlp import MLP
from distnlc.studies.sensitivity.design import Measure
from distnlc.studies.sensitivity.records import LayerRow, PointRow
from distnlc.training.spec import LossName

NUMBERS = 2**26
"""of the Jacobians of a batch by a hidden layer, at most"""
MOST_TRANSITIONS = 1e7
"""along a trajectory: where there are more, they are sampled (section E.3)"""
MANY_NEURONS = 10**5
"""from which on that is looked at"""


@dataclass
class Measured:
    """One state of a network; columns are without the prefix of the initial state."""

    columns: dict[str, Any] = field(default_factory=dict)
    layers: list[LayerRow] = field(default_factory=list)
    jacobian: ProbabilityJacobian | None = None
    """of as many test points as are wanted anywhere"""


def measured(network: MLP, data: Dataset, measure: Measure, unit_id: str, state: str) -> Measured:
    """Both metrics of a network as it is."""
    found = Measured()
    began = time.perf_counter()
    found.jacobian = jacobian = jacobian_of(network, data, max(measure.jacobian_points, measure.points))
    few = first_points(jacobian, measure.jacobian_points)
    found.columns = {
        "jacobian_norm": few.norm,
        "jacobian_sem": few.standard_error if len(few.norms) > 1 else None,
        "jacobian_points": len(few.norms),
        "jacobian_effective_points": few.effective_points,
        "logit_jacobian_norm": few.logit_norm,
        "logit_scale": few.logit_scale,
        "jacobian_seconds": time.perf_counter() - began,
    }
    if measure.trajectories:
        began = time.perf_counter()
        counts = transitions_of(network, data, measure)
        found.columns |= {
            "transitions": counts.mean,
            "transitions_sem": counts.standard_error if len(counts.counts) > 1 else None,
            "trajectories": len(counts.counts),
            "transitions_method": counts.method,
            "transitions_seconds": time.perf_counter() - began,
        }
        found.layers = list(_layers(network, counts, unit_id, state))
    return found


def jacobian_of(network: MLP, data: Dataset, points: int) -> ProbabilityJacobian:
    """The probability Jacobian of so many test points, or all there are."""
    inputs, labels = data.test_inputs[:points], data.test_labels[:points]
    numbers = network.layered.d_out * max(network.layered.widths[1:])
    batch = max(1, min(500, NUMBERS // numbers))
    return probability_jacobian(network, inputs, labels=labels, batch_size=batch)


def first_points(found: ProbabilityJacobian, points: int) -> ProbabilityJacobian:
    """The first of its points."""
    each = {name: value[:points] for name, value in vars(found).items() if value is not None}
    return replace(found, **each)


def transitions_of(network: MLP, data: Dataset, measure: Measure) -> Transitions:
    """Along the translations of the first test images."""
    images, shape = data.test_inputs[: measure.trajectories], data.shape
    method = "auto" if measure.transitions == "exact" else "sampled"
    if sum(network.layered.widths[1:-1]) > MANY_NEURONS and method == "auto":
        fewest = transitions(network, images[:1], image_shape=shape, samples_per_shift=1, method="sampled")
        method = "sampled" if fewest.mean > MOST_TRANSITIONS else method
    return transitions(network, images, image_shape=shape, samples_per_shift=measure.samples_per_shift, method=method)


def _layers(network: MLP, found: Transitions, unit_id: str, state: str) -> Iterator[LayerRow]:
    for number, counts in enumerate(found.by_layer.values(), start=1):
        neurons = network.layered.widths[number]
        mean = float(counts.double().mean())
        yield LayerRow(unit_id=unit_id, state=state, layer=number, neurons=neurons, transitions=mean)


def point_rows(found: ProbabilityJacobian, data: Dataset, points: int, loss: LossName, unit_id: str) -> list[PointRow]:
    """The first test points, one by one."""
    some = first_points(found, points)
    assert some.labels is not None
    assert some.label_norms is not None
    assert some.logit_norms is not None
    own = some.labels[:, None]
    columns = {
        "point": data.test_rows[: len(own)],
        "label": some.labels,
        "predicted": some.log_probabilities.argmax(1),
        "loss": point_losses(loss, some.log_probabilities, some.labels, 1.0),
        "jacobian_norm": some.norms,
        "class_jacobian_norm": some.label_norms,
        "logit_jacobian_norm": some.logit_norms,
        "probability": some.log_probabilities.gather(1, own).squeeze(1).exp(),
        "complement": some.complements.gather(1, own).squeeze(1),
    }
    rows = zip(*(torch.as_tensor(values).tolist() for values in columns.values()), strict=True)
    return [PointRow(unit_id=unit_id, **dict(zip(columns, row, strict=True))) for row in rows]
