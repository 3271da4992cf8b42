"""The linearly approximable region and the error-preserving perturbation; the obvious loops are in test_stacks."""

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


class Bump(nn.Module):
    """A smooth activation function that is nonlinear at every scale of its inputs."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.sin(batch)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_region_is_about_1_over_the_nlc(mlp, normal, batch_norm):
    inputs = normal(250, 20, seed=1)
    for gain in (3.0, 10.0, 60.0):
        network = mlp([20, 50, 50, 50, 5], seed=0, gain=gain, batch_norm=batch_norm, activation=Bump)
        product = relative_diameter(network, inputs, **QUICK) * nlc(network, inputs, batches=5)
        assert 0.1 < product < 3


def test_a_classifier_that_ignores_its_input_has_no_largest_perturbation(normal):
    labels = torch.zeros(20, dtype=torch.int64)
    constant, inputs = torch.tensor([1.0, 0.0]).double(), normal(20, 3, seed=0)
    assert error_preserving_perturbation(lambda x: 0 * x[:, :2] + constant, inputs, labels, batches=1) == math.inf


def test_wrong_labels_and_numbers_of_directions_are_explained(normal):
    inputs = normal(20, 3, seed=0)
    with pytest.raises(ValueError, match=r"shape \(20,\), one per input, found \(19,\)"):
        error_preserving_perturbation(lambda x: x, inputs, torch.zeros(19))
    with pytest.raises(ValueError, match="input_directions must be at least 1, found 0"):
        error_preserving_perturbation(lambda x: x, inputs, torch.zeros(20), input_directions=0)
    with pytest.raises(ValueError, match="at least 1, found 10 and 0"):
        relative_diameter(lambda x: x, inputs, output_directions=0)
