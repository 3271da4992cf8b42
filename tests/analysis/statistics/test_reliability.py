"""The intraclass correlation is that of the analysis of variance, and the ceiling is its root."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from distnlc.analysis.statistics.correlations import TooFewRowsError
from distnlc.analysis.statistics.reliability import Ceiling, ceiling, reliability
from distnlc.analysis.statistics.resampling import interval, resamples


def anova_icc(groups: list[np.ndarray]) -> float:
    """(F - 1) / (F - 1 + m0) of scipy's one-way analysis of variance."""
    sizes = np.array([group.size for group in groups])
    usual = (sizes.sum() - (sizes**2).sum() / sizes.sum()) / (len(groups) - 1)
    f = stats.f_oneway(*groups).statistic
    return float((f - 1) / (f - 1 + usual))


@pytest.mark.parametrize("sizes", [[2] * 12, [2, 3, 2, 5, 4, 2]])
def test_agrees_with_the_analysis_of_variance(sizes: list[int]) -> None:
    generator = np.random.default_rng(0)
    groups = [generator.normal() + generator.normal(size=size) for size in sizes]
    names = np.repeat([f"g{number:02d}" for number in range(len(sizes))], sizes)
    value, resampled = reliability(np.concatenate(groups), names)
    assert value == pytest.approx(anova_icc(groups))
    for weights, found in zip(resamples(len(sizes))[:20], resampled, strict=False):
        drawn = [groups[number] for number, times in enumerate(weights) for _ in range(int(times))]
        assert found == pytest.approx(anova_icc(drawn))


def test_finds_a_known_reliability() -> None:
    generator = np.random.default_rng(11)
    levels, names = np.repeat(generator.normal(size=400), 2), np.repeat(np.arange(400), 2)
    value, resampled = reliability(levels + 0.5 * generator.normal(size=800), names)
    assert value == pytest.approx(1 / 1.25, abs=0.04)
    low, high = interval(resampled)
    assert 0.05 < high - low < 0.12
    assert low < 1 / 1.25 < high
    assert reliability(generator.normal(size=800), names)[0] == pytest.approx(0, abs=0.1)
    assert reliability(levels, names)[0] == pytest.approx(1)
    assert np.isnan(reliability(np.ones(800), names)[0])


def repeated(initializations: int) -> pd.DataFrame:
    """30 architectures, trained from several initial weights; one more without an error, one trained only once."""
    generator = np.random.default_rng(2)
    rows = [(30, 0, np.nan, 1.5), (30, 1, np.nan, 1.5), (31, 0, 0.9, 2.0)]
    for index in range(30):
        level = generator.uniform(0.2, 0.6)
        for initialization in range(initializations):
            error, nlc = level + 0.05 * generator.normal(), np.exp(10 * level + 0.1 * generator.normal())
            rows.append((index, initialization, error, nlc))
    return pd.DataFrame(rows, columns=["index", "initialization", "error", "nlc"])


def ceiling_of(rows: pd.DataFrame) -> Ceiling:
    return ceiling(rows, error="error", metric="nlc", architecture="index", initialization="initialization")


def test_the_ceiling_is_the_root_of_the_errors_reliability() -> None:
    rows = repeated(3)
    found = ceiling_of(rows)
    errors = rows[rows["index"] < 30].pivot(index="index", columns="initialization", values="error").to_numpy()
    assert (found.architectures, found.trainings) == (30, 90)
    assert found.error == pytest.approx(anova_icc(list(errors)))
    assert found.value == pytest.approx(np.sqrt(found.error))
    assert found.interval == pytest.approx(tuple(np.sqrt(found.error_interval)), abs=1e-3)
    assert found.interval[0] < found.value < found.interval[1]
    assert found.metric > found.error
    assert found.first_two.pearson == pytest.approx(stats.pearsonr(errors[:, 0], errors[:, 1]).statistic)


def test_without_repetitions_there_is_none() -> None:
    with pytest.raises(TooFewRowsError, match="no architectures with repeated initializations, so no noise ceiling"):
        ceiling_of(repeated(1))
