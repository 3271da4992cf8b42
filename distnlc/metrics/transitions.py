"""How often the neurons of a network change their linear regions along closed trajectories through its inputs.

In: a network, and datapoints that are translated, or a trajectory of the caller's own. Out: the number of transitions,
the sum over all neurons of the changes of their codes (neurons.py), as section 2 of the study of sensitivity and
generalization has it. Polygons through a plain chain of piecewise-linear neurons are counted exactly
(exact_transitions.py); others are sampled at equal steps, which misses a pair of changes now and then and so comes from
below. Where the text is silent:
    translations    with wrap-around along the last axis, joined by straight lines
    curves          such as ellipses, are polygons of 9,216 corners
    exact counts    are made in float64 whatever the inputs are: in float32 a neuron that touches its threshold may gain
                    or lose a pair; sampled ones are made in the inputs' type
    tanh            is sampled, but for the last hidden layer of a chain whose other layers are piecewise linear
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from distnlc.metrics.chains import Chain
from distnlc.metrics.codes import Changes, changes_along
from distnlc.metrics.curves import Curve, Ellipse, equal_angles, translations
from distnlc.metrics.exact_transitions import NUMBERS, can_count, exact_changes
from distnlc.metrics.measurable import Network, shown, undisturbed
from distnlc.metrics.prepared import Prepared, check_points_apart, checked_points, prepared

TRANSLATIONS = "translations"
METHODS = ("auto", "exact", "sampled")
CORNERS = 96 * 96
"""of the polygon that stands for a curve"""
BATCH = 512
"""points that go through a network at a time"""


@dataclass(frozen=True)
class Transitions:
    """Numbers of transitions; tensors int64, on the inputs' device."""

    counts: Tensor
    """(trajectories,) of all neurons together"""
    by_layer: dict[str, Tensor]
    """layer's module name -> (trajectories,); a chain of bare matrices calls its layers `linears.0`, ..."""
    method: str
    """exact or sampled"""
    neurons: int
    """that have a code"""

    @property
    def mean(self) -> float:
        """The study's metric: transitions per trajectory."""
        return float(self.counts.double().mean())

    @property
    def standard_error(self) -> float:
        """The standard error of that mean; nan for a single trajectory."""
        spread = self.counts.double().std() if len(self.counts) > 1 else math.nan
        return float(spread / math.sqrt(len(self.counts)))


@undisturbed()
@torch.no_grad()
def transitions(
    network: Network,
    inputs: Tensor | None,
    *,
    trajectory: str | Tensor | Curve = TRANSLATIONS,
    image_shape: tuple[int, ...] | None = None,
    samples_per_shift: int = 32,
    method: str = "auto",
    activations: Mapping[str, Sequence[float]] | None = None,
) -> Transitions:
    """Return the number of transitions along each datapoint's translations, or along one trajectory.

    network: (batch, d_in...) -> (batch, outputs), a torch module whose activation functions are modules. inputs:
    (points, channels, height, width) or (points, height, width), float32 or float64; rows of numbers with
    `image_shape`. trajectory: in the place of translations a polygon's corners (k, d_in...), the last joined to the
    first, or a closed curve k -> (k, d_in...), such as an `ellipse`; `inputs` may then be None. samples_per_shift:
    points on each side of a polygon where it is sampled. method: `exact` only of plain chains of piecewise-linear
    neurons, `sampled`, or `auto`, exact where that can be. activations: names of submodules whose outputs are
    pre-activations, with thresholds, where activation functions are no modules, or have no thresholds.
    Nothing that is given changes, and nothing is random. Raises ValueError for what cannot be measured and for a
    network whose points influence one another.
    """
    if method not in METHODS or samples_per_shift < 1:
        raise ValueError(f"expected method {', '.join(METHODS)} and samples_per_shift at least 1, found {method!r}")
    like = _example(inputs, trajectory)
    ready = prepared(network, like)
    if activations is not None or (ready.chain is not None and not ready.chain.neurons):
        ready = ready._replace(chain=None)
    if method != "sampled" and ready.chain is not None and can_count(ready.chain):
        ready = prepared(network, like.double())
        assert ready.chain is not None
        return _exact(ready.chain, _polygons(ready.chain, inputs, trajectory, image_shape))
    if method == "exact":
        raise ValueError(
            "transitions are counted exactly in plain chains of linear layers and ReLU, ReLU6, Hardtanh, Hardsigmoid "
            "or LeakyReLU only (the last activation function may be another); take method='sampled'"
        )
    if ready.chain is None:
        check_points_apart(ready.function, like, BATCH, "the number of transitions")
    found = []
    for polygons in _polygons(ready.chain, inputs, trajectory, image_shape):
        for corners in polygons:
            sides = 1 if callable(trajectory) else samples_per_shift
            found.append(_changes(ready, points_along(corners, sides), activations))
    by_layer = {name: torch.stack([each.closed()[name].sum() for each in found]) for name in found[0].neurons}
    return Transitions(torch.stack([*by_layer.values()]).sum(0), by_layer, "sampled", sum(found[0].neurons.values()))


@undisturbed()
@torch.no_grad()
def transition_density(
    network: Network, trajectory: Curve, *, bins: int = 96, samples: int = 96
) -> tuple[Tensor, Tensor]:
    """Return (angles, counts): the transitions in each of `bins` equal bins of the angle along a closed curve.

    Bins are centred at the angles 2 pi j / bins, (bins,) float64, so that an ellipse's three datapoints are centres of
    bins where 6 divides `bins`; their width is 2 pi / bins. counts: (bins,) int64, sampled at `samples` points in each
    bin. network, and errors: as for `transitions`.
    """
    layers = transition_densities(network, trajectory, bins=bins, samples=samples)
    return equal_angles(bins), torch.stack([*layers.values()]).sum(0)


@undisturbed()
@torch.no_grad()
def transition_densities(network: Network, trajectory: Curve, *, bins: int, samples: int) -> dict[str, Tensor]:
    """Layer -> the same counts (bins,), in the order of the layers."""
    if bins < 1 or samples < 2 or samples % 2:
        raise ValueError(f"expected at least one bin and an even number of samples in it, found {bins} and {samples}")
    ready = prepared(network, _example(None, trajectory))
    if ready.chain is None:
        check_points_apart(ready.function, trajectory(3), BATCH, "the number of transitions")
    changes = _changes(ready, _on_curve(ready.chain, trajectory, bins * samples), None).closed()
    return {name: each.roll(samples // 2).view(bins, samples).sum(1) for name, each in changes.items()}


def _example(inputs: Tensor | None, trajectory: str | Tensor | Curve) -> Tensor:
    """Some points, which say what the network takes. Raises ValueError."""
    if isinstance(trajectory, str):
        if trajectory != TRANSLATIONS or inputs is None:
            raise ValueError(f"expected inputs and trajectory='{TRANSLATIONS}', or points, found {trajectory!r}")
        return checked_points(inputs)
    points = checked_points(trajectory(3) if callable(trajectory) else trajectory, "a trajectory")
    if len(points) < 3:
        raise ValueError(f"a trajectory needs at least 3 points (k, d_in...), found {shown(points)}")
    return points


def _polygons(
    chain: Chain | None, inputs: Tensor | None, trajectory: str | Tensor | Curve, image_shape: tuple[int, ...] | None
) -> Iterator[Tensor]:
    """Corners (polygons, corners, d_in...), in the chain's type, some polygons at a time; for a chain as
    pre-activations of its first layer (polygons, corners, width)."""
    if isinstance(trajectory, Tensor):
        yield _first(chain, trajectory[None])
    elif not isinstance(trajectory, str):
        yield torch.cat(list(_on_curve(chain, trajectory, CORNERS)))[None]
    else:
        assert inputs is not None
        width = inputs[0].numel() if chain is None else max(len(weight) for weight in chain.weights)
        corners = translations(inputs[:1], image_shape).shape[1]
        for images in inputs.split(max(1, NUMBERS // (4 * corners * max(width, inputs[0].numel())))):
            yield _first(chain, translations(images, image_shape))


def _first(chain: Chain | None, corners: Tensor) -> Tensor:
    """The corners themselves, or a chain's pre-activations there. Raises ValueError for points of another size."""
    if chain is None:
        return corners
    points, d_in = corners.flatten(2), chain.weights[0].shape[1]
    if points.shape[2] != d_in:
        raise ValueError(f"the network takes points of {d_in} numbers, found {shown(corners[0])}")
    return chain.linear(0, points.to(chain.weights[0]))


def _on_curve(chain: Chain | None, curve: Curve, points: int) -> Iterator[Tensor]:
    """So many points of a curve, in batches, for a chain as pre-activations of its first layer."""
    if isinstance(curve, Ellipse):
        image = curve if chain is None else curve.through(chain.weights[0], chain.biases[0])
        yield from (image.at(angles) for angles in equal_angles(points).split(BATCH))
        return
    found = checked_points(curve(points), "a trajectory")
    if len(found) != points:
        raise ValueError(f"a trajectory must give as many points as it is asked for, {points}, found {shown(found)}")
    for batch in found.split(BATCH):
        yield batch if chain is None else _first(chain, batch[None])[0]


def points_along(corners: Tensor, samples: int) -> Iterator[Tensor]:
    """Batches of points along a closed polygon (corners, ...), so many at equal steps on each side."""
    closed = torch.cat([corners, corners[:1]])
    shares = torch.arange(samples).to(corners) / samples
    shares = shares.reshape(1, -1, *[1] * (corners.ndim - 1))
    for sides in torch.arange(len(corners), device=corners.device).split(max(1, BATCH // samples)):
        yield torch.lerp(closed[sides][:, None], closed[sides + 1][:, None], shares).flatten(0, 1)


def _changes(ready: Prepared, points: Iterator[Tensor], activations: Mapping[str, Sequence[float]] | None) -> Changes:
    """The code changes along points; of a chain these are pre-activations of its first layer."""
    if (chain := ready.chain) is None:
        at = None if activations is None else {name: tuple(each) for name, each in activations.items()}
        return changes_along(ready.function, ready.module, points, at=at)
    changes = Changes()
    for batch in points:
        for layer, pre_activations in chain.pre_activations(batch):
            changes.see(chain.names[layer], pre_activations, chain.neurons[layer].thresholds)
    return changes


def _exact(chain: Chain, polygons: Iterator[Tensor]) -> Transitions:
    counts = torch.cat([exact_changes(chain, corners) for corners in polygons], 1)
    by_layer = dict(zip(chain.names, counts, strict=True))
    neurons = sum(len(weight) for weight in chain.weights[:-1])
    return Transitions(counts.sum(0), by_layer, "exact", neurons)
