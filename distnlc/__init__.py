"""distnlc: which property of a neural network, measured before training, predicts how well it will generalize?

The public names; each is imported when it is first used, so that importing the package does no work.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distnlc.measuring.network import measure
    from distnlc.metrics.bias import output_bias
    from distnlc.metrics.gradients import input_gradients
    from distnlc.metrics.lipschitz import local_lipschitz
    from distnlc.metrics.nlc import nlc
    from distnlc.metrics.perturbation import error_preserving_perturbation
    from distnlc.metrics.region import relative_diameter
    from distnlc.networks.architecture import Architecture
    from distnlc.studies.nlc.sampling import sample_architecture

_HOME = {
    "measure": "distnlc.measuring.network",
    "nlc": "distnlc.metrics",
    "output_bias": "distnlc.metrics",
    "relative_diameter": "distnlc.metrics",
    "error_preserving_perturbation": "distnlc.metrics",
    "input_gradients": "distnlc.metrics",
    "local_lipschitz": "distnlc.metrics",
    "Architecture": "distnlc.networks.sampling",
    "sample_architecture": "distnlc.networks.sampling",
}

__all__ = [
    "Architecture",
    "error_preserving_perturbation",
    "input_gradients",
    "local_lipschitz",
    "measure",
    "nlc",
    "output_bias",
    "relative_diameter",
    "sample_architecture",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'distnlc' has no attribute {name!r}; it has: {', '.join(__all__)}")
    return getattr(import_module(_HOME[name]), name)
