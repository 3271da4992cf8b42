"""The sensitivity of the class probabilities, for `distnlc measure`: of the network as it is before training.

In: the copy that is measured, with the dataset's inputs and labels. Out: its initial probability Jacobian and initial
transitions by name; for what has no value, a note says why.
"""

from collections.abc import Callable

from torch import Tensor

from distnlc.metrics import catalog
from distnlc.metrics.initial_sensitivity import initial_probability_jacobian, initial_transitions
from distnlc.metrics.measurable import Network

INITIAL = {
    "init_probability_jacobian": catalog.INITIAL_PROBABILITY_JACOBIAN.label,
    "init_transitions": catalog.INITIAL_ELLIPSE_TRANSITIONS.label,
}
"""name -> label"""


def initial_class_sensitivity(
    network: Network, inputs: Tensor, labels: Tensor | None, *, loss_scale: float, batch_size: int, seed: int
) -> tuple[dict[str, float], list[str]]:
    """Those of INITIAL that have a value, and notes on the others.

    inputs: (points, d_in...), in the network's type. labels: (points,). loss_scale: c, by which the loss divides the
    outputs.
    """
    found, notes = dict[str, float](), list[str]()

    def measured(name: str, measure: Callable[[], float]) -> None:
        try:
            found[name] = measure()
        except ValueError as reason:
            notes.append(f"{INITIAL[name]}: no value: {reason}")

    settings = {"batch_size": batch_size, "seed": seed}
    measured(
        "init_probability_jacobian",
        lambda: initial_probability_jacobian(network, inputs, loss_scale=loss_scale, **settings),
    )
    if labels is not None:
        measured("init_transitions", lambda: initial_transitions(network, inputs, labels, **settings))
    return found, notes
