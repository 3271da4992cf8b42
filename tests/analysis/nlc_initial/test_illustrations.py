"""Figures that need no records: the NLC in one dimension, and the pictures of table 2."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.figure import MissingRecordsError, encoded
from distnlc.analysis.drawing.table import read_measured
from distnlc.analysis.nlc import figure5
from distnlc.analysis.nlc_initial import spheres as table2_spheres
from distnlc.metrics.nlc import nlc


@pytest.mark.parametrize("point", figure5.POINTS, ids=["x1", "x2"])
def test_the_shaded_share_is_where_the_tangent_stays_in_the_co_domain(point: figure5.Point) -> None:
    x = np.linspace(*figure5.DOMAIN, 200_001)
    inside = np.abs(point.tangent(x)) <= 1
    assert point.share == pytest.approx(inside.mean(), abs=2e-5)
    assert point.region == pytest.approx((x[inside].min(), x[inside].max()), abs=2e-4)
    # and it is a tangent
    near = point.x + np.array([-1e-4, 1e-4])
    assert point.tangent(near) == pytest.approx(np.sin(near), abs=1e-7)


def test_the_nlc_of_the_curve_is_the_nlc() -> None:
    inputs = torch.linspace(*figure5.DOMAIN, 20_000, dtype=torch.float64)[torch.randperm(20_000)][:, None]
    assert figure5.nonlinearity() == pytest.approx(2 * np.pi / np.sqrt(3), rel=1e-6)
    assert figure5.nonlinearity() == pytest.approx(nlc(torch.sin, inputs), rel=0.02)
    assert "3.63" in figure5.draw(None).remarks[0]


def test_figure5_shows_its_numbers() -> None:
    drawing = figure5.draw(None)
    assert list(drawing.table["share of the domain covered"]) == ["41%", "16%"]
    assert encoded(drawing, "svg").startswith(b"<?xml")


def test_the_spheres_stand_with_both_nlcs() -> None:
    drawing = table2_spheres.draw(None)
    said = " ".join(each.get_text() for axes in drawing.figure.axes for each in [axes.title, *axes.texts])
    nlc_of_depth_2 = read_measured()["table2"]["2"]
    for expected in ("depth 2 ", "depth 50", "paper: 9952", "paper: 1.22", f"NLC {text.number(nlc_of_depth_2, 4)}"):
        assert expected in said


def test_pictures_of_another_shape_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "spheres.png"
    with pytest.raises(MissingRecordsError, match=r"spheres.png: .*not readable"):
        table2_spheres.read_pictures(path)
    matplotlib.image.imsave(path, np.zeros((10, 30, 3)))
    with pytest.raises(MissingRecordsError, match="8 square pictures side by side, found 30 x 10"):
        table2_spheres.read_pictures(path)
