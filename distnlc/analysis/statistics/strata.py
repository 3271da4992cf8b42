"""Does a metric predict the error among architectures of one kind, or does it only tell the kinds apart?

In: a `Ranking` and some of its metrics. Out: their Pearson and Spearman correlations with the error within each
stratum (one normalization, one activation function, with or without skip connections), and pooled over the strata of
one property: Pearson of the deviations from the strata's means, and of the ranks within strata, each stratum counting
by its size. Intervals by resampling within every stratum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distnlc.analysis.statistics import resampling
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.ranking import Metric, Ranking
from distnlc.analysis.statistics.resampling import Triple

ENOUGH = 8
"""architectures that a stratum needs to stand alone; smaller ones are pooled in one row"""


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
    """as they were asked for"""


def strata(ranking: Ranking, metrics: Sequence[Metric]) -> dict[str, list[Stratum]]:
    """Property -> its strata, the small ones pooled, and last all of them pooled."""
    used = ranking.used
    kinds = {
        "normalization": used["normalization"],
        "activation": used["activation"],
        "skip connections": np.where(used["skip_strength"] > 0, "with", "without"),
    }
    xs = np.array([ranking.of(metric).values for metric in metrics])
    y = used[ranking.part.error].to_numpy(dtype=np.float64)
    return {kind: _of_property(np.asarray(names, dtype=str), xs, y) for kind, names in kinds.items()}


def _of_property(names: np.ndarray, xs: Floats, y: Floats) -> list[Stratum]:
    sizes, triples = dict[str, int](), dict[str, tuple[Triple, Triple]]()
    for seed, name in enumerate(np.unique(names)):
        own = names == name
        sizes[str(name)] = int(own.sum())
        triples[str(name)] = _triples(xs[:, own], y[own], seed)
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


def _triples(xs: Floats, y: Floats, seed: int) -> tuple[Triple, Triple]:
    """Of Pearson and of Spearman: all rows first, then every resample; strata must not share their draws."""
    everything = np.ones((1, y.size), dtype=np.float32)
    weights = np.concatenate([everything, resampling.resamples(y.size, seed)])
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
