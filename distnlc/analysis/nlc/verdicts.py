"""What a ranking of metrics answers, in sentences: who leads, by how much, how well errors are predicted, at what cost.

In: a part, its ranking, the study's tables. Out: sentences, for the table of best_metric.py.
"""

import math

import pandas as pd

from distnlc.analysis.nlc.metrics import DIAMETER, NLC, REGION
from distnlc.analysis.nlc.paper import EFFORT
from distnlc.analysis.nlc.parts import Part
from distnlc.analysis.nlc.sweeps import sweep_of
from distnlc.analysis.statistics.coefficients import Estimate
from distnlc.analysis.statistics.correlations import LEVEL
from distnlc.analysis.statistics.prediction import COVERAGE, FAR, Prediction
from distnlc.analysis.statistics.ranking import AFFORDABLE, ALL, PAIR, Ranked, Ranking
from distnlc.analysis.statistics.reliability import Ceiling
from distnlc.analysis.tables import Tables
from distnlc.records import INITIAL, MEASUREMENTS, missing_values


def verdicts(part: Part, ranking: Ranking, tables: Tables) -> list[str]:
    """The answer for one part."""
    said = [_leader(part, ranking), *_lacking(part, ranking), _predicted(part, ranking), _related(part, ranking)]
    said += _models(part, ranking)
    if ranking.unranked:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in ranking.unranked.items())
        said.append(f"not ranked are {reasons}.")
    return said + _missing(part, tables.frames.get(MEASUREMENTS)) + _effort(part, tables)


def of_ceiling(top: Ceiling, part: Part, ranking: Ranking) -> str:
    best = max(ranking.rows, key=lambda row: abs(row.pearson.value))
    return (
        f"trained from several initial weights, {top.architectures} architectures repeat their {part.error_name} with "
        f"a reliability of {bracketed(top.error, *top.error_interval)}, so that a metric of the architecture could "
        f"reach a |Pearson| of {top.value:.3f}; the largest is {abs(best.pearson.value):.2f} ({best.metric.name})."
    )


def _leader(part: Part, ranking: Ranking) -> str:
    nlc, single = ranking.of(NLC), ranking.single
    others = [row for row in single if row is not nlc]
    walks = [row for row in others if row.metric in (REGION, DIAMETER)]
    said = (
        f"of {len(single)} metrics, {single[0].metric.name} has the largest |Spearman| with {part.error_name}, "
        f"{_size(single[0].spearman)}. The NLC has {_size(nlc.spearman)}; its lead over the best of the others, "
        f"{_lead(others[0])}."
    )
    if others[0] in walks and len(others) > len(walks):
        rest = next(row for row in others if row not in walks)
        name = others[0].metric.name
        said += (
            f" {name[0].upper()}{name[1:]} measures nonlinearity too, by a walk (figure 1); the NLC's lead over the "
            f"best of the rest, {_lead(rest)}."
        )
    return said


def _lacking(part: Part, ranking: Ranking) -> list[str]:
    if not ranking.lacking:
        return []
    (count, strength), rounded = ranking.with_lacking, int(part.rounded_off.sum())
    subject = "1 architecture is left out for all metrics since it lacks one"
    if ranking.lacking > 1:
        subject = f"{ranking.lacking} architectures are left out for all metrics since they lack one"
    return [
        subject
        + (
            f" (for {rounded} of the part an earlier version wrote a relative diameter of 0: rounding, or below 1e-9)"
            if rounded
            else ""
        )
        + f"; over all {count} the NLC has a |Spearman| of {strength:.2f}."
    ]


def _predicted(part: Part, ranking: Ranking) -> str:
    nlc, given = ranking.of(NLC), [row for row in ranking.rows if row.metric.name not in (ALL, PAIR)]
    best, removed = min(given, key=_off_by), nlc.prediction.absolute_removed
    return (
        f"from the NLC alone the {part.error_name} of an architecture is predicted to within "
        f"{100 * nlc.prediction.mean_absolute_error:.1f} percentage points on average, "
        + (f"{removed:.0%} less" if removed > 0 else "no less")
        + f" than by always predicting the median ({_tail(nlc.prediction)}); "
        + (
            "no other metric or combination does better."
            if best is nlc
            else f"best does {best.metric.name}, with {100 * best.prediction.mean_absolute_error:.1f} points "
            f"({best.prediction.absolute_removed:.0%} less; {_tail(best.prediction)})."
        )
    )


def _models(part: Part, ranking: Ranking) -> list[str]:
    """Sentences on how well the models that choose by the errors themselves predict."""
    together, pair = ranking.model(ALL), ranking.model(PAIR)
    said = []
    if together is not None:
        said.append(
            f"from all metrics together, by ridge regression, the {part.error_name} is predicted to within "
            f"{_points(together)} points, {_beside(together)} the NLC alone ({_tail(together.prediction)})."
        )
    if pair is not None:
        names = " and ".join(metric.name for metric in ranking.pair)
        said.append(
            f"the best pair of metrics that take at most {AFFORDABLE:.0%} of the training is {names}; "
            f"{ranking.pair_again:.0%} of the resampled studies choose the same. A pair chosen that way predicts to "
            f"within {_points(pair)} points, {_beside(pair)} the NLC alone ({_tail(pair.prediction)})."
        )
    return said


def _points(row: Ranked) -> str:
    value, low, high = (100 * each for each in row.off_by)
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def _beside(row: Ranked) -> str:
    _, low, high = row.off_by_more
    return "closer than" if high < 0 else "farther off than" if low > 0 else "within chance as close as"


def _tail(prediction: Prediction) -> str:
    """What a mean error hides: `27% are off by more than 10 points, ...`."""
    return (
        f"{prediction.far_off:.0%} are off by more than {100 * FAR:.0f} points, the worst by "
        f"{100 * prediction.farthest_off:.0f}; the {COVERAGE:.0%} interval is {100 * prediction.width:.0f} points wide "
        "in the median"
    )


def _related(part: Part, ranking: Ranking) -> str:
    """A sentence on how many different metrics go with the error at all, those that stand apart too."""
    different = [row for row in (*ranking.single, *ranking.apart) if row.metric.name not in ranking.repeated]
    told = [row for row in different if row.spearman.q < 1 - LEVEL]
    against = [row.metric.name for row in told if row.spearman.value * row.metric.expected < 0]
    repeated = "; ".join(f"{name} and {first} are one test" for name, first in ranking.repeated.items())
    return (
        f"{len(told)} of the {len(different)} {'different ' * bool(repeated)}metrics are related to the "
        f"{part.error_name} at q < {1 - LEVEL:.2g}"
        + f" ({repeated})" * bool(repeated)
        + (f", {' and '.join(against)} against the expected direction." if against else ".")
    )


def _missing(part: Part, measurements: pd.DataFrame | None) -> list[str]:
    """Sentences on what metrics of the groups and the user's own could not measure."""
    if measurements is None:
        return []
    rows = measurements[measurements["stage"].eq(INITIAL) & measurements["unit_id"].isin(part.rows["unit_id"])]
    return [f"{line}." for line in missing_values(rows.itertuples())]


def _effort(part: Part, tables: Tables) -> list[str]:
    """What the costs are of: at how many batches metrics were measured, and which training they are a share of."""
    whole, own = tables.spec.get("metrics", {}), tables.spec.get("parts", {}).get(part.name, {}).get("metrics", {})
    nlc, walks = (({**whole, **own}).get(name) for name in EFFORT)
    if nlc is None or walks is None:
        return []
    sweep = sweep_of(tables.runs[tables.runs["unit_id"].isin(part.rows["unit_id"])])
    return [
        f"the costs are of {nlc} batches for the NLC (the paper {EFFORT['nlc_batches']}) and {walks} for the walks of "
        f"linear region and relative diameter (the paper {EFFORT['walk_batches']}), as a share of the training of "
        f"{sweep.tried} rates{f', cut short: {sweep.cut}' if sweep.cut else ''}."
    ]


def _off_by(row: Ranked) -> float:
    return row.prediction.mean_absolute_error


def _lead(other: Ranked) -> str:
    """`depth, is +0.43 [+0.20, +0.60]: ahead`."""
    _, low, high = other.behind
    verdict = "ahead" if low > 0 else "behind" if high < 0 else "a difference that chance can make"
    return f"{other.metric.name}, is {difference(other.behind)}: {verdict}"


def _size(estimate: Estimate) -> str:
    """Without its sign."""
    low, high = (estimate.low, estimate.high) if estimate.value >= 0 else (-estimate.high, -estimate.low)
    return bracketed(abs(estimate.value), low, high)


def bracketed(value: float, low: float, high: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def difference(found: tuple[float, float, float]) -> str:
    value, low, high = found
    value = round(value, 2) + 0.0  # not -0.00; of an end, the sign says on which side of 0 it lies
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"
