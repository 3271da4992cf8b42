"""What makes the metrics fast changes no value: stacks of batches, as a GPU gets them, and walks that need not be."""

import math

import pytest
import torch
from torch import nn

from distnlc.metrics.batches import apart, couples, measurable, random_batches
from distnlc.metrics.jacobian import linearize
from distnlc.metrics.lipschitz import local_lipschitz
from distnlc.metrics.nlc import jacobian_norm
from distnlc.metrics.perturbation import error_preserving_perturbation
from distnlc.metrics.region import linear_region, relative_diameter
from distnlc.metrics.walk import FIRST, MedianOfWalks, distances, radius, random_direction
from distnlc.networks import stacks

BATCHES, SIZE, DIRECTIONS = 3, 20, 3


class Looking(nn.Module):
    """Looks at its numbers, which `vmap` refuses."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return batch * 2 if float(batch.detach().abs().max()) < math.inf else batch


def standard_batch_norm() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 9), nn.BatchNorm1d(9), nn.Tanh(), nn.Linear(9, 3)).double()


@pytest.fixture(params=["independent", "batch norm", "running statistics", "looking"])
def network(request: pytest.FixtureRequest, mlp) -> nn.Module:
    if request.param == "running statistics":
        return standard_batch_norm()
    plain = mlp([5, 9, 9, 3], seed=0, gain=3.0, batch_norm=request.param == "batch norm")
    return nn.Sequential(plain, Looking()) if request.param == "looking" else plain


@pytest.fixture
def stacking(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU does as a GPU does."""
    monkeypatch.setattr(stacks, "STACKING_DEVICES", {"cpu"})


@pytest.mark.usefixtures("stacking")
def test_batches_of_a_stack_do_not_influence_each_other(network, normal):
    stack = normal(4, SIZE, 5, seed=1)
    expected = torch.stack([network(batch).detach() for batch in stack])
    torch.testing.assert_close(apart(measurable(network), stack), expected, rtol=1e-12, atol=1e-12)


def test_a_network_with_running_statistics_runs_as_a_stack(normal):
    torch.vmap(measurable(standard_batch_norm()))(normal(4, SIZE, 5, seed=1))


# ---- slow and obvious: one batch at a time, every walk to its end, every condition as section E says it ----


def obvious_jacobian_norm(network, inputs, seed):
    generator, squares = torch.Generator().manual_seed(seed), []
    for rows in random_batches(inputs, SIZE, BATCHES, generator):
        vectors = torch.randn(SIZE, 3, generator=generator, dtype=torch.float64)
        gradient = torch.func.vjp(network, inputs[rows])[1](vectors)[0]
        squares.append(float(gradient.square().sum() / SIZE))
    return math.sqrt(sum(squares) / BATCHES)


def obvious_lipschitz(network, inputs, seed, *, coupled):
    generator, squares = torch.Generator().manual_seed(seed), []
    dims = (0, 1) if coupled else 1
    for rows in random_batches(inputs, SIZE, BATCHES, generator):
        vector = torch.randn(SIZE, 5, generator=generator, dtype=torch.float64)
        _, push_forward, pull_back = linearize(network, inputs[rows])
        for _ in range(4):
            vector = vector / vector.norm(dim=dims, keepdim=True)
            image = push_forward(vector)
            vector = pull_back(image / image.norm(dim=dims, keepdim=True))
        squares.append(float(vector.norm(dim=dims).square().max()))
    return math.sqrt(sum(squares) / BATCHES)


def lower_median(values):
    return sorted(values)[(len(values) - 1) // 2]


def obvious_walks(inputs, seed):
    """Batches and directions; the caller draws what else it needs from the generator before the next."""
    generator = torch.Generator().manual_seed(seed)
    length = radius(inputs, batch_size=SIZE)
    for rows in random_batches(inputs, SIZE, BATCHES, generator):
        for _ in range(DIRECTIONS):
            yield rows, random_direction(inputs[rows], length, generator), generator


def obvious_region(network, inputs, seed):
    """By the paper's condition, one for the whole batch; k in units without the factor sqrt(d_in)."""
    values, units = [], math.sqrt(5)
    for rows, direction, generator in obvious_walks(inputs, seed):
        outputs, push_forward, _ = linearize(network, inputs[rows])
        projections = torch.randn(2, SIZE, 3, generator=generator, dtype=torch.float64)
        for projection in projections:
            last = 0.0
            for k in distances(FIRST / units):
                actual = float(((network(inputs[rows] + k * direction) - outputs) * projection).sum())
                predicted = float((k * push_forward(direction) * projection).sum())
                if not min(actual / 2, actual * 2) <= predicted <= max(actual / 2, actual * 2):
                    break
                last = k * units
            values.append(last)
    return lower_median(values)


def obvious_diameter(network, inputs, seed):
    values = []
    for rows, direction, generator in obvious_walks(inputs, seed):
        outputs, push_forward, _ = linearize(network, inputs[rows])
        projections = torch.randn(2, SIZE, 3, generator=generator, dtype=torch.float64)
        slope = push_forward(direction)
        for projection in projections:
            largest = torch.zeros(SIZE, dtype=torch.float64)
            alive = torch.ones(SIZE, dtype=torch.bool)
            for k in distances():
                actual = ((network(inputs[rows] + k * direction) - outputs) * projection).sum(1)
                predicted = (k * slope * projection).sum(1)
                alive &= torch.minimum(actual / 2, actual * 2) <= predicted
                alive &= predicted <= torch.maximum(actual / 2, actual * 2)
                largest[alive] = k
            values.append(lower_median(largest.tolist()))
    return lower_median(values)


def obvious_perturbation(network, inputs, labels, seed):
    values = []
    for rows, direction, _ in obvious_walks(inputs, seed):
        start = network(inputs[rows]).argmax(1) == labels[rows]
        right, last = start, 0.0
        for k in distances():
            right = right & (network(inputs[rows] + k * direction).argmax(1) == labels[rows])
            if int(start.sum() - right.sum()) > SIZE / 20:
                break
            last = k
        else:
            last = math.inf
        values.append(last)
    return lower_median(values)


@torch.no_grad()
def obvious(network, inputs, labels):
    """Both sizes and the three walks."""
    frozen, coupled = measurable(network), couples(network, inputs[:SIZE])
    return (
        (obvious_jacobian_norm(frozen, inputs, 7), obvious_lipschitz(frozen, inputs, 7, coupled=coupled)),
        obvious_diameter(frozen, inputs, 7),
        obvious_region(frozen, inputs, 7),
        obvious_perturbation(frozen, inputs, labels, 7),
    )


@pytest.fixture(scope="module")
def expected() -> dict[str, tuple]:
    """Sort of network -> its obvious numbers, which no number of points at a time can change."""
    return {}


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("points", ["one at a time", 2 * SIZE, 2 * DIRECTIONS * SIZE, 10_000])
def test_every_metric_agrees_with_a_slow_and_obvious_version(network, points, normal, expected, request, monkeypatch):
    inputs = normal(60, 5, seed=1)
    labels, sort = network(inputs).argmax(1), request.node.callspec.params["network"]
    if sort not in expected:
        expected[sort] = obvious(network, inputs, labels)
    if points != "one at a time":
        request.getfixturevalue("stacking")
        monkeypatch.setattr(stacks, "STACKED_POINTS", points)
    settings = {"batch_size": SIZE, "batches": BATCHES, "seed": 7}
    walk = {"input_directions": DIRECTIONS, **settings}
    sizes = jacobian_norm(network, inputs, **settings), local_lipschitz(network, inputs, iterations=4, **settings)
    diameter = relative_diameter(network, inputs, output_directions=2, **walk)
    region = linear_region(network, inputs, output_directions=2, **walk)
    perturbed = error_preserving_perturbation(network, inputs, labels, **walk)
    assert (sizes, diameter, region, perturbed) == (pytest.approx(expected[sort][0], rel=1e-12), *expected[sort][1:])
    assert 0 < min(region, diameter, perturbed) <= max(region, diameter, perturbed) < math.inf


def walked(values):
    """The median, and how many walks it took."""
    median, taken = MedianOfWalks(len(values)), 0
    while not median.certain:
        median.add(values[taken : taken + 1])
        taken += 1
    return median.value, taken


@pytest.mark.parametrize("total", [1, 2, 9, 10])
def test_walks_that_cannot_change_the_median_are_not_walked(normal, total):
    for seed in range(30):
        values = (1.5 * normal(total, seed=seed)).round()  # with ties
        assert walked(values)[0] == float(values.median())
    assert walked(torch.ones(10)) == (1, 6)
