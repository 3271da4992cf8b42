"""The table of metrics answers its question in numbers, and says what it could not answer."""

from dataclasses import replace

import pandas as pd
import pytest

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.nlc import best_metric
from distnlc.analysis.nlc.metrics import NLC, rank_metrics
from distnlc.analysis.nlc.parts import parts_of
from distnlc.analysis.statistics.ranking import Ranking
from distnlc.analysis.tables import Tables
from tests.helpers.synthetic import realistic_rows, tables_of


@pytest.fixture(scope="module")
def tables() -> Tables:
    """waveform-noise with two initializations, CIFAR10 with one, five architectures of MNIST."""
    rows = (
        realistic_rows(40, failures=0) + realistic_rows(30, "cifar10", seed=1) + realistic_rows(5, "mnist", failures=0)
    )
    second = [replace(row, unit_id=f"{row.unit_id}-1", initialization=1) for row in rows[:40]]
    return tables_of(rows + second)


@pytest.fixture(scope="module")
def table(tables: Tables) -> Table:
    return best_metric.tabulate(tables)


@pytest.fixture(scope="module")
def ranking(tables: Tables) -> Ranking:
    """The ranking of waveform-noise."""
    return rank_metrics(next(part for part in parts_of(tables.architectures) if part.key[0] == "waveform-noise"))


def test_every_part_has_its_metrics_its_strata_and_where_it_can_its_ceiling(table: Table) -> None:
    headings = [heading for heading, _ in table.sections]
    assert [heading.partition(":")[0] for heading in headings] == [
        *(["CIFAR10 (SGD)"] * 4 + ["waveform-noise (SGD)"] * 5),
        "All parts side by side",
    ]
    assert headings[4] == "waveform-noise (SGD): 40 of 40 architectures, none left out"
    assert [heading.partition(": ")[2] for heading in headings[5:9]] == [
        "other correlations",
        "among architectures that are alike, Spearman",
        "within strata",
        "noise ceiling",
    ]
    for _, frame in table.sections:
        assert frame.map(lambda cell: isinstance(cell, str)).all(axis=None)
    assert any("MNIST (SGD): 5 rows" in remark for remark in table.all_remarks)
    assert any(
        "a metric of the architecture could reach a |Pearson| of 1.000" in remark for remark in table.all_remarks
    )
    assert not any("no noise ceiling" in remark for remark in table.all_remarks)  # a part has one


def test_numbers_are_those_of_the_ranking(ranking: Ranking, table: Table) -> None:
    frame = pd.concat([table.sections[4][1], table.sections[5][1]], axis=1)
    assert list(frame.index) == [row.metric.name for row in ranking.rows]
    for row in ranking.rows:
        shown = frame.loc[row.metric.name]
        assert shown["Spearman"] == f"{row.spearman.value:.2f} [{row.spearman.low:.2f}, {row.spearman.high:.2f}]"
        if len(row.metric.columns) == 1:
            assert float(shown["q (Kendall)"]) == pytest.approx(row.kendall.q, rel=0.1)
        else:
            assert shown["q (Spearman)"] == f"p = {row.spearman.p:.2g}"
            assert shown["Kendall"] == shown["q (Kendall)"] == shown["partial"] == "–"
        assert shown["off by over 10"] == f"{row.prediction.far_off:.0%}"
        off_by = [f"{100 * value:.1f}" for value in row.off_by]
        assert shown["off by, points"] == f"{off_by[0]} [{off_by[1]}, {off_by[2]}]"
        assert off_by[0] == f"{100 * row.prediction.mean_absolute_error:.1f}"
        assert shown["the worst by"] == f"{100 * row.prediction.farthest_off:.0f}"
        # Both initializations have the same errors here, so the ceiling is 1.
        assert shown["of the ceiling"] == f"{abs(row.pearson.value):.0%}"
    assert frame.loc["depth", "cost"] == "none"
    assert frame.loc[NLC.name, "cost"] == "–"  # the rows do not say how long measuring took
    assert any("NLC of the activation function: measured in 0 of 40" in remark for remark in table.all_remarks)


def test_the_remarks_answer_the_question(ranking: Ranking, table: Table) -> None:
    first, second, third = table.part_remarks["waveform-noise (SGD)"][:3]
    assert f"{ranking.single[0].metric.name} has the largest |Spearman| with test error" in first
    other = next(row for row in ranking.single if row.metric is not NLC)
    low, high = other.behind[1:]
    assert f"[{low:+.2f}, {high:+.2f}]" in first
    assert "percentage points on average" in second
    assert "of the 10 different metrics are related to the test error at q < 0.05" in third
    assert "(linear region and initial NLC are one test)" in third  # so are the invented rows


def test_every_property_has_the_metrics_among_architectures_that_have_it_alike(ranking: Ranking, table: Table) -> None:
    frame = table.sections[6][1]
    assert list(frame.index) == [row.metric.name for row in ranking.single]
    assert list(frame.columns) == [
        "all",
        *(f"at equal {each}" for each in ("normalization", "activation", "skip connections", "depth")),
    ]
    depths = [name for kind, name in table.sections[7][1].index if kind == "depth"]
    assert [name.split(" (")[0] for name in depths] == ["1st third", "2nd third", "3rd third", "pooled over all"]


def test_a_study_without_repetitions_says_which_preset_has_them() -> None:
    remarks = best_metric.tabulate(tables_of(realistic_rows(12, failures=0))).all_remarks
    assert any("so no noise ceiling; the preset paper-small gives them" in remark for remark in remarks)


def test_a_study_with_nothing_to_rank_says_so() -> None:
    with pytest.raises(MissingRecordsError, match=r"5 rows .* are needed to rank metrics"):
        best_metric.tabulate(tables_of(realistic_rows(5, failures=0)))
