"""Does the ranking of metrics hold elsewhere? The parts of a study, of other data, optimizers and sizes, side by side.

In: part's title -> ranking. Out: a frame with one row per metric, and sentences: the study's answer to which metric
predicts best. A metric's place is among the metrics of that part, by |Spearman|.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from distnlc.analysis.nlc.metrics import NLC
from distnlc.analysis.nlc.verdicts import bracketed
from distnlc.analysis.statistics.correlations import LEVEL
from distnlc.analysis.statistics.ranking import ALL, Ranked, Ranking

ENOUGH = 4
"""metrics in common; of fewer, two orders are not compared"""
FIRST = 3
"""metrics that the answer names as the strongest"""


def answer(rankings: Mapping[str, Ranking]) -> list[str]:
    """Sentences on which metrics go best with the error over all parts, whether one is ahead of the NLC, and how close
    predictions come. Only metrics that every part compares on the same architectures take part."""
    found = {title: _by_name(ranking) for title, ranking in rankings.items()}
    names = sorted(set.intersection(*map(set, found.values())), key=lambda name: (-_mean(name, found), name))
    return [_strongest(names, found), _beside_nlc(names, found), _predicted(rankings)]


def _strongest(names: list[str], found: Mapping[str, Mapping[str, Ranked]]) -> str:
    """The first few by mean |Spearman|, such as `depth 0.61 (0.40 to 0.80)`, and the NLC's place if it is not there."""
    place = names.index(NLC.name)
    each = [f"{name} {_strength(name, found)}" for name in names[:FIRST]]
    return (
        f"Which initial metric predicts best? Of the {len(names)} that all {len(found)} parts compare, the largest "
        f"|Spearman| with the error, on average over the parts (and from part to part), have {', '.join(each)}"
        + ("." if place < FIRST else f"; the NLC is no. {place + 1} with {_strength(NLC.name, found)}.")
    )


def _beside_nlc(names: list[str], found: Mapping[str, Mapping[str, Ranked]]) -> str:
    """How often a metric is ahead of the NLC, or behind it, by more than chance makes, one comparison at a time."""
    others = [name for name in names if name != NLC.name]
    ahead = {name: sum(rows[name].behind[2] < 0 for rows in found.values()) for name in others}
    behind = sum(rows[name].behind[1] > 0 for rows in found.values() for name in others)
    leading = sorted((name for name in others if ahead[name]), key=lambda name: -ahead[name])
    comparisons = len(others) * len(found)
    return (
        f"In {behind} of the {comparisons} comparisons of one metric with the NLC in one part the NLC is ahead, with "
        f"a {LEVEL:.0%} interval without 0; in {sum(ahead.values())} the other metric is"
        + (f" ({', '.join(f'{name} in {ahead[name]} of {len(found)} parts' for name in leading)})" if leading else "")
        + f". Where nothing differs, about {comparisons * (1 - LEVEL) / 2:.0f} of each would be by chance."
    )


def _predicted(rankings: Mapping[str, Ranking]) -> str:
    """How far predictions for architectures that were not seen are off, by the NLC and by all metrics together."""
    alone = [100 * ranking.of(NLC).off_by[0] for ranking in rankings.values()]
    models = [row for row in (ranking.model(ALL) for ranking in rankings.values()) if row is not None]
    together = [100 * row.off_by[0] for row in models]
    closer = sum(row.off_by_more[2] < 0 for row in models)
    farther = sum(row.off_by_more[1] > 0 for row in models)
    return (
        f"The error of an architecture that was not seen is predicted to within {_range(alone, 1)} percentage points "
        f"on average from the NLC alone, and to within {_range(together, 1)} by ridge regression on all metrics: "
        f"closer in {closer} of {len(models)} parts, farther off in {farther}, within chance of it in the others."
    )


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
    networks = {title: set(ranking.used["architecture_id"]) for title, ranking in rankings.items()}
    alike, of_same = dict[tuple[str, str], float](), dict[tuple[str, str], float]()
    for one, other in combinations(found, 2):
        both = [name for name in found[one] if name in found[other]]
        if len(both) >= ENOUGH:
            sizes = [[abs(found[title][name].spearman.value) for name in both] for title in (one, other)]
            group = alike if networks[one].isdisjoint(networks[other]) else of_same
            group[one, other] = float(stats.spearmanr(*sizes).statistic)
    if alike:
        (one, other), lowest = min(alike.items(), key=lambda item: item[1])
        said.append(
            f"The orders of the metrics by |Spearman| agree between two parts of different networks with a rank "
            f"correlation of {_on_average(alike)}, least ({lowest:.2f}) between {one} and {other}."
        )
    if of_same:
        pairs = ", ".join(f"{one} and {other}" for one, other in of_same)
        said.append(
            f"Parts that train the same networks ({pairs}) agree with {_on_average(of_same)}; they are no independent "
            "evidence for each other."
        )
    return said


def _on_average(values: Mapping[tuple[str, str], float]) -> str:
    return f"{np.mean(list(values.values())):.2f} on average"


def _by_name(ranking: Ranking) -> dict[str, Ranked]:
    return {row.metric.name: row for row in ranking.single}


def _strength(name: str, found: Mapping[str, Mapping[str, Ranked]]) -> str:
    sizes = [abs(rows[name].spearman.value) for rows in found.values()]
    return f"{np.mean(sizes):.2f} ({_range(sizes, 2)})"


def _range(values: list[float], digits: int) -> str:
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


def _mean(name: str, found: Mapping[str, Mapping[str, Ranked]]) -> float:
    return float(np.mean([abs(rows[name].spearman.value) for rows in found.values() if name in rows]))


def _cell(order: list[str], found: Mapping[str, Ranked], name: str) -> str:
    if name not in found:
        return "–"
    rho = found[name].spearman
    return f"{bracketed(rho.value, rho.low, rho.high)} (no. {order.index(name) + 1})"


def _parameters(ranking: Ranking) -> str:
    return f"{ranking.used['parameters'].median():,.0f} parameters, n = {len(ranking.used)}"
