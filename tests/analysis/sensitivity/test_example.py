"""The example study that ships: whole, small, of today's units, what the README says of it, nothing of the machine."""

import pytest

from distnlc.analysis import EXAMPLES
from distnlc.analysis.report.criteria import FAILS, OPEN, Criterion, negatives
from distnlc.analysis.sensitivity import acceptance
from distnlc.analysis.sensitivity.report import REPORT
from distnlc.analysis.tables import Tables, load
from distnlc.studies import from_fields, resolve
from distnlc.studies.sensitivity.units import units

EXAMPLE = EXAMPLES / "sensitivity"


@pytest.fixture(scope="module")
def example() -> Tables:
    return load(EXAMPLE)


@pytest.fixture(scope="module")
def found(example: Tables) -> list[Criterion]:
    return acceptance.criteria(example)


def test_it_has_every_unit_of_its_preset(example: Tables) -> None:
    ids = [unit.unit_id for unit in units(from_fields(example.spec, where="example"))]
    assert sorted(example.networks["unit_id"]) == sorted(ids)
    assert set(example.networks["status"]) == {"ok"}
    assert ids == [unit.unit_id for unit in units(resolve("sensitivity-small"))]


def test_everything_asked_for_holds_and_every_figure_is_judged(found: list[Criterion]) -> None:
    asked = [one for one in found if one.asked]
    assert [one.sentence for one in asked if one.verdict == FAILS or one.verdict.startswith(OPEN)] == []
    assert {one.figure for one in asked} == {"2", "3", "4", "5", "6", "App. 8", "App. 11"}


def test_the_negatives_are_those_that_the_page_lists(found: list[Criterion]) -> None:
    assert [(one.where, one.claim.split(",")[0]) for one in negatives(found)] == [
        ("1", "the 5% with the lowest gaps lie in the upper half of the numbers of weights"),
        ("App. 8, CIFAR10", "no general correlation of transitions and gap"),
        ("6, MNIST, cross-entropy", "more than half of the top tenth of Jacobian norms misclassified"),
        (
            "6, MNIST, cross-entropy",
            "some misclassified point 2 orders of magnitude below the median of the correct ones",
        ),
        ("6, CIFAR10, cross-entropy", "more than half of the top tenth of Jacobian norms misclassified"),
        ("6, MNIST, l2", "more than half of the top tenth of Jacobian norms misclassified"),
        ("6, MNIST, l2", "some misclassified point 2 orders of magnitude below the median of the correct ones"),
        ("6, CIFAR10, l2", "more than half of the top tenth of Jacobian norms misclassified"),
        ("6, CIFAR10, l2", "some misclassified point 2 orders of magnitude below the median of the correct ones"),
    ]


@pytest.mark.slow
def test_every_figure_and_table_is_drawn_from_it(example: Tables) -> None:
    for figure in REPORT.figures:
        if figure.name != "figureApp9":  # on data sets that only the paper's size has
            assert figure.draw(example).figure.axes
    assert all(table.tabulate(example).sections for table in REPORT.tables)
