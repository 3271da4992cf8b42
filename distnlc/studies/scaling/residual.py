"""The paper's section 11 at initialization: are all convolutions of a residual network at one pace?

In: a part, a task and a seed. Out: columns of the unit's row and rows of `layers`, of one network on inputs of
independent N(0, 1) with the loss y^T R y of each datapoint (R1), float64. All weightings and scalings of a set-up have
the same standard normal weights, inputs and R.
"""

import math
from typing import Any

import torch

from distnlc.metrics.scaling import scaling
from distnlc.spec import derive_seed
from distnlc.studies.scaling.bottlenecks import COLOURS, bottlenecks, initialize, place_of
from distnlc.studies.scaling.ratio import Found
from distnlc.studies.scaling.records import LayerRow
from distnlc.studies.scaling.spec import Spec
from distnlc.studies.scaling.units import Task


def residual_unit(part: Spec, task: Task, seed: int) -> Found:
    """One network under one weighting, with scaled blocks or without."""
    group = part.residual
    shape = {"size": group.size, "width": group.width, "inner": group.inner, "blocks": group.blocks}
    network = bottlenecks(task.variant or "", task.weighting or "", **shape)
    plan = initialize(
        network,
        group.size,
        scaled=bool(task.block_scaled),
        numerator=part.numerator,
        seed=derive_seed("weights", seed),
    )
    random = torch.Generator().manual_seed(derive_seed("inputs", seed))
    inputs = torch.randn(group.samples, COLOURS, group.size, group.size, generator=random, dtype=torch.float64)
    measured = scaling(network, inputs, draws=1, samples=group.samples, seed=derive_seed("loss", seed))
    planned = {row.name: row for row in plan.rows}
    layers = []
    for row in measured.weights:
        plan_row = planned[row.name]
        offline = plan_row.gamma * (1.0 if task.block_scaled else plan_row.share)
        layers.append(
            LayerRow(
                unit_id="",
                layer=len(layers),
                name=row.name,
                kind=row.kind,
                place=place_of(row.name),
                N=row.N,
                variance=row.variance,
                terms=plan_row.terms,
                share=plan_row.share,
                x_second=row.x_second,
                y_second=row.y_second,
                s_in=row.s_in,
                s_out=row.s_out,
                gamma=row.gamma,
                ratio=row.ratio,
                offline_gamma=offline,
            )
        )
    offline = [row.offline_gamma for row in layers if row.offline_gamma]
    columns: dict[str, Any] = {
        "gamma_imbalance": _finite(measured.imbalance),
        "ratio_imbalance": _finite(measured.ratio_imbalance),
        "offline_imbalance": max(offline) / min(offline),
    }
    return columns, {"layers": layers}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
