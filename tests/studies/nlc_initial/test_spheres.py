"""The pictures of table 2: where a pixel lies on the sphere, what colour an output has, and the shipped file."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from distnlc.analysis.nlc_initial.spheres import PICTURES, read_pictures
from distnlc.analysis.nlc_initial.table2 import STATED
from distnlc.studies.nlc_initial import spheres as nlc_pictures
from distnlc.studies.nlc_initial.spheres import PIXELS, colour_key, colours, disc, network_picture, picture


def test_the_disc_covers_the_sphere_evenly() -> None:
    points, inside = disc(200)
    assert int(inside.sum()) == len(points)
    assert len(points) == pytest.approx(math.pi * 100**2, rel=0.002)
    torch.testing.assert_close(points.norm(dim=1), torch.ones(len(points), dtype=torch.float64))
    torch.testing.assert_close(points.mean(0), torch.zeros(3, dtype=torch.float64), atol=0.002, rtol=0)
    third = torch.eye(3, dtype=torch.float64) / 3
    torch.testing.assert_close(points.T @ points / len(points), third, atol=0.002, rtol=0)


def test_known_points_lie_where_they_should() -> None:
    points, inside = disc(201)
    where = torch.full((201, 201, 3), math.nan, dtype=torch.float64)
    where[inside] = points

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
    expected = [[255, middle, middle], [middle, 0, middle], [equal] * 3, [middle, 127.5 * 1.6, 127.5 * 1.8]]
    np.testing.assert_allclose(colours(outputs), expected, atol=0.51)


def test_a_linear_map_is_drawn_as_it_is() -> None:
    """x -> (x2, x3, x1): the centre, which is (0, 0, 1), has the second output alone, and is green."""
    points, inside = disc(101)
    image = picture(points @ torch.eye(3, dtype=torch.float64)[[2, 0, 1]], inside)
    assert image.shape == (101, 101, 3)
    np.testing.assert_allclose(image[50, 50], [127.5, 255, 127.5], atol=1)
    np.testing.assert_allclose(image[50, 50 + 36], [127.5, 127.5, 255], atol=3)  # (1, 0, 0)
    assert image[0, 0].tolist() == [255, 255, 255]


def test_the_keys_centre_is_where_all_outputs_are_equal() -> None:
    image = colour_key(101).astype(int)
    assert image[50, 50].max() - image[50, 50].min() <= 1
    assert image[50, 80, 0] > image[50, 80].min() + 50  # to the right it is red
    assert image[20, 50, 2] > image[20, 50, :2].max() + 50  # above blue


def test_the_shipped_pictures_are_what_the_program_draws() -> None:
    key, *discs = [np.rint(255 * image).astype(int) for image in read_pictures()]
    assert len(discs) == len(STATED)
    assert np.abs(key - colour_key(PIXELS)).max() <= 1
    assert np.abs(discs[0] - network_picture(2, PIXELS)).max() <= 1
    assert PICTURES.stat().st_size < 500_000


def test_the_program_writes_what_the_figure_reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = tmp_path / "spheres.png"
    monkeypatch.setattr("sys.argv", f"nlc_pictures --pixels 16 --out {out}".split())
    assert nlc_pictures.main() == 0
    with Image.open(out) as image:
        assert image.size == (8 * 16, 16)
    assert [each.shape for each in read_pictures(out)] == [(16, 16, 3)] * 8
