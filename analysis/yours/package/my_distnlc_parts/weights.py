"""What the metric measures."""

from typing import Any

from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector


def size(network: nn.Module, inputs: Tensor, labels: Tensor, effort: Any) -> float:
    """Root mean square of all weights and biases; whatever the inputs and labels."""
    return float(parameters_to_vector(network.parameters()).square().mean().sqrt())
