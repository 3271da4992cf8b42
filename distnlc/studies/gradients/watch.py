"""What is measured along one training, at every update (section 2, items 9 to 11, and the effective depth).

In: before each update the run's numbers, the minibatch and the step sizes. Out: after each epoch the gradient scale
coefficient at the input, spread and sign diversity of the highest activation, and the effective depth. A pass of its
own in float64 measures; the training itself is not touched.

Coefficients and spreads are running averages over the minibatches, of second moments, which decay by 0.9; a training in
full batches has none. The highest activation of a network with skip connections is the one directly on the stream, the
first of the highest block.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from distnlc.metrics.effective_depth import EffectiveDepth
from distnlc.metrics.gradient_lengths import INPUT, GradientLengths
from distnlc.metrics.operator_norms import OperatorNorms
from distnlc.networks.layered import Layered
from distnlc.networks.loss import point_losses
from distnlc.studies.gradients.noise import top_activation
from distnlc.studies.gradients.trials import columns

DECAY = 0.9
THRESHOLDS = (1e-4, 1e-6, 1e-8)
State = dict[str, Any]


@dataclass(frozen=True)
class Measures:
    """After one epoch; None where the run is not finite."""

    gsc_input: float | None = None
    std_top: float | None = None
    sign_diversity_top: float | None = None
    effective_depth_1e4: int | None = None
    effective_depth_1e6: int | None = None
    effective_depth_1e8: int | None = None
    effective_depth_after_pretraining: int | None = None


def weights_of(network: Layered, row: Tensor) -> list[Tensor]:
    """Float64 matrices (d_out, d_in) of a row of parameters without biases."""
    pairs = zip(columns(network), network.sizes, strict=True)
    return [row[part].double().view(d_out, d_in) for part, (d_out, d_in, _) in pairs]


def matrices_of(network: Layered, buffers: Tensor) -> list[Tensor]:
    """Float64 fixed matrices of a row of them."""
    parts = buffers.double().split([rows * columns for rows, columns in network.matrix_shapes])
    return [part.view(shape) for part, shape in zip(parts, network.matrix_shapes, strict=True)]


def summed_error_gradient(outputs: Tensor, labels: Tensor) -> Tensor:
    """Derivative of the summed cross-entropy by outputs (points, classes)."""
    return torch.softmax(outputs, 1) - functional.one_hot(labels, outputs.shape[1])


class _Lineage:
    """The effective depth with one choice of initial weights."""

    def __init__(self, network: Layered, initial: Sequence[Tensor]) -> None:
        self.initial = initial
        device = initial[0].device
        self.depth = EffectiveDepth(network.depth, device)
        self.norms = OperatorNorms([(d_out, d_in) for d_out, d_in, _ in network.sizes], device=device)

    def residuals(self, weights: Sequence[Tensor]) -> list[Tensor]:
        return [now - first for now, first in zip(weights, self.initial, strict=True)]

    def state(self) -> State:
        vectors = list(self.norms.vectors.values())
        return {"initial": list(self.initial), "sums": self.depth.sums, "vectors": vectors}

    def restore(self, state: State) -> None:
        self.depth.sums = state["sums"].clone()  # they are added to in place
        self.norms.vectors = dict(zip(self.norms.vectors, state["vectors"], strict=True))


class Watch:
    """One training, its pre-training included."""

    def __init__(self, network: Layered, row: Tensor, buffers: Tensor, *, full_batch: bool) -> None:
        """`row` (parameters,): the random initialization; `buffers` (numbers,): the fixed matrices."""
        self.network, self.matrices = network, matrices_of(network, buffers)
        self.decay = 0.0 if full_batch else DECAY
        self.lineages = [_Lineage(network, weights_of(network, row))]
        self.averages: dict[str, Tensor] = {}
        self.measures: list[Measures] = []

    def pretrained(self, row: Tensor) -> None:
        """The weights after pre-training are initial ones too, from now on."""
        self.lineages.append(_Lineage(self.network, weights_of(self.network, row)))

    def update(self, row: Tensor, inputs: Tensor, labels: Tensor, rates: Sequence[float]) -> None:
        """Takes the state before an update: the run's parameters, the minibatch, and the step size of each layer for
        the minibatch's mean error."""
        weights = weights_of(self.network, row)
        lengths = GradientLengths(self.network, weights, self.matrices)
        outputs = lengths.forward(inputs.double())
        if not outputs.isfinite().all():
            return
        lengths.backward(summed_error_gradient(outputs, labels))
        self._average(lengths, point_losses("cross-entropy", outputs, labels, 1.0))
        each = [rate / len(labels) for rate in rates]
        for lineage in self.lineages:
            way = lengths.way(lineage.norms(lineage.residuals(weights)), each)
            lineage.depth.add(way, lengths.top)

    def _average(self, lengths: GradientLengths, errors: Tensor) -> None:
        entering = lengths.preactivations[top_activation(self.network)]
        found = {
            "input": lengths.signals[INPUT].square().mean(),
            "gradient": lengths.gradients[INPUT].square().mean(),
            "error": errors.square().mean(),
            "positive": (entering > 0).double().mean(0),
            "mean": entering.mean(0),
            "square": entering.square().mean(0),
        }
        before = self.averages or found
        self.averages = {name: self.decay * before[name] + (1 - self.decay) * new for name, new in found.items()}

    def after_epoch(self, row: Tensor) -> None:
        """Adds the measures of the epoch that led to these parameters, and lets the operator norms begin anew."""
        weights = weights_of(self.network, row)
        if not self.averages or not row.isfinite().all():
            self.measures.append(Measures())
            return
        for lineage in self.lineages:
            lineage.norms.renew(lineage.residuals(weights))
        mean = self.averages
        positive, variances = mean["positive"], (mean["square"] - mean["mean"].square()).clamp(min=0)
        per_entry = math.sqrt(float(mean["gradient"]) / self.network.d_in)
        error = math.sqrt(float(mean["error"]))
        depths = [self.lineages[0].depth.depth(threshold) for threshold in THRESHOLDS]
        self.measures.append(
            Measures(
                per_entry * math.sqrt(float(mean["input"])) / error if error else None,
                float(variances.mean().sqrt()),
                float(torch.minimum(positive, 1 - positive).mean()),
                depths[0],
                depths[1],
                depths[2],
                self.lineages[1].depth.depth() if len(self.lineages) > 1 else None,
            )
        )

    def state(self) -> State:
        """The state between two epochs, for `restore`."""
        measures = [asdict(each) for each in self.measures]
        lineages = [lineage.state() for lineage in self.lineages]
        return {"lineages": lineages, "averages": self.averages, "measures": measures}

    def restore(self, state: State) -> None:
        """Takes up a state of a watch of the same training."""
        self.lineages = [_Lineage(self.network, each["initial"]) for each in state["lineages"]]
        for lineage, each in zip(self.lineages, state["lineages"], strict=True):
            lineage.restore(each)
        self.averages = state["averages"]
        self.measures = [Measures(**each) for each in state["measures"]]
