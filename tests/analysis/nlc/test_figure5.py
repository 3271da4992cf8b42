"""Figure 5, which needs no records: the NLC in one dimension."""

import numpy as np
import pytest
import torch

from distnlc.analysis.drawing.figure import encoded
from distnlc.analysis.nlc import figure5
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
