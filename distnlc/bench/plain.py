"""The network as somebody writes it who uses torch well: the operations that torch has, fused ones where there are.

Same function as `networks.mlp.MLP`, whose normalization is written out and 1.2 to 1.3 times slower; the benchmark must
not win against a slow opponent. The plain loop and the `torch.func` population of `variants.py` train this one.
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import vector_to_parameters

from distnlc.bench.cells import Job
from distnlc.networks.architecture import Architecture
from distnlc.networks.mlp import EPSILON


class PlainMLP(nn.Module):
    """(batch, d_in) -> (batch, d_out)."""

    projection: Tensor | None

    def __init__(self, architecture: Architecture, projection: Tensor | None) -> None:
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(*sizes) for sizes in pairwise(architecture.widths))
        self.register_buffer("projection", projection)
        self.architecture = architecture
        self.activation = architecture.activation_function

    def forward(self, inputs: Tensor) -> Tensor:
        strength, start = self.architecture.skip_strength, self.architecture.skip_start
        signal, carried = inputs, None
        for layer, linear in enumerate(self.linears, start=1):
            signal = linear(signal)
            joint = strength > 0 and layer % 2 == 1
            if joint and carried is not None:
                if layer == len(self.linears) and self.projection is not None:
                    carried = functional.linear(carried, self.projection)
                signal = signal + strength * carried
            if layer == len(self.linears):
                break
            if joint and start == "linear":
                carried = signal
            signal = self.normalize(signal)
            if joint and start == "normalization":
                carried = signal
            signal = self.activation(signal)
        return signal

    def normalize(self, signal: Tensor) -> Tensor:
        kind = self.architecture.normalization
        if kind == "batch":
            return functional.batch_norm(signal, None, None, training=True, eps=EPSILON)
        return functional.layer_norm(signal, signal.shape[1:], eps=EPSILON) if kind == "layer" else signal


def plain_network(job: Job) -> PlainMLP:
    """The job's network at initialization, on its device."""
    network = PlainMLP(job.start.architecture, job.start.projection).to(job.start.row)
    vector_to_parameters(job.start.row.clone(), network.parameters())  # of which the parameters become views
    return network
