"""The output bias (section 4 and figures 3 A, 9 of the NLC study).

In: a network and the inputs of the dataset. Out: Q_{j,x} f(x,j) / Q_j S_x f(x,j), at least 1; above
1000 the study calls it high.
"""

import torch

from distnlc.metrics.measurable import Network, undisturbed
from distnlc.metrics.spread import output_moments


@undisturbed()
def output_bias(network: Network, inputs: torch.Tensor, *, batch_size: int = 250) -> float:
    """Return the output bias, in one exact pass; a ragged last batch is left out as in `nlc`.

    inf or nan if the outputs do not vary at all. Raises ValueError for inputs or outputs of a wrong shape.
    """
    return float(output_moments(network, inputs, batch_size=batch_size).bias)
