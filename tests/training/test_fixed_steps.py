"""Fixed numbers of updates against the plain loop; stops, falls of the rate, checkpoints, placement."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distnlc.data.dataset import Dataset
from distnlc.networks.activations import plain_activation
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layered, uniform_layers
from distnlc.networks.mlp import MLP
from distnlc.spec import SpecError, derive_seed
from distnlc.training.fixed_steps import DIVERGED, FITTED, STEPS, FixedOutcome, FixedTrainer, train_fixed
from distnlc.training.spec import FixedSpec
from distnlc.training.start import Start, start_of, starts_of
from tests.helpers.plain_steps import PlainRun, loss_of
from tests.helpers.plain_training import small_data

SEEDS, RATES = [3, 4, 5], [0.01, 0.03, 0.1]


def network(seed: int, normalization: str = "none") -> MLP:
    layers = uniform_layers([8, 8, 3], activation=plain_activation("relu"), bias=False, normalization=normalization)
    layered = Layered(6, layers)
    return MLP(layered, gaussian(layered, [2 / d_in for _, d_in, _ in layered.sizes], seed))


def convolutional(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    body = [nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3)]
    return nn.Sequential(*body).double()


def start_for(make: type[nn.Module] = network) -> Start:  # type: ignore[assignment]
    return starts_of([make(seed) for seed in SEEDS], loss_scales=[1.0] * 3, seeds=SEEDS)


def series(seed: int, points: int, count: int) -> Tensor:
    """The endless series of shuffled epochs, written out."""
    epochs = [np.random.default_rng(derive_seed("shuffle", seed, epoch)).permutation(points) for epoch in range(60)]
    return torch.from_numpy(np.concatenate(epochs)[:count])


@pytest.fixture(scope="module")
def data() -> Dataset:
    return small_data()


@pytest.mark.parametrize("make", [network, convolutional])
def test_runs_with_own_weights_orders_and_rates_train_as_the_plain_loop_does(
    data: Dataset, make: type[nn.Module]
) -> None:
    """Minibatches of 30 of 80 points straddle epochs; the rate falls at the first update after 2.5 epochs."""
    spec = FixedSpec(steps=12, batch_size=30, optimizer="momentum", decay=0.5, decay_epochs=(2.5,), check_steps=5)
    outcomes = train_fixed(start_for(make), data, RATES, spec)
    for seed, rate, outcome in zip(SEEDS, RATES, outcomes, strict=True):
        run, order = PlainRun(make(seed), spec), series(seed, 80, 360)
        falls = math.ceil(2.5 * 80 / 30)
        for step in range(12):
            run.train(
                data.train_inputs, data.train_labels, order[30 * step : 30 * step + 30], [rate * 0.5 ** (step >= falls)]
            )
        assert outcome.row is not None
        torch.testing.assert_close(outcome.row, run.numbers(), rtol=1e-9, atol=1e-11)
        assert (outcome.steps, outcome.stop) == (12, STEPS)
        assert [look.step for look in outcome.looks] == [5, 10, 12]
        assert [look.rate for look in outcome.looks] == pytest.approx([rate, rate / 2, rate / 2])
        last = outcome.looks[-1]
        assert last.epoch == pytest.approx(12 * 30 / 80)
        outputs = run.network(data.train_inputs).detach()
        assert last.train_error == pytest.approx(float((outputs.argmax(1) != data.train_labels).double().mean()))
        assert last.train_loss == pytest.approx(float(loss_of("cross-entropy", outputs, data.train_labels, 1.0)))
        assert last.batch_loss == pytest.approx(np.mean(run.losses[10:12]))


def test_a_run_stops_at_the_first_look_that_finds_it_fitted_and_the_others_go_on(data: Dataset) -> None:
    spec = FixedSpec(steps=400, batch_size=20, check_steps=8, stop_error=0.3)
    fast, slow = train_fixed(start_of(network(1), seed=3), data, [0.2, 1e-6], spec)
    assert (fast.stop, slow.stop, slow.steps) == (FITTED, STEPS, 400)
    assert fast.steps < 400
    errors = [look.train_error for look in fast.looks]
    assert errors[-1] <= 0.3 < min(errors[:-1])
    both = train_fixed(start_of(network(1), seed=3), data, [0.2], replace_spec(spec, stop_loss=1e-9))
    assert both[0].stop == STEPS  # the second condition is not met


def replace_spec(spec: FixedSpec, **changes: object) -> FixedSpec:
    return FixedSpec.parse(spec.model_dump() | changes)


def test_a_run_that_diverges_leaves_at_once_and_disturbs_nobody(data: Dataset) -> None:
    spec = FixedSpec(steps=40, batch_size=20)
    alone = train_fixed(start_of(network(1), seed=3), data, [0.01], spec)[0]
    kept, gone = train_fixed(start_of(network(1), seed=3), data, [0.01, 1e200], spec)
    assert (gone.stop, gone.steps) == (DIVERGED, 4)
    assert torch.equal(kept.row, alone.row)
    assert kept.looks == alone.looks


def test_a_run_does_not_depend_on_its_company_bit_by_bit(data: Dataset) -> None:
    """In the native program, which trains one run after the other: seeds, weights and orders are each run's own."""
    spec = FixedSpec(steps=20, batch_size=30, optimizer="adam-tf1", check_steps=7)
    together = train_fixed(start_for(), data, RATES, spec)
    for seed, rate, outcome in zip(SEEDS, RATES, together, strict=True):
        (alone,) = train_fixed(start_of(network(seed), seed=seed), data, [rate], spec)
        assert torch.equal(alone.row, outcome.row)
        assert alone.looks == outcome.looks


@pytest.mark.parametrize("make", [network, convolutional])
def test_a_population_goes_on_bit_by_bit_from_every_piece(data: Dataset, make: type[nn.Module]) -> None:
    spec = FixedSpec(steps=24, batch_size=30, optimizer="rmsprop-tf1", check_steps=5, stop_error=0.2)
    saved: list[dict[str, object]] = []

    def copy(value: object) -> object:
        if isinstance(value, dict):
            return {name: copy(each) for name, each in value.items()}
        if isinstance(value, list):
            return [copy(each) for each in value]
        return value.clone() if isinstance(value, Tensor) else value

    def save(trainer: FixedTrainer) -> None:
        saved.append(copy(trainer.state()))  # type: ignore[arg-type]

    expected = train_fixed(start_for(make), data, RATES, spec, after_epoch=save)
    assert len(saved) > 5
    for state in saved[::3]:
        assert_same(train_fixed(start_for(make), data, RATES, spec, saved=state), expected)


def assert_same(found: list[FixedOutcome], expected: list[FixedOutcome]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.row, other.row)
        assert (one.looks, one.steps, one.stop) == (other.looks, other.steps, other.stop)


def test_data_that_makes_no_minibatch_is_refused(data: Dataset) -> None:
    with pytest.raises(ValueError, match="80 training points, fewer than a minibatch of 100"):
        train_fixed(start_of(network(1)), data, [0.1], FixedSpec(steps=1, batch_size=100))
    with pytest.raises(ValueError, match="multiple of the batch size 30"):
        train_fixed(start_of(network(1, "batch")), data, [0.1], FixedSpec(steps=1, batch_size=30))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"decay_epochs": [3, 2]}, "epochs must rise"),
        ({"stop_loss": 0.1, "check_steps": 2}, "stop_loss needs stop_error"),
        ({"stop_error": 0.1}, "stop_error needs check_steps"),
        ({"stop_error": 1.5, "check_steps": 2}, "less than or equal to 1"),
        ({"steps": 0}, "greater than 0"),
    ],
)
def test_a_spec_that_contradicts_itself_is_refused(fields: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        FixedSpec.parse({"steps": 5} | fields)


def test_losses_far_below_the_precision_of_float32_are_told_apart(data: Dataset) -> None:
    """A network that is sure of the right class has a loss, not 0."""
    sure = network(1).float()
    points = replace(data, train_inputs=data.train_inputs.float())
    with torch.no_grad():
        outputs = sure(points.train_inputs)
        points.train_labels.copy_(outputs.argmax(1))
    spec = FixedSpec(steps=1, batch_size=20)
    scaled = starts_of([sure], loss_scales=[0.01], seeds=[1])
    (outcome,) = train_fixed(scaled, points, [1e-30], spec)
    by_hand = loss_of("cross-entropy", outputs.double(), points.train_labels, 0.01)
    assert outcome.looks[-1].train_loss == pytest.approx(float(by_hand), rel=1e-3)
