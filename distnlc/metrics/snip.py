"""`snip`: how much the loss depends on whether connections are there (N. Lee, T. Ajanthan and P. H. S. Torr, "SNIP:
Single-shot Network Pruning based on Connection Sensitivity", ICLR 2019, equations 5 and 6).

    SNIP = sum over weights w of | w dL/dw |,    L the mean loss of one batch

The paper divides each weight's sensitivity by this sum; as the score of a whole network it is the sum itself
(Abdelfattah and others, "Zero-Cost Proxies for Lightweight NAS", ICLR 2021, equation 1). Larger is taken for better.
Needs labels. The network keeps its own initialization. weight_gradients.py says which weights, which loss and how batch
norm is treated.
"""

from torch import Tensor

from distnlc.metrics.measurable import Network, undisturbed
from distnlc.metrics.weight_gradients import BatchLoss, checked_number, weighted


@undisturbed()
def snip(network: Network, inputs: Tensor, labels: Tensor, *, loss_scale: float = 1.0) -> float:
    """Return the SNIP score, in units of the loss.

    network: (points, d_in...) -> (points, classes), a torch module. inputs: (points, d_in...), float32 or float64, one
    batch; labels: (points,) whole numbers. Nothing that is given changes. Raises ValueError for a network, inputs or
    labels that cannot be measured.
    """
    measured = weighted(network, inputs)
    gradients = BatchLoss(measured, inputs, labels, loss_scale).gradients()
    total = sum(float((measured.weights[name].detach() * each).abs().sum()) for name, each in gradients.items())
    return checked_number(total, "SNIP")
