"""The units of a study of networks at initialization: which network each one is, and what is known of it before work.

Nothing here needs torch or data: costs and labels use the dimensions that the paper states.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from distnlc.data import sources
from distnlc.data.spec import DataSpec
from distnlc.networks.architecture import Architecture, count_parameters, width_for
from distnlc.plugins import DataRecord
from distnlc.spec import Unit, derive_seed
from distnlc.studies.nlc.sampling import sample_architecture
from distnlc.studies.nlc_initial.spec import Spec

NARROW = 100
"""hidden width of table 2's networks, of those with sines and, times the width factor, of those of He et al.; also the
features of the sphere pictures' inputs"""
COMBINED = {
    "activations": ("activation",),
    "orthogonal-networks": ("initialization", "activation", "depth", "width_factor"),
    "without-activation": ("initialization",),
    "gaussian-networks": ("initialization", "depth"),
    "changes": ("architecture",),
    "width": ("initialization", "architecture"),
    "sines": ("initialization", "frequency"),
    "spheres": ("depth",),
    "he-networks": ("initialization", "depth", "width_factor"),
    "precision": ("architecture",),
}
"""experiment -> what its units differ in, the slowest first, so that more initializations come last"""
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "without-activation": {"activation": "none", "depth": 2},
    "gaussian-networks": {"activation": "relu", "width": NARROW},
    "sines": {"activation": "sine", "depth": 3, "width": NARROW, "normalization": "none"},
    "spheres": {"activation": "relu", "width": NARROW, "d_in": NARROW, "d_out": 3},
    "he-networks": {"activation": "relu", "normalization": "none"},
}
"""experiment -> what all of its networks have in common"""
COLOUR_KEY = {"d_in": 3, "d_out": 3, "seed": 0, "normalization": "none"}
"""the picture of depth 1"""
WITHOUT_INPUTS = {"activations", "spheres"}
"""experiments that need no data"""
MEASUREMENTS = {"changes": 7, "width": 2}
"""experiment -> how often it measures all metrics of a network"""
PRECISIONS = 2
"""in which the experiment of that name measures each network"""
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
    """Features and outputs of a part's networks, as the paper states them."""
    return sources.dimensions(DataSpec(name="cifar10") if part.inputs == "gaussian" else part.data)


def fixed(part: Spec, cell: Mapping[str, Any], d_in: int, d_out: int) -> dict[str, Any]:
    """The columns that fix the network of a cell, those of its shape and the seed of its weights among them."""
    if part.experiment == "activations":
        return dict(cell)
    if part.experiment == "spheres" and cell["depth"] == 1:
        return {**cell, **COLOUR_KEY}
    row = {"d_in": d_in, "d_out": d_out, "normalization": "batch", **SHAPES.get(part.experiment, {}), **cell}
    if "architecture" in cell:
        drawn = sampled(part, cell, d_in, d_out)
        names = ("activation", "depth", "width", "normalization", "parameters", "seed")
        return row | {name: getattr(drawn, name) for name in names}
    if part.experiment in {"sines", "spheres", "he-networks"}:
        row["seed"] = seed_of(part, part.experiment, cell.get("initialization", row["depth"]))
    else:
        row["seed"] = derive_seed("tables", part.seed, cell["initialization"])
    factor = row.pop("width_factor", 1)
    width = NARROW if part.experiment == "he-networks" else width_for(part.parameters, row["depth"], d_in, d_out)
    row.setdefault("width", max(1, int(width * factor)))
    return row | {"parameters": count_parameters(row["depth"], row["width"], row["d_in"], row["d_out"])}


def seed_of(part: Spec, *names: str | int) -> int:
    """A seed of what was first measured before a spec's seed entered it; seed 0 gives those networks."""
    return derive_seed(*([part.seed] if part.seed else []), *names)


def sampled(part: Spec, cell: Mapping[str, Any], d_in: int, d_out: int) -> Architecture:
    """The drawn architecture of a cell of the confounders; each of its initializations has weights of its own."""
    sizes = {"d_in": d_in, "d_out": d_out, "parameters": part.parameters}
    architecture = sample_architecture(cell["architecture"], seed=part.seed, **sizes)
    if "initialization" not in cell:
        return architecture
    return replace(architecture, seed=derive_seed("confounders", architecture.seed, cell["initialization"]))


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


def cost(part: Spec, network: Mapping[str, Any]) -> float:
    """Work in parameters times inputs: an input that is only evaluated counts once, one of a Jacobian three times."""
    if part.experiment == "activations":
        return 1e8
    if part.experiment == "spheres":
        return float(part.pixels**2 * NEURON * network["depth"] * NARROW)
    size = network["parameters"] + NEURON * network["depth"] * network["width"]
    if part.experiment == "without-activation":
        return float(1e4 * size)
    effort = part.metrics
    points = min(part.points, sources.part_sizes(part.data)[0]) if part.inputs == "data" else part.points
    passes = points + 3 * 250 * effort.nlc_batches
    if part.experiment in MEASUREMENTS:
        passes += 250 * effort.walk_batches * effort.walk_inputs * (20 + 20 * effort.walk_outputs)
    times = {**MEASUREMENTS, "precision": PRECISIONS}.get(part.experiment, 1)
    return float(times * passes * size)
