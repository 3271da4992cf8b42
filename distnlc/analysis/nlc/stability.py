"""Does the ranking of metrics hold elsewhere? The parts of a study, of other data, optimizers and sizes, side by side.

In: part's title -> ranking. Out: a frame with one row per metric, and sentences. A metric's place is among the
metrics of that part, by |Spearman|.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from distnlc.analysis.nlc.verdicts import bracketed
from distnlc.analysis.statistics.ranking import Ranked, Ranking

ENOUGH = 4
"""metrics in common; of fewer, two orders are not compared"""


def side_by_side(rankings: Mapping[str, Ranking]) -> pd.DataFrame:
    """`0.65 [0.41, 0.81] (no. 2)` of each metric in each part, the largest mean |Spearman| first."""
    places = {title: _by_name(ranking) for title, ranking in rankings.items()}
    names = sorted(dict.fromkeys(name for found in places.values() for name in found), key=lambda n: -_mean(n, places))
    rows = {
        name: {
            f"{title}, {_parameters(rankings[title])}": _cell(list(found), found, name)
            for title, found in places.items()
        }
        for name in names
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def agreement(rankings: Mapping[str, Ranking]) -> list[str]:
    """Sentences on how alike the orders are, and which metrics go with the error the same way everywhere."""
    found = {title: _by_name(ranking) for title, ranking in rankings.items()}
    shared = set.intersection(*map(set, found.values()))
    steady = [
        name
        for name in sorted(shared, key=lambda each: -_mean(each, found))
        if len({np.sign(rows[name].spearman.value) for rows in found.values()}) == 1
        and all(rows[name].spearman.low * rows[name].spearman.high > 0 for rows in found.values())
    ]
    said = [
        f"In all {len(found)} parts {len(steady)} of {len(shared)} metrics go with the error in one direction, with "
        f"intervals without 0{': ' + ', '.join(steady) if steady else ''}."
    ]
    alike = {}
    for one, other in combinations(found, 2):
        both = [name for name in found[one] if name in found[other]]
        if len(both) >= ENOUGH:
            sizes = [[abs(found[title][name].spearman.value) for name in both] for title in (one, other)]
            alike[one, other] = float(stats.spearmanr(*sizes).statistic)
    if alike:
        (one, other), lowest = min(alike.items(), key=lambda item: item[1])
        said.append(
            f"The orders of the metrics by |Spearman| agree between two parts with a rank correlation of "
            f"{np.mean(list(alike.values())):.2f} on average, least ({lowest:.2f}) between {one} and {other}."
        )
    return said


def _by_name(ranking: Ranking) -> dict[str, Ranked]:
    return {row.metric.name: row for row in ranking.single}


def _mean(name: str, found: Mapping[str, Mapping[str, Ranked]]) -> float:
    return float(np.mean([abs(rows[name].spearman.value) for rows in found.values() if name in rows]))


def _cell(order: list[str], found: Mapping[str, Ranked], name: str) -> str:
    if name not in found:
        return "–"
    rho = found[name].spearman
    return f"{bracketed(rho.value, rho.low, rho.high)} (no. {order.index(name) + 1})"


def _parameters(ranking: Ranking) -> str:
    return f"{ranking.used['parameters'].median():,.0f} parameters, n = {len(ranking.used)}"
