"""The linearly approximable region and the error-preserving perturbation."""

import itertools
import math

import pytest
import torch
from torch import nn

from distnlc.metrics.nlc import nlc
from distnlc.metrics.perturbation import error_preserving_perturbation
from distnlc.metrics.region import relative_diameter
from distnlc.metrics.walk import DISTANCES, largest_distance, radius, random_direction

QUICK = {"batches": 2, "input_directions": 2, "output_directions": 3}


def test_the_distances_are_the_series_of_section_e1():
    assert DISTANCES[0] == 1e-9
    assert DISTANCES[-1] == 1e9
    ratios = [after / before for before, after in itertools.pairwise(DISTANCES)]
    assert ratios == pytest.approx([10**0.1] * 180, rel=1e-12)


def test_a_step_of_1_has_the_radius_of_the_inputs(normal):
    inputs = normal(400, 3, 4, seed=0) * 5
    length = radius(inputs, batch_size=400)
    assert length == pytest.approx(math.sqrt(12) * 5, rel=0.05)
    direction = random_direction(inputs, length, torch.Generator().manual_seed(0))
    assert direction.shape == inputs.shape
    assert direction.flatten(1).norm(dim=1).numpy() == pytest.approx(length, rel=1e-12)


def test_a_walk_ends_at_the_first_failure_and_gives_the_median_of_the_points():
    # the first point's condition holds again beyond 1e-4, which must not count
    limits = torch.tensor([[1e-5, 1e-3, 1e-1], [0.0, 1e-7, 1e20]], dtype=torch.float64)
    again = torch.tensor([[1e-4, math.inf, math.inf], [math.inf, math.inf, math.inf]])

    def holds(k):
        return (k <= limits * 1.01) | (k > again)

    assert largest_distance(holds).tolist() == pytest.approx([1e-3, 1e-7], rel=1e-9)
    assert largest_distance(lambda _: torch.zeros(1, 3, dtype=torch.bool)).tolist() == [0]
    assert largest_distance(lambda _: torch.ones(1, 3, dtype=torch.bool)).tolist() == [math.inf]


def test_the_region_of_a_linear_network_has_no_end(normal):
    matrix, inputs = normal(3, 5, seed=0), normal(100, 5, seed=1)
    assert relative_diameter(lambda x: x @ matrix.T + 1, inputs, **QUICK) == math.inf


def test_the_region_of_a_sine_shrinks_with_its_frequency(normal):
    inputs = normal(500, 1, seed=0)
    slow = relative_diameter(lambda x: torch.sin(1e2 * x), inputs, **QUICK)
    fast = relative_diameter(lambda x: torch.sin(1e5 * x), inputs, **QUICK)
    assert slow / fast == pytest.approx(1e3, rel=0.3)
    assert 1e-3 < slow < 1e-1


def test_the_region_agrees_with_a_slow_loop_over_datapoints(mlp, normal):
    network, inputs = mlp([3, 10, 2], seed=0, gain=4.0), normal(15, 3, seed=1)
    settings = {"batch_size": 15, "batches": 1, "input_directions": 1, "output_directions": 1}
    generator = torch.Generator().manual_seed(7)
    batch = inputs[torch.randperm(15, generator=generator)]
    direction = torch.randn(15, 3, generator=generator, dtype=torch.float64)
    projection = torch.randn(1, 15, 2, generator=generator, dtype=torch.float64)[0]
    spread = inputs.std(0, unbiased=False).square().mean().sqrt()
    largest = []
    for x, u, v in zip(batch, direction, projection, strict=True):
        jacobian = torch.func.jacrev(lambda one: network(one[None])[0])(x).detach()
        last, k = 0.0, 1e-9
        while True:
            moved = x + k * math.sqrt(3) * spread * u / u.norm()
            change = network(moved[None])[0] - network(x[None])[0]
            ratio = (jacobian @ (moved - x)) @ v / (change @ v)
            if not 0.5 <= ratio <= 2:
                break
            last, k = k, k * 10**0.1
        largest.append(last)
    assert relative_diameter(network, inputs, seed=7, **settings) == pytest.approx(sorted(largest)[7], rel=1e-9)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_region_is_about_1_over_the_nlc(mlp, normal, batch_norm):
    inputs = normal(250, 20, seed=1)
    for gain in (3.0, 10.0, 60.0):
        network = mlp([20, 50, 50, 50, 5], seed=0, gain=gain, batch_norm=batch_norm, activation=Bump)
        product = relative_diameter(network, inputs, **QUICK) * nlc(network, inputs, batches=5)
        assert 0.1 < product < 3


class Bump(nn.Module):
    """A smooth activation function that is nonlinear at every scale of its inputs."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.sin(batch)


def obvious_perturbation(network, batch, labels, direction):
    """The largest k of one batch and direction, point by point as section E.3 says it."""
    start = [bool(network(x[None]).argmax() == y) for x, y in zip(batch, labels, strict=True)]
    right = list(start)
    last, k = 0.0, 1e-9
    while k < 1.1e9:
        for point in range(len(batch)):
            moved = batch[point] + k * direction[point]
            right[point] = right[point] and bool(network(moved[None]).argmax() == labels[point])
        if 1 - sum(right) / len(right) > 1 - sum(start) / len(start) + 0.05 + 1e-12:
            return last
        last, k = k, k * 10**0.1
    return math.inf


def test_the_perturbation_of_a_linear_classifier_agrees_with_the_obvious_loop(normal):
    matrix, inputs = normal(3, 4, seed=0), normal(60, 4, seed=1)
    labels = (inputs @ matrix.T + 0.5 * normal(60, 3, seed=2)).argmax(1)
    spread = inputs.std(0, unbiased=False).square().mean().sqrt()
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        rows = torch.randperm(60, generator=generator)
        direction = torch.randn(60, 4, generator=generator, dtype=torch.float64)
        direction *= math.sqrt(4) * spread / direction.norm(dim=1, keepdim=True)
        expected = obvious_perturbation(lambda x: x @ matrix.T, inputs[rows], labels[rows], direction)
        measured = error_preserving_perturbation(
            lambda x: x @ matrix.T, inputs, labels, batch_size=60, batches=1, input_directions=1, seed=seed
        )
        assert 1e-3 < measured < 1
        assert measured == pytest.approx(expected, rel=1e-9)


def test_a_classifier_that_ignores_its_input_has_no_largest_perturbation(normal):
    labels = torch.zeros(20, dtype=torch.int64)
    constant = torch.tensor([1.0, 0.0]).double()
    network = lambda x: 0 * x[:, :2] + constant  # noqa: E731
    assert error_preserving_perturbation(network, normal(20, 3, seed=0), labels, batches=1) == math.inf


def test_wrong_labels_and_numbers_of_directions_are_explained(normal):
    inputs = normal(20, 3, seed=0)
    with pytest.raises(ValueError, match=r"shape \(20,\), one per input, found \(19,\)"):
        error_preserving_perturbation(lambda x: x, inputs, torch.zeros(19))
    with pytest.raises(ValueError, match="input_directions must be at least 1, found 0"):
        error_preserving_perturbation(lambda x: x, inputs, torch.zeros(20), input_directions=0)
    with pytest.raises(ValueError, match="at least 1, found 10 and 0"):
        relative_diameter(lambda x: x, inputs, output_directions=0)
