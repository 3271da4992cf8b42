"""The work of one unit: its network is built, measured, and perhaps changed and measured again.

In: the spec, a unit, the device. Out: its rows. `units.py` says which network the unit is.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from distnlc.data import dataset as data
from distnlc.data.dataset import Dataset
from distnlc.data.spec import DataSpec
from distnlc.metrics.activation import activation_nlc, linear_approximation_error
from distnlc.metrics.gradients import InputGradients, input_gradients
from distnlc.metrics.measurable import Network
from distnlc.metrics.nlc import jacobian_norm, nlc_from
from distnlc.metrics.spread import input_moments, output_moments
from distnlc.networks.activations import FUNCTIONS
from distnlc.networks.loss import cross_entropy
from distnlc.plugins import DataRecord, Work
from distnlc.records import OK, Records
from distnlc.spec import Unit
from distnlc.studies.nlc.measurement import measure_initial
from distnlc.studies.nlc_initial import networks, spheres
from distnlc.studies.nlc_initial.changes import CHANGES, Case, absorbs, make_case
from distnlc.studies.nlc_initial.precision import in_two_precisions
from distnlc.studies.nlc_initial.records import METRICS, MovementRow, NetworkRow, PixelRow
from distnlc.studies.nlc_initial.spec import Spec
from distnlc.studies.nlc_initial.units import (
    MEASUREMENTS,
    NARROW,
    WITHOUT_INPUTS,
    cells,
    columns,
    cost,
    sampled,
    seed_of,
    stated_dimensions,
)
from distnlc.training.programs import processor
from distnlc.training.spec import TrainingSpec

Row = dict[str, Any]


def prepare(spec: Spec, parts: Sequence[str]) -> DataRecord:
    """Finds or generates, prepares and caches the data of these parts. Raises DataError."""
    found = {name: _facts(spec.part(name)) for name in parts}
    return {name: facts for name, facts in found.items() if facts}


def _facts(part: Spec) -> Row:
    """What a part's inputs are, empty for one that has none."""
    if part.experiment in WITHOUT_INPUTS:
        return {}
    if part.inputs == "gaussian":
        d_in, classes = stated_dimensions(part)
        return {"name": part.inputs, "d_in": d_in, "classes": classes}
    return data.record(part.data, part.seed)


@lru_cache(maxsize=2)
def _dataset(spec: DataSpec, seed: int, device: str) -> Dataset:
    """Kept between the units of one process: tables 1 and 2 share one, the confounders another."""
    return data.load(spec, seed).to(device, torch.float64)


@lru_cache(maxsize=2)
def _inputs(inputs: str, spec: DataSpec, seed: int, points: int, d_in: int, device: str) -> Tensor:
    if inputs == "data":
        return _dataset(spec, seed, device).train_inputs[:points]  # in random order already
    return networks.gaussian_inputs(points, d_in, seed).to(device)


@lru_cache(maxsize=1)
def _covariance(*fixing_inputs: Any) -> Tensor:
    return torch.cov(_inputs(*fixing_inputs).T, correction=0)


def run(spec: Spec, unit: Unit, work: Work) -> Records:
    """Builds and measures the unit's network. Raises ValueError for an architecture that cannot be trained."""
    began = time.perf_counter()
    part = spec.part(unit.part)
    row = columns(part, unit, _facts(part))
    tables: dict[str, list[Any]] = {"networks": [], "movements": [], "pixels": []}
    if part.experiment in MEASUREMENTS:
        measured, moved = _confounded(part, cells(part)[unit.index], work.device)
        tables["movements"] = [MovementRow(unit_id=unit.unit_id, **each) for each in moved]
    elif part.experiment == "spheres":
        measured, seen = {}, _picture(part, row, work.device)
        tables["pixels"] = [PixelRow(unit_id=unit.unit_id, **each) for each in seen]
    else:
        measured = _activation_alone(row) if part.experiment == "activations" else _network(part, row, work.device)
    taken_s = time.perf_counter() - began
    tables["networks"] = [NetworkRow(**row, **measured, status=OK, device=processor(work.device), seconds=taken_s)]
    return tables


def _activation_alone(row: Row) -> Row:
    """Rows A (NLC_tau(1)) and E of table 1, by quadrature, for the plain function."""
    function = FUNCTIONS[row["activation"]]
    return {
        "activation_nlc": activation_nlc(function),
        "activation_linear_error": linear_approximation_error(function),
    }


def _network(part: Spec, row: Row, device: str) -> Row:
    """One network of table 1 or 2, without activation function or with a sine for one, of He et al., or drawn."""
    sizes = {name: row[name] for name in ("depth", "width", "d_in", "d_out", "seed")}
    fixing_inputs = (part.inputs, part.data, part.seed, part.points, row["d_in"], device)
    inputs, batches = _inputs(*fixing_inputs), part.metrics.nlc_batches
    if part.experiment == "orthogonal-networks":
        network = networks.orthogonal_network(row["activation"], **sizes).to(device)
        return _nlc(network, inputs, batches, row["seed"])
    if part.experiment == "gaussian-networks":
        return _nlc(networks.gaussian_network(**sizes).to(device), inputs, batches, row["seed"])
    if part.experiment == "precision":
        drawn = sampled(part, {"architecture": row["architecture"]}, row["d_in"], row["d_out"])
        return in_two_precisions(drawn.build().to(device), inputs, batches, row["seed"])
    if part.experiment == "without-activation":
        network, covariance = networks.orthogonal_network("relu", **sizes).to(device), _covariance(*fixing_inputs)
        return {
            "init_nlc": networks.nlc_without_activation(network, covariance),
            "directions": float(covariance.trace() ** 2 / covariance.square().sum()),
        }
    labels = _dataset(part.data, part.seed, device).train_labels[: part.points]
    if part.experiment == "he-networks":
        he = networks.he_network(**sizes).requires_grad_(False).to(device)
        component, length = _gradients(he, inputs, labels)
        gradients = {"init_gradient_component": component, "init_gradient_length": length}
        bias = {"init_bias": float(output_moments(he, inputs).bias)}
        return _nlc(he, inputs, batches, row["seed"]) | bias | gradients
    sine = networks.sine_network(row["frequency"], **sizes, device=device)
    gradient = _gradients(sine, inputs, labels).component_size
    return _nlc(sine, inputs, batches, row["initialization"]) | {"init_gradient_component": gradient}


def _gradients(network: Network, inputs: Tensor, labels: Tensor) -> InputGradients:
    """Gradients of the study's loss, which divides the outputs by their size."""
    loss = partial(cross_entropy, loss_scale=float(output_moments(network, inputs).size))
    return input_gradients(network, inputs, labels, loss)


def _nlc(network: Network, inputs: Tensor, batches: int, seed: int) -> Row:
    """The spreads take all inputs, the Jacobian norm that many batches of 250."""
    jacobian, outside = jacobian_norm(network, inputs, batches=batches, seed=seed), output_moments(network, inputs)
    return {
        "init_nlc": nlc_from(jacobian, input_moments(inputs), outside),
        "init_jacobian_norm": jacobian,
        "output_spread": float(outside.spread),
    }


def _confounded(part: Spec, cell: Row, device: str) -> tuple[Row, list[Row]]:
    """All initial metrics of one architecture, before and after each change, as the NLC study measures them."""
    dataset = _dataset(part.data, part.seed, device)
    architecture = sampled(part, cell, dataset.d_in, dataset.classes)
    case = make_case(architecture, dataset)
    changed = {name: partial(change, case) for name, change in CHANGES.items()}
    if part.experiment == "width":
        changed = {"width": partial(make_case, replace(architecture, width=2 * architecture.width), dataset)}

    def measure(case: Case) -> Row:
        training = TrainingSpec()
        found = measure_initial(case.network, case.architecture, case.dataset, part.metrics, case.loss_scale, training)
        return {"depth": float(case.architecture.depth)} | found

    before = measure(case)
    moved = []
    for change, make in changed.items():
        after = measure(make())
        moved += [
            {"change": change, "metric": name, "before": before.get(name), "after": after.get(name)} for name in METRICS
        ]
    names = ("init_nlc", "init_jacobian_norm", "init_gradient_component")
    return {name: before[name] for name in names} | {"absorbs": absorbs(architecture)}, moved


@torch.no_grad()
def _picture(part: Spec, row: Row, device: str) -> list[Row]:
    """What the network makes of a x1 + b x2 + c x3, for all points (a, b, c) of the sphere; depth 1 is the key."""
    points, pixels = spheres.disc(part.pixels)
    if row["depth"] == 1:
        outputs = spheres.colour_key(points)
    else:
        spanning = networks.gaussian_inputs(3, row["d_in"], seed_of(part, "spheres", "inputs"))
        sizes = {name: row[name] for name in ("depth", "width", "d_in", "d_out", "seed")}
        outputs = networks.gaussian_network(**sizes).to(device)((points @ spanning).to(device)).cpu()
    return [
        {"pixel": pixel, "red": red, "green": green, "blue": blue}
        for pixel, (red, green, blue) in zip(pixels.tolist(), spheres.colours(outputs).tolist(), strict=True)
    ]


def seconds(spec: Spec, todo: Sequence[Unit], device: str) -> list[float]:
    """The time of each unit: its cost, scaled by the time of one small network."""
    sizes = {"depth": 10, "width": NARROW, "d_in": NARROW, "d_out": 10}
    inputs = networks.gaussian_inputs(2_500, NARROW, seed=0).to(device)
    tried = spec.model_copy(update={"experiment": "orthogonal-networks", "inputs": "gaussian", "points": len(inputs)})
    network = networks.orthogonal_network("relu", **sizes, seed=0).to(device)
    parameters = sum(value.numel() for value in network.parameters())
    _nlc(network, inputs, 1, seed=0)  # warms up
    began = time.perf_counter()
    _nlc(network, inputs, tried.metrics.nlc_batches, seed=0)
    second = (time.perf_counter() - began) / cost(tried, sizes | {"parameters": parameters})
    return [unit.cost * second for unit in todo]
