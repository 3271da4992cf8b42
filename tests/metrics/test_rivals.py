"""The metrics that the NLC is compared with: gradients, Lipschitz estimate, cosines."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from distnlc.metrics.batches import random_batches
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


def whole_jacobian(network, inputs):
    """(points * d_out, points * d_in)."""
    jacobian = torch.func.jacrev(network)(inputs).detach()
    return jacobian.flatten(2).flatten(0, 1)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_lipschitz_is_the_largest_singular_value_of_the_whole_batch_with_and_without_batch_norm(
    mlp, normal, batch_norm
):
    network, inputs = mlp([5, 8, 3], seed=0, gain=2.0, batch_norm=batch_norm), normal(30, 5, seed=1)
    exact = float(torch.linalg.svdvals(whole_jacobian(network, inputs))[0])
    settings = {"batch_size": 30, "batches": 1}
    assert local_lipschitz(network, inputs, iterations=300, **settings) == pytest.approx(exact, rel=1e-5)
    assert 0.8 * exact < local_lipschitz(network, inputs, **settings) < exact * (1 + 1e-9)


def test_lipschitz_is_a_quadratic_mean_over_batches(mlp, normal):
    network, inputs = mlp([5, 8, 3], seed=0, gain=2.0), normal(30, 5, seed=1)
    rows = random_batches(inputs, 10, 3, torch.Generator().manual_seed(0))
    exact = [float(torch.linalg.svdvals(whole_jacobian(network, inputs[each]))[0]) for each in rows]
    # the batches that the estimate draws: its generator gives the iterations' starts in between
    measured = local_lipschitz(network, inputs, batch_size=30, batches=3, iterations=300)
    assert measured == pytest.approx(max(exact), rel=1e-5)  # three times all 30 points


def test_lipschitz_of_a_dead_network_is_0(normal):
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    with torch.no_grad():
        network[0].bias.fill_(-1000)
    assert local_lipschitz(network, normal(10, 3, seed=0)) == 0
    with pytest.raises(ValueError, match="iterations must be at least 1, found 0"):
        local_lipschitz(network, normal(10, 3, seed=0), iterations=0)


def obvious_cosines(vectors):
    """The cosines of all pairs of rows, one after the other."""
    rows = [row / row.norm() if row.norm() > 0 else row for row in vectors]
    return [float(a @ b) for a, b in itertools.combinations(rows, 2)]


def test_cosines_are_those_of_all_pairs_and_their_correlation(mlp, normal):
    network, inputs = mlp([6, 9, 4], seed=0, gain=2.0), normal(40, 6, seed=1)
    inputs[3] = 0  # perpendicular to all
    found = correlation_preservation(network, inputs, batches=1)
    before, after = obvious_cosines(inputs), obvious_cosines(network(inputs).detach())
    assert found.inputs == pytest.approx(np.mean(before), rel=1e-9)
    assert found.outputs == pytest.approx(np.mean(after), rel=1e-9)
    assert found.correlation == pytest.approx(np.corrcoef(before, after)[0, 1], rel=1e-9)


def test_a_rotation_preserves_cosines_and_scale_does_not_matter(normal):
    inputs = normal(300, 6, seed=0) + 0.5
    rotation = torch.linalg.qr(normal(6, 6, seed=1)).Q
    for scale in (1e-200, 1, 1e200):
        found = correlation_preservation(lambda x, scale=scale: scale * (x @ rotation), inputs)
        assert found.outputs == pytest.approx(found.inputs, rel=1e-9)
        assert found.correlation == pytest.approx(1, abs=1e-9)
    assert 0.05 < found.inputs < 0.6


def test_a_network_that_destroys_correlations_does_not_preserve_them_though_both_means_are_0(normal):
    inputs = normal(250, 40, seed=0)
    chaos = correlation_preservation(lambda x: torch.sin(1e9 * (x @ x.new_ones(40, 10).cumsum(1))), inputs)
    assert abs(chaos.outputs - chaos.inputs) < 0.01
    assert abs(chaos.correlation) < 0.03
    assert correlation_preservation(lambda x: x[:, :30], inputs).correlation > 0.7


def test_a_large_bias_hides_no_correlation_until_rounding_does(normal):
    inputs = normal(100, 6, seed=0)
    plain = correlation_preservation(lambda x: x + 1e4, inputs).correlation
    assert correlation_preservation(lambda x: x + 1e9, inputs).correlation == pytest.approx(plain, abs=1e-3)
    assert math.isnan(correlation_preservation(lambda x: x + 1e15, inputs).correlation)
    constant = correlation_preservation(lambda x: 0 * x + 1, inputs)
    assert constant.outputs == 1
    assert math.isnan(constant.correlation)


def test_cosines_of_too_few_points_are_refused(normal):
    with pytest.raises(ValueError, match="batches of at least 3 datapoints, found 2"):
        correlation_preservation(lambda x: x, normal(2, 5, seed=0))
