"""A map of the transitions of one layer over a plane through three datapoints (figure 3 of the study of sensitivity).

In: a network and the ellipse through three datapoints, whose plane is looked at in [-1, 1]^2. Out: for each pixel how
many neurons of the last hidden layer are in another region than at the pixel to the right, and at the one below; and
means of that near the datapoints and elsewhere. Where the text is silent: the discs have the radius 0.12; those that
the datapoints' discs are compared with lie as far from the middle, since the density falls with the distance from the
origin in any network (section A.3 of the additions); `elsewhere` is all that is not near a datapoint.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from distnlc.metrics.chains import Chain
from distnlc.metrics.codes import UNSEEN, watched
from distnlc.metrics.curves import ANCHOR_ANGLES, ANCHOR_RADIUS, Ellipse
from distnlc.metrics.measurable import Network, UnmeasurableError, undisturbed
from distnlc.metrics.neurons import Thresholds
from distnlc.metrics.prepared import Prepared, check_points_apart, checked_points, prepared

DISC = 0.12
MOST = 255
"""the largest number that a pixel holds"""


class BoundaryMap(NamedTuple):
    """The pixels, and means of them; the middles of the discs are at radius 0.8."""

    boundaries: Tensor
    """(grid, grid) uint8, first the coordinate along the ellipse's sine axis, then along its cosine axis"""
    near: float
    """mean in the discs at the datapoints, at pi/3, pi and 5 pi/3"""
    opposite: float
    """mean in the discs at 0, 2 pi/3 and 4 pi/3"""
    centre: float
    elsewhere: float
    """mean outside the discs at the datapoints"""


@undisturbed()
@torch.no_grad()
def boundary_map(network: Network, ellipse: Ellipse, *, grid: int = 256) -> BoundaryMap:
    """Return the map of (grid, grid) pixels, grid at least 32.

    network: as for `transitions`; the last activation module that is run is mapped. Raises ValueError likewise.
    """
    if grid < 32:
        raise ValueError(f"a map needs at least 32 pixels on a side, found {grid}")
    ready = prepared(network, checked_points(ellipse(3), "an ellipse"))
    if ready.chain is None or not ready.chain.neurons:
        check_points_apart(ready.function, ellipse(3), 3, "the map")
        ready = ready._replace(chain=None)
    ticks = torch.linspace(-1, 1, grid, dtype=torch.float64)
    boundaries = torch.zeros(grid, grid, dtype=torch.int64)
    above = None
    for row, codes in enumerate(_rows(ready, ellipse, ticks)):
        boundaries[row, :-1] += (codes[1:] != codes[:-1]).any(2).sum(1).cpu()
        if above is not None:
            boundaries[row - 1] += (codes != above).any(2).sum(1).cpu()
        above = codes
    return _summary(boundaries.clamp(max=MOST), ticks)


def _rows(ready: Prepared, ellipse: Ellipse, ticks: Tensor) -> Iterator[Tensor]:
    """For each row of pixels the codes (pixels, neurons, thresholds) of the last hidden layer."""
    seen: list[tuple[Tensor, Thresholds]] = []

    def see(_: str, pre_activations: Tensor, thresholds: Thresholds) -> None:
        seen[:] = [(pre_activations.flatten(1), thresholds)]

    chain, plane = ready.chain, ellipse
    if chain is not None:
        plane = ellipse.through(chain.weights[0], chain.biases[0])
    for along in ticks:
        points = plane.plane(ticks, along.expand(len(ticks)))
        if chain is not None:
            see("", _last(chain, points), chain.neurons[-1].thresholds)
        else:
            with watched(ready.module, see, at=None) as begin:
                begin(points)
                ready.function(points)
        if not seen:
            raise UnmeasurableError(UNSEEN)
        values, thresholds = seen[0]
        yield torch.stack([values > threshold for threshold in thresholds], 2)


def _last(chain: Chain, first: Tensor) -> Tensor:
    """The pre-activations of the last hidden layer."""
    for _, pre_activations in chain.pre_activations(first):
        last = pre_activations
    return last


def _summary(boundaries: Tensor, ticks: Tensor) -> BoundaryMap:
    # the last row and column lack a neighbour
    pixels = boundaries[:-1, :-1].double()
    along, across = ticks[:-1, None], ticks[None, :-1]

    def discs(*middles: tuple[float, float]) -> Tensor:
        return torch.stack([(across - x) ** 2 + (along - y) ** 2 <= DISC**2 for x, y in middles]).any(0)

    def at(angle: float) -> tuple[float, float]:
        return ANCHOR_RADIUS * math.cos(angle), ANCHOR_RADIUS * math.sin(angle)

    near = discs(*map(at, ANCHOR_ANGLES))
    opposite, centre = discs(*(at(angle + math.pi) for angle in ANCHOR_ANGLES)), discs((0.0, 0.0))
    means = [float(pixels[where].mean()) for where in (near, opposite, centre, ~near)]
    return BoundaryMap(boundaries.to(torch.uint8), *means)
