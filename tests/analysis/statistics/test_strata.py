"""A metric within the strata of a study agrees with scipy, and pooled over them with least squares."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from distnlc.analysis.nlc.metrics import BIAS, NLC, compared, rank_metrics
from distnlc.analysis.statistics.coefficients import partial_correlation
from distnlc.analysis.statistics.shared_rows import Metric
from distnlc.analysis.statistics.strata import strata
from distnlc.studies.nlc.records import ArchitectureRow
from tests.analysis.statistics.test_ranking import drawn, part_of


def within(rows: list[ArchitectureRow], kind: str, metric: Metric = NLC) -> dict[str, tuple[int, float, float]]:
    """Stratum -> n, Spearman, Pearson."""
    shared, _ = compared(part_of(rows))
    xs = shared.scaled[[each.columns[0] for each in (BIAS, metric)]].to_numpy().T
    found = strata(xs, shared.used["test_error"].to_numpy(), {kind: shared.used[kind]})[kind]
    return {one.name: (one.n, one.metrics[1].spearman[0], one.metrics[1].pearson[0]) for one in found}


def test_strata_agree_with_scipy_and_pool_like_least_squares() -> None:
    rows = drawn()
    frame = pd.DataFrame(rows)
    frame["x"] = np.log(frame["init_nlc"])
    found = within(rows, "normalization")
    for name, own in frame.groupby("normalization"):
        n, spearman, pearson = found[str(name)]
        assert n == len(own)
        assert spearman == pytest.approx(stats.spearmanr(own["x"], own["test_error"]).statistic)
        assert pearson == pytest.approx(stats.pearsonr(own["x"], own["test_error"]).statistic)
    dummies = pd.get_dummies(frame["normalization"]).to_numpy(dtype=float).T[1:]
    pooled = partial_correlation(frame["x"].to_numpy(), frame["test_error"].to_numpy(), dummies)[0]
    assert found["pooled over all"][2] == pytest.approx(pooled)
    assert list(found) == ["batch", "layer", "none", "pooled over all"]


def test_small_strata_are_pooled() -> None:
    rows = [
        replace(row, activation="relu" if row.index >= 12 else "tanh" if row.index % 2 else "selu") for row in drawn()
    ]
    found = within(rows, "activation")
    assert list(found) == ["relu", "selu, tanh (fewer than 8 each), pooled", "pooled over all"]
    assert [n for n, _, _ in found.values()] == [48, 12, 60]


@pytest.mark.slow
def test_a_metric_that_only_tells_the_strata_apart_does_not_correlate_within_them() -> None:
    generator = np.random.default_rng(5)
    rows = []
    for row in drawn(240):
        level = ("none", "batch", "layer").index(row.normalization)
        nlc, error = 10 ** (3 * level + generator.normal()), 0.2 + 0.2 * level + 0.02 * generator.normal()
        rows.append(replace(row, init_nlc=float(nlc), test_error=float(error)))
    assert rank_metrics(part_of(rows)).of(NLC).spearman.value > 0.8
    _, spearman, pearson = within(rows, "normalization")["pooled over all"]
    assert abs(spearman) < 0.2
    assert abs(pearson) < 0.2


def test_strata_are_resampled_independently_of_each_other() -> None:
    # Twice the same architectures: pooled, chance averages out; with shared draws the interval would stay as wide.
    half = [replace(row, normalization="batch", depth=9) for row in drawn(40)]
    twin = [replace(row, unit_id=f"{row.unit_id}-twin", index=row.index + 40, normalization="layer") for row in half]
    used = pd.DataFrame(half + twin)
    kinds = strata(np.log([used["init_nlc"]]), used["test_error"].to_numpy(), {"kind": used["normalization"]})["kind"]
    found = {row.name: row.metrics[0] for row in kinds}
    for kind in ("pearson", "spearman"):
        (_, low, high), (_, pooled_low, pooled_high) = (getattr(found[n], kind) for n in ("batch", "pooled over all"))
        assert pooled_high - pooled_low == pytest.approx((high - low) / np.sqrt(2), rel=0.15)
