"""The units of a study of networks at initialization: which network each one is, and what is known of it before work.

Nothing here needs torch or data: costs and labels use the dimensions that the paper states.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from math import pi
from typing import Any

from distnlc.data import sources
from distnlc.data.spec import DataSpec
from distnlc.networks.architecture import Architecture, count_parameters, width_for
from distnlc.plugins import DataRecord
from distnlc.spec import Unit, derive_seed
from distnlc.studies.nlc.sampling import sample_architecture
from distnlc.studies.nlc_initial.records import METRICS
from distnlc.studies.nlc_initial.spec import Spec

NARROW = 100
"""hidden width of table 2's networks and of those with sines; also the features of the sphere pictures' inputs"""
COMBINED = {
    "activations": ("activation",),
    "orthogonal-networks": ("initialization", "activation", "depth", "width_factor"),
    "without-activation": ("initialization",),
    "gaussian-networks": ("initialization", "depth"),
    "changes": ("architecture",),
    "width": ("initialization", "architecture"),
    "sines": ("initialization", "frequency"),
    "spheres": ("depth",),
}
"""experiment -> what its units differ in, the slowest first, so that more initializations come last"""
WITHOUT_INPUTS = {"activations", "spheres"}
"""experiments that need no data"""
CHANGES_COUNT = 6
NEURON = 500
"""parameters whose work takes the time of one neuron's normalization and activation"""


def cells(part: Spec) -> list[dict[str, Any]]:
    """What tells a part's units apart, in the order of their indices."""
    values = {
        "initialization": range(part.initializations),
        "activation": part.activations,
        "depth": part.depths,
        "width_factor": part.width_factors,
        "architecture": range(part.architectures),
        "frequency": part.frequencies,
    }
    names = COMBINED[part.experiment]
    return [dict(zip(names, cell, strict=True)) for cell in product(*(values[name] for name in names))]


def units(spec: Spec) -> list[Unit]:
    """One unit per network, activation function, architecture or picture."""
    found = []
    for name in spec.part_names():
        part = spec.part(name)
        for index, cell in enumerate(cells(part)):
            network = fixed(part, cell, *stated_dimensions(part))
            label = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in cell.items())
            found.append(Unit(spec.unit_id(name, index), name, index, cost(part, network), f"{name}: {label}"))
    return found


def stated_dimensions(part: Spec) -> tuple[int, int]:
    """Features and outputs of a part's networks, where the paper states them."""
    return sources.dimensions(DataSpec(name="cifar10") if part.inputs == "gaussian" else part.data)


def fixed(part: Spec, cell: Mapping[str, Any], d_in: int, d_out: int) -> dict[str, Any]:
    """The columns that fix the network of a cell, those of its shape and the seed of its weights among them."""
    row = {name: value for name, value in cell.items() if name != "width_factor"}
    seed = derive_seed("tables", part.seed, cell.get("initialization", 0))
    row |= {"d_in": d_in, "d_out": d_out, "seed": seed, "normalization": "batch"}
    match part.experiment:
        case "activations":
            return dict(cell)
        case "orthogonal-networks":
            row["width"] = int(width_for(part.parameters, cell["depth"], d_in, d_out) * cell["width_factor"])
        case "without-activation":
            row |= {"activation": "none", "depth": 2, "width": width_for(part.parameters, 2, d_in, d_out)}
        case "gaussian-networks":
            row |= {"activation": "relu", "width": NARROW}
        case "changes" | "width":
            drawn = sampled(part, cell, d_in, d_out)
            row |= {name: getattr(drawn, name) for name in ("activation", "depth", "width", "normalization", "seed")}
        case "sines":
            seed = _seed(part, "sines", cell["initialization"])
            row |= {"activation": "sine", "depth": 3, "width": NARROW, "normalization": "none", "seed": seed}
        case "spheres" if cell["depth"] == 1:
            return row | {"d_in": 3, "d_out": 3, "seed": 0, "normalization": "none"}
        case "spheres":
            d_in, d_out, seed = NARROW, 3, _seed(part, "spheres", cell["depth"])
            row |= {"activation": "relu", "width": NARROW, "d_in": d_in, "d_out": d_out, "seed": seed}
    return row | {"parameters": count_parameters(row["depth"], row["width"], d_in, d_out)}


def _seed(part: Spec, *names: str | int) -> int:
    """The seed of what was first measured before a spec's seed entered it; seed 0 gives those networks."""
    return derive_seed(*([part.seed] if part.seed else []), *names)


def sphere_inputs_seed(part: Spec) -> int:
    """The seed of the three inputs that span the sphere, the same in all pictures."""
    return _seed(part, "spheres", "inputs")


def sampled(part: Spec, cell: Mapping[str, Any], d_in: int, d_out: int) -> Architecture:
    """The drawn architecture of a cell of the confounders; each of its initializations has weights of its own."""
    index = cell["architecture"]
    architecture = sample_architecture(index, seed=part.seed, d_in=d_in, d_out=d_out, parameters=part.parameters)
    if "initialization" not in cell:
        return architecture
    seed = derive_seed("confounders", architecture.seed, cell["initialization"])
    return replace(architecture, seed=seed)


def columns(part: Spec, unit: Unit, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a unit's row that are known before it is measured. `facts`: what the part's inputs are."""
    row = {"unit_id": unit.unit_id, "part": unit.part, "index": unit.index, "experiment": part.experiment}
    if part.experiment not in WITHOUT_INPUTS:
        from_data = part.inputs == "data"
        row |= {
            "inputs": part.data.name if from_data else part.inputs,
            "points": min(part.points, facts["train"]) if from_data else part.points,
            "batches": part.metrics.nlc_batches,
        }
    return row | fixed(part, cells(part)[unit.index], facts.get("d_in", 0), facts.get("classes", 0))


def known(spec: Spec, unit: Unit, data: DataRecord) -> dict[str, Any]:
    """What fixes the network of a unit that was given up."""
    return columns(spec.part(unit.part), unit, data.get(unit.part, {}))


def cost(part: Spec, network: dict[str, Any]) -> float:
    """Work in parameters times inputs: an input that is only evaluated counts once, one of a Jacobian three times."""
    if part.experiment == "activations":
        return 1e7
    if part.experiment == "spheres":
        return pi / 4 * part.pixels**2 * NEURON * network["depth"] * NARROW
    size = network["parameters"] + NEURON * network["depth"] * network["width"]
    if part.experiment == "without-activation":
        return 1e3 * size
    effort = part.metrics
    points = min(part.points, sources.part_sizes(part.data)[0]) if part.inputs == "data" else part.points
    passes = points + 3 * 250 * effort.nlc_batches
    if part.experiment in {"changes", "width"}:
        passes += 250 * effort.walk_batches * effort.walk_inputs * (20 + 20 * effort.walk_outputs)
        passes *= 1 + (CHANGES_COUNT if part.experiment == "changes" else 2)
    return float(passes * size)


def rows(spec: Spec) -> dict[str, int]:
    """Table -> its rows, about."""
    found = {"networks": 0, "movements": 0, "pixels": 0}
    for part in map(spec.part, spec.part_names()):
        count = len(cells(part))
        found["networks"] += count
        changes = {"changes": CHANGES_COUNT, "width": 1}.get(part.experiment, 0)
        found["movements"] += count * changes * len(METRICS)
        found["pixels"] += round(count * pi / 4 * part.pixels**2) if part.experiment == "spheres" else 0
    return found
