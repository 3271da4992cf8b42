"""`scaling`: how fast each layer of a network will learn, measured (A. Defazio and L. Bottou, "Beyond Folklore: A
Scaling Calculus for the Design and Initialization of ReLU Networks"; scaling.md says how to read it).

    s = M E[x^2] E[Dx^2]                 scaling factor of a signal of M numbers, D its gradient of one datapoint's loss
    gamma = s(layer's input) / (N v^2)   of N weights of mean square v; of biases rho^2 E[Dy^2] / E[y^2]
    ratio = E[DW^2] / E[W^2]             exactly what gamma stands for, of every parameter

In: any torch module and inputs (points, ...). Out: a row for each weight layer and each other parameter. Datapoints go
through a float64 copy one at a time: in a batch their gradients add up coherently (reading R1). Where the text is
silent:
    batch norm      in training mode with the statistics of the chosen points as one batch, held fixed
    an input        that several layers read has for each the gradient that comes through this layer alone
    several calls   of one layer: s is their sum, second moments the mean over all their numbers
    a factor        put on a weight by `geometric_init_`: v is that of the tensor that is trained
"""

from functools import partial

import torch
from torch import Tensor, nn

from distnlc.metrics.frozen_statistics import freeze_statistics
from distnlc.metrics.measurable import BATCH_NORMS, Network, UnmeasurableError, shown, undisturbed
from distnlc.metrics.passes import called, checked_finite, prepared
from distnlc.metrics.scaling_passes import Loss, Passes
from distnlc.metrics.scaling_rows import Scaling
from distnlc.networks.mlp import MLP
from distnlc.networks.shape_walk import LAYERS
from distnlc.spec import derive_seed

MOST_OUTPUTS = 10_000
"""of a network that is measured with a random quadratic loss, whose matrix has the square of that many numbers"""


@undisturbed()
def scaling(
    network: Network, inputs: Tensor, *, loss: Loss | None = None, draws: int = 4, samples: int = 64, seed: int = 0
) -> Scaling:
    """Return the scaling factors of a network (additions (e), 2).

    network: a module, or a method of one. inputs: (points, ...), of which the first `samples` of a seeded shuffle are
    taken. loss: a function of one point's outputs (1, ...) and its index in `inputs` that returns a number, such as its
    cross-entropy; None: y^T R y with `draws` matrices R of independent N(0, 1), which needs no labels. Nothing that is
    given changes. Raises ValueError for a network, inputs or a loss that cannot be measured.
    """
    for name, count in (("draws", draws), ("samples", samples)):
        if count < 1:
            raise ValueError(f"{name} must be at least 1, found {count}")
    owner = getattr(network, "__self__", network)
    if isinstance(owner, nn.Module) and any(each.is_meta for each in (*owner.parameters(), *owner.buffers())):
        raise UnmeasurableError("the network has no numbers, it is on meta: scaling_plan reads shapes alone")
    single = isinstance(inputs, Tensor) and inputs.dtype == torch.float32
    inputs, function, module = prepared(network, inputs.double() if single else inputs, at_least=2)
    if module is None or not any(isinstance(each, LAYERS) for each in module.modules()):
        raise UnmeasurableError(
            "the network must be a module with weight layers (Linear, Conv1d to Conv3d, ConvTranspose1d to 3d)"
        )
    module.double()
    random = torch.Generator().manual_seed(derive_seed("metrics", seed, "scaling"))
    chosen = torch.randperm(len(inputs), generator=random)[:samples].tolist()
    notes = list[str]()
    function = _of_points(function, module, inputs[chosen], notes)
    losses = _quadratic(draws, random) if loss is None else [_checked(loss)]
    seen = Passes(module)
    with seen.watching():
        for index in chosen:
            seen.add(function, inputs[index : index + 1], losses, index)
    taken = inputs[chosen]
    mean, root = float(taken.mean()), float(taken.square().mean().sqrt())
    return Scaling(seen.rows(), len(chosen), len(losses), abs(mean) / root if root else 0.0, notes)


def scaling_imbalance(network: Network, inputs: Tensor, *, draws: int = 4, samples: int = 64, seed: int = 0) -> float:
    """Return the natural logarithm of largest over smallest gamma: 0 where all layers learn at one pace.

    Arguments and errors are those of `scaling`; nan if a weight is all 0 or gets no gradient.
    """
    found = scaling(network, inputs, draws=draws, samples=samples, seed=seed)
    return found.log_imbalance


def _of_points(function: Network, module: nn.Module, batch: Tensor, notes: list[str]) -> Network:
    """The copy made a function of single points: in eval mode, batch norm with the statistics of this batch."""
    of_batches = [each for each in module.modules() if isinstance(each, BATCH_NORMS) and each.training]
    running = [each for each in module.modules() if isinstance(each, nn.RNNBase) and each.training]
    module.eval()
    for each in (*of_batches, *running):  # a GPU differentiates a recurrent network in training mode only
        each.train()
    by_hand = [each for each in module.modules() if isinstance(each, MLP)]
    if not (of_batches or any(layer.normalization == "batch" for each in by_hand for layer in each.layered.layers)):
        return function
    notes.append("batch norm has the statistics of the measured points, held fixed: in training points share gradients")
    with torch.no_grad():
        called(function, module, batch.clone(), checked_finite)
    return freeze_statistics(function, module, batch.clone())


def _quadratic(draws: int, random: torch.Generator) -> list[Loss]:
    """y^T R y for each draw of R, which the first outputs' width fixes."""
    matrices = list[Tensor]()

    def value(draw: int, outputs: Tensor, _: int) -> Tensor:
        if outputs.ndim != 2:
            raise UnmeasurableError(f"without a loss the network must return (1, d), but it returned {shown(outputs)}")
        width = outputs.shape[1]
        if width > MOST_OUTPUTS:
            raise UnmeasurableError(
                f"without a loss the network may have {MOST_OUTPUTS:,} outputs, found {width:,}: give a loss"
            )
        if not matrices:
            drawn = torch.randn(draws, width, width, generator=random, dtype=torch.float64)
            matrices.extend(drawn.to(outputs.device))
        return (outputs @ matrices[draw] * outputs).sum()

    return [partial(value, draw) for draw in range(draws)]


def _checked(loss: Loss) -> Loss:
    """The loss, refused where it is no number that can be differentiated."""

    def value(outputs: Tensor, index: int) -> Tensor:
        found = loss(outputs, index)
        if not isinstance(found, Tensor) or found.numel() != 1:
            raise ValueError(f"the loss must return one number, but it returned {shown(found)}")
        if not found.isfinite().all():
            raise ValueError(f"the loss must be finite, but of point {index} it is {found.item():g}")
        if not found.requires_grad:
            raise ValueError("the loss has no derivative by the outputs (does it leave torch, or detach, on the way?)")
        return found.sum()

    return value
