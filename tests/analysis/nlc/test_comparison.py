"""Where a correlation lies beside the paper's value is said rightly, and so is in what the two studies differ."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.nlc.comparison import compared, difference_p, differences, outside, paper_interval
from distnlc.analysis.nlc.paper import (
    CIFAR10_SGD,
    EVERY,
    STATED,
    STATED_NLC,
    TRAINING_SGD,
    VALIDATION,
    Stated,
    points,
)
from distnlc.analysis.nlc.parts import Part, parts_of, pooled
from distnlc.analysis.statistics.correlations import Correlation, correlate
from distnlc.studies.nlc.records import ArchitectureRow
from tests.helpers.synthetic import architecture_row, paper_rows, tables_of


def parts(rows: list[ArchitectureRow]) -> list[Part]:
    return parts_of(tables_of(rows).architectures)


def correlation(low: float, high: float) -> Correlation:
    """Any correlation with this interval."""
    found = correlate([1, 2, 3, 4], [1, 2, 4, 3])
    return Correlation(**(found.__dict__ | {"pearson": (low + high) / 2, "low": low, "high": high, "n_in": 250}))


def test_a_value_is_outside_if_no_stated_value_lies_in_the_interval() -> None:
    c = correlation(0.3, 0.5)
    assert outside(c, Stated(0.51))
    assert not outside(c, Stated(0.5))
    assert not outside(c, None)
    assert not outside(correlate([1, 1, 1], [1, 2, 3]), Stated(0.5)), "no correlation, nothing to compare"


def test_a_study_of_the_papers_size_differs_in_nothing() -> None:
    rows = [architecture_row(i, parameters=1_000_200, runs=40, epochs=3_000) for i in range(245)]
    (part,) = parts(rows)
    assert differences(part) == []
    assert compared(part, correlation(0.3, 0.5), Stated(0.4)) == (
        "the paper's 0.40 lies inside the interval 0.30 to 0.50; in size the two studies agree."
    )


def test_a_dataset_that_the_paper_has_not_is_named_as_the_spec_does_and_has_no_numbers_to_differ_from() -> None:
    numbers = {"parameters": 1_000_200, "runs": 40, "epochs": 3_000, "train_points": 7, "d_in": 3, "d_out": 4}
    (part,) = parts([architecture_row(i, dataset="libsvm/letter", **numbers) for i in range(245)])
    assert part.title == "libsvm/letter (SGD)"
    assert differences(part) == []


def test_each_difference_is_named_with_both_numbers() -> None:
    rows = [
        architecture_row(
            i, dataset="cifar10", train_points=5_000, d_in=622, d_out=10, parameters=40_000 + i, runs=36, epochs=900
        )
        for i in range(31)
    ]
    (part,) = parts(rows)
    said = compared(part, correlation(0.1, 0.6), Stated(0.81))
    for each in (
        "the paper's 0.81 lies outside the interval 0.10 to 0.60",
        "31 architectures (the paper 250)",
        "a median of 40,015 parameters (the paper 1,000,000)",
        "36 starting rates tried each (the paper 40)",
        "25 epochs a run, most being stopped early (the paper at least 60)",
        "5,000 training points for CIFAR10 (the paper 40,000)",
        "622 input features for CIFAR10 (the paper 810)",
    ):
        assert each in said
    assert "chance" not in said


def test_architectures_left_untrained_are_a_difference() -> None:
    rows = [architecture_row(i, epochs=300) for i in range(4)]
    rows.append(architecture_row(4, status="skipped", init_nlc=9.0, test_error=None, runs=None, epochs=None))
    (part,) = parts(rows)
    assert "1 of them not trained, by train_if (the paper none)" in differences(part)


def test_the_papers_numbers_are_those_of_the_part() -> None:
    found = {part.title: part for part in parts(paper_rows(4))}
    training = found["waveform-noise (SGD, chosen by training error)"]
    assert differences(training) == [
        "4 architectures (the paper 50)",
        "a median of 10,000 parameters (the paper 1,000,000)",
    ]
    together = pooled([found["CIFAR10 (SGD)"], found["MNIST (SGD)"], found["waveform-noise (SGD)"]])
    assert differences(together)[0] == "12 architectures (the paper 750)"


def test_chance_is_named_where_the_papers_own_interval_reaches_ours() -> None:
    (part,) = parts([architecture_row(i) for i in range(4)])
    x = np.random.default_rng(0).normal(size=250)
    y = x + np.random.default_rng(1).normal(size=250)
    expected = stats.pearsonr(x, y)
    low, high = expected.confidence_interval()
    assert paper_interval(part, Stated(expected.statistic)) == pytest.approx((low, high), abs=1e-4)
    near, far = correlation(0.2, low + 0.01), correlation(0.2, low - 0.01)
    for c, chance in ((near, True), (far, False)):
        assert ("chance may suffice" in compared(part, c, Stated(expected.statistic))) == chance


def test_chance_is_named_where_few_rows_have_a_narrow_interval() -> None:
    """Two correlations are compared by Fisher's transformation too: resampling 20 rows can give any interval."""
    (part,) = parts([architecture_row(i) for i in range(4)])
    narrow = Correlation(**(correlation(-0.25, -0.15).__dict__ | {"n_in": 20}))
    error = math.sqrt(1 / 17 + 1 / 247)
    expected = 2 * stats.norm.sf((math.atanh(0.2) + math.atanh(0.05)) / error)
    assert difference_p(part, narrow, Stated(0.05)) == pytest.approx(expected)
    assert expected > 0.05
    assert "chance may suffice" in compared(part, narrow, Stated(0.05))
    many = Correlation(**(narrow.__dict__ | {"n_in": 250}))
    assert difference_p(part, many, Stated(0.05)) < 0.05
    assert "chance" not in compared(part, many, Stated(0.05))


def test_the_papers_numbers_of_architectures_follow_from_its_p_values() -> None:
    """Architectures that the paper left out show in the p-values that it prints."""
    of_figure_3e = STATED["figure3e"][EVERY, "sgd", VALIDATION]
    assert 443 <= points(of_figure_3e, (EVERY, "sgd", VALIDATION)) <= 463  # of 750
    assert 187 <= points(STATED["figure8"][CIFAR10_SGD], CIFAR10_SGD) <= 195  # of 250
    assert 46 <= points(STATED["figure8"][TRAINING_SGD], TRAINING_SGD) <= 48  # of 50
    assert points(STATED_NLC[TRAINING_SGD], TRAINING_SGD) == 50
    assert points(STATED["figure9c"][CIFAR10_SGD], CIFAR10_SGD) == 250  # r = 0.05 leaves 175 to 260
    assert points(Stated(0.5), CIFAR10_SGD) == 250
    for figure in STATED.values():
        for key, stated in figure.items():
            n, r = points(stated, key), abs(stated.r)
            assert stated.p is not None
            p = [2 * stats.t.sf(each * math.sqrt((n - 2) / (1 - each**2)), n - 2) for each in (r + 0.005, r - 0.005)]
            assert p[0] <= stated.p <= p[1]


def test_the_papers_interval_is_that_of_the_architectures_that_it_shows() -> None:
    together = pooled([part for part in parts(paper_rows(4)) if part.key[1:] == ("sgd", VALIDATION)])
    stated = STATED["figure3e"][together.key]
    low, high = paper_interval(together, stated)
    reach = 1.96 / math.sqrt(points(stated, together.key) - 3)
    assert math.atanh(high) - math.atanh(low) == pytest.approx(2 * reach)
    c = correlation(-0.75, -0.65)
    error = math.sqrt(1 / (c.n - 3) + 1 / (453 - 3))
    expected = 2 * stats.norm.sf(abs(math.atanh(c.pearson) - math.atanh(-0.83)) / error)
    assert difference_p(together, c, stated) == pytest.approx(expected, rel=1e-3)


def test_figures_remark_on_the_panels_that_differ_and_on_no_others(drawn: Callable[[str], Drawing]) -> None:
    for name in ("figure2", "figure3e"):
        figure = drawn(name)
        differing = [
            panel.title
            for panel in figure.panels
            if panel.stated is not None and outside(panel.correlation, Stated(panel.stated))
        ]
        assert [remark.partition(": ")[0] for remark in figure.remarks] == differing
    assert differing == ["all datasets (SGD)"]
