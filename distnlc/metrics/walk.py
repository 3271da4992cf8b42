"""Walks from a batch in a random direction until a condition fails (sections E.1, E.3 of the NLC study).

In: batches of inputs, a direction per datapoint, a condition on the distance k. Out: the largest k that held, and the
median over many walks. The k form a geometric series of factor 10^(1/10), from 1e-9 to 1e9. All directions of a batch
are walked in step, so that memory holds a copy of the batch for each direction (on a GPU, about 10,000 moved
datapoints at a time). A step is the same work at every k: on a GPU it is captured once, with k on the device, and the
host looks only now and then whether the walks are settled.
"""

import math
from collections.abc import Callable
from functools import partial

import torch

from distnlc.metrics.batches import apart, gaussian, in_one_piece, repeated
from distnlc.metrics.measurable import Network
from distnlc.metrics.spread import input_moments
from distnlc.networks.stacks import stacking

STEPS_PER_DECADE = 10
FIRST, LAST = 1e-9, 1e9
STEPS_UNSEEN = 10
"""steps that a GPU takes before the host looks again whether the walks are settled, for which it must wait"""

Distance = float | torch.Tensor
"""k: a number, or on a GPU a tensor, from which captured work reads the number that k then is"""


def distances(first: float = FIRST) -> list[float]:
    """The series from `first` on, or from its next member on, to LAST."""
    steps = range(math.ceil(STEPS_PER_DECADE * math.log10(first) - 1e-9), 9 * STEPS_PER_DECADE + 1)
    return [10 ** (step / STEPS_PER_DECADE) for step in steps]


def radius(inputs: torch.Tensor, *, batch_size: int) -> float:
    """Return sqrt(d_in) Q_i S_x x(i), the radius of the input distribution."""
    return math.sqrt(inputs[0].numel()) * float(input_moments(inputs, batch_size=batch_size).spread)


def random_direction(batch: torch.Tensor, length: float, generator: torch.Generator) -> torch.Tensor:
    """Return a tensor shaped like `batch`, whose rows have uniformly random directions and that length."""
    direction = gaussian(batch.shape, generator, batch)
    rows = direction.flatten(1)
    return (rows * (length / torch.linalg.vector_norm(rows, dim=1, keepdim=True))).view_as(batch)


def outputs_at(k: Distance, network: Network, batches: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """Return f(X + k U), (stack, directions, batch, d_out).

    Batches X have the shape (stack, batch, d_in...), directions U (stack, directions, batch, d_in...).
    """
    if isinstance(k, torch.Tensor):
        moved = torch.addcmul(batches[:, None], directions, k)
    else:
        moved = torch.add(batches[:, None], directions, alpha=k)
    return apart(network, moved.flatten(0, 1)).unflatten(0, directions.shape[:2])


class AtDistances:
    """Work in place at one k after the other, on a GPU captured where the network can be."""

    def __init__(self, work: Callable[[Distance], None], network: Network, batches: torch.Tensor) -> None:
        """`work` always does the same, with the network and the batches (stack, batch, d_in...)."""
        self._work, self._repeated = work, repeated(network, batches)
        on_device = in_one_piece(network, batches)
        self._k = torch.zeros((), dtype=torch.float64, device=batches.device) if on_device else None

    def __call__(self, k: float) -> None:
        self._repeated(partial(self._work, k if self._k is None else self._k.fill_(k)))


def seen(step: int, device: torch.device) -> bool:
    """Whether the host looks after that step, counted from 0, if the walks are settled; if not, they only go on
    longer."""
    return not stacking(device) or step % STEPS_UNSEEN == STEPS_UNSEEN - 1


HIDDEN = -math.inf
"""the largest k of a walk that failed as soon as it could be told: less than what can be told, so below all others"""


class Walks:
    """Walks of several configurations, each of several points, that are asked for growing k.

    A point's walk ends where its condition first fails: its value is the last k before, and inf if it still holds at
    the end. `begin` (configurations, points) is the distance from which on the condition says something, such as that
    from which on a change exceeds rounding. A point that fails at once is 0 if it began with the series, which means
    less than the series' first k, and HIDDEN if it began later. A point that never begins has no value, nan.
    """

    def __init__(self, begin: torch.Tensor) -> None:
        self._begin, self._asked = begin, False
        self._alive = begin <= LAST
        self._largest = torch.full(begin.shape, math.nan, dtype=torch.float64, device=begin.device)

    def step(self, k: Distance, holds: torch.Tensor) -> None:
        """Takes whether the conditions hold at k, booleans of shape (configurations, points)."""
        begun = self._begin <= k
        self._largest.masked_fill_(begun & self._largest.isnan() & self._alive, HIDDEN if self._asked else 0)
        self._alive &= holds | ~begun
        self._largest.copy_(torch.where(self._alive & begun, k, self._largest))  # to fill, a GPU would read k
        self._asked = True

    @property
    def settled(self) -> bool:
        """Whether no later step can change a median."""
        points = self._alive.shape[1]
        failed, unbegun = ~self._alive & ~self._largest.isnan(), self._alive & self._largest.isnan()
        fewest = (failed | self._alive & ~unbegun).sum(1)  # points that have a value in the end
        most = fewest + unbegun.sum(1)
        high = (most - 1).clamp(min=0) // 2  # the median's place if all that have not begun lie above
        low = high - unbegun.sum(1)  # and if all will be HIDDEN, below
        without = 2 * most < points
        if not bool((without | (low >= 0) & (high < failed.sum(1))).all()):
            return False
        values = self._largest.masked_fill(~failed, math.inf).sort(dim=1).values
        lowest, highest = (values.gather(1, place.clamp(min=0)[:, None])[:, 0] for place in (low, high))
        return bool((without | (lowest == highest) & (2 * fewest >= points)).all())

    def medians(self) -> torch.Tensor:
        """The lower median of each configuration's values, (configurations,): HIDDEN if it falls there, nan where most
        points have none."""
        values = self._largest.masked_fill(self._alive & ~self._largest.isnan(), math.inf)
        return values.nanmedian(dim=1).values.masked_fill(2 * values.isnan().sum(1) > values.shape[1], math.nan)


class MedianOfWalks:
    """The lower median of `total` values that come some at a time; nan if most have none (nan), or if it is HIDDEN.

    The values lie close together, mostly on three neighbouring k; so the median is often certain before the last
    walks, which are then left out.
    """

    def __init__(self, total: int) -> None:
        self._total, self._left, self._missing = total, total, 0
        self._known = torch.empty(0, dtype=torch.float64)

    def add(self, values: torch.Tensor) -> None:
        """Takes values of shape (walks,)."""
        found = values.double().cpu()
        self._left -= len(found)
        self._missing += int(found.isnan().sum())
        self._known = torch.cat([self._known, found[~found.isnan()]]).sort().values

    @property
    def certain(self) -> bool:
        """Whether no value that is still to come can change the median."""
        if self._left == 0:
            return True
        highest = (self._total - self._missing - 1) // 2  # its place if all that is left lies above
        lowest = highest - self._left  # and if all lies below
        known = self._known
        inside = lowest >= 0 and highest < len(known)
        return 2 * len(known) >= self._total and inside and bool(known[lowest] == known[highest])

    @property
    def value(self) -> float:
        """The median, once it is certain."""
        if 2 * len(self._known) < self._total:
            return math.nan
        median = float(self._known[(self._total - self._missing - 1) // 2])
        return math.nan if median == HIDDEN else median
