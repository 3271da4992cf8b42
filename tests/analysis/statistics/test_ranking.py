"""Metrics are ranked on the same rows, by numbers that agree with scipy and least squares done the slow way."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from distnlc.analysis.nlc.metrics import (
    BIAS,
    COMBINATIONS,
    CONTROLS,
    DEPTH,
    DIAMETER,
    NLC,
    all_metrics,
    compared,
    rank_metrics,
)
from distnlc.analysis.nlc.parts import Part, parts_of
from distnlc.analysis.statistics.coefficients import partial_correlation
from distnlc.analysis.statistics.correlations import TooFewRowsError
from distnlc.analysis.statistics.ranking import Ranking, rank
from distnlc.analysis.statistics.refitting import permutation_p, prediction_matrix
from distnlc.analysis.statistics.resampling import resamples
from distnlc.records import SKIPPED
from distnlc.studies.nlc.records import ArchitectureRow
from tests.helpers.synthetic import architecture_row, failed_row


def drawn(count: int = 60, seed: int = 0) -> list[ArchitectureRow]:
    """Architectures whose error rises with NLC and bias; all metrics measured, the activation's NLC in a few only."""
    generator = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        level, bias, skip = generator.uniform(0, 9), generator.uniform(-1, 4), generator.choice([0.0, 1.0])
        error = 0.15 + 0.04 * level + 0.05 * bias + 0.02 * generator.normal()
        fields: dict[str, Any] = {
            "init_nlc": 10**level,
            "init_bias": 10**bias,
            "init_relative_diameter": 10 ** -(level + generator.normal()),
            "init_jacobian_norm": 10 ** (level + 2 * generator.normal()),
            "init_gradient_component": 10 ** generator.normal(),
            "init_gradient_length": 10 ** generator.normal(),
            "init_local_lipschitz": 10 ** generator.normal(),
            "init_cosine_correlation": generator.uniform(-1, 1),
            "init_linear_region": 10 ** -(level + generator.normal()),
            "activation_nlc": 1.5 if index < 5 else None,
            "activation_linear_error": generator.uniform(0.1, 1),
            "depth": int(generator.integers(1, 25)) * 2 + 1,
            "width": int(generator.integers(20, 200)),
            "skip_strength": skip,
            "test_error": float(np.clip(error, 0, 1)),
            "seconds": 100.0,
        }
        rows.append(architecture_row(index, **fields))
    return rows


def part_of(rows: list[ArchitectureRow]) -> Part:
    return parts_of(pd.DataFrame(rows))[0]


def metrics_alone(rows: list[ArchitectureRow]) -> Ranking:
    """Their ranking without combinations and models, which take most of the time."""
    part = part_of(rows)
    frame, metrics = all_metrics(part, None)
    return rank(frame, part.error, metrics, against=NLC, controls=CONTROLS, excluded=part.left_out(part.error))


@pytest.fixture(scope="module")
def ranking() -> Ranking:
    return rank_metrics(part_of(drawn()))


def test_coefficients_are_those_of_scipy(ranking: Ranking) -> None:
    y = ranking.used["test_error"]
    for metric, x in ((NLC, np.log(ranking.used["init_nlc"])), (DEPTH, ranking.used["depth"])):
        row = ranking.of(metric)
        assert (row.pearson.value, row.pearson.p) == pytest.approx(tuple(stats.pearsonr(x, y)))
        assert (row.spearman.value, row.spearman.p) == pytest.approx(tuple(stats.spearmanr(x, y)))
        assert (row.kendall.value, row.kendall.p) == pytest.approx(tuple(stats.kendalltau(x, y)))
        for estimate in (row.pearson, row.spearman, row.kendall, row.partial):
            assert estimate.low < estimate.value < estimate.high


def test_the_largest_rank_correlation_comes_first(ranking: Ranking) -> None:
    sizes = [abs(row.spearman.value) for row in ranking.rows]
    assert sizes == sorted(sizes, reverse=True)
    assert {row.metric.name for row in ranking.rows[:2]} == {metric.name for metric in COMBINATIONS}
    assert ranking.single[0].metric is NLC


def test_p_values_are_controlled_for_the_number_of_metrics(ranking: Ranking) -> None:
    for kind in ("pearson", "spearman", "kendall", "partial"):
        found = sorted((getattr(row, kind).p, getattr(row, kind).q) for row in ranking.single)
        count = len(found)
        for place, (_, q) in enumerate(found):
            # Benjamini and Hochberg: the smallest p * m / rank of this p or a larger one.
            assert q == pytest.approx(
                min(p * count / (later + 1) for later, (p, _) in enumerate(found) if later >= place)
            )


def test_the_lead_of_the_nlc_is_resampled_with_both_metrics(ranking: Ranking) -> None:
    y, x = ranking.used["test_error"].to_numpy(), ranking.used["init_nlc"].to_numpy()
    for metric, other in ((BIAS, ranking.used["init_bias"].to_numpy()), (DIAMETER, ranking.of(DIAMETER).values)):
        size = [abs(stats.spearmanr(values, y).statistic) for values in (x, other)]
        sign = np.sign(stats.spearmanr(other, y).statistic)
        leads = []
        for weights in resamples(y.size)[:300]:
            rows = np.repeat(np.arange(y.size), weights.astype(int))
            leads.append(stats.spearmanr(x[rows], y[rows])[0] - sign * stats.spearmanr(other[rows], y[rows])[0])
        value, low, high = ranking.of(metric).behind
        assert value == pytest.approx(size[0] - size[1])
        assert (low, high) == pytest.approx(tuple(np.quantile(leads, [0.025, 0.975])), abs=0.05)
    assert ranking.of(NLC).behind == (0, 0, 0)


@pytest.mark.parametrize("controls", [0, 1, 2])
def test_partial_correlation_is_that_of_regression(controls: int) -> None:
    generator = np.random.default_rng(1)
    fixed = generator.normal(size=(controls, 40))
    x, y = generator.normal(size=(2, 40)) + fixed.sum(axis=0)
    value, p = partial_correlation(x, y, fixed)
    design = np.column_stack([np.ones(40), *fixed])
    left = [values - design @ np.linalg.lstsq(design, values)[0] for values in (x, y)]
    assert value == pytest.approx(stats.pearsonr(*left).statistic)
    # The p of a partial correlation is that of the slope of x in the regression on x and the controls.
    full = np.column_stack([design, x])
    slopes, squares, *_ = np.linalg.lstsq(full, y)
    freedom = 40 - full.shape[1]
    t = slopes[-1] / np.sqrt(squares[0] / freedom * np.linalg.inv(full.T @ full)[-1, -1])
    assert p == pytest.approx(2 * stats.t.sf(abs(t), freedom))


def test_partial_correlation_that_is_undefined() -> None:
    generator = np.random.default_rng(2)
    x, y = generator.normal(size=(2, 20))
    assert np.isnan(partial_correlation(x, y, np.array([2 * x]))).all()
    alone, doubled = partial_correlation(x, y, y[None] ** 2), partial_correlation(x, y, np.array([y**2, -3 * y**2]))
    assert doubled == pytest.approx(alone)  # the second control takes no degree of freedom
    assert np.isnan(partial_correlation(x[:3], y[:3], y[None, :3] ** 2)).all()


def test_depth_is_controlled_for_the_others_alone(ranking: Ranking) -> None:
    used = ranking.used
    y, width, nlc = used["test_error"].to_numpy(), np.log(used[["width"]]).to_numpy().T, np.log(used["init_nlc"])
    depth = used["depth"].to_numpy(dtype=float)
    of_depth, of_nlc = ranking.of(DEPTH).partial, ranking.of(NLC).partial
    assert (of_depth.value, of_depth.p) == pytest.approx(partial_correlation(depth, y, width))
    both = np.vstack([depth, width])
    assert (of_nlc.value, of_nlc.p) == pytest.approx(partial_correlation(nlc.to_numpy(), y, both))


def test_all_metrics_are_compared_on_the_same_rows_and_the_others_are_counted() -> None:
    rows = drawn()
    rows[2] = replace(rows[2], init_cosine_correlation=None)
    rows[3] = replace(rows[3], init_local_lipschitz=None, init_cosine_correlation=None)
    rows[4] = replace(rows[4], test_error=None)
    rows[5] = replace(rows[5], status=SKIPPED, test_error=None)
    rows.append(failed_row(60))
    found = rank_metrics(part_of(rows))
    assert len(found.used) == 56
    assert found.left_out == {
        "unit failed": 1,
        "not trained: skipped by train_if": 1,
        "test error not measured": 1,
        "local Lipschitz estimate missing": 1,
        "correlation preservation missing": 1,
    }
    assert {row.values.size for row in found.rows} == {row.prediction.n for row in found.rows} == {56}
    assert found.unranked == {
        "NLC of the activation function": "measured in 4 of 58",
        "parameters": "the same in all 56",
    }
    measured = [row for row in rows if row.test_error is not None]
    everywhere = stats.spearmanr([row.init_nlc for row in measured], [row.test_error for row in measured]).statistic
    assert found.lacking == 2
    assert found.with_lacking == (58, pytest.approx(everywhere))


def test_a_metric_that_many_architectures_lack_stands_apart_and_takes_none_from_the_others() -> None:
    for count, together in ((12, True), (13, False)):
        rows = [replace(row, init_local_lipschitz=None) if row.index < count else row for row in drawn()]
        found, _ = compared(part_of(rows))
        assert [metric.name for metric in found.apart] == ([] if together else ["local Lipschitz estimate"])
        assert len(found.used) == (60 - count if together else 60)


def test_a_metric_that_stands_apart_is_compared_with_the_nlc_on_the_rows_that_have_it() -> None:
    rows = [replace(row, init_local_lipschitz=None) if row.index % 2 else row for row in drawn()]
    found = metrics_alone(rows)
    (apart,) = found.apart
    having = metrics_alone([row for row in rows if row.init_local_lipschitz is not None])
    same = having.of(apart.metric)
    assert apart.values.size == 30
    for kind in ("pearson", "spearman", "kendall", "partial"):
        one, other = getattr(apart, kind), getattr(same, kind)
        assert (one.value, one.low, one.high, one.p) == (other.value, other.low, other.high, other.p)
    assert apart.behind == same.behind
    assert (apart.off_by, apart.off_by_more) == (same.off_by, same.off_by_more)
    # its test counts among all
    p = [row.spearman.p for row in (*found.single, apart)]
    q = stats.false_discovery_control(p)
    assert [row.spearman.q for row in (*found.single, apart)] == pytest.approx(q)


def test_metrics_that_few_lack_each_but_many_together_keep_most_rows_shared() -> None:
    """Three metrics, each missing in other 15% of the rows, would leave 55% of them."""
    columns = ("init_local_lipschitz", "init_cosine_correlation", "init_jacobian_norm")
    rows = [
        replace(row, **{columns[row.index // 9]: None}) if row.index < 27 else row  # 9 of 60 each
        for row in drawn()
    ]
    found = metrics_alone(rows)
    assert len(found.used) == 51
    assert len(found.apart) == 2
    assert {row.values.size for row in found.apart} == {51}


def test_a_missing_diameter_is_never_taken_for_the_smallest() -> None:
    rows = drawn()
    rows[0] = replace(rows[0], init_relative_diameter=None)
    found = metrics_alone(rows)
    assert 0 not in found.used["index"].to_list()
    assert found.of(DIAMETER).at_ends == 0
    # Rows of an earlier version say 0 where rounding hid the diameter.
    earlier = [replace(row, init_lipschitz=1.0) for row in drawn()]
    earlier[0] = replace(earlier[0], init_relative_diameter=0.0)
    again = metrics_alone(earlier)
    assert again.left_out == {"relative diameter missing": 1}
    assert again.of(DIAMETER).spearman == found.of(DIAMETER).spearman


def test_the_off_by_of_a_metric_is_resampled_with_that_of_the_nlc(ranking: Ranking) -> None:
    bias, nlc = ranking.of(BIAS).prediction.off, ranking.of(NLC).prediction.off
    drawn_rows = [np.repeat(np.arange(60), each.astype(int)) for each in resamples(60)]
    slow = [bias[rows].mean() - nlc[rows].mean() for rows in drawn_rows]
    value, low, high = ranking.of(BIAS).off_by_more
    assert value == pytest.approx(bias.mean() - nlc.mean())
    assert (low, high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))
    assert ranking.of(NLC).off_by_more == (0, 0, 0)
    assert ranking.of(NLC).off_by[0] == pytest.approx(ranking.of(NLC).prediction.mean_absolute_error)


def test_the_size_is_given_where_partial_correlations_are_taken() -> None:
    generator = np.random.default_rng(4)
    rows = [replace(row, parameters=int(generator.integers(9000, 11000))) for row in drawn()]
    found = metrics_alone(rows)
    used = found.used
    controls = np.array([used["depth"], np.log(used["width"]), np.log(used["parameters"])])
    expected = partial_correlation(np.log(used["init_nlc"]).to_numpy(), used["test_error"].to_numpy(), controls)
    assert (found.of(NLC).partial.value, found.of(NLC).partial.p) == pytest.approx(expected)
    assert "parameters" in {row.metric.name for row in found.single}


def test_metrics_that_follow_each_other_are_one_test() -> None:
    rows = [replace(row, init_gradient_length=6.3 * (row.init_gradient_component or 0)) for row in drawn()]
    found = metrics_alone(rows)
    assert found.repeated == {"gradient length": "gradient component size"}
    different = [row for row in found.single if row.metric.name not in found.repeated]
    p = np.array([row.spearman.p for row in different])
    assert [row.spearman.q for row in different] == pytest.approx(stats.false_discovery_control(p))
    of = {row.metric.name: row for row in found.rows}
    assert of["gradient length"].spearman.q == of["gradient component size"].spearman.q


def test_combinations_have_a_p_with_refitting_and_are_not_among_the_metrics_that_q_counts(ranking: Ranking) -> None:
    for metric in COMBINATIONS:
        row = ranking.of(metric)
        columns = np.log(ranking.used[["init_nlc", "init_bias"]].to_numpy())
        if "skips" in metric.columns:
            columns = np.column_stack([columns, ranking.used["skips"]])
        y = ranking.used["test_error"].to_numpy()
        p = permutation_p(prediction_matrix(columns), y)
        assert (row.pearson.p, row.spearman.p) == p == (0.001, 0.001)
        assert np.isnan([row.pearson.q, row.spearman.q, row.kendall.value, row.partial.value]).all()
        assert row.pearson.low < row.pearson.value < row.pearson.high


def test_values_without_a_logarithm_count_as_the_ends_of_the_others() -> None:
    rows = drawn()
    rows[0] = replace(rows[0], init_relative_diameter=0.0)
    rows[1] = replace(rows[1], init_relative_diameter=float("inf"))
    row = metrics_alone(rows).of(DIAMETER)
    assert row.at_ends == 2
    assert row.values[0] == row.values.min() == row.values[2:].min()
    assert row.values[1] == row.values.max() == row.values[2:].max()


def test_a_metric_that_does_not_vary_is_not_ranked() -> None:
    found = metrics_alone([replace(row, init_local_lipschitz=0.0, depth=9) for row in drawn()])
    assert found.unranked["local Lipschitz estimate"] == "the same in all 60"
    assert found.unranked["depth"] == "the same in all 60"


def test_combinations_are_predictions_of_fits_without_the_row(ranking: Ranking) -> None:
    # Noise joined with noise fits the rows at hand; out of fold it must predict nothing.
    generator = np.random.default_rng(3)
    rows = [replace(row, test_error=float(generator.random())) for row in drawn(200)]
    noise = rank_metrics(part_of(rows))
    assert all(noise.of(metric).spearman.value < 0.15 for metric in COMBINATIONS)
    assert all(noise.of(metric).prediction.absolute_removed < 0.05 for metric in COMBINATIONS)
    assert ranking.of(COMBINATIONS[0]).pearson.value > ranking.of(NLC).pearson.value + 0.1


def test_cost_is_a_share_of_the_rest_of_the_unit(ranking: Ranking) -> None:
    costs = {
        f"{name}_seconds": 1.0 for name in ("jacobian", "outputs", "gradients", "cosines", "lipschitz", "diameter")
    }
    found = metrics_alone([replace(row, **costs) for row in drawn()])
    assert found.of(NLC).cost == pytest.approx(2 / 94)
    assert found.of(BIAS).cost == pytest.approx(1 / 94)
    assert found.of(DEPTH).cost == 0
    assert np.isnan(ranking.of(NLC).cost)


def test_too_few_architectures_are_said() -> None:
    for rows in (drawn(7), [replace(row, test_error=0.5) for row in drawn()], [failed_row(0)]):
        with pytest.raises(TooFewRowsError, match="needed to rank metrics"):
            rank_metrics(part_of(rows))
