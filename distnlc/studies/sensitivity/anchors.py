"""Ellipses and planes through training points: which points, and what is measured along them (sections 3 and 6, figures
2 and 3).

In: a network, its data, a seed. Out: rows. Where the text is silent: the three points of a plane are of three classes,
as those of the ellipses `different`; labels are those that the network was trained by.
"""

import base64
import zlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from distnlc.data.dataset import Dataset
from distnlc.data.folders import DataError
from distnlc.metrics.boundary_map import boundary_map
from distnlc.metrics.curves import Ellipse, ellipse, equal_angles, random_ellipse
from distnlc.metrics.sensitivity import probability_jacobian
from distnlc.metrics.transitions import transition_densities
from distnlc.networks.mlp import MLP
from distnlc.spec import derive_seed
from distnlc.studies.sensitivity.design import Measure
from distnlc.studies.sensitivity.records import CurveRow, RegionRow
from distnlc.studies.sensitivity.units import KINDS

ANCHORS = 3
TRIES = 100
"""to find three points that are not on one line"""


def check_classes(labels: Tensor, where: str) -> None:
    """Raises DataError if no class has three training points, or fewer than three classes have any."""
    counts = torch.bincount(labels)
    most, present = int(counts.max()), int((counts > 0).sum())
    if most < ANCHORS or present < ANCHORS:
        raise DataError(
            f"{where}: ellipses and planes need three training points of one class and three classes, but the largest "
            f"class has {most} and there are {present}; set data.train higher"
        )


def drawn_anchors(data: Dataset, kind: str, seed: int) -> tuple[list[int], Ellipse]:
    """Three training points, of three `different` classes or of the `same`, and the ellipse through them; classes of
    fewer points are skipped. Raises ValueError if all that are tried are on one line."""
    random = np.random.default_rng(seed)
    labels = data.train_labels.cpu().numpy()
    counts = np.bincount(labels)
    for attempt in range(TRIES):
        if kind == "same":
            own = np.flatnonzero(labels == random.choice(np.flatnonzero(counts >= ANCHORS)))
            chosen = random.choice(own, ANCHORS, replace=False)
        else:
            classes = random.choice(np.flatnonzero(counts), ANCHORS, replace=False)
            chosen = np.array([random.choice(np.flatnonzero(labels == each)) for each in classes])
        try:
            return chosen.tolist(), ellipse(data.train_inputs[torch.from_numpy(chosen).to(data.train_inputs.device)])
        except ValueError:
            if attempt == TRIES - 1:
                raise
    raise AssertionError("there is a try")


def curve_rows(network: MLP, data: Dataset, measure: Measure, seed: int, unit_id: str) -> Iterator[CurveRow]:
    """What is measured along the ellipses of every kind."""
    for kind in KINDS:
        for number in range(measure.ellipses):
            own = derive_seed("ellipse", seed, kind, number)
            if kind == "random":
                drawn = random_ellipse(data.d_in, own)
                curve = Ellipse(*(each.to(data.train_inputs) for each in (drawn.center, drawn.cosine, drawn.sine)))
                anchors = ""
            else:
                points, curve = drawn_anchors(data, kind, own)
                anchors = ",".join(map(str, points))
            angles = equal_angles(measure.ellipse_bins)
            norms, sizes = probability_jacobian(network, curve.at(angles)).norms, curve.norm(angles)
            samples = measure.ellipse_samples
            layers = list(transition_densities(network, curve, bins=measure.ellipse_bins, samples=samples).values())
            columns = angles, sizes, norms, torch.stack(layers).sum(0), layers[-1]
            for bin, (angle, size, norm, count, last) in enumerate(
                zip(*(each.tolist() for each in columns), strict=True)
            ):
                yield CurveRow(
                    unit_id=unit_id,
                    kind=kind,
                    ellipse=number,
                    bin=bin,
                    angle=angle,
                    norm=size,
                    jacobian_norm=norm,
                    transitions=count,
                    transitions_last=last,
                    anchors=anchors,
                )


def region_rows(
    network: MLP, data: Dataset, measure: Measure, seed: int, unit_id: str, state: str
) -> Iterator[RegionRow]:
    """The maps of every plane, in one state of the network."""
    for number in range(measure.planes):
        points, plane = drawn_anchors(data, "different", derive_seed("plane", seed, number))
        found = boundary_map(network, plane, grid=measure.grid)
        drawing = None
        if number == 0:
            drawing = base64.b64encode(zlib.compress(found.boundaries.numpy().tobytes(), 9)).decode()
        yield RegionRow(
            unit_id=unit_id,
            state=state,
            plane=number,
            anchors=",".join(map(str, points)),
            grid=measure.grid,
            near=found.near,
            opposite=found.opposite,
            elsewhere=found.elsewhere,
            centre=found.centre,
            boundaries=drawing,
        )
