"""Does a metric predict the error among rows of one sort, or does it only tell the sorts apart?

In: metrics, an error, and properties that sort the rows. Out: the metrics' Pearson and Spearman correlations with the
error within each stratum (such as one activation function), and pooled over the strata of one property: Pearson of the
deviations from the strata's means, and of the ranks within strata, each stratum counting by its size. Intervals by
resampling within every stratum.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from distnlc.analysis.statistics import resampling
from distnlc.analysis.statistics.correlations import RESAMPLES, Floats
from distnlc.analysis.statistics.resampling import Triple

ENOUGH = 8
"""rows that a stratum needs to stand alone; smaller ones are pooled in one row"""


@dataclass(frozen=True)
class Within:
    """Correlations of one metric in one stratum or pooled over several, each (value, low, high)."""

    pearson: tuple[float, float, float]
    spearman: tuple[float, float, float]


@dataclass(frozen=True)
class Stratum:
    """One row: a stratum, or several that are pooled."""

    name: str
    n: int
    metrics: list[Within]
    """in the order of xs"""


def strata(
    xs: Floats, y: Floats, properties: Mapping[str, ArrayLike], count: int = RESAMPLES
) -> dict[str, list[Stratum]]:
    """Property -> its strata, the small ones pooled, and last all of them pooled.

    xs: (m, n) metrics, in the scale in which they are correlated; y: (n,); properties: name -> (n,) texts; count: of
    the resamples.
    """
    return {name: _of_property(np.asarray(values, dtype=str), xs, y, count) for name, values in properties.items()}


def _of_property(names: np.ndarray, xs: Floats, y: Floats, count: int) -> list[Stratum]:
    sizes, triples = dict[str, int](), dict[str, tuple[Triple, Triple]]()
    for seed, name in enumerate(np.unique(names)):
        own = names == name
        sizes[str(name)] = int(own.sum())
        triples[str(name)] = _triples(xs[:, own], y[own], seed, count)
    alone = [name for name, size in sizes.items() if size >= ENOUGH]
    small = [name for name in sizes if name not in alone]
    rows = {name: [name] for name in alone}
    if small and alone:
        rows[f"{', '.join(small)} (fewer than {ENOUGH} each), pooled"] = small
    if len(sizes) > 1:
        rows["pooled over all"] = list(sizes)
    return [
        Stratum(title, sum(sizes[name] for name in of), _pooled([triples[name] for name in of]))
        for title, of in rows.items()
    ]


def _triples(xs: Floats, y: Floats, seed: int, count: int) -> tuple[Triple, Triple]:
    """Triples of Pearson and Spearman: all rows first, then every resample; strata must not share their draws."""
    everything = np.ones((1, y.size), dtype=np.float32)
    weights = np.concatenate([everything, resampling.resamples(y.size, seed)[:count]])
    pearson, spearman = (
        resampling.resampled(moments, weights, xs, y) for moments in (resampling.pearson, resampling.spearman)
    )
    return pearson, spearman


def _pooled(triples: list[tuple[Triple, Triple]]) -> list[Within]:
    """Sums over strata of each part of the triple, as coefficients of every metric."""
    pearson, spearman = (
        resampling.coefficients((sum(c), sum(vx), sum(vy)))
        for c, vx, vy in (zip(*of_stratum, strict=True) for of_stratum in zip(*triples, strict=True))
    )
    return [
        Within((float(r[0]), *resampling.interval(r[1:])), (float(rho[0]), *resampling.interval(rho[1:])))
        for r, rho in zip(pearson, spearman, strict=True)
    ]
