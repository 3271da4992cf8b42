"""Adam against its formula (the whole trainer is held to torch's), the loss and its derivative against autograd, the
scale of the initial outputs."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from distnlc.networks.loss import cross_entropy, cross_entropy_and_delta, loss_scale
from distnlc.training.optimizers import Adam


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def one_hot_columns(labels: Tensor, classes: int) -> Tensor:
    return functional.one_hot(labels, classes).T.to(torch.float64)


def test_adam_is_that_of_its_authors_for_every_run() -> None:
    flat, rates = random(3, 7), torch.tensor([[1e-3], [0.1], [2.0]], dtype=torch.float64)
    adam, expected = Adam.start(flat), flat
    first, second = torch.zeros_like(flat), torch.zeros_like(flat)
    for step in range(1, 31):
        gradients = random(3, 7, seed=step) * 10.0 ** (step % 5 - 2)
        flat = flat - rates * adam.update(gradients)
        first = 0.9 * first + 0.1 * gradients
        second = 0.999 * second + 0.001 * gradients**2
        expected = expected - rates * (first / (1 - 0.9**step)) / (torch.sqrt(second / (1 - 0.999**step)) + 1e-8)
        torch.testing.assert_close(flat, expected, rtol=1e-12, atol=1e-12)


def test_adam_leaves_the_gradients_alone_and_a_zero_gradient_moves_nothing() -> None:
    gradients = random(2, 5)
    gradients[1] = 0
    before = gradients.clone()
    update = Adam.start(gradients).update(gradients)
    assert torch.equal(gradients, before)
    assert torch.equal(update[1], torch.zeros(5, dtype=torch.float64))


def test_a_rewound_run_goes_on_from_its_kept_averages_and_the_others_do_not_notice() -> None:
    adam = Adam.start(random(3, 5))
    for step in range(4):
        adam.update(random(3, 5, seed=step))
    kept = adam.take(torch.arange(3))
    expected = kept.take(torch.tensor([1])).update(random(3, 5, seed=9)[1:2])
    undisturbed = Adam(adam.first.clone(), adam.second.clone(), adam.steps.clone())
    for optimizer in (adam, undisturbed):
        optimizer.update(random(3, 5, seed=4))
    adam.copy_rows(kept, torch.tensor([1]))
    assert adam.steps.flatten().tolist() == [5, 4, 5]
    found, others = adam.update(random(3, 5, seed=9)), undisturbed.update(random(3, 5, seed=9))
    torch.testing.assert_close(found[1:2], expected)
    assert torch.equal(found[[0, 2]], others[[0, 2]])


def test_taken_averages_are_independent_of_their_source() -> None:
    adam = Adam.start(random(3, 5))
    adam.update(random(3, 5))
    taken = adam.take(torch.tensor([0, 2]))
    before = taken.first.clone()
    adam.update(random(3, 5, seed=1))
    assert torch.equal(taken.first, before)
    assert taken.steps.flatten().tolist() == [1, 1]


@pytest.mark.parametrize("scale", [0.3, 1.0, 25.0])
def test_the_loss_and_its_derivative_are_those_of_autograd(scale: float) -> None:
    outputs = (4 * random(3, 5, 8)).requires_grad_()
    labels = torch.arange(8) % 5
    expected = torch.stack([functional.cross_entropy(member.T / scale, labels) for member in outputs])
    (derivative,) = torch.autograd.grad(expected.sum(), outputs)
    losses, delta = cross_entropy_and_delta(outputs.detach(), one_hot_columns(labels, 5), loss_scale=scale)
    torch.testing.assert_close(losses, expected.detach())
    torch.testing.assert_close(delta, derivative)


def test_the_loss_of_huge_outputs_is_finite() -> None:
    outputs = torch.tensor([[[1e5], [-1e5]]], dtype=torch.float64)
    for label, expected in ((0, 0.0), (1, 2e5)):
        losses, delta = cross_entropy_and_delta(outputs, one_hot_columns(torch.tensor([label]), 2), loss_scale=1.0)
        assert losses.item() == pytest.approx(expected)
        assert delta.flatten().tolist() == pytest.approx([1.0 - (label == 0), -1.0 * (label == 1)])


def test_the_loss_of_one_network_is_per_datapoint() -> None:
    outputs, labels = random(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    losses = cross_entropy(outputs, labels, loss_scale=2.0)
    by_hand = [-math.log(row.exp()[label] / row.exp().sum()) for row, label in zip(outputs / 2, labels, strict=True)]
    torch.testing.assert_close(losses, torch.tensor(by_hand, dtype=torch.float64))


class Centered(nn.Module):
    """Depends on its batch, as batch norm does."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs - inputs.mean(0)


def test_the_loss_scale_is_the_root_mean_square_of_all_outputs_in_batches() -> None:
    inputs = random(12, 4) + 10
    batches = [inputs[first : first + 4] - inputs[first : first + 4].mean(0) for first in (0, 4, 8)]
    expected = torch.cat(batches).square().mean().sqrt().item()
    assert loss_scale(Centered(), inputs, batch_size=4) == pytest.approx(expected)
    assert loss_scale(Centered(), inputs, batch_size=12) != pytest.approx(expected)
    assert loss_scale(nn.Identity(), inputs[:7], batch_size=4) == pytest.approx(inputs[:7].square().mean().sqrt())


@pytest.mark.parametrize(("value", "found"), [(0.0, "0.0"), (math.inf, "inf"), (math.nan, "nan")])
def test_outputs_without_a_finite_positive_scale_are_refused(value: float, found: str) -> None:
    inputs = torch.full((4, 2), value, dtype=torch.float64)
    with pytest.raises(ValueError, match=f"finite positive scale to divide the loss by, got {found}"):
        loss_scale(nn.Identity(), inputs, batch_size=2)
