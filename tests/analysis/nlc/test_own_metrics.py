"""A metric of the user's own is ranked beside the built-in ones, from what the study holds."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from distnlc.analysis.nlc import best_metric
from distnlc.analysis.nlc.metrics import OF_GROUPS, compared, rank_metrics
from distnlc.analysis.nlc.parts import parts_of
from distnlc.analysis.tables import Tables
from distnlc.metrics.groups import GROUPS, measured_by
from distnlc.records import MeasurementRow
from distnlc.studies.nlc.records import ArchitectureRow
from tests.helpers.synthetic import realistic_rows, tables_of

ROWS = [replace(row, seconds=100.0) for row in realistic_rows(30, failures=0)]


def with_measurements(rows: list[ArchitectureRow], **changes: Any) -> Tables:
    """The rows' tables with a metric near the exponential of the error; every value after training is 7."""
    noise = np.random.default_rng(3)
    measured = []
    for row in rows:
        assert row.test_error is not None
        value = float(np.exp(5 * row.test_error + noise.normal(0, 0.1)))
        common: dict[str, Any] = {"unit_id": row.unit_id, "name": "mine", "label": "my metric", "log": True} | changes
        measured.append(MeasurementRow(stage="initial", value=value, seconds=2.0, **common))
        measured.append(MeasurementRow(stage="trained", value=7.0, seconds=5.0, **common))
    tables = tables_of(rows)
    tables.frames["measurements"] = pd.DataFrame(map(asdict, measured))
    return tables


def test_its_correlation_scale_and_cost_are_those_of_its_values_before_training() -> None:
    tables = with_measurements(ROWS)
    ranking = rank_metrics(parts_of(tables.architectures)[0], tables.measurements)
    (mine,) = [row for row in ranking.rows if row.metric.name == "my metric"]
    initial = tables.measurements.query("stage == 'initial'")
    expected = stats.spearmanr(initial["value"], [row.test_error for row in ROWS])
    assert mine.spearman.value == pytest.approx(expected.statistic)
    assert ranking.single[0] is mine
    assert mine.metric.log
    pearson = stats.pearsonr(np.log(initial["value"]), [row.test_error for row in ROWS])
    assert mine.pearson.value == pytest.approx(pearson.statistic)
    assert mine.cost == pytest.approx(2 / 98)


def test_metrics_of_one_function_take_its_seconds_together() -> None:
    tables = with_measurements(ROWS)
    again = tables.measurements.assign(name="yours", label="another", value=tables.measurements["value"] ** 2)
    tables.frames["measurements"] = pd.concat([tables.measurements, again])
    ranking = rank_metrics(parts_of(tables.architectures)[0], tables.measurements)
    costs = {row.metric.name: row.cost for row in ranking.rows}
    assert costs["my metric"] == costs["another"] == pytest.approx(2 / 98)


def test_it_stands_in_the_table_and_in_its_remarks() -> None:
    table = best_metric.tabulate(with_measurements(ROWS))
    frame = table.sections[0][1]
    assert frame.loc["my metric", "high error"] == "not said, log"
    assert frame.loc["my metric", "data used"] == "inputs and labels"
    assert any(
        "of 12 metrics, my metric has the largest |Spearman| with test error" in each for each in table.all_remarks
    )


def test_architectures_that_lack_it_are_counted_with_the_first_reason() -> None:
    tables = with_measurements(ROWS)
    first = tables.measurements["unit_id"].isin([row.unit_id for row in ROWS[:4]])
    tables.measurements.loc[first, ["value", "reason"]] = [np.nan, "raised ValueError: no"]
    table = best_metric.tabulate(tables)
    assert table.sections[0][0].startswith("waveform-noise (SGD): 26 of 30 architectures, ")
    assert any(
        "4 of 30 values of the metric mine are missing, the first because it raised ValueError: no." in each
        for each in table.all_remarks
    )


def test_one_with_the_label_of_another_metric_is_told_apart() -> None:
    tables = with_measurements(ROWS, label="initial NLC")
    shared, metrics = compared(parts_of(tables.architectures)[0], tables.measurements)
    names = {metric.name for metric in metrics if metric.columns[0] in shared.scaled}
    assert {"initial NLC", "initial NLC (mine)"} < names


def test_architectures_of_a_family_are_ranked_though_they_have_no_depth_and_width() -> None:
    neutral: dict[str, Any] = {"depth": 0, "width": 0, "activation": "mine", "normalization": "none"}
    rows = [replace(row, **neutral, skip_strength=0.0) for row in ROWS]
    tables = with_measurements(rows)
    (part,) = parts_of(tables.architectures)
    assert part.title == "waveform-noise, mine (SGD)"
    ranking = rank_metrics(part, tables.measurements)
    assert ranking.unranked["depth"] == "the same in all 30"
    for row in ranking.single:
        assert row.partial.value == pytest.approx(row.pearson.value)
    assert len(ranking.used) == 30


def test_a_size_that_a_family_has_only_in_the_table_is_the_column_s_and_no_second_metric() -> None:
    neutral: dict[str, Any] = {"depth": 0, "width": 0, "activation": "mine", "normalization": "none"}
    tables = with_measurements(
        [replace(row, **neutral, skip_strength=0.0) for row in ROWS], name="depth", label="depth"
    )
    shared, metrics = compared(parts_of(tables.architectures)[0], tables.measurements)
    (depth,) = [metric for metric in metrics if "depth" in metric.name and metric.columns[0] in shared.scaled]
    initial = tables.measurements.query("stage == 'initial'")
    assert shared.scaled[depth.columns[0]].to_numpy() == pytest.approx(initial["value"].to_numpy())
    first = tables.measurements["unit_id"].eq(ROWS[0].unit_id)
    tables.measurements.loc[first, "value"] = np.nan
    shared, _ = compared(parts_of(tables.architectures)[0], tables.measurements)
    assert shared.left_out == {"depth missing": 1}, "0 stands for not known, and is no depth"


def test_what_its_proposers_expect_of_a_metric_of_a_group_is_known() -> None:
    tables = with_measurements(ROWS, name="snip", label="SNIP")
    table = best_metric.tabulate(tables)
    frame = table.sections[0][1]
    assert frame.loc["SNIP", "high error"] == "low, log"
    assert any("SNIP against the expected direction" in each for each in table.all_remarks)
    assert set(OF_GROUPS) <= set(measured_by(GROUPS))


def test_data_of_the_user_s_own_have_their_name_and_a_threshold_of_guessing() -> None:
    rows = [replace(row, dataset="my-spirals", d_out=2) for row in ROWS]
    rows[0] = replace(rows[0], test_error=0.424)
    rows[1] = replace(rows[1], test_error=0.426)
    (part,) = parts_of(tables_of(rows).architectures)
    assert part.title == "my-spirals (SGD)"
    assert list(part.guessing[:2]) == [False, True]
