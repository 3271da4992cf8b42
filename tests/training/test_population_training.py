"""The fast trainer against the slow obvious loop, in float64, over whole runs, with each of the two programs.

The native program needs a C compiler: without one these tests fail rather than test the other twice.
"""

import itertools

import numpy as np
import pytest
import torch
from torch.nn.utils import parameters_to_vector

from distnlc.data.dataset import Dataset
from distnlc.networks.activations import FUNCTIONS
from distnlc.networks.architecture import Architecture
from distnlc.networks.loss import loss_scale
from distnlc.records import DIVERGED, OK
from distnlc.training.mlp_program import MLPProgram
from distnlc.training.native_program import NativeProgram
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import Start
from distnlc.training.trainer import train_population
from tests.helpers import plain_training as reference

SHORT = TrainingSpec(batch_size=20, first_patience=3, patience=2, divisions=3)
SKIPS = [(0.0, "none"), (1.0, "linear"), (0.4, "normalization")]


@pytest.fixture(params=[MLPProgram, NativeProgram], autouse=True)
def program(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type:
    monkeypatch.setattr("distnlc.training.trainer.make_program", request.param)
    kind: type = request.param
    return kind


@pytest.fixture(scope="module")
def data() -> Dataset:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (140,), generator=generator)
    inputs = torch.randn(140, 6, generator=generator, dtype=torch.float64)
    inputs[:, 0] += labels
    inputs[:, 1] -= 2.0 * (labels == 1)
    parts = [(inputs[a:b], labels[a:b]) for a, b in ((0, 80), (80, 120), (120, 140))]
    return Dataset("waveform-noise", 3, *[tensor for part in parts for tensor in part])


def architecture(activation: str, normalization: str, skips: tuple[float, str], depth: int = 5) -> Architecture:
    return Architecture(
        index=0,
        seed=7,
        d_in=6,
        d_out=3,
        depth=depth,
        width=8,
        activation=activation,
        dilation=0.8,
        shift=0.2,
        debiased=True,
        bias_variance=0.05,
        initial_scale=0.9,
        normalization=normalization,
        skip_strength=skips[0],
        skip_start=skips[1],
    )


def start_of(drawn: Architecture, data: Dataset) -> Start:
    network = drawn.build()
    row = parameters_to_vector(network.parameters()).detach()
    return Start(drawn, row, network.projection, loss_scale(network, data.train_inputs, batch_size=20), seed=3)


def assert_agrees(drawn: Architecture, data: Dataset, rates: list[float], spec: TrainingSpec) -> list[str]:
    start = start_of(drawn, data)
    outcomes = train_population(start, data, rates, spec)
    for rate, outcome in zip(rates, outcomes, strict=True):
        slow = reference.train(drawn.build(), data, rate, spec, loss_scale=start.loss_scale, seed=start.seed)
        on_training = spec.criterion == "training-error"
        errors = [epoch.train_error if on_training else epoch.val_error for epoch in outcome.history]
        assert [epoch.rate for epoch in outcome.history] == pytest.approx(slow.rates)
        np.testing.assert_array_equal(errors, slow.errors)
        losses = [epoch.train_loss for epoch in outcome.history]
        finite = np.isfinite(slow.losses)
        np.testing.assert_array_equal(np.isfinite(losses), finite)
        np.testing.assert_allclose(np.array(losses)[finite], np.array(slow.losses)[finite], rtol=1e-7)
        assert outcome.best_epoch == slow.best_epoch
        assert (outcome.train_error if on_training else outcome.val_error) == slow.best_error
        assert slow.network is not None
        assert outcome.row is not None
        final = parameters_to_vector(slow.network.parameters()).detach()
        np.testing.assert_allclose(outcome.row, final, rtol=1e-6, atol=1e-9)
        assert outcome.test_error == reference.error_of(slow.network, data.test_inputs, data.test_labels, 20)
    return [outcome.status for outcome in outcomes]


@pytest.mark.parametrize(
    ("activation", "normalization", "skips"),
    [
        *itertools.product(["tanh", "relu"], ["none", "batch", "layer"], SKIPS),
        *itertools.product(sorted(set(FUNCTIONS) - {"tanh", "relu"}), ["batch"], SKIPS[1:2]),
        *itertools.product(sorted(set(FUNCTIONS) - {"tanh", "relu"}), ["layer"], SKIPS[:1]),
    ],
)
def test_a_population_trains_as_the_plain_loop_does(
    data: Dataset, activation: str, normalization: str, skips: tuple[float, str]
) -> None:
    statuses = assert_agrees(architecture(activation, normalization, skips), data, [1e-6, 0.01, 0.05], SHORT)
    assert statuses == [OK, OK, OK]


def test_depth_three_has_its_one_skip_through_the_projection(data: Dataset) -> None:
    assert_agrees(architecture("selu", "layer", SKIPS[1], depth=3), data, [0.02], SHORT)


def test_adam_trains_as_torch_does(data: Dataset) -> None:
    spec = SHORT.model_copy(update={"optimizer": "adam"})
    assert_agrees(architecture("selu", "layer", SKIPS[1]), data, [1e-5, 1e-3, 0.02], spec)


def test_the_training_error_criterion_watches_the_training_error(data: Dataset) -> None:
    spec = SHORT.model_copy(update={"criterion": "training-error"})
    assert_agrees(architecture("tanh", "batch", SKIPS[0]), data, [1e-4, 0.05], spec)


def test_runs_that_diverge_rewind_at_once_and_do_not_disturb_the_others(data: Dataset) -> None:
    """The square function without normalization leaves float64 within an epoch at a high rate."""
    spec = SHORT.model_copy(update={"divisor": 1e3})
    drawn = architecture("square", "none", SKIPS[0])
    statuses = assert_agrees(drawn, data, [1e-4, 1e3, 1e60], spec)
    assert statuses == [OK, OK, DIVERGED]
    diverged = train_population(start_of(drawn, data), data, [1e60], spec)[0]
    assert len(diverged.history) == spec.divisions + 1
    assert diverged.best_epoch == 0
    assert np.isfinite([diverged.val_error, diverged.test_error, diverged.train_error]).all()


def test_a_run_does_not_depend_on_its_company(data: Dataset) -> None:
    """But for rounding: batched kernels may round differently at other population sizes."""
    start = start_of(architecture("tanh", "batch", SKIPS[1]), data)
    rates = [1e-4, 1e-3, 0.01, 0.1]
    together = train_population(start, data, rates, SHORT)
    for rate, outcome in zip(rates, together, strict=True):
        alone = train_population(start, data, [rate], SHORT)[0]
        assert [epoch.val_error for epoch in alone.history] == [epoch.val_error for epoch in outcome.history]
        np.testing.assert_allclose(alone.row, outcome.row, rtol=1e-8)


def test_the_same_population_gives_the_same_bits(data: Dataset) -> None:
    start = start_of(architecture("selu", "layer", SKIPS[2]), data)
    first, second = (train_population(start, data, [0.01, 0.1], SHORT) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert one.history == other.history
        assert torch.equal(one.row, other.row)


def test_data_that_does_not_split_into_whole_batches_is_refused(data: Dataset) -> None:
    spec = SHORT.model_copy(update={"batch_size": 30})
    with pytest.raises(ValueError, match=r"train part .* multiple of the batch size 30 .* 80 points"):
        train_population(start_of(architecture("relu", "none", SKIPS[0]), data), data, [0.1], spec)
