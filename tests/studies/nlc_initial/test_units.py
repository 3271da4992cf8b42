"""Units of the kind nlc-initial: which networks they are, what they measure, and what a failed one leaves."""

import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from distnlc.data import dataset as data
from distnlc.data.spec import DataSpec
from distnlc.engine.failures import failed_records
from distnlc.metrics.nlc import nlc
from distnlc.networks.architecture import Architecture, count_parameters
from distnlc.networks.loss import cross_entropy
from distnlc.plugins import Work
from distnlc.records import FAILED
from distnlc.spec import SpecError, Unit, derive_seed
from distnlc.studies import resolve
from distnlc.studies.nlc.measurement import measure_initial
from distnlc.studies.nlc.sampling import sample_architecture
from distnlc.studies.nlc_initial import KIND
from distnlc.studies.nlc_initial.changes import make_case
from distnlc.studies.nlc_initial.networks import he_network
from distnlc.studies.nlc_initial.records import METRICS, MovementRow, NetworkRow
from distnlc.studies.nlc_initial.spec import Spec
from distnlc.studies.nlc_initial.unit import prepare, run
from distnlc.studies.nlc_initial.units import known, units
from distnlc.training.spec import TrainingSpec

SMALL = ("points=500", "parameters=5000", "metrics.nlc_batches=2")


def spec_of(preset: str, *assignments: str) -> Spec:
    spec = resolve(preset, assignments)
    assert isinstance(spec, Spec)
    return spec


def unit_of(spec: Spec, part: str, index: int) -> Unit:
    return next(unit for unit in units(spec) if (unit.part, unit.index) == (part, index))


def measured(part: str, index: int) -> NetworkRow:
    spec = spec_of("nlc-initial-quick", *SMALL)
    row = run(spec, unit_of(spec, part, index), Work())["networks"][0]
    assert isinstance(row, NetworkRow)
    return row


def test_the_full_preset_has_the_effort_of_the_paper() -> None:
    counts = Counter(unit.part for unit in units(spec_of("nlc-initial")))
    assert (counts["depth-2"], counts["depth-49"], counts["table-2"]) == (8 * 10, 8 * 10, 7 * 10)
    assert (counts["confounders"], counts["width"], counts["sines"]) == (24, 24 * 5, 4 * 5)
    assert (counts["he-networks"], counts["precision"]) == (6 * 2 * 10, 200)
    assert sum(counts.values()) == 650 + 120 + 200


def test_both_presets_have_the_same_parts() -> None:
    assert spec_of("nlc-initial").part_names() == spec_of("nlc-initial-quick").part_names()


def test_more_initializations_rename_no_unit() -> None:
    few, many = (spec_of("nlc-initial-quick", f"parts.width.initializations={count}") for count in (1, 3))
    assert {unit.unit_id for unit in units(few)} < {unit.unit_id for unit in units(many)}
    assert unit_of(few, "width", 2).unit_id == unit_of(many, "width", 2).unit_id


@pytest.mark.parametrize("depth", [2, 49])
def test_the_width_is_the_one_nearest_to_the_budget(depth: int) -> None:
    spec = spec_of("nlc-initial")
    facts = {f"depth-{depth}": {"train": 40_000, "d_in": 621, "classes": 10}}
    width = known(spec, unit_of(spec, f"depth-{depth}", 0), facts)["width"]
    misses = [abs(count_parameters(depth, width + step, 621, 10) - 1_000_000) for step in (-1, 0, 1)]
    assert min(misses) == misses[1]


def test_a_network_of_table_1_has_the_seed_and_the_value_it_always_had() -> None:
    row = measured("depth-2", 8 + 2)  # the second initialization of the third activation function
    seed = derive_seed("tables", 0, 1)
    assert (row.activation, row.initialization, row.seed, row.depth) == ("tanh", 1, seed, 2)
    sizes = {"d_in": 810, "d_out": 10, "depth": 2, "width": row.width}
    network = Architecture(index=0, seed=seed, **sizes, activation="tanh", normalization="batch").build()
    inputs = torch.from_numpy(np.random.default_rng(0).standard_normal((500, 810)))
    assert row.init_nlc == nlc(network, inputs, batches=2, seed=seed)
    assert (row.points, row.batches, row.inputs) == (500, 2, "gaussian")


def test_a_network_of_table_2_has_independent_weights_from_its_seed() -> None:
    row = measured("table-2", 1)
    generator = np.random.default_rng(derive_seed("tables", 0, 0))
    assert (row.depth, row.width) == (5, 100)
    weights = [
        torch.from_numpy(generator.standard_normal((d_out, d_in))) * (2 / d_in) ** 0.5
        for d_in, d_out in pairwise([810, 100, 100, 100, 100, 10])
    ]

    def network(signal: torch.Tensor) -> torch.Tensor:
        for weight in weights[:-1]:
            signal = signal @ weight.T
            signal = torch.relu((signal - signal.mean(0)) / signal.std(0, correction=0))
        return signal @ weights[-1].T

    inputs = torch.from_numpy(np.random.default_rng(0).standard_normal((500, 810)))
    assert row.init_nlc == pytest.approx(nlc(network, inputs, batches=2, seed=row.seed), rel=1e-9)


def test_a_doubled_width_compares_two_draws_of_one_seed() -> None:
    spec = spec_of("nlc-initial-quick", "parts.width.metrics={nlc_batches: 1, walk_batches: 0}")
    part = spec.part("width")
    records = run(spec, unit_of(spec, "width", 3 + 1), Work())
    dataset = data.load(DataSpec(train=250), 0)
    architecture = sample_architecture(1, seed=0, d_in=40, d_out=3, parameters=part.parameters)
    seed = derive_seed("confounders", architecture.seed, 1)
    assert (records["networks"][0].seed, records["networks"][0].architecture) == (seed, 1)
    rows: list[MovementRow] = list(records["movements"])
    assert [row.metric for row in rows] == list(METRICS)
    for width, values in ((1, [row.before for row in rows]), (2, [row.after for row in rows])):
        wide = replace(architecture, seed=seed, width=width * architecture.width)
        case = make_case(wide, dataset)
        expected = measure_initial(case.network, wide, dataset, part.metrics, case.loss_scale, TrainingSpec())
        assert values == [expected.get(name, wide.depth if name == "depth" else None) for name in METRICS]


def test_a_failed_unit_says_which_network_it_was() -> None:
    spec = spec_of("nlc-initial-quick", *SMALL)
    facts = prepare(spec, ["depth-49", "spheres"])
    assert facts == {"depth-49": {"name": "gaussian", "d_in": 810, "classes": 10}}
    for part, index, depth, activation in (("depth-49", 3, 49, "sigmoid"), ("spheres", 2, 5, "relu")):
        records = failed_records(KIND, spec, facts, unit_of(spec, part, index), "gone", seconds=1.0, attempts=2)
        (row,) = records["networks"]
        assert (row.status, row.reason, row.depth, row.activation) == (FAILED, "gone", depth, activation)
        assert row.init_nlc is None
        assert records["movements"] == records["pixels"] == []


@pytest.mark.parametrize(
    ("assignment", "complaint"),
    [
        ("parts.sines.inputs=isotropic", "the experiment sines needs labels, so inputs must be data, not isotropic"),
        ("parts.he-networks.inputs=gaussian", "the experiment he-networks needs labels"),
        ("parts.table-2.depths=[1, 2]", "depths must be at least 2"),
        ("parts.depth-2.activations=[]", "at least 1 item"),
    ],
)
def test_an_experiment_that_cannot_be_done_is_refused(assignment: str, complaint: str) -> None:
    with pytest.raises(SpecError, match=complaint):
        spec_of("nlc-initial-quick", assignment)


def test_a_he_network_is_measured_on_labelled_data_with_the_loss_of_the_study() -> None:
    row = measured("he-networks", 1)
    assert (row.depth, row.width, row.normalization, row.activation) == (5, 100, "none", "relu")
    dataset = data.load(DataSpec(train=250), 0)
    network = he_network(depth=5, width=100, d_in=40, d_out=3, seed=derive_seed("he-networks", 0))
    network.requires_grad_(False)
    inputs = dataset.train_inputs
    assert row.init_nlc == nlc(network, inputs, batches=2, seed=row.seed)
    outputs = network(inputs)
    assert row.init_bias == pytest.approx(float(outputs.square().mean().sqrt()) / row.output_spread)
    point = inputs.clone().requires_grad_()
    scale = float(outputs.square().mean().sqrt())
    (gradient,) = torch.autograd.grad(
        cross_entropy(network(point), dataset.train_labels, loss_scale=scale).sum(), point
    )
    assert row.init_gradient_length == pytest.approx(float(gradient.square().sum(1).mean().sqrt()))
    assert row.init_gradient_component == pytest.approx(row.init_gradient_length / math.sqrt(40))


def test_the_width_of_he_networks_is_a_multiple_of_100_neurons_whatever_the_depth() -> None:
    spec = spec_of("nlc-initial")
    data_record = {"he-networks": {"train": 40_000, "d_in": 621, "classes": 10}}
    widths = {known(spec, unit, data_record)["width"] for unit in units(spec) if unit.part == "he-networks"}
    assert widths == {100, 400}


def test_precisions_are_measured_of_a_drawn_architecture_with_a_seed_of_its_own() -> None:
    row = measured("precision", 1)
    drawn = sample_architecture(1, seed=0, d_in=40, d_out=3, parameters=3000)
    assert (row.architecture, row.seed, row.activation, row.width) == (1, drawn.seed, drawn.activation, drawn.width)
    network = drawn.build().requires_grad_(False)
    inputs = data.load(DataSpec(train=250), 0).train_inputs
    assert row.init_nlc == pytest.approx(nlc(network, inputs, batches=2, seed=drawn.seed), rel=1e-4)
    assert row.single_nlc == nlc(network.float(), inputs.float(), batches=2, seed=drawn.seed)
    assert row.single_nlc == pytest.approx(row.init_nlc, rel=1e-4)


def test_sines_and_pictures_have_the_seeds_they_always_had_unless_the_study_has_another() -> None:
    assert measured("sines", 5).seed == derive_seed("sines", 1)
    assert measured("spheres", 1).seed == derive_seed("spheres", 2)
    other = spec_of("nlc-initial-quick", "seed=1")
    assert run(other, unit_of(other, "spheres", 1), Work())["networks"][0].seed == derive_seed(1, "spheres", 2)
