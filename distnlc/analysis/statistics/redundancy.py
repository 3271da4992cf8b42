"""Which metrics say the same? Their rank correlations, put in an order in which those that go together stand together.

In: correlations of metrics, of one study or several. Out: a `Redundancy`. The distance of two metrics is
1 - |Spearman|, so that one that falls where another rises says the same as that. Average linkage (scipy); metrics that
join below 1 - SAME are one group. Studies are averaged by their number of rows, each pair over those that have both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from distnlc.analysis.statistics.correlations import Floats

SAME = 0.9
"""|Spearman| from which on average linkage calls metrics one group"""


@dataclass(frozen=True)
class Redundancy:
    """Rank correlations of m metrics, and the tree that their sizes make."""

    correlations: Floats
    """(m, m) with their signs, in the given order; nan where no study has both"""
    tree: NDArray[np.float64]
    """(m - 1, 4) as scipy's linkage gives it"""
    order: list[int]
    """the metrics in the order of the tree's leaves"""
    groups: list[list[int]]
    """metrics that say the same, groups of two or more, the largest first"""


def average(studies: Sequence[Floats], rows: Sequence[int]) -> Floats:
    """The mean of correlations (m, m), nan where a study lacks one of the two; each study by its number of rows."""
    values, weights = np.array(studies), np.array(rows, dtype=np.float64)[:, None, None] * ~np.isnan(studies)
    total = weights.sum(axis=0)
    mean = np.full(total.shape, np.nan)
    np.divide(np.nansum(np.where(weights > 0, values, 0) * weights, axis=0), total, out=mean, where=total > 0)
    return mean


def redundancy(correlations: Floats) -> Redundancy:
    """The order and groups of metrics with these correlations (m, m); an unknown one is taken for 0. At least two."""
    distances = 1 - np.abs(np.nan_to_num(correlations))
    distances = np.clip((distances + distances.T) / 2, 0, 1)
    np.fill_diagonal(distances, 0)
    tree = hierarchy.linkage(squareform(distances, checks=False), method="average", optimal_ordering=True)
    found = hierarchy.fcluster(tree, 1 - SAME, criterion="distance")
    members = [np.flatnonzero(found == each).tolist() for each in np.unique(found)]
    groups = sorted((each for each in members if len(each) > 1), key=len, reverse=True)
    return Redundancy(correlations, tree, hierarchy.leaves_list(tree).tolist(), groups)
