"""`gradient_norm`: how large the loss's gradient by the weights is (M. S. Abdelfattah, A. Mehrotra, L. Dudziak and
N. D. Lane, "Zero-Cost Proxies for Lightweight NAS", ICLR 2021, section 3.2: the sum of Euclidean norms).

    gradient norm = sum over weights W of || dL/dW ||,    L the mean loss of one batch

Larger is taken for better. Needs labels. weight_gradients.py says which weights, which loss and how batch norm is
treated.
"""

from torch import Tensor

from distnlc.metrics.measurable import Network, undisturbed
from distnlc.metrics.weight_gradients import BatchLoss, checked_number, weighted


@undisturbed()
def gradient_norm(network: Network, inputs: Tensor, labels: Tensor, *, loss_scale: float = 1.0) -> float:
    """Return the gradient norm, in units of loss / weight.

    network: (points, d_in...) -> (points, classes), a torch module. inputs: (points, d_in...), float32 or float64, one
    batch; labels: (points,) whole numbers. Nothing that is given changes. Raises ValueError for a network, inputs or
    labels that cannot be measured.
    """
    gradients = BatchLoss(weighted(network, inputs), inputs, labels, loss_scale).gradients()
    return checked_number(sum(float(each.norm()) for each in gradients.values()), "the gradient's norm")
