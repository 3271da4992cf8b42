"""Where the truth is known, the report tells it: a cause, its noisy copy, chance, and a metric that half of the
networks lack."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from distnlc.analysis.nlc import best_metric, metric_maps, saving_by_metric
from distnlc.analysis.nlc.metrics import rank_metrics
from distnlc.analysis.nlc.parts import parts_of
from distnlc.analysis.nlc.saving_by_metric import RANDOM, curves
from distnlc.analysis.statistics.ranking import ALL, PAIR, Ranked, Ranking
from distnlc.analysis.tables import Tables
from distnlc.records import MeasurementRow
from tests.helpers.synthetic import realistic_rows, tables_of

COUNT = 60
SECONDS = {"cause": 0.1, "copy": 0.1, "chance": 0.1, "rare": 0.1, "dear": 30.0}


def known(datasets: tuple[str, ...] = ("waveform-noise", "mnist")) -> Tables:
    """The error is that of `cause` and `chance` has none of it; a second cause, `dear`, takes half of the training;
    `rare` is the cause without noise, of half of the networks."""
    generator, rows, measured = np.random.default_rng(1), [], list[MeasurementRow]()
    for place, dataset in enumerate(datasets):
        for row in realistic_rows(COUNT, dataset, seed=place, failures=0):
            cause, dear = generator.normal(size=2)
            error = float(np.clip(0.4 + 0.08 * cause + 0.06 * dear + 0.01 * generator.normal(), 0, 1))
            rows.append(replace(row, test_error=error, val_error=error, seconds=100.0, epochs=10))
            values: dict[str, float | None] = {
                "cause": cause,
                "copy": cause + 0.7 * generator.normal(),
                "chance": generator.normal(),
                "rare": -cause if row.index % 2 else None,
                "dear": dear,
            }
            common: dict[str, Any] = {"unit_id": row.unit_id, "stage": "initial", "log": False}
            measured += [
                MeasurementRow(
                    **common,
                    name=name,
                    label=f"the {name}",
                    value=value,
                    reason=None if value is not None else "is not defined: it is rare",
                    seconds=SECONDS[name],
                )
                for name, value in values.items()
            ]
    tables = tables_of(rows)
    tables.frames["measurements"] = pd.DataFrame(map(asdict, measured))
    return tables


@pytest.fixture(scope="module")
def tables() -> Tables:
    return known()


@pytest.fixture(scope="module")
def ranking(tables: Tables) -> Ranking:
    return rank_metrics(parts_of(tables.architectures)[0], tables.measurements)


def named(ranking: Ranking) -> dict[str, Ranked]:
    return {row.metric.name: row for row in (*ranking.rows, *ranking.apart)}


def test_the_cause_leads_its_copy_follows_and_chance_is_not_called_related(ranking: Ranking) -> None:
    rows = named(ranking)
    assert ranking.single[0].metric.name == "the cause"
    assert abs(rows["the copy"].spearman.value) < abs(rows["the cause"].spearman.value)
    assert rows["the cause"].spearman.q < 1e-4
    assert rows["the copy"].spearman.q < 0.05
    assert rows["the chance"].spearman.q > 0.05
    assert rows["the chance"].spearman.low < 0 < rows["the chance"].spearman.high
    assert rows["the cause"].off_by_more[2] < 0  # closer than the NLC, which has no part in it


@pytest.mark.slow
def test_what_half_of_the_networks_lack_takes_none_from_the_others_and_is_counted(
    ranking: Ranking, tables: Tables
) -> None:
    rare = named(ranking)["the rare"]
    assert len(ranking.used) == COUNT
    assert rare.values.size == COUNT // 2
    having = ranking.used[ranking.used["index"] % 2 == 1]
    assert rare.spearman.value == pytest.approx(stats.spearmanr(having["own rare"], having["test_error"]).statistic)
    assert rare.spearman.value < -0.5
    table = best_metric.tabulate(tables)
    frames = dict(table.sections)
    title = next(iter(table.part_remarks))
    assert (
        frames[f"{title}: metrics that many architectures lack, each on those that have it"].loc["the rare", "n"]
        == "30"
    )
    assert any("30 of 60 values of the metric rare are missing" in each for each in table.all_remarks)


def test_the_models_find_both_causes_and_the_affordable_pair_leaves_the_dear_one(ranking: Ranking) -> None:
    together, pair, cause = ranking.model(ALL), ranking.model(PAIR), named(ranking)["the cause"]
    assert together is not None
    assert pair is not None
    assert together.spearman.value > 0.8
    assert together.spearman.p == 0.001
    assert together.off_by[0] < 0.75 * cause.off_by[0]
    assert "the cause" in [metric.name for metric in ranking.pair]
    assert "the dear" not in [metric.name for metric in ranking.pair]
    assert pair.cost <= 0.01 < named(ranking)["the dear"].cost
    assert np.isnan(together.spearman.q)


@pytest.mark.slow
def test_parts_stand_side_by_side(tables: Tables) -> None:
    table = best_metric.tabulate(tables)
    heading, frame = table.sections[-1]
    assert heading.startswith("All parts side by side")
    assert list(frame.columns) == [f"{title}, 10,000 parameters, n = 60" for title in table.part_remarks]
    assert all("(no. 1)" in cell for cell in frame.loc["the cause"])
    steady = next(each for each in table.remarks if "go with the error in one direction" in each)
    assert "the cause" in steady
    assert "the chance" not in steady
    strongest, beside_nlc, predicted = table.overview
    names = [name for name in frame.index if "–" not in set(frame.loc[name])]
    assert f"Of the {len(names)} that all {len(table.part_remarks)} parts compare" in strongest
    assert strongest.index("the cause") < strongest.index(names[1]) < strongest.index(names[2])
    assert f"In 0 of the {2 * (len(names) - 1)} comparisons" in beside_nlc
    assert "the cause in 2 of 2 parts" in beside_nlc
    assert "the chance" not in beside_nlc
    assert f"closer in 2 of {len(table.part_remarks)} parts" in predicted


@pytest.mark.slow
def test_a_metric_that_turns_round_in_another_part_is_not_called_steady() -> None:
    turned = known()
    own = turned.measurements["unit_id"].isin(
        turned.architectures.loc[turned.architectures["dataset"] == "mnist", "unit_id"]
    ) & turned.measurements["name"].eq("cause")
    turned.measurements.loc[own, "value"] *= -1
    steady = next(each for each in best_metric.tabulate(turned).remarks if "go with the error in one direction" in each)
    assert "the cause" not in steady


def test_the_pictures_have_all_metrics_and_say_which_are_alike(tables: Tables) -> None:
    axes = metric_maps.draw_parts(tables).figure.axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[0] in {"the rare", "the cause"}
    assert {"the rare", "the chance", "initial NLC"} < set(names)
    (remark,) = metric_maps.draw_redundancy(tables).remarks
    assert "initial NLC, " in remark
    assert "the chance" not in remark


def test_what_the_cause_leaves_out_loses_nothing_and_chance_loses_as_chance(tables: Tables) -> None:
    found = curves(parts_of(tables.architectures)[0], tables.measurements)
    assert found["the cause"].at(0.5)[0] < 0.2 < found[RANDOM].at(0.5)[0]
    assert found["the cause"].lost.mean() < found["the copy"].lost.mean() < found[RANDOM].lost.mean()
    assert found["the rare"].n == 30
    drawing = saving_by_metric.draw(tables)
    assert drawing.table is not None
    assert drawing.table.index[0] in {"the cause", "the rare"}
    assert all("(n = 30)" in cell for cell in drawing.table.loc["the rare"])


def test_the_curve_is_that_of_training_in_the_metric_s_order_the_slow_way(tables: Tables) -> None:
    part = parts_of(tables.architectures)[0]
    found = curves(part, tables.measurements)["the cause"]
    values = tables.measurements[tables.measurements["name"] == "cause"].set_index("unit_id")["value"]
    rows = part.rows.assign(cause=part.rows["unit_id"].map(values)).reset_index(drop=True)
    generator, slow = np.random.default_rng(0), []
    for draw in generator.integers(len(rows), size=(300, len(rows)))[:50]:
        own = rows.iloc[draw]
        rising = stats.spearmanr(own["cause"], own["test_error"]).statistic > 0
        trained = own.sort_values("cause", ascending=rising).head(len(own) // 2)
        slow.append(100 * (trained["test_error"].min() - own["test_error"].min()))
    assert found.lost[:50, 100] == pytest.approx(slow)
