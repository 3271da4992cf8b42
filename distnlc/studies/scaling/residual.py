"""The paper's section 11 at initialization: do all convolutions of a residual network learn at one pace?

In: a part, a task and a seed. Out: columns of the unit's row and rows of `layers`, of one network on inputs of
independent N(0, 1) with the loss y^T R y of each datapoint (R1), float64. All weightings and scalings of a set-up have
the same standard normal weights, inputs and R.
"""

from typing import Any

import torch

from distnlc.metrics.scaling_passes import Passes
from distnlc.metrics.scaling_rows import ScalingRow
from distnlc.networks.scaling import PlanRow
from distnlc.spec import derive_seed
from distnlc.studies.scaling.bottlenecks import CLASSES, COLOURS, Shape, bottlenecks, place_of
from distnlc.studies.scaling.ratio import Found, spread
from distnlc.studies.scaling.records import LayerRow
from distnlc.studies.scaling.spec import Spec
from distnlc.studies.scaling.units import Task


def residual_unit(part: Spec, task: Task, seed: int) -> Found:
    """One network under one weighting, with scaled blocks or without."""
    group = part.residual
    network, plan = bottlenecks(
        Shape(task.variant or "", task.weighting or "", group.size, group.width, group.inner, group.blocks),
        scaled=bool(task.block_scaled),
        numerator=part.numerator,
        seed=derive_seed("weights", seed),
    )
    random = torch.Generator().manual_seed(derive_seed("inputs and loss", seed))
    inputs = torch.randn(group.samples, COLOURS, group.size, group.size, generator=random, dtype=torch.float64)
    matrix = torch.randn(CLASSES, CLASSES, generator=random, dtype=torch.float64)
    passes = Passes(network)
    with passes.watching():
        for index, point in enumerate(inputs.split(1)):
            passes.add(network, point, [lambda outputs, _: (outputs @ matrix * outputs).sum()], index)
    measured = [row for row in passes.rows() if row.gamma is not None]
    planned = {row.name: row for row in plan.rows}
    layers = [_row(row, planned[row.name], number, task) for number, row in enumerate(measured)]
    with torch.no_grad():
        outputs = float(network(inputs).square().mean())
    weights = [row for row in layers if row.kind != "scalar"]  # the gradient of one number has any size
    columns: dict[str, Any] = {
        "gamma_imbalance": spread(row.gamma for row in weights),
        "ratio_imbalance": spread(row.ratio for row in weights),
        "offline_imbalance": spread(row.offline_gamma for row in weights),
        "output_second_moment": outputs,
    }
    return columns, {"layers": layers}


def _row(row: ScalingRow, plan: PlanRow, number: int, task: Task) -> LayerRow:
    copied = ("name", "kind", "N", "variance", "x_second", "y_second", "s_in", "s_out", "gamma", "ratio")
    return LayerRow(
        unit_id="",
        layer=number,
        place=place_of(row.name),
        terms=plan.terms,
        share=plan.share,
        offline_gamma=plan.gamma * (1.0 if task.block_scaled else plan.share),
        **{name: getattr(row, name) for name in copied},
    )
