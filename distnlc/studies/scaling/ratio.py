"""Figures 1 and 2: gamma beside the Hessian that it stands for, and all blocks of that Hessian, of single LeNets.

In: a part, a task and a seed. Out: columns of the unit's row, rows of `layers` and of `blocks`. Squares of diagonal
blocks and of Gauss-Newton parts are exact (jacobians.py); blocks off the diagonal are estimated by one random direction
for each sample and column, the mean of (i, j) and (j, i) (metrics/scaling_hessian.py). Means over samples, each with a
loss of its own (R1). gamma_extrinsic is section 3's: F positions E[x^2]^2 E[Dy^2] / E[y^2].
"""

import math
from collections.abc import Iterable
from typing import Any

from distnlc.metrics.scaling_hessian import hessian_blocks
from distnlc.networks.scaling import Plan, PlanRow
from distnlc.studies.scaling.jacobians import Layer, Measured, measure
from distnlc.studies.scaling.lenet import lenet_setup
from distnlc.studies.scaling.records import BlockRow, LayerRow
from distnlc.studies.scaling.spec import Spec
from distnlc.studies.scaling.units import Task

Found = tuple[dict[str, Any], dict[str, list[Any]]]


def ratio_unit(part: Spec, task: Task, seed: int) -> Found:
    """One set-up of figure 1."""
    group = part.ratio
    setup = lenet_setup(
        seed,
        task.init or "geometric",
        samples=group.samples,
        image=group.image,
        classes=group.classes,
        numerator=part.numerator,
    )
    found = measure(setup.network, setup.inputs, setup.matrix)
    layers = [
        row
        for number, (layer, plan) in enumerate(zip(found.layers, setup.plan.rows, strict=True))
        for row in (_weights(found, layer, plan, number), _biases(found, layer, plan, number))
    ]
    columns = {
        "gamma_imbalance": spread(row.gamma for row in layers if row.kind != "bias"),
        "ratio_imbalance": spread(row.ratio for row in layers if row.kind != "bias"),
        "hessian_imbalance": spread(row.hessian for row in layers if row.kind != "bias"),
    }
    return columns | _of_network(found, setup.plan), {"layers": layers}


def blocks_unit(part: Spec, task: Task, seed: int) -> Found:
    """One set-up of figure 2 under one initialization."""
    samples = part.blocks.samples
    setup = lenet_setup(seed, task.init or "geometric", samples=samples, biases=False, numerator=part.numerator)
    found = measure(setup.network, setup.inputs, setup.matrix)
    estimated = hessian_blocks(setup.network, setup.inputs, setup.matrix, seed=seed)
    names, sizes = [f"{layer.name}.weight" for layer in found.layers], [row.N for row in setup.plan.rows]
    blocks = []
    for row, first in enumerate(names):
        for column in range(row, len(names)):
            second = names[column]
            exact = found.weights[row][column] / found.samples / math.sqrt(sizes[row] * sizes[column])
            both = (estimated[first, second] + estimated[second, first]) / 2
            blocks.append(
                BlockRow(
                    unit_id="",
                    row=row,
                    column=column,
                    row_size=sizes[row],
                    column_size=sizes[column],
                    square=exact if row == column else both,
                    gauss_newton=exact,
                )
            )
    columns = {"hessian_imbalance": spread(block.square for block in blocks if block.row == block.column)}
    return columns | _of_network(found, setup.plan), {"blocks": blocks}


def spread(values: Iterable[float | None]) -> float | None:
    """Largest over smallest; None if one is missing or 0."""
    found = list(values)
    return max(filter(None, found)) / min(filter(None, found)) if found and all(found) else None


def _of_network(found: Measured, plan: Plan) -> dict[str, float]:
    return {"offline_imbalance": plan.imbalance, "output_second_moment": found.outputs / found.samples}


def _weights(found: Measured, layer: Layer, plan: PlanRow, number: int) -> LayerRow:
    samples, weight = found.samples, layer.module.weight.detach()
    variance = float(weight.square().mean())
    x, dx = (each / (samples * layer.x_size) for each in (layer.x, layer.dx))
    y, dy = (each / (samples * layer.y_size) for each in (layer.y, layer.dy))
    s_in, s_out = layer.x_size * x * dx, layer.y_size * y * dy
    positions = layer.y_size / plan.n_out
    return LayerRow(
        unit_id="",
        layer=number,
        name=layer.name,
        kind=plan.kind,
        place="outside",
        N=plan.N,
        variance=variance,
        terms=plan.terms,
        share=plan.share,
        x_second=x,
        y_second=y,
        dx_second=dx,
        dy_second=dy,
        s_in=s_in,
        s_out=s_out,
        gamma=s_in / (plan.N * variance**2),
        gamma_extrinsic=plan.terms * positions * x**2 * dy / y if y else None,
        ratio=layer.dw / samples / plan.N / variance,
        hessian=found.weights[number][number] / samples / plan.N,
        offline_gamma=plan.gamma,
    )


def _biases(found: Measured, layer: Layer, plan: PlanRow, number: int) -> LayerRow:
    """gamma is equation (7): positions * E[Dy^2] / E[y^2]; biases are 0, so they have no exact ratio."""
    positions = layer.y_size / plan.n_out
    return LayerRow(
        unit_id="",
        layer=number,
        name=f"{layer.name}.bias",
        kind="bias",
        place="outside",
        N=plan.n_out,
        share=plan.share,
        gamma=positions * layer.dy / layer.y if layer.y else None,
        hessian=found.biases[number] / found.samples / plan.n_out,
        offline_gamma=plan.gamma_bias,
    )
