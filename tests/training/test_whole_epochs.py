"""Whole epochs at all rates against a plain torch loop; divergences, drops, augmentation, going on after a stop."""

import copy
import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distnlc.networks.activations import plain_activation
from distnlc.networks.initialization import gaussian
from distnlc.networks.layered import Layered, uniform_layers
from distnlc.networks.mlp import MLP
from distnlc.spec import derive_seed
from distnlc.training import whole_epochs
from distnlc.training.augmentation import view_indices
from distnlc.training.spec import EpochsSpec
from distnlc.training.start import start_of
from distnlc.training.whole_epochs import DensePoints, EpochsTrainer, train_epochs

RATES = [0.01, 0.3, 2.0]
SEED, SCALE = 7, 3.0
SPEC = EpochsSpec(epochs=4, batch_size=30, weight_decay=0.01, drops=(1, 3))


def mlp(normalization: str = "none") -> MLP:
    layered = Layered(6, uniform_layers([9, 5, 3], activation=plain_activation("relu"), normalization=normalization))
    return MLP(layered, gaussian(layered, [2 / d_in for _, d_in, _ in layered.sizes], 1))


def convolutional() -> nn.Module:
    torch.manual_seed(1)
    body = [nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(6, 3)]
    return nn.Sequential(*body).double()


def points(count: int = 80) -> DensePoints:
    random = torch.Generator().manual_seed(0)
    inputs = torch.randn(count, 6, generator=random, dtype=torch.float64)
    return DensePoints(inputs, (inputs @ torch.randn(6, 3, generator=random, dtype=torch.float64)).argmax(1), (1, 2, 3))


def plain(network: nn.Module, data: DensePoints, rate: float, spec: EpochsSpec) -> tuple[list[float], float, float]:
    """The obvious loop: losses of the epochs, loss and error of all points at the end."""
    network, count, losses = copy.deepcopy(network), len(data.labels), []
    momentum = spec.momentum if spec.optimizer == "momentum" else 0.0
    optimizer = torch.optim.SGD(network.parameters(), rate, momentum=momentum, weight_decay=spec.weight_decay)
    views = None if spec.augmentation == "none" else view_indices(spec.augmentation, data.shape)
    for epoch in range(spec.epochs):
        for group in optimizer.param_groups:
            group["lr"] = rate / 10 ** sum(drop <= epoch for drop in spec.drops)
        order = torch.from_numpy(np.random.default_rng(derive_seed("shuffle", SEED, epoch)).permutation(count))
        inputs = data.inputs[order]
        if views is not None:
            drawn = np.random.default_rng(derive_seed("augmentation", SEED, epoch)).integers(len(views), size=count)
            inputs = torch.stack([torch.cat([x, x.new_zeros(1)])[views[v]] for x, v in zip(inputs, drawn, strict=True)])
        each = []
        for batch, labels in zip(inputs.split(spec.batch_size), data.labels[order].split(spec.batch_size), strict=True):
            loss = nn.functional.cross_entropy(network(batch) / SCALE, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            each.append(float(loss.detach()))
        losses.append(sum(each) / len(each))
    with torch.no_grad():
        outputs = network(data.inputs)
    error = float((outputs.argmax(1) != data.labels).double().mean())
    return losses, float(nn.functional.cross_entropy(outputs / SCALE, data.labels)), error


def ours(network: nn.Module, data: Any, spec: EpochsSpec, rates: list[float] = RATES, **options: Any) -> EpochsTrainer:
    return train_epochs(start_of(network, loss_scale=SCALE, seed=SEED), data, rates, spec, **options)


@pytest.mark.parametrize("make", [mlp, convolutional])
@pytest.mark.parametrize("change", [{}, {"optimizer": "momentum"}, {"batch_size": 20}, {"batch_size": 500}])
def test_all_rates_train_as_the_plain_loop_does_a_smaller_last_minibatch_too(make, change) -> None:
    spec, network, data = SPEC.model_copy(update=change), make(), points()
    for outcome in ours(network, data, spec).outcomes:
        losses, loss, error = plain(network, data, outcome.start_rate, spec)
        assert outcome.losses == pytest.approx(losses, rel=1e-9)
        assert (outcome.train_loss, outcome.train_error) == pytest.approx((loss, error), rel=1e-9)


@pytest.mark.parametrize("make", [mlp, convolutional])
def test_cropped_and_mirrored_images_train_as_in_the_plain_loop(make) -> None:
    spec, network, data = SPEC.model_copy(update={"augmentation": "crop-flip"}), make(), points()
    for outcome in ours(network, data, spec).outcomes:
        assert outcome.losses == pytest.approx(plain(network, data, outcome.start_rate, spec)[0], rel=1e-9)


@pytest.mark.parametrize("make", [mlp, convolutional])
def test_the_points_may_come_in_pieces(make, monkeypatch) -> None:
    network, whole = make(), None
    for piece in (2**24, 1, 400):
        monkeypatch.setattr(whole_epochs, "PIECE", piece)
        found = [asdict(outcome) for outcome in ours(network, points(), SPEC).outcomes]
        whole = whole or found
        for one, other in zip(found, whole, strict=True):
            assert one["losses"] == pytest.approx(other["losses"], rel=1e-12)
            assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-12)


@pytest.mark.parametrize("make", [mlp, convolutional])
def test_a_diverged_run_leaves_without_a_loss_and_the_others_train_as_alone(make) -> None:
    network, spec = make(), SPEC.model_copy(update={"drops": (), "weight_decay": 0.0})
    first, wild, last = ours(network, points(), spec, [0.01, 1e200, 0.3]).outcomes
    assert wild.diverged_epoch is not None
    assert len(wild.losses) == wild.diverged_epoch - 1
    assert math.isnan(wild.train_loss)
    for outcome in (first, last):
        (alone,) = ours(network, points(), spec, [outcome.start_rate]).outcomes
        assert outcome.diverged_epoch is None
        assert outcome.losses == pytest.approx(alone.losses, rel=1e-12)
    assert all(each.diverged_epoch for each in ours(network, points(), spec, [1e200, 1e250]).outcomes)


def test_a_run_whose_last_step_destroys_it_has_diverged_in_the_last_epoch() -> None:
    """One minibatch an epoch: its loss is that before the step."""
    spec = SPEC.model_copy(update={"epochs": 1, "batch_size": 80})
    (outcome,) = ours(mlp(), points(), spec, [1e300]).outcomes
    assert (outcome.diverged_epoch, outcome.losses) == (1, [])
    assert math.isnan(outcome.train_error)


@pytest.mark.parametrize("make", [mlp, convolutional])
def test_a_stopped_population_goes_on_from_every_epoch_to_the_same_bits(make) -> None:
    network, states = make(), list[dict[str, Any]]()
    spec, rates = SPEC.model_copy(update={"optimizer": "momentum"}), [0.01, 1e200, 0.3]
    whole = ours(network, points(), spec, rates, after_epoch=lambda each: states.append(copy.deepcopy(each.state())))
    assert len(states) == spec.epochs
    for state in states:
        again = ours(network, points(), spec, rates, saved=state)
        assert repr(again.outcomes) == repr(whole.outcomes)
        assert len(again.seconds) == spec.epochs


def test_batch_norm_is_refused_since_the_last_minibatch_is_smaller() -> None:
    with pytest.raises(ValueError, match="batch norm in a smaller last minibatch is another function"):
        ours(mlp("batch"), points(), SPEC)


def test_points_that_are_no_images_cannot_be_cropped() -> None:
    flat = replace(points(), shape=(6,))
    with pytest.raises(ValueError, match="augmentation is for images"):
        ours(mlp(), flat, SPEC.model_copy(update={"augmentation": "crop-flip"}))


def test_points_are_asked_for_by_their_place_in_the_training_part() -> None:
    data, asked = points(), list[Tensor]()

    class Watched(DensePoints):
        def rows(self, index: Tensor) -> Tensor:
            asked.append(index)
            return super().rows(index)

    ours(mlp(), Watched(data.inputs, data.labels, data.shape), SPEC.model_copy(update={"epochs": 2}))
    assert torch.cat(asked).bincount().tolist() == [3] * 80  # two epochs and the pass at the end
