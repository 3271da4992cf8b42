"""The sensitivity of the class probabilities, for `distnlc measure`: at initialization, and of a trained network.

In: a network with a dataset's inputs and labels. Out: numbers by name, and for what has no value a note that says why:
the initial probability Jacobian and initial transitions, which any network has; and with `--sensitivity` the study's
two metrics on the test part, of the network as it is, on as many points as in `sensitivity-small`.
"""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from distnlc.metrics import catalog
from distnlc.metrics.initial_sensitivity import initial_probability_jacobian, initial_transitions
from distnlc.metrics.measurable import Network
from distnlc.metrics.sensitivity import probability_jacobian
from distnlc.metrics.transitions import transitions

INITIAL = {
    "init_probability_jacobian": catalog.INITIAL_PROBABILITY_JACOBIAN.label,
    "init_transitions": catalog.INITIAL_ELLIPSE_TRANSITIONS.label,
}
"""name -> label"""
TESTED = {
    "probability_jacobian": catalog.PROBABILITY_JACOBIAN.label,
    "probability_jacobian_sem": catalog.PROBABILITY_JACOBIAN_ERROR.label,
    "probability_jacobian_points": catalog.PROBABILITY_JACOBIAN_POINTS.label,
    "transitions": catalog.TRANSITIONS.label,
    "transitions_sem": catalog.TRANSITIONS_ERROR.label,
}
"""name -> label"""
LABELS = INITIAL | TESTED
Measure = Callable[[], Sequence[float]]
POINTS, TRAJECTORIES = 1000, 20
"""at most, of the test part"""


def initial_class_sensitivity(
    network: Network, inputs: Tensor, labels: Tensor | None, *, loss_scale: float, batch_size: int, seed: int
) -> tuple[dict[str, float], list[str]]:
    """Those of INITIAL that have a value, and notes on the others.

    inputs: (points, d_in...), in the network's type. labels: (points,). loss_scale: c, by which the loss divides the
    outputs.
    """
    settings = {"batch_size": batch_size, "seed": seed}
    measures: dict[str, Measure] = {
        "init_probability_jacobian": lambda: [
            initial_probability_jacobian(network, inputs, loss_scale=loss_scale, **settings)
        ]
    }
    if labels is not None:
        measures["init_transitions"] = lambda: [initial_transitions(network, inputs, labels, **settings)]
    return _measured(measures, INITIAL)


def tested_class_sensitivity(
    network: Network, inputs: Tensor, image_shape: tuple[int, ...] | None
) -> tuple[dict[str, float], list[str]]:
    """Those of TESTED that have a value, and notes on the others; the network in its own mode.

    inputs: (points, d_in...) of the test part. image_shape: how rows of numbers are read as images; None: as they are.
    """

    def jacobian() -> list[float]:
        found = probability_jacobian(network, inputs[:POINTS])
        return [found.norm, found.standard_error, found.effective_points]

    def changes() -> list[float]:
        found = transitions(network, inputs[:TRAJECTORIES], image_shape=image_shape)
        return [found.mean, found.standard_error]

    return _measured({"probability_jacobian": jacobian, "transitions": changes}, TESTED)


def _measured(measures: Mapping[str, Measure], labels: Mapping[str, str]) -> tuple[dict[str, float], list[str]]:
    """What each gives, under its name and those of `labels` that begin with it."""
    found, notes = dict[str, float](), list[str]()
    for name, measure in measures.items():
        names = [each for each in labels if each.startswith(name)]
        try:
            found |= zip(names, measure(), strict=True)
        except ValueError as reason:
            notes.append(f"{labels[name]}: no value: {reason}")
    return found, notes
