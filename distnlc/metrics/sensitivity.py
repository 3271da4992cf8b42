"""How sensitive a network's class probabilities are to its input: the exact Jacobian at every datapoint, and its norms.

In: a network and datapoints. Out: for each point the norm of J, the derivative of softmax(outputs) by the input, with
what the study of sensitivity and generalization asks of it (sections 2 and A.3; sensitivity.md says how to read it).
Plain chains are done by products alone, all points at once (chains.py; section E.1 of the additions), other networks by
one backward pass for each class, or one forward product for each input where these are fewer (E.2). The softmax itself
is never differentiated, which would cancel (class_probabilities.py). Where the text is silent:
    types           products in the type of the inputs; softmax and norms in float64
    all norms 0     in float32 they are computed again in float64, from a copy; what is 0 then is 0
    kinks           slopes are those of the region below, in chains; autograd's elsewhere
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from distnlc.metrics.chains import Chain
from distnlc.metrics.class_probabilities import Probabilities, norms, of_losses, softmax
from distnlc.metrics.jacobian import linearize
from distnlc.metrics.measurable import Measurable, Network, UnmeasurableError, shown, undisturbed
from distnlc.metrics.prepared import check_points_apart, checked_points, prepared
from distnlc.networks.device_errors import of_device

OUTPUTS = ("logits", "probabilities")


@dataclass(frozen=True)
class ProbabilityJacobian:
    """J = d probabilities / d input at every point; all tensors float64, on the inputs' device."""

    norms: Tensor
    """(points,) ||J||, Frobenius, in probability per unit of the input"""
    class_norms: Tensor
    """(points, classes) lengths of the rows of J, the gradients of each class's probability"""
    log_probabilities: Tensor
    """(points, classes)"""
    complements: Tensor
    """(points, classes) one minus the probability, as the sum of the others"""
    logit_norms: Tensor | None
    """(points,) Frobenius norms of d logits / d input; None where the network returns probabilities"""
    labels: Tensor | None = None
    """(points,) int64, if they were given"""

    @property
    def norm(self) -> float:
        """The study's metric: the mean over the points of ||J||."""
        return float(self.norms.mean())

    @property
    def standard_error(self) -> float:
        """The standard error of that mean; nan for a single point."""
        return float(self.norms.std() / math.sqrt(len(self.norms))) if len(self.norms) > 1 else math.nan

    @property
    def effective_points(self) -> float:
        """(sum ||J||)^2 / sum ||J||^2, how many points carry the mean; 0 if all norms are 0. Below 20 the mean says
        little (section A.7 of the additions)."""
        largest = self.norms.max()
        if largest == 0:
            return 0.0
        scaled = self.norms / largest
        return float(scaled.sum().square() / scaled.square().sum())

    @property
    def logit_norm(self) -> float | None:
        """The mean over the points of the logits' Jacobian norm."""
        return None if self.logit_norms is None else float(self.logit_norms.mean())

    @property
    def logit_scale(self) -> float | None:
        """M of section A.3: the mean square of the logits' Jacobian norm, by the number of classes."""
        return None if self.logit_norms is None else float(self.logit_norms.square().mean()) / self.class_norms.shape[1]

    @property
    def losses(self) -> Tensor | None:
        """(points,) cross-entropy of the labels."""
        return self._of_labels(-self.log_probabilities)

    @property
    def label_norms(self) -> Tensor | None:
        """(points,) ||J_y||, length of the gradient of the label's probability."""
        return self._of_labels(self.class_norms)

    def _of_labels(self, values: Tensor) -> Tensor | None:
        return None if self.labels is None else values.gather(1, self.labels[:, None]).squeeze(1)


@undisturbed()
@torch.no_grad()
def probability_jacobian(
    network: Network,
    inputs: Tensor,
    *,
    labels: Tensor | None = None,
    outputs: str = "logits",
    batch_size: int = 250,
) -> ProbabilityJacobian:
    """Return J's norms at every point, exact to rounding, with their mean, losses and probabilities.

    network: (batch, d_in...) -> (batch, classes), at least two. inputs: (points, d_in...), float32 or float64; a module
    is copied to their type and device. labels: (points,), whole numbers below `classes`. outputs: what the network
    returns, `logits` or `probabilities`, which cannot be told apart. batch_size: points at a time. Nothing that is
    given changes, and nothing is random. Raises ValueError for a network whose points influence one another (batch norm
    in training mode), for one that is no function or has no derivative, and for inputs or labels that do not fit.
    """
    inputs = checked_points(inputs)
    if outputs not in OUTPUTS or batch_size < 1:
        raise ValueError(f"expected outputs {' or '.join(OUTPUTS)} and batch_size at least 1, found {outputs!r}")
    function, module, chain = prepared(network, inputs)
    if chain is None:
        check_points_apart(function, inputs, batch_size, "the Jacobian")
    _check_outputs(function, inputs[:batch_size])
    found = _joined([_of_batch(function, chain, batch, outputs) for batch in inputs.split(batch_size)])
    if inputs.dtype == torch.float32 and module is not None and not bool(found.norms.any()):
        return probability_jacobian(network, inputs.double(), labels=labels, outputs=outputs, batch_size=batch_size)
    if labels is None:
        return found
    checked = checked_labels(labels, len(inputs), found.class_norms.shape[1]).to(inputs.device)
    return ProbabilityJacobian(**vars(found) | {"labels": checked})


def _of_batch(function: Measurable, chain: Chain | None, batch: Tensor, outputs: str) -> ProbabilityJacobian:
    """All of one batch, without labels."""
    logits, jacobian = _of_function(function, batch) if chain is None else _of_chain(chain, batch.flatten(1))
    if not bool(logits.isfinite().all()):
        raise UnmeasurableError(f"the network's outputs must be finite, but of {shown(batch)} it makes nan or infinity")
    jacobian = jacobian.double()
    if outputs == "probabilities":
        given: Probabilities = of_losses(-logits.double().log())
        class_norms, logit_norms = norms(jacobian), None
        return ProbabilityJacobian(norms(class_norms), class_norms, -given.losses, given.complements, logit_norms)
    probabilities = softmax(logits)
    class_norms = norms(probabilities.jacobian @ jacobian)
    return ProbabilityJacobian(
        norms(class_norms), class_norms, -probabilities.losses, probabilities.complements, norms(norms(jacobian))
    )


def _of_chain(chain: Chain, batch: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (batch, classes), and their Jacobian (batch, classes, at most d_in) but for a rotation of the inputs."""
    slopes, signal = [], batch
    for layer, neuron in enumerate(chain.neurons):
        signal = chain.linear(layer, signal)
        slopes.append(neuron.slope(signal))
        signal = neuron.value(signal)
    matrices = [chain.reduced_first, *chain.weights[1:]]
    jacobian = matrices.pop().expand(len(batch), -1, -1)
    while slopes:
        jacobian = (jacobian * slopes.pop()[:, None, :]) @ matrices.pop()
    return chain.linear(-1, signal), jacobian


def _of_function(function: Measurable, batch: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs (batch, classes) and their Jacobian (batch, classes, d_in) by autograd."""
    with torch.enable_grad():
        points = batch.clone().requires_grad_()
        outputs = function(points)
        classes, d_in = outputs.shape[1], points[0].numel()
        if d_in < classes and (jacobian := _forward(function, batch)) is not None:
            return outputs.detach(), jacobian
        rows = [
            torch.autograd.grad(outputs[:, each].sum(), points, retain_graph=True)[0].flatten(1)
            for each in range(classes)
        ]
    return outputs.detach(), torch.stack(rows, 1)


def _forward(function: Measurable, batch: Tensor) -> Tensor | None:
    """The same by one product for each input; None if the network cannot be differentiated twice."""
    columns = []
    try:
        _, push_forward, _ = linearize(function, batch)
        for column in range(batch[0].numel()):
            direction = torch.zeros_like(batch, memory_format=torch.contiguous_format)
            direction.view(len(batch), -1)[:, column] = 1
            columns.append(push_forward(direction))
    except RuntimeError as error:
        if of_device(error):
            raise
        return None
    return torch.stack(columns, 2)


def _check_outputs(function: Measurable, batch: Tensor) -> None:
    """Raises UnmeasurableError for a network without two classes."""
    classes = function(batch).shape[1]
    if classes < 2:
        raise UnmeasurableError(f"class probabilities need at least two outputs, the network has {classes}")


def checked_labels(labels: Tensor, points: int, classes: int) -> Tensor:
    """Raises ValueError unless they are whole numbers (points,) of classes."""
    expected = f"labels must be whole numbers in 0 ... {classes - 1}, of shape ({points},)"
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.shape != (points,):
        raise ValueError(f"{expected}, found {shown(labels)}")
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise ValueError(f"{expected}, found numbers from {int(labels.min())} to {int(labels.max())}")
    return labels.long()


def _joined(parts: list[ProbabilityJacobian]) -> ProbabilityJacobian:
    """Those of several batches, one after another."""

    def joined(name: str) -> Tensor:
        return torch.cat([getattr(part, name) for part in parts])

    logit_norms = None if parts[0].logit_norms is None else joined("logit_norms")
    return ProbabilityJacobian(
        norms=joined("norms"),
        class_norms=joined("class_norms"),
        log_probabilities=joined("log_probabilities"),
        complements=joined("complements"),
        logit_norms=logit_norms,
    )
