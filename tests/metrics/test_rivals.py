"""The metrics that the NLC is compared with: gradients, Lipschitz estimate, cosines."""

import math

import pytest
import torch
from torch import nn

from distnlc.metrics.correlation import correlation_preservation
from distnlc.metrics.gradients import input_gradients
from distnlc.metrics.jacobian import linearize
from distnlc.metrics.lipschitz import local_lipschitz


def half_squares(outputs, labels):
    return (outputs - labels).square().sum(1) / 2


def test_gradient_sizes_of_a_linear_network_agree_with_the_closed_form(normal):
    matrix, inputs, labels = normal(3, 5, seed=0), normal(40, 5, seed=1), normal(40, 3, seed=2)
    gradients = (inputs @ matrix.T - labels) @ matrix
    measured = input_gradients(lambda x: x @ matrix.T, inputs, labels, half_squares, batch_size=20)
    assert measured.component_size == pytest.approx(float(gradients.square().mean().sqrt()), rel=1e-12)
    assert measured.length == pytest.approx(float(gradients.square().sum(1).mean().sqrt()), rel=1e-12)


def test_a_loss_that_is_averaged_already_and_missing_labels_are_explained(normal):
    inputs = normal(10, 3, seed=0)
    with pytest.raises(ValueError, match=r"shape \(10,\).*returned the shape \(\).*reduction='none'"):
        input_gradients(lambda x: x, inputs, torch.zeros(10).long(), nn.functional.cross_entropy)
    with pytest.raises(ValueError, match="expected 10 labels, one per input, found 9"):
        input_gradients(lambda x: x, inputs, torch.zeros(9), half_squares)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_jacobian_maps_in_both_directions(mlp, normal, batch_norm):
    network, batch = mlp([5, 8, 3], seed=0, batch_norm=batch_norm), normal(6, 5, seed=1)
    jacobian = torch.func.jacrev(network)(batch)
    outputs, push_forward, pull_back = linearize(network, batch)
    change, vectors = normal(6, 5, seed=2), normal(6, 3, seed=3)
    torch.testing.assert_close(outputs, network(batch).detach())
    torch.testing.assert_close(push_forward(change), torch.einsum("abcd,cd->ab", jacobian, change).detach())
    torch.testing.assert_close(pull_back(vectors), torch.einsum("abcd,ab->cd", jacobian, vectors).detach())


def test_lipschitz_agrees_with_the_singular_values_of_each_datapoint(mlp, normal):
    network, inputs = mlp([5, 8, 3], seed=0, gain=2.0), normal(30, 5, seed=1)
    jacobians = torch.func.vmap(torch.func.jacrev(lambda x: network(x[None])[0]))(inputs).detach()
    exact = float(torch.linalg.svdvals(jacobians)[:, 0].square().mean().sqrt())
    measured = local_lipschitz(network, inputs, batch_size=10, batches=3, iterations=200)
    assert measured == pytest.approx(exact, rel=1e-5)
    assert 0.9 * exact < local_lipschitz(network, inputs, batch_size=10, batches=3) < exact * (1 + 1e-9)


def test_lipschitz_of_a_batch_norm_network_is_that_of_the_whole_batch(mlp, normal):
    network, inputs = mlp([5, 8, 3], seed=0, gain=2.0, batch_norm=True), normal(30, 5, seed=1)
    exact = float(torch.linalg.svdvals(torch.func.jacrev(network)(inputs).detach().reshape(90, 150))[0])
    measured = local_lipschitz(network, inputs, batch_size=30, batches=1, iterations=300)
    assert measured == pytest.approx(exact, rel=1e-5)


def test_lipschitz_of_a_dead_network_is_0(normal):
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    with torch.no_grad():
        network[0].bias.fill_(-1000)
    assert local_lipschitz(network, normal(10, 3, seed=0)) == 0
    with pytest.raises(ValueError, match="iterations must be at least 1, found 0"):
        local_lipschitz(network, normal(10, 3, seed=0), iterations=0)


def test_cosines_agree_with_closed_forms(normal):
    # inputs on two orthogonal rays: pairs have cosine 1 or 0; an offset turns them towards each other
    axes = torch.eye(2, dtype=torch.float64)
    inputs = axes[torch.arange(200) % 2] * normal(200, 1, seed=0).abs()
    before, after = correlation_preservation(lambda x: x.sign() + 1, inputs, pairs=4000, seed=1)
    assert before == pytest.approx(99 / 199, abs=4 * 0.5 / math.sqrt(4000))
    assert after == pytest.approx(before + (1 - before) * 4 / 5, rel=1e-9)  # (2,1).(1,2) / 5


def test_a_rotation_preserves_cosines_and_scale_does_not_matter(normal):
    inputs = normal(300, 6, seed=0) + 0.5
    rotation = torch.linalg.qr(normal(6, 6, seed=1)).Q
    before, after = correlation_preservation(lambda x: 1e-100 * (x @ rotation), inputs, pairs=100)
    assert after == pytest.approx(before, rel=1e-9)
    assert 0.05 < before < 0.6


def test_pairs_are_of_different_datapoints_and_as_many_as_asked(normal):
    inputs = normal(3, 50, seed=0)  # nearly perpendicular; a point paired with itself would give 1
    seen = []
    before, _ = correlation_preservation(lambda x: seen.append(len(x)) or x, inputs, pairs=7)
    assert abs(before) < 0.4
    assert seen == [3] * 7
    with pytest.raises(ValueError, match="batches of at least 2 datapoints, found 7 pairs and batches of 1"):
        correlation_preservation(lambda x: x, inputs[:1], pairs=7)
