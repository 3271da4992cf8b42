"""The linearly approximable region and the error-preserving perturbation; the obvious loops are in test_stacks."""

import itertools
import math

import pytest
import torch
from torch import nn

from distnlc.metrics.nlc import nlc
from distnlc.metrics.perturbation import error_preserving_perturbation
from distnlc.metrics.region import linear_region, region_sizes, relative_diameter
from distnlc.metrics.walk import HIDDEN, MedianOfWalks, Walks, distances, radius, random_direction

QUICK = {"batches": 2, "input_directions": 2, "output_directions": 3}


def test_the_distances_are_the_series_of_section_e1():
    series = distances()
    assert (series[0], series[-1]) == (1e-9, 1e9)
    ratios = [after / before for before, after in itertools.pairwise(series)]
    assert ratios == pytest.approx([10**0.1] * 180, rel=1e-12)
    assert distances(2e-10)[0] == pytest.approx(10**-9.6)  # the first of the series above
    assert distances(2e-10)[-181:] == series


def test_a_step_of_1_has_the_radius_of_the_inputs(normal):
    inputs = normal(400, 3, 4, seed=0) * 5
    length = radius(inputs, batch_size=400)
    assert length == pytest.approx(math.sqrt(12) * 5, rel=0.05)
    direction = random_direction(inputs, length, torch.Generator().manual_seed(0))
    assert direction.shape == inputs.shape
    assert direction.flatten(1).norm(dim=1).numpy() == pytest.approx(length, rel=1e-12)


def walked(holds, begin, to_the_end=False):
    """Medians of walks that are asked `holds(k)`, and how many steps they took."""
    walks, steps = Walks(begin), 0
    for k in distances():
        walks.step(k, holds(k))
        steps += 1
        if walks.settled and not to_the_end:
            break
    return walks.medians(), steps


def test_a_walk_ends_at_the_first_failure_and_gives_the_median_of_the_points():
    # the first point's condition holds again beyond 1e-4, which must not count
    limits = torch.tensor([[1e-5, 1e-3, 1e-1], [0.0, 1e-7, 1e20]], dtype=torch.float64)
    again = torch.tensor([[1e-4, math.inf, math.inf], [math.inf, math.inf, math.inf]])
    everywhere = torch.zeros(2, 3, dtype=torch.float64)

    medians, steps = walked(lambda k: (k <= limits * 1.01) | (k > again), everywhere)
    assert medians.tolist() == pytest.approx([1e-3, 1e-7], rel=1e-9)
    assert steps == 62  # the one after 1e-3
    assert walked(lambda _: torch.zeros(2, 3, dtype=torch.bool), everywhere)[0].tolist() == [0, 0]
    assert walked(lambda _: torch.ones(2, 3, dtype=torch.bool), everywhere)[0].tolist() == [math.inf] * 2


def obvious_median(limits, begins):
    """Every point by itself, to the end."""
    values = []
    for limit, begin in zip(limits, begins, strict=True):
        asked = [k for k in distances() if k >= begin]
        held = [k for k in asked if k <= limit]
        if not asked or not held:
            values.append(math.nan if not asked else 0.0 if begin <= 1e-9 else -math.inf)
        else:
            values.append(math.inf if held == asked else held[-1])
    known = sorted(value for value in values if not math.isnan(value))
    return known[(len(known) - 1) // 2] if 2 * len(known) >= len(values) else math.nan


def test_points_that_begin_late_have_the_value_of_a_walk_to_its_end():
    generator = torch.Generator().manual_seed(0)
    medians = []
    for points in (1, 2, 5, 8):
        limits = 10 ** (8 * torch.rand(200, points, generator=generator, dtype=torch.float64) - 11)
        begins = 10 ** (12 * torch.rand(200, points, generator=generator, dtype=torch.float64) - 14)
        begins[::7, 0], limits[::5, -1] = math.inf, 1e12  # never begins; never fails
        found, _ = walked(lambda k, limits=limits: k <= limits, begins)
        medians += found.tolist()
        expected = [obvious_median(*each) for each in zip(limits.tolist(), begins.tolist(), strict=True)]
        assert found.tolist() == pytest.approx(expected, rel=1e-12, nan_ok=True)
    assert sum(math.isnan(value) for value in medians) > 20
    assert {0.0, math.inf, HIDDEN} < set(medians)


@pytest.mark.slow
def test_steps_that_are_left_out_change_no_median():
    """Points that have not begun may yet fail at once, and so lie below all others."""
    generator = torch.Generator().manual_seed(0)
    for points in range(1, 9):
        limits = 10 ** (8 * torch.rand(5, points, generator=generator, dtype=torch.float64) - 11)
        begins = 10 ** (12 * torch.rand(5, points, generator=generator, dtype=torch.float64) - 14)
        for limit, begin in zip(limits.split(1), begins.split(1), strict=True):
            early, late = (walked(lambda k, limit=limit: k <= limit, begin, end)[0] for end in (False, True))
            assert early.tolist() == pytest.approx(late.tolist(), rel=1e-12, nan_ok=True)


def median(values):
    """The median of walks that come one by one."""
    found = MedianOfWalks(len(values))
    for value in values:
        found.add(torch.tensor([value]))
        if found.certain:
            break
    return found.value


def test_the_median_of_walks_is_missing_where_most_have_no_value():
    assert median([1.0, math.nan, 3.0, math.nan, 2.0, math.nan]) == 2
    assert median([math.nan, 1.0, 1.0, 1.0, 1.0]) == 1
    assert math.isnan(median([math.nan, math.nan, 3.0, math.nan, 2.0, math.nan]))
    assert median([HIDDEN, 1.0, 2.0]) == 1
    assert math.isnan(median([HIDDEN, HIDDEN, 2.0]))


def test_the_region_of_a_linear_network_has_no_end(normal):
    matrix, inputs = normal(3, 5, seed=0), normal(100, 5, seed=1)
    assert relative_diameter(lambda x: x @ matrix.T + 1, inputs, **QUICK) == math.inf


class Bump(nn.Module):
    """A smooth activation function that is nonlinear at every scale of its inputs."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.sin(batch)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.slow
def test_the_region_is_about_1_over_the_nlc(mlp, normal, batch_norm):
    inputs = normal(250, 20, seed=1)
    for gain in (3.0, 10.0, 60.0):
        network = mlp([20, 50, 50, 50, 5], seed=0, gain=gain, batch_norm=batch_norm, activation=Bump)
        product = relative_diameter(network, inputs, **QUICK) * nlc(network, inputs, batches=5)
        assert 0.1 < product < 3


class Shifted(nn.Module):
    """A network with a constant added to its outputs."""

    def __init__(self, network: nn.Module, bias: float) -> None:
        super().__init__()
        self.network, self.bias = network, bias

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.network(batch) + self.bias


def test_an_output_bias_that_hides_changes_in_rounding_moves_no_size_and_in_the_end_leaves_it_missing(mlp, normal):
    inputs = normal(250, 20, seed=1)
    network = mlp([20, 50, 50, 5], seed=0, gain=3.0, activation=Bump)
    plain = region_sizes(network, inputs, **QUICK)
    # at k = 1e-9 the change of such outputs is lost in cancellation
    assert region_sizes(Shifted(network, 1e10), inputs, **QUICK) == pytest.approx(tuple(plain))
    assert all(math.isnan(size) for size in region_sizes(Shifted(network, 1e16), inputs, **QUICK))


def test_a_bias_inside_the_network_that_batch_norm_takes_off_hides_changes_all_the_same(mlp, normal):
    inputs = normal(250, 20, seed=1)
    network = mlp([20, 50, 50, 5], seed=0, gain=3.0, batch_norm=True, activation=Bump)
    plain = region_sizes(network, inputs, **QUICK)
    with torch.no_grad():
        network[0].bias += 1e6
    assert region_sizes(network, inputs, **QUICK) == pytest.approx(tuple(plain), rel=0.3)
    with torch.no_grad():
        network[0].bias += 1e14
    assert all(math.isnan(size) for size in region_sizes(network, inputs, **QUICK))


def test_a_network_with_kinks_at_its_datapoints_has_no_region(normal):
    """Images of a flat background: pixels tie in a max-pool, and ReLUs without bias are at exactly 0."""
    images = torch.zeros(40, 1, 8, 8, dtype=torch.float64)
    images[:, :, 0, :2] = normal(40, 1, 2, seed=0)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3))
    assert all(math.isnan(size) for size in region_sizes(network.double(), images, **QUICK))


def test_dead_datapoints_are_linear_and_a_function_that_is_fine_grained_beyond_the_first_k_is_0(normal):
    inputs = normal(100, 5, seed=0)
    assert region_sizes(lambda x: torch.relu(x - 1e3) + 0 * x, inputs, **QUICK).pointwise > 100
    assert region_sizes(lambda x: torch.sin(1e10 * x), inputs, **QUICK) == (0, 0)


def test_the_region_of_a_parabola_has_its_closed_form():
    """f(x) = x^2 at x = 1 or -1, whose change d (2 x + d) is predicted as 2 d x: to a factor of 2 until d = 2 x in the
    direction of x, and d = -x in the other. Both sizes are the same for a single point of a single feature."""
    inputs = torch.tensor([[1.0], [-1.0]]).double()
    for seed, forward in ((0, 10**0.3), (1, 1.0)):
        sizes = region_sizes(lambda x: x**2, inputs, batch_size=1, batches=1, input_directions=1, seed=seed)
        assert sizes == pytest.approx((forward, forward), rel=1e-9)
    assert linear_region(lambda x: x, inputs) == math.inf


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
