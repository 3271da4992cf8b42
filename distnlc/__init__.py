"""distnlc: which property of a neural network, measured before training, predicts how well it will generalize?

The public names and their homes; each is imported when it is first used, so that importing the package does no work.
"""

from importlib import import_module
from typing import Any

_HOME = {
    # measuring a network, any torch module
    "measure": "distnlc.measuring.measured",
    "Measured": "distnlc.measuring.result",
    "nlc": "distnlc.metrics.nlc",
    "output_bias": "distnlc.metrics.bias",
    "linear_region": "distnlc.metrics.region",
    "relative_diameter": "distnlc.metrics.region",
    "error_preserving_perturbation": "distnlc.metrics.perturbation",
    "input_gradients": "distnlc.metrics.gradients",
    "local_lipschitz": "distnlc.metrics.lipschitz",
    "correlation_preservation": "distnlc.metrics.correlation",
    "normalized_sensitivity": "distnlc.metrics.normalized_sensitivity",
    "gradient_scale": "distnlc.metrics.gradient_scale",
    "gradient_growth": "distnlc.metrics.gradient_scale",
    "preactivation_spread": "distnlc.metrics.preactivation_spread",
    "dilution": "distnlc.metrics.dilution",
    "looks_linear_": "distnlc.networks.looks_linear",
    "effective_depth": "distnlc.metrics.depth_in_training",
    "probability_jacobian": "distnlc.metrics.sensitivity",
    "per_point_bounds": "distnlc.metrics.per_point_bounds",
    "transitions": "distnlc.metrics.transitions",
    "transition_density": "distnlc.metrics.transitions",
    "ellipse": "distnlc.metrics.curves",
    "random_ellipse": "distnlc.metrics.curves",
    "scaling": "distnlc.metrics.scaling",
    "scaling_imbalance": "distnlc.metrics.scaling",
    "gradient_norm": "distnlc.metrics.gradient_norm",
    "snip": "distnlc.metrics.snip",
    "grasp": "distnlc.metrics.grasp",
    "synflow": "distnlc.metrics.synflow",
    "fisher": "distnlc.metrics.fisher",
    "jacobian_covariance": "distnlc.metrics.jacobian_covariance",
    "naswot": "distnlc.metrics.naswot",
    "layerwise_naswot": "distnlc.metrics.layerwise_naswot",
    "zen_score": "distnlc.metrics.zen_score",
    "ntk_condition_number": "distnlc.metrics.ntk_condition",
    "zero_cost": "distnlc.metrics.zero_cost",
    # designing a network
    "scaling_plan": "distnlc.networks.scaling",
    "LayerShape": "distnlc.networks.layer_shapes",
    "geometric_init_": "distnlc.networks.geometric",
    "Residual": "distnlc.networks.residual",
    "Multiplier": "distnlc.networks.residual",
    "rescale_weights": "distnlc.networks.residual",
    # sampling networks
    "Architecture": "distnlc.networks.architecture",
    "sample_architecture": "distnlc.studies.nlc.sampling",
    # a kind of study of one's own
    "Kind": "distnlc.plugins",
    "Work": "distnlc.plugins",
    "Metric": "distnlc.plugins",
    "Source": "distnlc.plugins",
    "Preparation": "distnlc.plugins",
    "Family": "distnlc.plugins",
    "Curves": "distnlc.plugins",
    "StudySpec": "distnlc.spec",
    "Unit": "distnlc.spec",
    "Quantity": "distnlc.records",
    "column": "distnlc.records",
}

__all__ = [*_HOME]  # noqa: PLE0604 (names of the map above)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'distnlc' has no attribute {name!r}; it has: {', '.join(__all__)}")
    return getattr(import_module(_HOME[name]), name)
