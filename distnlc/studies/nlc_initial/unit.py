"""The work of one unit: its network is built, measured, and perhaps changed and measured again.

In: the spec, a unit, the device. Out: its rows. `units.py` says which network the unit is.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from distnlc.data import dataset as data
from distnlc.data.dataset import Dataset
from distnlc.data.spec import DataSpec
from distnlc.metrics.activation import activation_nlc, linear_approximation_error
from distnlc.metrics.batches import Network
from distnlc.metrics.gradients import input_gradients
from distnlc.metrics.nlc import jacobian_norm, nlc_from
from distnlc.metrics.spread import input_moments, output_moments
from distnlc.networks.activations import FUNCTIONS
from distnlc.networks.loss import cross_entropy
from distnlc.plugins import DataRecord, Work
from distnlc.records import OK, Records
from distnlc.spec import Unit
from distnlc.studies.nlc.measurement import measure_initial
from distnlc.studies.nlc_initial.changes import CHANGES, Case, absorbs, make_case
from distnlc.studies.nlc_initial.networks import (
    gaussian_inputs,
    gaussian_network,
    nlc_without_activation,
    orthogonal_network,
    sine_network,
)
from distnlc.studies.nlc_initial.records import METRICS, MovementRow, NetworkRow, PixelRow
from distnlc.studies.nlc_initial.spec import Spec
from distnlc.studies.nlc_initial.spheres import colour_key, colours, disc
from distnlc.studies.nlc_initial.units import (
    NARROW,
    WITHOUT_INPUTS,
    cells,
    columns,
    cost,
    sampled,
    sphere_inputs_seed,
    stated_dimensions,
)
from distnlc.training.programs import processor
from distnlc.training.spec import TrainingSpec

Values = dict[str, float]


def prepare(spec: Spec, parts: Sequence[str]) -> DataRecord:
    """Finds or generates, prepares and caches the data of these parts. Raises DataError."""
    found = {name: _facts(spec.part(name)) for name in parts}
    return {name: facts for name, facts in found.items() if facts}


def _facts(part: Spec) -> dict[str, Any]:
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
    return gaussian_inputs(points, d_in, seed).to(device)


@lru_cache(maxsize=1)
def _covariance(*key: Any) -> Tensor:
    return torch.cov(_inputs(*key).T, correction=0)


def _key(part: Spec, fixed: Mapping[str, Any], device: str) -> tuple[Any, ...]:
    """What fixes the inputs that a part's networks are measured on."""
    return part.inputs, part.data, part.seed, part.points, fixed["d_in"], device


def run(spec: Spec, unit: Unit, work: Work) -> Records:
    """Builds and measures the unit's network. Raises ValueError for an architecture that cannot be trained."""
    began = time.perf_counter()
    part, device = spec.part(unit.part), work.device
    fixed = columns(part, unit, _facts(part))
    movements, pixels = list[MovementRow](), list[PixelRow]()
    if part.experiment in {"changes", "width"}:
        measured, moved = _confounded(part, cells(part)[unit.index], device)
        movements = [MovementRow(unit_id=unit.unit_id, **each) for each in moved]
    elif part.experiment == "spheres":
        measured, pixels = {}, _picture(part, unit, fixed, device)
    else:
        measured = MEASURE[part.experiment](part, fixed, device)
    row = NetworkRow(**fixed, **measured, status=OK, device=processor(device), seconds=time.perf_counter() - began)
    return {"networks": [row], "movements": movements, "pixels": pixels}


def _activation_alone(_: Spec, fixed: Mapping[str, Any], __: str) -> Values:
    """Rows A (NLC_tau(1)) and E of table 1, by quadrature, for the plain function."""
    function = FUNCTIONS[fixed["activation"]]
    return {
        "activation_nlc": activation_nlc(function),
        "activation_linear_error": linear_approximation_error(function),
    }


def _sizes(fixed: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: fixed[name] for name in ("width", "d_in", "d_out", "seed", *names)}


def _orthogonal(part: Spec, fixed: Mapping[str, Any], device: str) -> Values:
    network = orthogonal_network(**_sizes(fixed, "activation", "depth")).to(device)
    return _values(network, _inputs(*_key(part, fixed, device)), part.metrics.nlc_batches, fixed["seed"])


def _gaussian_weights(part: Spec, fixed: Mapping[str, Any], device: str) -> Values:
    network = gaussian_network(**_sizes(fixed, "depth")).to(device)
    return _values(network, _inputs(*_key(part, fixed, device)), part.metrics.nlc_batches, fixed["seed"])


def _values(network: Network, inputs: Tensor, batches: int, seed: int) -> Values:
    """The spreads take all inputs, the Jacobian norm that many batches of 250."""
    jacobian, outside = jacobian_norm(network, inputs, batches=batches, seed=seed), output_moments(network, inputs)
    return {
        "init_nlc": nlc_from(jacobian, input_moments(inputs), outside),
        "init_jacobian_norm": jacobian,
        "output_spread": float(outside.spread),
    }


def _without_activation(part: Spec, fixed: Mapping[str, Any], device: str) -> Values:
    network = orthogonal_network("relu", **_sizes(fixed, "depth")).to(device)
    covariance = _covariance(*_key(part, fixed, device))
    return {
        "init_nlc": nlc_without_activation(network, covariance),
        "directions": float(covariance.trace() ** 2 / covariance.square().sum()),
    }


def _sines(part: Spec, fixed: Mapping[str, Any], device: str) -> Values:
    """Networks that are ever less like their inputs as k grows."""
    network = sine_network(fixed["frequency"], **_sizes(fixed), device=device)
    dataset = _dataset(part.data, part.seed, device)
    inputs = dataset.train_inputs[: part.points]
    values = _values(network, inputs, part.metrics.nlc_batches, fixed["initialization"])
    loss = partial(cross_entropy, loss_scale=float(output_moments(network, inputs).size))
    gradients = input_gradients(network, inputs, dataset.train_labels[: part.points], loss)
    return values | {"init_gradient_component": gradients.component_size}


MEASURE: Mapping[str, Callable[[Spec, Mapping[str, Any], str], Values]] = {
    "activations": _activation_alone,
    "orthogonal-networks": _orthogonal,
    "without-activation": _without_activation,
    "gaussian-networks": _gaussian_weights,
    "sines": _sines,
}
"""experiment -> what it measures of one network"""


def _confounded(part: Spec, cell: Mapping[str, Any], device: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """All initial metrics of one architecture, before and after each change, as the NLC study measures them."""
    dataset = _dataset(part.data, part.seed, device)
    architecture = sampled(part, cell, dataset.d_in, dataset.classes)
    case = make_case(architecture, dataset)
    if part.experiment == "width":
        changed = {"width": lambda: make_case(replace(architecture, width=2 * architecture.width), dataset)}
    else:
        changed = {name: partial(change, case) for name, change in CHANGES.items()}
    before = measure(case, part)
    moved = []
    for change, make in changed.items():
        after = measure(make(), part)
        moved += [{"change": change, "metric": name, "before": before[name], "after": after[name]} for name in METRICS]
    names = ("init_nlc", "init_jacobian_norm", "init_gradient_component")
    return {name: before[name] for name in names} | {"absorbs": absorbs(architecture)}, moved


def measure(case: Case, part: Spec) -> dict[str, float | None]:
    """METRICS of one network; None for what takes walks, if the spec has none."""
    training = TrainingSpec()
    found = measure_initial(case.network, case.architecture, case.dataset, part.metrics, case.loss_scale, training)
    found["depth"] = float(case.architecture.depth)
    return {name: found.get(name) for name in METRICS}


@torch.no_grad()
def _picture(part: Spec, unit: Unit, fixed: Mapping[str, Any], device: str) -> list[PixelRow]:
    """What the network makes of a x1 + b x2 + c x3, for all points (a, b, c) of the sphere; depth 1 is the key."""
    points, numbers = disc(part.pixels)
    if fixed["depth"] == 1:
        outputs = colour_key(points)
    else:
        inputs = points @ gaussian_inputs(3, NARROW, sphere_inputs_seed(part))
        outputs = gaussian_network(**_sizes(fixed, "depth")).to(device)(inputs.to(device)).cpu()
    seen = zip(numbers.tolist(), colours(outputs).tolist(), strict=True)
    return [
        PixelRow(unit_id=unit.unit_id, pixel=pixel, red=red, green=green, blue=blue)
        for pixel, (red, green, blue) in seen
    ]


def seconds(spec: Spec, units: Sequence[Unit], device: str) -> list[float]:
    """Scales the units' costs by the time of one small network. Of each unit, in seconds."""
    sizes = {"depth": 10, "width": NARROW, "d_in": NARROW, "d_out": 10}
    inputs = gaussian_inputs(2_500, NARROW, seed=0).to(device)
    tried = spec.model_copy(update={"experiment": "orthogonal-networks", "inputs": "gaussian", "points": len(inputs)})
    network = orthogonal_network("relu", **sizes, seed=0).to(device)
    parameters = sum(value.numel() for value in network.parameters())
    _values(network, inputs, 1, seed=0)  # warms up
    began = time.perf_counter()
    _values(network, inputs, tried.metrics.nlc_batches, seed=0)
    second = (time.perf_counter() - began) / cost(tried, sizes | {"parameters": parameters})
    return [unit.cost * second for unit in units]
