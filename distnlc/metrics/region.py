"""The size of the linearly approximable region (section E.1 and figure 1 of the NLC study), in two readings.

In: a network and the inputs of the dataset. Out: how far one can go from the datapoints in a random direction while
the Jacobian still predicts the output's change to a factor of 2. `joint` is the paper's condition: one comparison for a
whole batch, k in units of Q_i S_x x(i). `pointwise` compares every datapoint by itself, takes their median, and has
units of sqrt(d_in) Q_i S_x x(i), the radius of the inputs. Both are walked together: k of the one is sqrt(d_in) times
k of the other at the same distance. The network propagates whole batches, so that batch statistics need no code of
their own.

**Readings.** Where (J(X)(X' - X)).V is negative, V is turned around, since the paper's condition can hold for a
positive one alone. What cannot be told has no value. A walk begins where the predicted change stands out from the
rounding of the outputs (ROUNDING). If it fails in the first decade of all, it is followed through more of them: if it
holds below, the region is that small; if it holds above, rounding inside the network had hidden the change, and it
begins there; if it holds nowhere, nothing is measured, such as where the network has kinks at its datapoints because
the pixels of a flat background tie in a max-pool. A change of 0 predicted as 0 is no failure.
"""

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import torch

from distnlc.metrics.batches import (
    apart,
    example_outputs,
    gaussian,
    random_batches,
    repeated,
    stack_size,
    stacks,
)
from distnlc.metrics.jacobian import linearize_apart
from distnlc.metrics.measurable import Network, measurable, undisturbed
from distnlc.metrics.walk import (
    FIRST,
    STEPS_PER_DECADE,
    AtDistances,
    Distance,
    MedianOfWalks,
    Walks,
    distances,
    outputs_at,
    radius,
    random_direction,
    seen,
)

ROUNDING = 1e3
"""times the spacing of floating-point numbers of the outputs' size: changes from there on are told from rounding"""
DECADES_BELOW, DECADES_ABOVE = 5, 6
"""around the first, in which a walk that fails in it is followed; it must hold at two neighbouring ones"""


class RegionSizes(NamedTuple):
    """Medians over batches, input directions and output directions; nan where most configurations have no value.

    0 means that even k = 1e-9 was too far, inf that k = 1e9 was not, as in a linear network.
    """

    joint: float
    pointwise: float


@undisturbed()
@torch.no_grad()
def region_sizes(
    network: Network,
    inputs: torch.Tensor,
    *,
    batch_size: int = 250,
    batches: int = 10,
    input_directions: int = 10,
    output_directions: int = 10,
    seed: int = 0,
) -> RegionSizes:
    """Return both sizes from the same walks; medians are lower medians.

    Use float64: in float32 only networks with little nonlinearity and bias stand out from rounding. Raises ValueError
    for inputs or outputs of a wrong shape and for numbers that are not positive.
    """
    if input_directions < 1 or output_directions < 1:
        raise ValueError(
            "region_sizes: input_directions and output_directions must be at least 1, "
            f"found {input_directions} and {output_directions}"
        )
    network = measurable(network)
    generator = torch.Generator().manual_seed(seed)
    length = radius(inputs, batch_size=batch_size)
    example = example_outputs(network, inputs, batch_size)

    def drawn() -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        for rows in random_batches(inputs, batch_size, batches, generator):
            directions, projections = [], []
            for _ in range(input_directions):
                directions.append(random_direction(inputs[rows], length, generator))
                projections.append(gaussian(torch.Size([output_directions, *example.shape]), generator, example))
            yield inputs[rows], torch.stack(directions), torch.stack(projections)

    size = stack_size(inputs, batch_size, copies=input_directions)
    units = math.sqrt(inputs[0].numel())
    total = batches * input_directions * output_directions
    joint, pointwise = MedianOfWalks(total), MedianOfWalks(total)
    for stack in stacks(drawn(), size):
        together, one_by_one = _walk(network, *stack, first=FIRST / units)
        joint.add(together)
        pointwise.add(one_by_one)
        if joint.certain and pointwise.certain:
            break
    return RegionSizes(joint.value * units, pointwise.value)


def linear_region(network: Network, inputs: torch.Tensor, **settings: int) -> float:
    """Return the size by the paper's joint condition; settings and errors are those of `region_sizes`."""
    return region_sizes(network, inputs, **settings).joint


def relative_diameter(network: Network, inputs: torch.Tensor, **settings: int) -> float:
    """Return the size by a condition for each datapoint; settings and errors are those of `region_sizes`."""
    return region_sizes(network, inputs, **settings).pointwise


def _walk(
    network: Network, batches: torch.Tensor, directions: torch.Tensor, projections: torch.Tensor, *, first: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The largest k of each configuration, jointly and pointwise, (configurations,) each, in units of the radius.

    Batches have the shape (stack, batch, d_in...), directions (stack, input_directions, batch, d_in...),
    projections (stack, input_directions, output_directions, batch, d_out).
    """
    outputs = apart(network, batches)
    predicted = _projected(_predicted_change(network, batches, outputs, directions), projections)
    outputs = outputs[:, None]
    changed = torch.empty_like(predicted)

    def move(k: Distance) -> None:
        changed.copy_(_projected(outputs_at(k, network, batches, directions) - outputs, projections))

    move_to = AtDistances(move, network, batches)

    @cache  # the first decades are asked for several times
    def change(k: float) -> torch.Tensor:
        move_to(k)
        return changed.clone()

    spacing = torch.finfo(outputs.dtype).eps * torch.linalg.vector_norm(outputs, dim=3)[:, :, None]
    joint = _Comparison(predicted.sum(3, keepdim=True), spacing.square().sum(3, keepdim=True).sqrt())
    pointwise = _Comparison(predicted, spacing)
    together = Walks(joint.begin(lambda k: change(k).sum(3, keepdim=True), first))
    one_by_one = Walks(pointwise.begin(change, FIRST))
    compare = (
        AtDistances(lambda k: together.step(k, joint.holds(k, changed.sum(3, keepdim=True))), network, batches),
        AtDistances(lambda k: one_by_one.step(k, pointwise.holds(k, changed)), network, batches),
    )
    for number, k in enumerate(distances(first)):
        changed.copy_(change(k))
        compare[0](k)
        if k >= FIRST:
            compare[1](k)
            if seen(number, batches.device) and together.settled and one_by_one.settled:
                break
    return together.medians(), one_by_one.medians()


class _Comparison:
    """Predicted and actual changes of configurations of points, in shape (stack, U, V, points)."""

    def __init__(self, predicted: torch.Tensor, spacing: torch.Tensor) -> None:
        """`spacing`: that of floating-point numbers of the outputs' size, the same for all V."""
        self._sign = torch.where(predicted < 0, -1, 1)
        self._predicted = predicted.abs()
        self._spacing = spacing

    def holds(self, k: Distance, change: torch.Tensor) -> torch.Tensor:
        """Whether the change at k is the predicted one to a factor of 2, (configurations, points)."""
        actual = change * self._sign
        return ((actual <= 2 * k * self._predicted) & (k * self._predicted <= 2 * actual)).flatten(0, 2)

    def begin(self, change: Callable[[float], torch.Tensor], first: float) -> torch.Tensor:
        """The k at which each walk begins, inf if nowhere, (configurations, points)."""
        begin = (ROUNDING * self._spacing / self._predicted).masked_fill(self._predicted == 0, 0).flatten(0, 2)
        ks = distances(first / 10**DECADES_BELOW)
        here = STEPS_PER_DECADE * DECADES_BELOW
        unclear = begin <= ks[here]
        unclear &= ~torch.stack([self.holds(k, change(k)) for k in ks[here : here + STEPS_PER_DECADE + 1]]).all(0)
        if not bool(unclear.any()):
            return begin
        decades = ks[: here + STEPS_PER_DECADE * DECADES_ABOVE + 1 : STEPS_PER_DECADE]
        held = torch.stack([self.holds(k, change(k)) for k in decades])
        twice = held[:-1] & held[1:]
        lost = unclear & ~twice[:DECADES_BELOW].any(0)
        begin = begin.masked_fill(lost, math.inf)
        for decade in range(len(twice) - 1, DECADES_BELOW, -1):
            begin = begin.masked_fill(lost & twice[decade], decades[decade])
        return begin


def _predicted_change(
    network: Network, batches: torch.Tensor, outputs: torch.Tensor, directions: torch.Tensor
) -> torch.Tensor:
    """J(X) U, (stack, input_directions, batch, d_out), with the outputs (stack, batch, d_out) of the batches X."""
    push_forward, _ = linearize_apart(network, batches)
    direction, pushed = torch.empty_like(batches), torch.empty_like(outputs)

    def push() -> None:
        pushed.copy_(push_forward(direction))

    pushing, found = repeated(network, batches), []
    for each in directions.unbind(1):
        direction.copy_(each)
        pushing(push)
        found.append(pushed.clone())
    return torch.stack(found, 1)


def _projected(change: torch.Tensor, projections: torch.Tensor) -> torch.Tensor:
    """The products of each datapoint's d_out numbers: (stack, input_directions, output_directions, batch)."""
    return torch.einsum("sdbo,sdvbo->sdvb", change, projections)
