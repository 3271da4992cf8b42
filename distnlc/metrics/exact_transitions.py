"""The exact number of code changes along closed polygons, in chains of piecewise-linear neurons (section E.3 of the
additions to the study of sensitivity).

In: a chain, and the pre-activations of its first layer at the corners of polygons. Out: the changes of every layer.
Between two neighbouring points of a list that holds every kink of the layers before, the pre-activations of a layer are
linear: each threshold between them is crossed once, and the crossing becomes a new point of the list. The work is
proportional to the count itself, and nothing is missed. Lists that grow large are cut in two and finished one after the
other, so that memory has a bound.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from distnlc.metrics.chains import Chain
from distnlc.metrics.measurable import UnmeasurableError
from distnlc.metrics.neurons import Neuron

NUMBERS = 2**20
"""pre-activations of one list, at most, unless it is a single segment: what a cache holds"""


class _Piece(NamedTuple):
    """Points along polygons, one after another, on their way through the chain."""

    layer: int
    points: Tensor
    """(points, width) pre-activations of that layer"""
    owners: Tensor
    """(points,) which polygon each belongs to"""


def can_count(chain: Chain) -> bool:
    """Whether the changes of all layers can be counted: those before the last need piecewise-linear neurons."""
    return all(neuron.slopes is not None for neuron in chain.neurons[:-1])


def exact_changes(chain: Chain, corners: Tensor) -> Tensor:
    """The changes of each layer along each polygon, (hidden layers, polygons) int64.

    corners: (polygons, corners, width) pre-activations of the first layer, the last corner joined to the first. Raises
    UnmeasurableError where a signal is not finite.
    """
    polygons = len(corners)
    counts = torch.zeros(len(chain.neurons), polygons, dtype=torch.int64, device=corners.device)
    closed = torch.cat([corners, corners[:, :1]], 1)
    owners = torch.arange(polygons, device=corners.device).repeat_interleave(closed.shape[1])
    todo = [_Piece(0, closed.flatten(0, 1), owners)] if chain.neurons else []
    while todo:
        piece = todo.pop()
        if not bool(piece.points.isfinite().all()):
            raise UnmeasurableError(f"pre-activations must be finite, those of {chain.names[piece.layer]} are not")
        where = _crossings(piece, chain.neurons[piece.layer])
        size = (len(piece.points) + sum(len(rows) for rows, _ in where)) * chain.weights[piece.layer + 1].shape[1]
        if size > NUMBERS and len(piece.points) > 2:
            todo += _halves(piece)
            continue
        for rows, _ in where:
            counts[piece.layer] += torch.bincount(piece.owners[rows], minlength=polygons)
        if piece.layer + 1 < len(chain.neurons):
            todo.append(_next(chain, piece, where))
    return counts


def _crossings(piece: _Piece, neuron: Neuron) -> list[tuple[Tensor, Tensor]]:
    """For each threshold, the points behind which it is crossed, and the share of the way to the next one there."""
    here, there = piece.points[:-1], piece.points[1:]
    same = (piece.owners[:-1] == piece.owners[1:])[:, None]
    found = []
    for threshold in neuron.thresholds:
        above = piece.points > threshold
        rows, columns = ((above[:-1] ^ above[1:]) & same).nonzero(as_tuple=True)
        start, end = here[rows, columns], there[rows, columns]
        found.append((rows, (start - threshold) / (start - end)))
    return found


def _halves(piece: _Piece) -> list[_Piece]:
    """The piece cut at a point that both halves keep."""
    middle = len(piece.points) // 2
    return [
        _Piece(piece.layer, piece.points[: middle + 1], piece.owners[: middle + 1]),
        _Piece(piece.layer, piece.points[middle:], piece.owners[middle:]),
    ]


def _next(chain: Chain, piece: _Piece, where: list[tuple[Tensor, Tensor]]) -> _Piece:
    """The list of the next layer, with every crossing as a new point."""
    rows, shares = torch.cat([rows for rows, _ in where]), torch.cat([shares for _, shares in where])
    new = torch.lerp(piece.points[rows], piece.points[rows + 1], shares[:, None])
    old = torch.arange(len(piece.points), device=rows.device, dtype=torch.float64)
    order = torch.cat([old, rows + shares.double()]).argsort(stable=True)
    points = torch.cat([piece.points, new])[order]
    owners = torch.cat([piece.owners, piece.owners[rows]])[order]
    signal = chain.neurons[piece.layer].value(points)
    return _Piece(piece.layer + 1, chain.linear(piece.layer + 1, signal), owners)
