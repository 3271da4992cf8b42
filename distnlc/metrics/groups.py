"""The groups of initial metrics that a study can measure beside its columns: `metrics.groups` in a spec names them.

In: names of groups. Out: what each measures, name -> quantity, and the function that does it (group_functions.py). The
values are rows of the table `measurements`, in which the user's own metrics stand too. Nothing here needs torch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from distnlc.metrics import catalog
from distnlc.plugins import Ref
from distnlc.records import Quantity

FUNCTIONS = "distnlc.metrics.group_functions"


@dataclass(frozen=True)
class Measured:
    """The metrics that one function measures of a network at once."""

    measure: Ref
    """takes a `group_functions.Given`, gives a value (or None) for each quantity, in their order; raises ValueError,
    with the reason, for a network that has none of them"""
    quantities: Mapping[str, Quantity]
    """name in the table -> quantity"""
    undefined: str
    """why a value may be None or no finite number"""


def _proxies(*names: str) -> tuple[Measured, ...]:
    """Zero-cost proxies, each measured by itself."""
    return tuple(
        Measured(f"{FUNCTIONS}:{name}", {name: catalog.ZERO_COST[name]}, undefined="its sums vanish or overflow")
        for name in names
    )


GROUPS: Mapping[str, tuple[Measured, ...]] = {
    "moments": (
        Measured(
            f"{FUNCTIONS}:moments",
            {
                "chi": catalog.NORMALIZED_SENSITIVITY,
                "rank_signal": catalog.SIGNAL_RANK,
                "rank_noise": catalog.NOISE_RANK,
            },
            undefined="the outputs vary by rounding alone, or the noise overflows",
        ),
    ),
    "gradients": (
        Measured(
            f"{FUNCTIONS}:gradients",
            {
                "gradient_scale": catalog.GRADIENT_SCALE,
                "gradient_growth": catalog.GRADIENT_GROWTH,
                "preactivation_spread": catalog.PREACTIVATION_SPREAD,
                "sign_diversity": catalog.SIGN_DIVERSITY,
            },
            undefined="the gradient vanishes or overflows, or the network calls no activation function of torch's",
        ),
    ),
    "sensitivity": (
        Measured(
            f"{FUNCTIONS}:class_jacobian",
            {"init_probability_jacobian": catalog.INITIAL_PROBABILITY_JACOBIAN},
            undefined="the Jacobian overflows",
        ),
        Measured(
            f"{FUNCTIONS}:ellipse_transitions",
            {"init_transitions": catalog.INITIAL_ELLIPSE_TRANSITIONS},
            undefined="the signal overflows",
        ),
    ),
    "scaling": (
        Measured(
            f"{FUNCTIONS}:imbalance",
            {"scaling_imbalance": catalog.SCALING_IMBALANCE},
            undefined="a layer's weights are all 0, or get no gradient",
        ),
    ),
    "zero-cost": _proxies(
        *("gradient_norm", "snip", "grasp", "fisher", "synflow"),
        *("jacobian_covariance", "naswot", "layerwise_naswot", "zen_score"),
    ),
    "size": (
        Measured(
            f"{FUNCTIONS}:sizes",
            {name: catalog.ZERO_COST[name] for name in ("depth", "width", "parameters")},
            undefined="the network has no hidden layer",
        ),
    ),
    "ntk": _proxies("ntk_condition_number"),
}
"""group -> what is measured; each value's cost in seconds is that of the whole function it comes from"""


def measured_by(groups: Iterable[str]) -> dict[str, Quantity]:
    """Name -> quantity of all metrics of these groups."""
    return {
        name: quantity
        for group in groups
        for measured in GROUPS[group]
        for name, quantity in measured.quantities.items()
    }


def group_of(name: str) -> str | None:
    """The group that has a metric of that name."""
    return next((group for group in GROUPS if name in measured_by([group])), None)
