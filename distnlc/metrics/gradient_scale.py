"""The gradient scale coefficient (GSC): does a network's gradient explode on its way down to the inputs?
(Philipp, Song & Carbonell 2017, definition 2, without the squares; gradient_scale.md says how to read it.)

    GSC(f, error) = Q ||d error / d f|| / sqrt(width of f)  *  Q ||f||  /  Q |error|

Q is the quadratic mean over datapoints. It is the relative change of the error by a relative change of f in a random
direction. In: a network, inputs (batch, ...), float32 or float64, and a loss or a direction. Out: one row per measuring
point (taps.py) from one backward pass of the summed error. Where the text is silent:
    width          the number of entries of one datapoint: of an image's convolution channels x height x width
    batch norm     in training the gradient runs through the statistics of the batch, which is all of the inputs; in
                   evaluation the running ones are used
    outputs        what the network returns; a loss is applied to that, its softmax is no place
    layers         of a growth: places that the whole gradient passes; an operation that leaves signal and gradient as
                   they are, such as a `Flatten`, or a `Sequential` behind its last module, is none
"""

import math
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import get_gradient_edge

from distnlc.metrics.gradient_ways import Edge, GradientWays
from distnlc.metrics.growth import exponential_fit
from distnlc.metrics.measurable import Network, UnmeasurableError, shown, undisturbed
from distnlc.metrics.passes import INPUT, NO_DERIVATIVE, OUTPUT, called, checked_finite, prepared, type_name
from distnlc.metrics.taps import Tap

LossOrDirection = Callable[[Tensor], Tensor] | Tensor


class GradientScale(NamedTuple):
    """The gradient scale coefficient of the error with respect to one measuring point."""

    place: str
    """the module's path in the network; `(input)` and `(output)` are the first and the last"""
    gsc: float
    """nan if all errors are 0; inf or nan where the gradient is beyond the largest number of its type"""
    norm: float
    """Q ||f||, the size of the signal"""
    width: int
    """number of entries of one datapoint"""
    module: str
    """its type, such as `Conv2d`; empty at the input"""
    call: int
    """which of the module's calls, from 1"""
    whole: bool
    """whether the whole gradient passes here: False inside a residual block, whose rows see the gradient through the
    block alone"""


class Growth(NamedTuple):
    """The line ln GSC = ln intercept + layer * ln rate, where layer 1 is the last row and the inputs have the most."""

    rate: float
    """factor from one layer to the one below it"""
    intercept: float
    r_squared: float
    """share of the variance of ln GSC that the line explains; nan where ln GSC does not vary"""


class _Seen(NamedTuple):
    """A measuring point, before a later operation can change its tensor in place."""

    tap: Tap
    norm: float
    width: int
    edge: Edge

    @classmethod
    def of(cls, tap: Tap, tensor: Tensor) -> "_Seen":
        checked_finite(tap, tensor)
        edge = get_gradient_edge(tensor)
        return cls(tap, quadratic_mean(tensor), tensor[0].numel(), (edge.node, edge.output_nr))


@undisturbed()
def gradient_scale(
    network: Network,
    inputs: Tensor,
    loss_or_direction: LossOrDirection,
    *,
    places: Collection[str] | None = None,
) -> list[GradientScale]:
    """Return rows for the input, for every module's output in order of execution, and for the output.

    network: a module, or another callable, of which only input and output are seen. inputs: (batch, ...), all
    propagated as one batch. loss_or_direction: a function of the outputs (batch, ...) that returns one error per
    datapoint (batch,); or a tensor, of the shape of all outputs or of one datapoint's, whose product with the outputs
    is the error. places: only these rows. Nothing that is given changes; dropout is left out (see measurable.py).
    Raises ValueError for inputs, a network, an error or places that cannot be measured.
    """
    inputs, function, module = prepared(network, inputs, at_least=1)
    points = inputs.clone().requires_grad_()
    seen = [_Seen.of(Tap(INPUT, ""), points)]

    def see(tap: Tap, tensor: Tensor) -> None:
        if tensor.requires_grad:
            seen.append(_Seen.of(tap, tensor))

    outputs = called(function, module, points.clone(), see)
    if not outputs.requires_grad:
        raise UnmeasurableError(NO_DERIVATIVE)
    seen.append(_Seen.of(Tap(OUTPUT, type_name(module)), outputs))
    errors = errors_of(outputs, loss_or_direction)
    ways = GradientWays(get_gradient_edge(errors), get_gradient_edge(points))
    if not ways.total:
        raise UnmeasurableError(NO_DERIVATIVE)
    rows = _rows([each for each in seen if ways.through(each.edge)], errors, ways)
    return rows if places is None else _chosen(rows, places)


def _rows(seen: Sequence[_Seen], errors: Tensor, ways: GradientWays) -> list[GradientScale]:
    edges = [torch.autograd.graph.GradientEdge(*each.edge) for each in seen]
    gradients = torch.autograd.grad(errors.sum(), edges)
    size = quadratic_mean(errors)
    rows = []
    for (tap, norm, width, edge), gradient in zip(seen, gradients, strict=True):
        gsc = quadratic_mean(gradient) / math.sqrt(width) * norm / size if size else math.nan
        rows.append(GradientScale(tap.place, gsc, norm, width, tap.module, tap.call, ways.whole(edge)))
    return rows


def gradient_growth(rows: Sequence[GradientScale]) -> Growth:
    """Return how the gradient scale coefficient grows from layer to layer, by least squares on its logarithm.

    rows: as `gradient_scale` returns them, or some of them in that order, such as those of linear layers; rows inside
    residual blocks are left out. Raises ValueError for less than two layers; all nan if a coefficient is not a positive
    finite number.
    """
    whole = [row for row in rows if row.whole]
    different = [row for above, row in zip([None, *whole], whole, strict=False) if not _same(above, row)]
    if len(different) < 2:
        raise ValueError(f"a growth needs at least 2 places that the whole gradient passes, found {len(different)}")
    return Growth(*exponential_fit(range(1, len(different) + 1), [row.gsc for row in different[::-1]]))


def _same(above: GradientScale | None, row: GradientScale) -> bool:
    """Whether nothing happens from one place to the next."""
    return above is not None and (above.gsc, above.norm, above.width) == (row.gsc, row.norm, row.width)


def errors_of(outputs: Tensor, loss_or_direction: LossOrDirection) -> Tensor:
    """One error per datapoint (batch,). Raises ValueError for a loss or direction that does not give that."""
    if isinstance(loss_or_direction, Tensor):
        direction = loss_or_direction.detach().to(outputs)
        if direction.shape not in (outputs.shape, outputs.shape[1:]):
            raise ValueError(
                f"a direction must have the shape of the outputs, {tuple(outputs.shape)}, or of one datapoint's, "
                f"{tuple(outputs.shape[1:])}; found {tuple(direction.shape)}"
            )
        return (outputs * direction).flatten(1).sum(1) if outputs.ndim > 1 else outputs * direction
    errors = loss_or_direction(outputs)
    if not isinstance(errors, Tensor) or errors.shape != outputs.shape[:1]:
        raise ValueError(
            f"the loss must return one number per datapoint, shape {tuple(outputs.shape[:1])}, but it returned "
            f"{shown(errors)} (in torch: reduction='none')"
        )
    if not errors.requires_grad:
        raise ValueError("the loss has no derivative by the outputs (does it leave torch, or detach, on the way?)")
    if not bool(errors.isfinite().all()):
        raise ValueError("the errors must be finite, but the loss makes nan or infinity")
    return errors


def quadratic_mean(tensor: Tensor) -> float:
    """Q ||f|| over datapoints, of a tensor (batch, ...)."""
    return lengths(tensor).square().mean().sqrt().item()


def lengths(tensor: Tensor) -> Tensor:
    """The length of each datapoint (batch,), float64."""
    return torch.linalg.vector_norm(tensor.detach().reshape(len(tensor), -1), dim=1, dtype=torch.float64)


def _chosen(rows: Sequence[GradientScale], places: Collection[str]) -> list[GradientScale]:
    """Raises ValueError for a place that is none."""
    there = dict.fromkeys(row.place for row in rows)
    if unknown := [place for place in places if place not in there]:
        raise ValueError(
            f"the network has no place {unknown[0]!r} that its gradient reaches; it has {', '.join(there)}"
        )
    return [row for row in rows if row.place in places]
