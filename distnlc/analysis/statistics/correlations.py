"""How strongly two measured quantities go together, with everything that must be said beside the number.

In: two arrays with one value per row, missing values as nan. Out: one `Correlation`. A quantity plotted in log scale
is correlated by its logarithm, as the paper's plots in log scale are (section 4); p-values are two-sided. Rows that
cannot take part are left out and counted by reason; input that has no correlation (fewer than three rows, a constant)
gives nan and says why, since small studies have it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

RESAMPLES = 2_000
LEVEL = 0.95
SEED = 0

Floats = NDArray[np.float64]


class TooFewRowsError(ValueError):
    """The rows are too few, or too much alike, for the statistic; the message says how many there are."""


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """Correlations of two quantities over the rows that have both; nan where `undefined` says why."""

    pearson: float
    p_value: float
    """two-sided, of `pearson`"""
    low: float
    high: float
    """ends of the bootstrap interval of `pearson` at LEVEL"""
    spearman: float
    spearman_p: float
    kendall: float
    kendall_p: float
    n_in: int
    """rows that came in"""
    left_out: dict[str, int]
    """reason -> number of rows left out for it; each row counts once, under the first reason that holds"""
    undefined: str | None = None

    @property
    def n_out(self) -> int:
        """Rows left out."""
        return sum(self.left_out.values())

    @property
    def n(self) -> int:
        """Rows that the correlations are of."""
        return self.n_in - self.n_out


def correlate(
    x: ArrayLike,
    y: ArrayLike,
    *,
    log_x: bool = False,
    log_y: bool = False,
    excluded: Mapping[str, ArrayLike] | None = None,
    names: tuple[str, str] = ("x", "y"),
) -> Correlation:
    """Pearson (on logarithms where asked) with p-value and bootstrap interval; Spearman and Kendall.

    x, y: shape (n,), nan where not measured. excluded: reason -> shape (n,), true for the rows that are left out for
    it, whatever their values. names: what the reasons for leaving rows out call x and y. Raises ValueError if the
    shapes differ.
    """
    x_all, y_all = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x_all.ndim != 1 or x_all.shape != y_all.shape:
        raise ValueError(f"correlate: x and y must be of one shape (n,), but got {x_all.shape} and {y_all.shape}")
    kept, left_out = usable_rows(x_all, y_all, log_x=log_x, log_y=log_y, excluded=excluded, names=names)
    x_kept = np.log(x_all[kept]) if log_x else x_all[kept]
    y_kept = np.log(y_all[kept]) if log_y else y_all[kept]

    undefined = _why_undefined(x_kept, y_kept, names)
    if undefined is not None:
        nan = float("nan")
        return Correlation(
            pearson=nan,
            p_value=nan,
            low=nan,
            high=nan,
            spearman=nan,
            spearman_p=nan,
            kendall=nan,
            kendall_p=nan,
            n_in=x_all.size,
            left_out=left_out,
            undefined=undefined,
        )
    pearson = stats.pearsonr(x_kept, y_kept)
    spearman = stats.spearmanr(x_kept, y_kept)
    kendall = stats.kendalltau(x_kept, y_kept)
    low, high = bootstrap_interval(x_kept, y_kept)
    return Correlation(
        pearson=float(pearson.statistic),
        p_value=float(pearson.pvalue),
        low=low,
        high=high,
        spearman=float(spearman.statistic),
        spearman_p=float(spearman.pvalue),
        kendall=float(kendall.statistic),
        kendall_p=float(kendall.pvalue),
        n_in=x_all.size,
        left_out=left_out,
    )


def usable_rows(
    x: Floats,
    y: Floats,
    *,
    log_x: bool,
    log_y: bool,
    excluded: Mapping[str, ArrayLike] | None = None,
    names: tuple[str, str] = ("x", "y"),
) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Which rows (n,) can be correlated and plotted, and reason -> count for the others."""
    checks = [(reason, np.asarray(rows, dtype=bool)) for reason, rows in (excluded or {}).items()]
    for values, log, name in ((x, log_x, names[0]), (y, log_y, names[1])):
        checks.append((f"{name} not measured", np.isnan(values)))
        checks.append((f"{name} not finite", np.isinf(values)))
        if log:
            checks.append((f"{name} not positive, so without a logarithm", values <= 0))
    kept = np.ones(x.shape, dtype=bool)
    left_out = {}
    for reason, wrong in checks:
        count = int(np.sum(wrong & kept))
        if count:
            left_out[reason] = count
        kept &= ~wrong
    return kept, left_out


def bootstrap_interval(x: Floats, y: Floats) -> tuple[float, float]:
    """Percentile interval of the Pearson correlation of x and y, both (n,), over resampled rows; fixed seed.

    A resample in which x or y happens to be constant has no correlation and is passed over (tiny n only).
    """
    # Scaled and centred first, so that the sums below neither overflow nor lose digits to large means.
    x, y = x / np.abs(x).max(), y / np.abs(y).max()
    x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    generator = np.random.default_rng(SEED)
    values = np.empty(RESAMPLES)
    step = max(1, 1_000_000 // x.size)  # resamples at a time: memory stays bounded whatever n
    for start in range(0, RESAMPLES, step):
        block = values[start : start + step]
        rows = generator.integers(x.size, size=(block.size, x.size))
        xs, ys = x[rows], y[rows]
        xs -= xs.mean(axis=1, keepdims=True)
        ys -= ys.mean(axis=1, keepdims=True)
        norm = np.sqrt(np.einsum("bn,bn->b", xs, xs) * np.einsum("bn,bn->b", ys, ys))
        block[:] = np.nan
        np.divide(np.einsum("bn,bn->b", xs, ys), norm, out=block, where=norm > 1e-12)
    tail = (1 - LEVEL) / 2
    low, high = np.nanquantile(np.clip(values, -1, 1), [tail, 1 - tail])
    return float(low), float(high)


def _why_undefined(x: Floats, y: Floats, names: tuple[str, str]) -> str | None:
    if x.size < 3:
        return f"{x.size} usable rows, at least 3 are needed"
    for values, name in ((x, names[0]), (y, names[1])):
        # Differences of the size of rounding errors are no variation.
        if np.ptp(values) <= 1e-12 * np.abs(values).max():
            return f"{name} is the same in all {x.size} usable rows"
    return None
