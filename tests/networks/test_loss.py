"""The loss and its derivative against autograd, and the scale of the initial outputs."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from distnlc.networks.loss import cross_entropy, loss_scale, losses_and_delta, mean_loss, point_losses


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def one_hot_columns(labels: Tensor, classes: int) -> Tensor:
    return functional.one_hot(labels, classes).T.to(torch.float64)


@pytest.mark.parametrize("scale", [0.3, 1.0, 25.0])
def test_the_loss_and_its_derivative_are_those_of_autograd(scale: float) -> None:
    outputs = (4 * random(3, 5, 8)).requires_grad_()
    labels = torch.arange(8) % 5
    expected = torch.stack([functional.cross_entropy(member.T / scale, labels) for member in outputs])
    (derivative,) = torch.autograd.grad(expected.sum(), outputs)
    losses, delta = losses_and_delta("cross-entropy", outputs.detach(), one_hot_columns(labels, 5), scale)
    torch.testing.assert_close(losses, expected.detach())
    torch.testing.assert_close(delta, derivative)


def test_the_loss_of_huge_outputs_is_finite() -> None:
    outputs = torch.tensor([[[1e5], [-1e5]]], dtype=torch.float64)
    for label, expected in ((0, 0.0), (1, 2e5)):
        losses, delta = losses_and_delta("cross-entropy", outputs, one_hot_columns(torch.tensor([label]), 2), 1.0)
        assert losses.item() == pytest.approx(expected)
        assert delta.flatten().tolist() == pytest.approx([1.0 - (label == 0), -1.0 * (label == 1)])


def test_the_loss_of_one_network_is_per_datapoint() -> None:
    outputs, labels = random(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    losses = cross_entropy(outputs, labels, loss_scale=2.0)
    by_hand = [-math.log(row.exp()[label] / row.exp().sum()) for row, label in zip(outputs / 2, labels, strict=True)]
    torch.testing.assert_close(losses, torch.tensor(by_hand, dtype=torch.float64))


def test_the_loss_scale_is_the_root_mean_square_of_all_outputs_in_batches() -> None:
    """Of batches as they are, which counts where a network normalizes over its batch."""
    inputs = random(12, 4) + 10

    def centered(batch: Tensor) -> Tensor:
        return batch - batch.mean(0)

    expected = torch.cat([centered(batch) for batch in inputs.split(4)]).square().mean().sqrt().item()
    assert loss_scale(centered, inputs, batch_size=4) == pytest.approx(expected)
    assert loss_scale(nn.Identity(), inputs[:7], batch_size=4) == pytest.approx(inputs[:7].square().mean().sqrt())


@pytest.mark.parametrize("value", [0.0, math.inf, math.nan])
def test_outputs_without_a_finite_positive_scale_are_refused(value: float) -> None:
    inputs = torch.full((4, 2), value, dtype=torch.float64)
    with pytest.raises(ValueError, match=f"finite positive scale to divide the loss by, got {value}"):
        loss_scale(nn.Identity(), inputs, batch_size=2)


@pytest.mark.parametrize("name", ["cross-entropy", "squared-error"])
def test_the_losses_of_training_and_of_measuring_are_one_another_s_and_their_derivative_is_autograd_s(
    name: str,
) -> None:
    outputs, labels, scales = (4 * random(3, 8, 5)).requires_grad_(), torch.arange(8) % 5, torch.tensor([0.5, 1.0, 7.0])
    expected = torch.stack([mean_loss(name, *each) for each in zip(outputs, [labels] * 3, scales, strict=True)])
    (derivative,) = torch.autograd.grad(expected.sum(), outputs)
    columns, by_member = outputs.detach().mT, scales.double()[:, None, None]
    losses, delta = losses_and_delta(name, columns, one_hot_columns(labels, 5), by_member)
    torch.testing.assert_close(losses, expected.detach())
    torch.testing.assert_close(delta.mT, derivative)
    torch.testing.assert_close(point_losses(name, outputs.detach(), labels, by_member).mean(1), expected.detach())


def test_a_loss_far_below_the_precision_of_float32_is_not_zero() -> None:
    """Logits (40, 0, ..., 0) have the loss 9 exp(-40) = 3.8e-17, and 90 exp(-80) of the squared error."""
    outputs = torch.zeros(1, 10)
    outputs[0, 0] = 40
    own, other = torch.tensor([0]), torch.tensor([1])
    assert point_losses("cross-entropy", outputs, own, 1.0).item() == pytest.approx(9 * math.exp(-40), rel=1e-12)
    assert point_losses("squared-error", outputs, own, 1.0).item() == pytest.approx(90 * math.exp(-80), rel=1e-12)
    assert point_losses("cross-entropy", 50 * outputs, other, 1.0).item() == pytest.approx(2_000)
