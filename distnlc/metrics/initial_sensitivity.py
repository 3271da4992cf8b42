"""The initial probability Jacobian and the initial transitions of any network, inputs that are no images included.

In: a network before training, with datapoints and labels. Out: one number each, which a study can rank beside other
initial metrics. So that they mean the same in every network, batch statistics are those of one batch, held fixed, all
activation functions have one threshold, at 0 (of tau's argument in a layered network), and trajectories are ellipses
through three datapoints of three classes, not translations. Where the text is silent: the class probabilities are those
that the loss is of, softmax(outputs / c); the transitions are the mean of eight ellipses, through random datapoints of
random classes, sampled at 1,024 points each. Where changes are as
dense as that, as in deep networks that are chaotic, the number is a lower bound.
"""

import torch
from torch import Tensor

from distnlc.metrics.batches import random_batches
from distnlc.metrics.codes import changes_along
from distnlc.metrics.curves import ellipse
from distnlc.metrics.frozen_statistics import freeze_statistics
from distnlc.metrics.measurable import Network, UnmeasurableError, measurable, undisturbed
from distnlc.metrics.prepared import check_points_apart, checked_points, prepared
from distnlc.metrics.sensitivity import probability_jacobian
from distnlc.spec import derive_seed

ELLIPSES = 8
SAMPLES = 1024
"""points on each"""
BATCH = 512
"""points that go through the network at a time, if not stated otherwise"""


@undisturbed()
@torch.no_grad()
def initial_probability_jacobian(
    network: Network, inputs: Tensor, *, loss_scale: float = 1.0, batch_size: int = 250, seed: int = 0
) -> float:
    """Return the mean over a random batch of the norm of d softmax(outputs / loss_scale) / d input.

    network: (batch, d_in...) -> (batch, classes). inputs: (points, d_in...), float32 or float64. batch_size: points of
    the batch, whose statistics a network with batch norm has. Raises ValueError for a network without two classes, and
    for one whose points influence one another by other means than batch norm.
    """
    function, module, _ = prepared(network, checked_points(inputs))
    batch = _random_batch(inputs, batch_size, seed)
    frozen = freeze_statistics(function, module, batch)
    return probability_jacobian(lambda points: frozen(points) / loss_scale, batch).norm


@undisturbed()
@torch.no_grad()
def initial_transitions(
    network: Network,
    inputs: Tensor,
    labels: Tensor,
    *,
    batch_size: int = 250,
    ellipses: int = ELLIPSES,
    at_a_time: int = BATCH,
    seed: int = 0,
) -> float:
    """Return the mean number of transitions along an ellipse through three datapoints of three classes.

    network: a torch module whose activation functions are modules, or a layered network. inputs: (points, d_in...),
    float32 or float64; labels: (points,) whole numbers. batch_size: as above. at_a_time: points of an ellipse that go
    through the network together. Raises ValueError for fewer than three classes, for a network without activation
    modules, and for one as above.
    """
    function, module, _ = prepared(network, checked_points(inputs))
    batch = _random_batch(inputs, batch_size, seed)
    frozen = freeze_statistics(function, module, batch)
    check_points_apart(measurable(frozen), batch, min(batch_size, at_a_time), "the number of transitions")
    counts = []
    for number in range(ellipses):
        points = ellipse(inputs[_three_classes(labels, derive_seed("metrics", seed, "ellipse", number))])(SAMPLES)
        changes = changes_along(frozen, module, points.split(at_a_time), zero=True)
        counts.append(sum(int(each.sum()) for each in changes.closed().values()))
    return sum(counts) / len(counts)


def _random_batch(inputs: Tensor, batch_size: int, seed: int) -> Tensor:
    random = torch.Generator().manual_seed(derive_seed("metrics", seed, "frozen batch"))
    (rows,) = random_batches(inputs, batch_size, 1, random)
    return inputs[rows]


def _three_classes(labels: Tensor, seed: int) -> Tensor:
    """The rows of three random datapoints of three random classes. Raises UnmeasurableError."""
    random = torch.Generator().manual_seed(seed)
    labels = labels.cpu()
    classes = labels.unique()
    if len(classes) < 3:
        raise UnmeasurableError(f"an ellipse leads through datapoints of three classes, there are {len(classes)}")
    rows = []
    for chosen in classes[torch.randperm(len(classes), generator=random)[:3]]:
        of_class = (labels == chosen).nonzero().squeeze(1)
        rows.append(of_class[torch.randint(len(of_class), (1,), generator=random)])
    return torch.cat(rows)
