"""`naswot`: can a network tell inputs apart by which of its neurons are active? (J. Mellor, J. Turner, A. Storkey and
E. J. Crowley, "Neural Architecture Search without Training", ICML 2021, equations 1 and 2.)

    score = log |det K|,    K_ij = number of neurons at which inputs i and j have the same code
                                 = N_A - Hamming distance of their codes

A neuron's code is whether its pre-activation is above 0, at every position of an image's channel. ReLU is what the
paper is about; other functions that are linear between kinks have one such code for each kink. Smooth ones have no
linear regions and no code: such a network, even if only one of its functions is smooth, has no score. Larger is taken
for better. Needs no labels. Batch norm in training mode is that of the points as one batch, as in the paper's code.
Missing where K is singular within rounding, such as where two inputs have one code: there the logarithm is minus
infinity, for which public code writes 0.
"""

import torch
from torch import Tensor

from distnlc.metrics.activation_calls import ActivationCall, ActivationCalls
from distnlc.metrics.measurable import Network, UnmeasurableError, undisturbed
from distnlc.metrics.prepared import checked_points, prepared
from distnlc.metrics.taps import is_of_datapoints

TOGETHER = 2**16
"""neurons whose codes are compared at a time: float32 counts them exactly"""


@undisturbed()
def naswot(network: Network, inputs: Tensor) -> float:
    """Return the NASWOT score, a number without a unit.

    network: (points, d_in...) -> (points, d_out); activation functions are seen as activation_calls.py says. inputs:
    (points, d_in...), float32 or float64, at least two, one batch. Nothing that is given changes. Raises ValueError for
    a network or inputs that cannot be measured.
    """
    total = sum(code_kernels(network, inputs))
    assert isinstance(total, Tensor)
    return log_determinant(total, "all neurons")


@torch.no_grad()
def code_kernels(network: Network, inputs: Tensor) -> list[Tensor]:
    """K (points, points) float64 of every activation function, in order of execution. Raises ValueError."""
    function, module, _ = prepared(network, checked_points(inputs))
    if len(inputs) < 2:
        raise ValueError("codes are compared of at least 2 inputs, found 1")
    kernels = list[Tensor]()

    def see(call: ActivationCall) -> Tensor:
        if is_of_datapoints(call.signal, len(inputs)):
            if call.kinks is None:
                raise UnmeasurableError(f"{call.name} has no linear regions, so neurons behind it have no code")
            if not bool(call.signal.isfinite().all()):
                raise UnmeasurableError(f"what enters {call.name} must be finite, found nan or infinity")
            kernels.append(sum((_agreements(call.signal.flatten(1) > each) for each in call.kinks), torch.zeros(())))
        value: Tensor = call.compute()
        return value

    with ActivationCalls(module, see):
        function(inputs.detach())
    if not kernels:
        raise UnmeasurableError("the network calls no activation function of torch's, so it has no code")
    return kernels


def _agreements(codes: Tensor) -> Tensor:
    """The number of equal entries of any two rows of codes (points, neurons)."""
    kernel = torch.zeros(len(codes), len(codes), dtype=torch.float64, device=codes.device)
    for some in codes.split(TOGETHER, 1):
        signs = some.float() * 2 - 1
        kernel += (signs @ signs.T).double()
    return (kernel + codes.shape[1]) / 2


def log_determinant(kernel: Tensor, what: str) -> float:
    """log |det K|. Raises UnmeasurableError for a matrix that is singular within rounding."""
    eigenvalues = torch.linalg.eigvalsh(kernel)
    if not float(eigenvalues[0]) > float(eigenvalues[-1]) * len(kernel) * torch.finfo(torch.float64).eps:
        raise UnmeasurableError(
            f"the kernel of {what} is singular: inputs share a code, or there are too few neurons for so many inputs"
        )
    return float(eigenvalues.log().sum())
