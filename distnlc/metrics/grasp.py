"""`grasp`: whether the gradient grows where all weights shrink (C. Wang, G. Zhang and R. Grosse, "Picking Winning
Tickets Before Training by Preserving Gradient Flow", ICLR 2020, equation 8).

    GraSP = sum over weights of  -theta (H g) = -1/2 d/ds || g(s theta) ||^2  at s = 1

g and H are gradient and Hessian of the mean loss of one batch by the weights theta. The paper prunes the weights whose
score is largest, since the gradient flow loses least with them; as the score of a network it is their sum, of either
sign, and larger is taken for better (Abdelfattah and others, "Zero-Cost Proxies for Lightweight NAS", ICLR 2021,
equation 1). Needs labels, and a network that can be differentiated twice; at the kinks of ReLU the derivative is that
of the piece. H being symmetric, g (H theta) is computed, which takes one pass. The temperature of 200 that public code
divides outputs by is not in the paper's equation: `loss_scale` is the loss's own. weight_gradients.py says which
weights, which loss and how batch norm is treated.
"""

from torch import Tensor

from distnlc.metrics.measurable import Network, undisturbed
from distnlc.metrics.weight_gradients import BatchLoss, checked_number, weighted


@undisturbed()
def grasp(network: Network, inputs: Tensor, labels: Tensor, *, loss_scale: float = 1.0) -> float:
    """Return the GraSP score, in units of (loss / weight)^2.

    network: (points, d_in...) -> (points, classes), a torch module. inputs: (points, d_in...), float32 or float64, one
    batch; labels: (points,) whole numbers. Nothing that is given changes. Raises ValueError for a network, inputs or
    labels that cannot be measured.
    """
    measured = weighted(network, inputs)
    loss = BatchLoss(measured, inputs, labels, loss_scale)
    gradients, products = loss.gradients_and_products([each.detach() for each in measured.weights.values()])
    total = sum(float((g * product).sum()) for g, product in zip(gradients, products, strict=True))
    return checked_number(-total, "GraSP")
