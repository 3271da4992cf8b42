"""`layerwise_naswot`: NASWOT of each layer by itself, added up.

    score = sum over activation functions of log |det K_l|,    K_l as in naswot.py, of that function's neurons alone

It has no defining paper: public collections of zero-cost proxies have it beside NASWOT, some at the outputs of linear
layers; here codes are those of equation 1 of "Neural Architecture Search without Training" (ICML 2021), at the
activation functions. Larger is taken for better. Needs no labels. Missing where it is for NASWOT, and where one layer's
kernel is singular, such as in a layer that has fewer neurons than there are inputs, less one: public code writes 0
there, which is no smaller than what other layers have.
"""

from torch import Tensor

from distnlc.metrics.measurable import Network, undisturbed
from distnlc.metrics.naswot import code_kernels, log_determinant


@undisturbed()
def layerwise_naswot(network: Network, inputs: Tensor) -> float:
    """Return the score, a number without a unit; arguments and errors are those of `naswot`."""
    return sum(naswot_layers(network, inputs))


def naswot_layers(network: Network, inputs: Tensor) -> list[float]:
    """Return the score of each activation function, in order of execution; arguments and errors likewise."""
    kernels = enumerate(code_kernels(network, inputs), start=1)
    return [log_determinant(kernel, f"activation function {number}") for number, kernel in kernels]
