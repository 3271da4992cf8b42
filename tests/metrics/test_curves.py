"""Trajectories pass where they should; the bounds of section A.3 and the map of boundaries are what they say."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

import distnlc
from distnlc.metrics.boundary_map import DISC, boundary_map
from distnlc.metrics.curves import ANCHOR_ANGLES, ANCHOR_RADIUS, translations

ANGLES = torch.tensor(ANCHOR_ANGLES, dtype=torch.float64)


def test_an_ellipse_passes_through_its_points(normal) -> None:
    points = normal(3, 2, 4, seed=1)
    curve = distnlc.ellipse(points)
    assert curve.at(ANGLES) == pytest.approx(points, abs=1e-12)
    assert curve(6)[[1, 3, 5]] == pytest.approx(points, abs=1e-12)
    assert curve(7).shape == (7, 2, 4)
    assert curve.norm(ANGLES) == pytest.approx(points.flatten(1).norm(dim=1))


def test_points_on_a_sphere_with_equal_inner_products_have_a_circle_on_it(normal) -> None:
    directions = torch.linalg.qr(normal(40, 4, seed=1)).Q.T
    points = 0.6 * directions[:3] + 0.8 * directions[3]
    assert distnlc.ellipse(points * math.sqrt(40))(50).norm(dim=1) == pytest.approx(math.sqrt(40))


def test_a_random_ellipse_is_on_average_as_far_as_normalized_data() -> None:
    distances = torch.stack([distnlc.random_ellipse(300, seed)(16).norm(dim=1) for seed in range(50)])
    assert float(distances.square().mean()) == pytest.approx(300, rel=0.05)
    assert torch.equal(distnlc.random_ellipse(5, 3)(4), distnlc.random_ellipse(5, 3)(4))


def test_the_plane_of_an_ellipse_has_its_points_at_the_distance_0_8(normal) -> None:
    points = normal(3, 2, 4, seed=1)
    found = distnlc.ellipse(points).plane(ANCHOR_RADIUS * ANGLES.cos(), ANCHOR_RADIUS * ANGLES.sin())
    assert found == pytest.approx(points, abs=1e-12)
    middle = distnlc.ellipse(points).plane(torch.zeros(1), torch.zeros(1))
    assert middle[0] == pytest.approx(points.mean(0))


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (torch.rand(2, 5), r"three points.*found float32 \(2, 5\)"),
        (torch.ones(3, 5, dtype=torch.int64), "found int64"),
        (torch.full((3, 5), math.nan), "must be finite"),
        (torch.arange(3.0)[:, None] * torch.tensor([0.1, 0.7, 0.3]) + 0.2, "not on one line"),
        (torch.rand(1, 5).expand(3, 5), "not on one line"),
    ],
)
def test_what_spans_no_ellipse_is_refused(points: Tensor, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        distnlc.ellipse(points)


def test_translations_are_horizontal_and_wrap_around() -> None:
    image = torch.tensor([[[1.0, 2, 3], [4, 5, 6]]])
    found = translations(image)
    assert found[0].tolist() == [[[1, 2, 3], [4, 5, 6]], [[3, 1, 2], [6, 4, 5]], [[2, 3, 1], [5, 6, 4]]]
    assert torch.equal(translations(image.flatten(1), (2, 3)), found.flatten(2))
    sides = (found - found.roll(-1, 1)).flatten(2).norm(dim=2)
    assert sides[0].tolist() == pytest.approx([float(sides[0, 0])] * 3)


def jacobian_rows(gradients: Tensor, probabilities: Tensor) -> Tensor:
    """The lengths of the rows of J for given gradients of the logits."""
    matrix = probabilities.diag() - probabilities[:, None] * probabilities
    return (matrix @ gradients).norm(dim=1)


@pytest.mark.parametrize("probability", [0.999, 0.7, 0.3, 0.001])
def test_the_bounds_hold_for_orthogonal_gradients_of_equal_length(probability: float, normal) -> None:
    """With the other classes equal (7) is exact, and (5) holds with its lower side; with one other class alone its
    upper side is exact."""
    classes, scale = 10, 2.5
    gradients = torch.linalg.qr(normal(50, classes, seed=1)).Q.T * math.sqrt(scale)
    loss = torch.tensor([-math.log(probability)], dtype=torch.float64)
    bounds = distnlc.per_point_bounds(loss, scale, classes)
    even = torch.full((classes,), (1 - probability) / (classes - 1), dtype=torch.float64)
    even[0] = probability
    rows = jacobian_rows(gradients, even)
    assert float(rows.norm()) == pytest.approx(float(bounds.norm), rel=1e-9)
    assert float(rows[0]) == pytest.approx(float(bounds.label_low), rel=1e-9)
    uneven = torch.zeros(classes, dtype=torch.float64)
    uneven[0], uneven[1] = probability, 1 - probability
    assert float(jacobian_rows(gradients, uneven)[0]) == pytest.approx(float(bounds.label_high), rel=1e-9)
    assert float(bounds.norm_low) <= float(rows.norm())


def test_the_bounds_have_their_limits() -> None:
    classes, scale = 10, 2.5
    small, large = distnlc.per_point_bounds(torch.tensor([1e-12, 60.0], dtype=torch.float64), scale, classes).norm
    assert float(small) == pytest.approx(1e-12 * math.sqrt(scale * 12 / 9), rel=1e-9, abs=0)
    assert float(large) == pytest.approx(math.sqrt(scale * 8) / 9, rel=1e-9)
    losses = torch.linspace(0.01, 3, 1000, dtype=torch.float64)
    bounds = distnlc.per_point_bounds(losses, scale, classes)
    assert float(losses[bounds.label_high.argmax()]) == pytest.approx(math.log(2), abs=0.01)
    assert bool((bounds.norm >= bounds.norm_low).all())


def test_bounds_without_two_classes_or_of_negative_losses_are_refused() -> None:
    for losses, classes in ((torch.ones(2), 1), (-torch.ones(2), 3), (torch.full((2,), math.nan), 3)):
        with pytest.raises(ValueError, match="at least two classes"):
            distnlc.per_point_bounds(losses, 1.0, classes)


class Holding(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Tensor) -> Tensor:
        return self.network(batch)


@pytest.mark.parametrize("held", [False, True])
def test_a_map_counts_the_neurons_of_the_last_hidden_layer_that_differ_from_their_neighbours(
    held: bool, mlp, normal
) -> None:
    network = mlp([8, 30, 20, 3], seed=1, gain=3, activation=nn.ReLU6).requires_grad_(False)
    curve = distnlc.ellipse(3 * normal(3, 8, seed=2))
    found = boundary_map(Holding(copy.deepcopy(network)) if held else network, curve, grid=40)
    ticks = torch.linspace(-1, 1, 40, dtype=torch.float64)
    along, across = torch.meshgrid(ticks, ticks, indexing="ij")
    pre_activations = network[:3](curve.plane(across.flatten(), along.flatten())).view(40, 40, -1)
    codes = (pre_activations > 0).int() + (pre_activations > 6).int()
    expected = torch.zeros(40, 40, dtype=torch.int64)
    expected[:, :-1] += (codes[:, 1:] != codes[:, :-1]).sum(2)
    expected[:-1] += (codes[1:] != codes[:-1]).sum(2)
    assert int((codes == 2).sum()) > 0
    assert found.boundaries.tolist() == expected.tolist()
    inner, counted = torch.zeros(40, 40, dtype=torch.bool), expected.double()
    for angle in ANCHOR_ANGLES:
        x, y = 0.8 * math.cos(angle), 0.8 * math.sin(angle)
        inner |= (across - x).square() + (along - y).square() <= DISC**2
    assert found.near == pytest.approx(float(counted[inner].mean()))
    inner[-1] = inner[:, -1] = True
    assert found.elsewhere == pytest.approx(float(counted[~inner].mean()))


def test_a_map_of_nothing_is_refused(mlp, normal) -> None:
    curve = distnlc.ellipse(normal(3, 8, seed=2))
    with pytest.raises(ValueError, match="at least 32 pixels"):
        boundary_map(mlp([8, 5, 3], seed=1), curve, grid=8)
    with pytest.raises(ValueError, match="no activation module"):
        boundary_map(mlp([8, 3], seed=1), curve, grid=32)
