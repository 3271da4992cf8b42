"""The example study that ships: whole, small, of today's units, its negatives in the report, nothing of the machine."""

import pytest

from distnlc.analysis import EXAMPLES
from distnlc.analysis.report.criteria import FAILS, OPEN, Criterion
from distnlc.analysis.scaling import acceptance
from distnlc.analysis.scaling.report import REPORT
from distnlc.analysis.tables import Tables, load
from distnlc.studies import from_fields, resolve
from distnlc.studies.scaling.units import units

EXAMPLE = EXAMPLES / "scaling"


@pytest.fixture(scope="module")
def example() -> Tables:
    return load(EXAMPLE)


@pytest.fixture(scope="module")
def found(example: Tables) -> list[Criterion]:
    return acceptance.criteria(example)


def test_it_has_every_unit_of_its_preset(example: Tables) -> None:
    ids = [unit.unit_id for unit in units(from_fields(example.spec, where="example"))]
    assert sorted(example.frames["units"]["unit_id"]) == sorted(ids)
    assert set(example.frames["units"]["status"]) == {"ok"}
    assert ids == [unit.unit_id for unit in units(resolve("scaling-small"))]


def test_what_is_asked_for_is_judged_and_holds(found: list[Criterion]) -> None:
    asked = [one for one in found if one.asked]
    assert [one.sentence for one in asked if one.verdict.startswith(OPEN)] == []
    assert [one.sentence for one in asked if one.verdict == FAILS] == []


def test_the_paper_s_order_is_reproduced_by_neither_reading_of_the_loss(found: list[Criterion]) -> None:
    orders = [one for one in found if "lowest average normalized loss" in one.claim or "never the worst" in one.claim]
    assert [one.holds for one in orders] == [False] * 4


@pytest.mark.slow
def test_every_figure_and_table_is_drawn_from_it(example: Tables) -> None:
    for figure in REPORT.figures:
        assert figure.draw(example).figure.axes
    assert all(table.tabulate(example).sections for table in REPORT.tables if table.name != "resnet")
