"""A figure's files are whole, and what makes them fast takes nothing away that people read."""

import struct

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from distnlc.analysis.drawing.figure import FILE_DOTS_PER_INCH, Drawing, encoded, image, pixels
from distnlc.analysis.drawing.format import power_of_ten


def logarithmic(low: float, high: float) -> tuple[Drawing, Axes]:
    """A figure of 3 x 2 inches with an inset."""
    figure = Figure(figsize=(3, 2))
    axes = figure.add_subplot()
    for each in (axes, axes.inset_axes((0.5, 0.5, 0.4, 0.4))):
        each.set_xscale("log")
        each.set_xlim(low, high)
    return Drawing("a caption", figure), axes


def written(axes: Axes, *, minor: bool) -> list[str]:
    """What stands at the x-axis, as it is written."""
    low, high = axes.get_xlim()
    labels = axes.xaxis.get_minorticklabels() if minor else axes.xaxis.get_majorticklabels()
    return [label.get_text() for label in labels if low <= label.get_position()[0] <= high]


def test_powers_of_ten_at_a_wide_axis_and_its_inset_are_written_plainly() -> None:
    drawing, axes = logarithmic(0.5e-3, 2e2)
    pixels(drawing)
    for each in (axes, axes.child_axes[0]):
        labels = written(each, minor=False)
        assert len(labels) >= 2
        assert set(labels) <= {"10⁻³", "10⁻²", "10⁻¹", "10⁰", "10¹", "10²"}
        assert not any(written(each, minor=True))


def test_a_narrow_axis_keeps_its_numbers() -> None:
    drawing, axes = logarithmic(1.5, 9.5)
    pixels(drawing)
    assert any("2" in label for label in written(axes, minor=True))


def test_pixels_are_painted_once_and_written_in_both_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing, _ = logarithmic(1, 1e6)
    painted: list[Figure] = []
    draw = Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda figure, renderer: (painted.append(figure), draw(figure, renderer)))
    found = pixels(drawing)
    png, webp = image(found, "png"), image(found, "webp")
    assert len(painted) == 1
    size = 3 * FILE_DOTS_PER_INCH, 2 * FILE_DOTS_PER_INCH
    assert struct.unpack(">II", png[16:24]) == size == found.shape[1::-1]
    assert (webp[:4], webp[8:12]) == (b"RIFF", b"WEBP")
    assert encoded(drawing, "png") == png
    assert encoded(drawing, "pdf").startswith(b"%PDF")


@pytest.mark.parametrize(("value", "expected"), [(1, "10⁰"), (1e-17, "10⁻¹⁷"), (1e23, "10²³"), (0.1 + 1e-17, "10⁻¹")])
def test_a_power_of_ten_has_its_exponent_in_the_air(value: float, expected: str) -> None:
    assert power_of_ten(value) == expected
