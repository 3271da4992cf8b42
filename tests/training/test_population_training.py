"""The fast trainer against the slow obvious loop, in float64, over whole runs, with each of the three programs.

The native program needs a C compiler: without one these tests fail rather than test the other twice.
"""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from distnlc.data.dataset import Dataset
from distnlc.networks.activations import FUNCTIONS
from distnlc.networks.architecture import Architecture
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layered
from distnlc.networks.mlp import MLP
from distnlc.records import DIVERGED, OK
from distnlc.spec import derive_seed
from distnlc.training.layered_program import LayeredProgram
from distnlc.training.module_program import ModuleProgram
from distnlc.training.native_program import NativeProgram
from distnlc.training.spec import StepSpec, TrainingSpec
from distnlc.training.start import Start, starts_of
from distnlc.training.trainer import train_population
from tests.helpers import plain_training as reference
from tests.helpers.plain_steps import PlainRun
from tests.helpers.plain_training import SHORT, SKIPS, architecture, small_data, start_for

NORMALIZATIONS = ["none", "batch", "layer"]
OTHERS = sorted(set(FUNCTIONS) - {"tanh"})


def as_module(start: Start, spec: StepSpec) -> ModuleProgram:
    """The same network as a torch module whose layers nobody knows."""
    assert isinstance(start.network, Layered)
    module = MLP(start.network, gaussian(start.network, [1.0] * start.network.depth, seed=0))
    return ModuleProgram(replace(start, network=module), spec)


@pytest.fixture(
    params=[NativeProgram, *(pytest.param(each, marks=pytest.mark.slow) for each in (LayeredProgram, as_module))],
    autouse=True,
)
def program(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr("distnlc.training.population.make_program", request.param)
    return request.param


@pytest.fixture(scope="module")
def data() -> Dataset:
    return small_data()


def assert_agrees(drawn: Architecture, data: Dataset, rates: list[float], spec: TrainingSpec) -> list[str]:
    start = start_for(drawn, data)
    outcomes = train_population(start, data, rates, spec)
    for rate, outcome in zip(rates, outcomes, strict=True):
        slow = reference.train(drawn.build(), data, rate, spec, loss_scale=start.loss_scale.item(), seed=start.seeds[0])
        on_training = spec.criterion == "training-error"
        errors = [epoch.train_error if on_training else epoch.val_error for epoch in outcome.history]
        assert [epoch.rate for epoch in outcome.history] == pytest.approx(slow.rates)
        np.testing.assert_array_equal(errors, slow.errors)
        losses = [epoch.train_loss for epoch in outcome.history]
        finite = np.isfinite(slow.losses)
        np.testing.assert_array_equal(np.isfinite(losses), finite)
        np.testing.assert_allclose(np.array(losses)[finite], np.array(slow.losses)[finite], rtol=1e-7)
        assert outcome.best_epoch == slow.best_epoch
        assert slow.network is not None
        assert outcome.row is not None
        watched = (
            (data.train_inputs, data.train_labels) if on_training else (data.validation_inputs, data.validation_labels)
        )
        expected = slow.best_error if spec.rewind else reference.error_of(slow.network, *watched, 20)
        np.testing.assert_equal(outcome.train_error if on_training else outcome.val_error, expected)
        final = parameters_to_vector(slow.network.parameters()).detach()
        np.testing.assert_allclose(outcome.row, final, rtol=1e-6, atol=1e-9)
        test_error = reference.error_of(slow.network, data.test_inputs, data.test_labels, 20)
        np.testing.assert_equal(outcome.test_error, test_error)
    return [outcome.status for outcome in outcomes]


@pytest.mark.parametrize(
    ("activation", "normalization", "skips"),
    [
        *itertools.product(["tanh"], NORMALIZATIONS, SKIPS),
        *zip(OTHERS, itertools.cycle(NORMALIZATIONS[1:]), itertools.cycle(SKIPS[1::-1]), strict=False),
    ],
)
def test_a_population_trains_as_the_plain_loop_does(
    data: Dataset, activation: str, normalization: str, skips: tuple[float, str]
) -> None:
    """Runs that finish, and so leave the others, at different epochs. Every pair of an activation function with the
    other properties is trained for fewer updates in test_grid.py."""
    statuses = assert_agrees(architecture(activation, normalization, skips), data, [1e-6, 0.01, 0.05], SHORT)
    assert statuses == [OK, OK, OK]


@pytest.mark.parametrize(
    ("changes", "drawn", "rates"),
    [
        ({"optimizer": "adam"}, architecture("selu", "layer", SKIPS[1]), [1e-5, 1e-3, 0.02]),
        ({"criterion": "training-error"}, architecture("tanh", "batch"), [1e-4, 0.05]),
        ({}, architecture("selu", "layer", SKIPS[1], depth=3), [0.02]),  # its one skip goes through the projection
        ({"optimizer": "momentum", "epochs": 7}, architecture("tanh", "batch"), [1e-4, 0.05]),
        ({"rewind": False}, architecture("tanh", "layer"), [1e-4, 0.05, 0.5]),
        ({"rewind": False, "epochs": 9}, architecture("selu"), [1e-3, 0.05]),
    ],
    ids=["adam", "training error", "depth 3", "momentum, few epochs", "without rewinds", "both"],
)
def test_so_it_does_with_the_studies_variants(
    data: Dataset, changes: dict[str, Any], drawn: Architecture, rates: list[float]
) -> None:
    assert_agrees(drawn, data, rates, SHORT.model_copy(update=changes))


def test_runs_that_diverge_rewind_at_once_and_do_not_disturb_the_others(data: Dataset) -> None:
    """The square function without normalization leaves float64 within an epoch at a high rate."""
    spec = SHORT.model_copy(update={"divisor": 1e3})
    drawn = architecture("square")
    statuses = assert_agrees(drawn, data, [1e-4, 1e3, 1e60], spec)
    assert statuses == [OK, OK, DIVERGED]
    diverged = train_population(start_for(drawn, data), data, [1e60], spec)[0]
    assert len(diverged.history) == spec.divisions + 1
    assert diverged.best_epoch == 0
    assert np.isfinite([diverged.val_error, diverged.test_error, diverged.train_error]).all()


def test_without_rewinds_a_run_that_diverges_ends_there_and_says_so(data: Dataset) -> None:
    spec = SHORT.model_copy(update={"rewind": False})
    assert assert_agrees(architecture("square"), data, [1e-4, 1e3], spec) == [OK, DIVERGED]


def test_a_run_does_not_depend_on_its_company(data: Dataset) -> None:
    """But for rounding: batched kernels may round differently at other population sizes."""
    start = start_for(architecture("tanh", "batch", SKIPS[1]), data)
    rates = [1e-4, 1e-3, 0.01, 0.1]
    together = train_population(start, data, rates, SHORT)
    for rate, outcome in zip(rates, together, strict=True):
        alone = train_population(start, data, [rate], SHORT)[0]
        assert [epoch.val_error for epoch in alone.history] == [epoch.val_error for epoch in outcome.history]
        np.testing.assert_allclose(alone.row, outcome.row, rtol=1e-8)


def test_each_run_may_have_a_factor_of_the_rate_for_each_layer(data: Dataset, program: object) -> None:
    """A module's layers are its parameter tensors."""
    drawn, spec = architecture("tanh", "layer"), SHORT.model_copy(update={"epochs": 3})
    start, tensors = start_for(drawn, data), 2 if program is as_module else 1
    factors = torch.linspace(0.5, 2, drawn.depth, dtype=torch.float64)
    factors[0] = 0.0
    start = replace(start, rate_factors=factors.repeat_interleave(tensors)[None])
    outcomes = train_population(start, data, [0.01, 0.05], spec.model_copy(update={"rewind": False}))
    for rate, outcome in zip([0.01, 0.05], outcomes, strict=True):
        run = PlainRun(drawn.build(), spec, start.loss_scale.item())
        for epoch in range(3):
            order = np.random.default_rng(derive_seed("shuffle", 3, epoch)).permutation(80)
            run.train(data.train_inputs, data.train_labels, torch.from_numpy(order), (rate * factors).tolist())
        torch.testing.assert_close(outcome.row, run.numbers(), rtol=1e-8, atol=1e-10)


def test_the_whole_training_part_may_be_the_minibatch_and_parts_may_be_empty(data: Dataset) -> None:
    """As the gradient study trains batch-ReLU: on 50,000 points at once, without a test set."""
    spec = SHORT.model_copy(update={"batch_size": 80, "criterion": "training-error", "rewind": False, "epochs": 4})
    empty = {
        f"{part}_{what}": getattr(data, f"{part}_{what}")[:0]
        for part in ("validation", "test")
        for what in ("inputs", "labels")
    }
    (outcome,) = train_population(start_for(architecture("relu", "batch"), data), replace(data, **empty), [0.1], spec)
    assert outcome.epochs == 4
    assert 0 <= outcome.train_error <= 1
    assert np.isnan([outcome.val_error, outcome.test_error]).all()


def test_parts_that_leave_points_over_are_measured_whole_where_points_do_not_depend_on_one_another(
    data: Dataset,
) -> None:
    spec, start = SHORT.model_copy(update={"epochs": 1}), start_for(architecture("relu", "layer"), data)
    ragged = replace(data, test_inputs=data.test_inputs[:13], test_labels=data.test_labels[:13])
    (outcome,) = train_population(start, ragged, [0.1], spec)
    network = architecture("relu", "layer").build()
    vector_to_parameters(outcome.row, network.parameters())
    assert outcome.test_error == pytest.approx(reference.error_of(network, ragged.test_inputs, ragged.test_labels, 13))


def test_members_with_own_weights_and_data_orders_train_as_each_alone(data: Dataset) -> None:
    """But for rounding, and in the native program bit by bit (test_fixed_steps.py)."""
    drawn = [replace(architecture("tanh", "batch", SKIPS[1]), seed=seed) for seed in (1, 2, 3)]
    networks, seeds, rates = [each.build() for each in drawn], [4, 5, 6], [0.01, 0.03, 0.1]
    spec = SHORT.model_copy(update={"epochs": 6})
    together = train_population(starts_of(networks, loss_scales=[1.0, 0.5, 2.0], seeds=seeds), data, rates, spec)
    for network, scale, seed, rate, outcome in zip(networks, [1.0, 0.5, 2.0], seeds, rates, together, strict=True):
        slow = reference.train(network, data, rate, spec, loss_scale=scale, seed=seed)
        assert [epoch.val_error for epoch in outcome.history] == slow.errors
        np.testing.assert_allclose([epoch.train_loss for epoch in outcome.history], slow.losses, rtol=1e-7)


def test_data_that_does_not_split_into_whole_batches_is_refused(data: Dataset) -> None:
    spec = SHORT.model_copy(update={"batch_size": 30})
    with pytest.raises(ValueError, match=r"train part .* multiple of the batch size 30, .* 80 points"):
        train_population(start_for(architecture("relu"), data), data, [0.1], spec)
