"""Quantities of a network, one file each: functions of (network, inputs, ...) for any module or callable.

A network maps (batch, d_in...) to (batch, d_out); everything is computed in the dtype and on the device
of the inputs, from a seed, and leaves the network as it was. Networks with batch statistics are
functions of batches.
"""

from distnlc.metrics.activation import activation_nlc, linear_approximation_error
from distnlc.metrics.bias import output_bias
from distnlc.metrics.correlation import correlation_preservation
from distnlc.metrics.gradients import InputGradients, input_gradients
from distnlc.metrics.lipschitz import local_lipschitz
from distnlc.metrics.nlc import jacobian_norm, nlc, nlc_from
from distnlc.metrics.perturbation import error_preserving_perturbation
from distnlc.metrics.region import relative_diameter
from distnlc.metrics.spread import Moments, input_moments, output_moments

__all__ = [
    "InputGradients",
    "Moments",
    "activation_nlc",
    "correlation_preservation",
    "error_preserving_perturbation",
    "input_gradients",
    "input_moments",
    "jacobian_norm",
    "linear_approximation_error",
    "local_lipschitz",
    "nlc",
    "nlc_from",
    "output_bias",
    "output_moments",
    "relative_diameter",
]
