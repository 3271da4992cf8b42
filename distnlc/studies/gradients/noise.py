"""The noise protocol: one network's gradient scale coefficients on Gaussian noise (sections 2 and 4).

In: a part, a seed that fixes network, inputs and labels. Out: the measured columns of `networks`, and the rows of
`layers`. Inputs are N(0, 1) scaled to the length of the root of their dimension, labels N(0, 1 / dimension), the error
of a datapoint is the product of its prediction with its label. Growth is fitted to the coefficients that are reported:
of vanilla networks all, of residual ones those between blocks. Totals of a single network are missing where one block's
corrected growth is not positive; the analysis averages dilution and growth over networks before it corrects.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distnlc.metrics.growth import exponential_fit
from distnlc.metrics.layer_gradients import LayerGradients, layer_gradients
from distnlc.networks.layered import Layered
from distnlc.networks.operations import operations
from distnlc.spec import derive_seed
from distnlc.studies.gradients.networks import layered_of, parameters_of
from distnlc.studies.gradients.records import LayerRow
from distnlc.studies.gradients.spec import Spec

NOT_FINITE = "the gradient scale at the input is not a finite number"
Row = dict[str, Any]


def points_of(part: Spec, seed: int) -> tuple[Tensor, Tensor]:
    """Inputs and labels (points, dimension), float64."""
    generator = np.random.default_rng(derive_seed("points", seed))
    size, root = (part.points, part.dimension), math.sqrt(part.dimension)
    inputs = torch.from_numpy(generator.standard_normal(size))
    inputs *= root / inputs.norm(dim=1, keepdim=True)
    return inputs, torch.from_numpy(generator.standard_normal(size)).div_(root)


def measure(part: Spec, seed: int) -> tuple[Row, list[LayerRow]]:
    """One network: columns of its row, and a row of each layer (with the unit's id and part left empty)."""
    layered = layered_of(part)
    found = layer_gradients(layered, parameters_of(part, seed, layered), *points_of(part, seed))
    rows = layer_rows(layered, found)
    top = found.spreads[top_activation(layered)]
    reported = [(row["layer"], row["gsc"]) for row in rows if "gsc" in row]
    rate, intercept, r2 = exponential_fit(*zip(*reported, strict=True))
    columns = {
        "gsc_input": found.scale(0),
        "gsc_lowest": found.scale(1),
        "std_top": top.std,
        "sign_diversity_top": top.sign_diversity,
        "growth_rate": rate,
        "growth_intercept": intercept,
        "growth_r2": r2,
        "dilution_corrected": total(rows, "corrected_growth"),
        "dilution_exact": total(rows, "exact_growth"),
    }
    reason = {} if math.isfinite(columns["gsc_input"]) else {"reason": NOT_FINITE}
    layers = [LayerRow(unit_id="", part="", epoch=0, **finite(row)) for row in rows]
    return finite(columns) | reason, layers


def top_activation(layered: Layered) -> int:
    """The layer before whose activation spread and signs are stated: the highest, or where skip connections are the
    first of the highest block, which sees the normalized stream itself (section 2, item 5)."""
    return layered.skips[-1].start if layered.skips else layered.depth - 1


def layer_rows(layered: Layered, found: LayerGradients) -> list[Row]:
    """The rows of `layers` from the top down, as plain data: coefficients between blocks, spread before activations."""
    growth = {skip.end: block(layered, found, number) for number, skip in enumerate(layered.skips)}
    outside = [not layered.skips] * (len(operations(layered)) + 1)
    outside[0] = True
    for index, each in enumerate(operations(layered), start=1):
        if layered.skips:
            boundary = each.kind == "linear" and (layered.ending_in(each.layer) or layered.beginning_in(each.layer))
            below, above = each.layer < layered.skips[0].start, each.layer >= layered.skips[-1].end
            outside[index] = bool(boundary) or below or above
    rows = []
    for index, each in reversed(list(enumerate(operations(layered), start=1))):
        row: Row = {"layer": len(outside) - index, "kind": each.kind, "linear_layer": each.layer}
        if outside[index]:
            row["gsc"] = found.scale(index)
        if each.kind == "activation":
            spread = found.spreads[each.layer]
            row |= {"std": spread.std, "sign_diversity": spread.sign_diversity}
        if each.kind == "linear":
            row |= growth.get(each.layer, {})
        if len(row) > 3:
            rows.append(row)
    return [*rows, {"layer": len(outside), "kind": "input", "linear_layer": 0, "gsc": found.scale(0)}]


def block(layered: Layered, found: LayerGradients, number: int) -> Row:
    """Dilution k and growth r of a block, and r without dilution: by the paper's formula, and by the exact law."""
    skip, place = layered.skips[number], linear_places(layered)
    below, above = found.scale(place[skip.start]), found.scale(place[skip.end])
    carried, added = found.carried[number], found.added[number]
    dilution = carried / added if added else math.inf
    growth = below / above if above else math.nan
    return {
        "dilution": dilution,
        "block_growth": growth,
        "corrected_growth": 1 + (dilution * dilution + 1) * (growth - 1),
        "exact_growth": root((dilution * dilution + 1) * growth * growth - dilution * dilution),
    }


def linear_places(layered: Layered) -> dict[int, int]:
    """Layer -> the place of its linear operation's output."""
    return {each.layer: at for at, each in enumerate(operations(layered), start=1) if each.kind == "linear"}


def total(rows: list[Row], name: str) -> float:
    """The coefficient above the highest block times all growths of that name; nan where one is not positive."""
    factors = [row[name] for row in rows if name in row]
    if not factors or not all(factor > 0 for factor in factors):
        return math.nan
    top = next(row["gsc"] for row in rows if name in row)
    return float(top * math.prod(factors))


def root(value: float) -> float:
    return math.sqrt(value) if value >= 0 else math.nan


def finite(row: Row) -> Row:
    """Numbers that are none are missing."""
    return {name: None if isinstance(each, float) and not math.isfinite(each) else each for name, each in row.items()}
