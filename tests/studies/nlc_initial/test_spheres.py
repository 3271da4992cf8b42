"""The pictures of table 2: where a pixel lies on the sphere, and what colour an output has."""

import math

import pytest
import torch

from distnlc.studies.nlc_initial.spheres import colour_key, colours, disc


def test_the_disc_covers_the_sphere_evenly() -> None:
    points, pixels = disc(200)
    assert len(pixels) == len(points)
    assert len(points) == pytest.approx(math.pi * 100**2, rel=0.002)
    torch.testing.assert_close(points.norm(dim=1), torch.ones(len(points), dtype=torch.float64))
    torch.testing.assert_close(points.mean(0), torch.zeros(3, dtype=torch.float64), atol=0.002, rtol=0)
    third = torch.eye(3, dtype=torch.float64) / 3
    torch.testing.assert_close(points.T @ points / len(points), third, atol=0.002, rtol=0)


def test_known_points_lie_where_they_should() -> None:
    points, pixels = disc(201)
    where = torch.full((201 * 201, 3), math.nan, dtype=torch.float64)
    where[pixels] = points
    where = where.reshape(201, 201, 3)

    def at(right: float, up: float) -> list[float]:
        column, row = round((1 + right) * 100.5 - 0.5), round((1 - up) * 100.5 - 0.5)
        return [float(value) for value in where[row, column]]

    quarter = math.sqrt(1 / 2)  # the equator encloses half of the sphere, and so half of the disc
    for place, point in (
        ((0, 0), (0, 0, 1)),
        ((quarter, 0), (1, 0, 0)),
        ((0, quarter), (0, 1, 0)),
        ((-quarter, 0), (-1, 0, 0)),
    ):
        assert at(*place) == pytest.approx(point, abs=0.02)
    assert at(0, -0.99)[2] == pytest.approx(1 - 2 * 0.99**2, abs=0.02)


def test_colours_grow_with_the_outputs_direction() -> None:
    outputs = torch.tensor([[5.0, 0, 0], [0, -0.1, 0], [3, 3, 3], [0, 3, 4]], dtype=torch.float64)
    middle, equal = 127.5, 127.5 * (1 + 1 / math.sqrt(3))
    expected = torch.tensor([[255, middle, middle], [middle, 0, middle], [equal] * 3, [middle, 204, 229.5]])
    torch.testing.assert_close(colours(outputs).float(), expected, atol=0.51, rtol=0)


def test_the_keys_centre_is_where_all_outputs_are_equal() -> None:
    centre, right, up = colours(colour_key(torch.eye(3, dtype=torch.float64)[[2, 0, 1]])).tolist()
    assert max(centre) - min(centre) <= 1
    assert right[0] > max(right[1:]) + 50, "to the right it is red"
    assert up[2] > max(up[:2]) + 50, "above blue"
