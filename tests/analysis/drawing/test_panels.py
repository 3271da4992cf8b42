"""A page of panels: so many in a row as asked for, all of one size in inches."""

import pytest

from distnlc.analysis.drawing.panels import page


@pytest.mark.parametrize(("columns", "width", "rows"), [(2, 4.6, 2), (3, 2.5, 1)])
def test_panels_have_the_asked_size_and_stand_in_rows(columns: int, width: float, rows: int) -> None:
    figure, panels = page([(f"panel {i}", []) for i in range(3)], height=2.0, width=width, columns=columns)
    across, up = figure.get_size_inches()
    boxes = [axes.get_position() for axes in panels]
    assert [box.width * across for box in boxes] == [pytest.approx(width)] * 3
    assert [box.height * up for box in boxes] == [pytest.approx(2.0)] * 3
    assert len({round(box.y0, 6) for box in boxes}) == rows


def test_headings_wrap_by_the_width_of_their_panel() -> None:
    heading: tuple[str, list[str]] = ("a title of some forty characters, or more", [])
    wide, narrow = (page([heading], height=2.0, width=width)[1][0].get_title(loc="left") for width in (4.6, 2.3))
    assert "\n" not in wide
    assert narrow.count("\n") == 1
