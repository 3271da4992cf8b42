"""Where a correlation lies beside the paper's, and how the two studies differ as far as the rows show it.

In: a part, its correlation, the stated values. Out: one sentence, for the report's answers and the figures' remarks.
"""

import math

from scipy import stats

from distnlc.analysis.nlc import paper
from distnlc.analysis.nlc.paper import Stated
from distnlc.analysis.nlc.parts import DATASETS, Part
from distnlc.analysis.statistics.correlations import LEVEL, Correlation

NEAR = 0.05
"""numbers that differ by less than this share are the same for this purpose"""


def outside(correlation: Correlation, stated: Stated | None) -> bool:
    """Whether the paper states a value and it does not lie in the interval of the correlation."""
    c = correlation
    return stated is not None and c.undefined is None and not c.low <= stated.r <= c.high


def compared(part: Part, correlation: Correlation, stated: Stated) -> str:
    """`the paper's 0.81 lies outside the interval 0.40 to 0.70: ...`, and how the two studies differ."""
    c = correlation
    place = "outside" if outside(c, stated) else "inside"
    differing = differences(part)
    low, high = paper_interval(part, stated)
    # A few extreme architectures make the one or the other too narrow: the interval by resampling, or the normal p.
    overlap = low <= c.high and c.low <= high
    chance = place == "outside" and (overlap or difference_p(part, c, stated) > 1 - LEVEL)
    return (
        f"the paper's {stated.r:.2f} lies {place} the interval {c.low:.2f} to {c.high:.2f}; "
        + (f"this study has {', '.join(differing)}" if differing else "in size the two studies agree")
        + (f". The paper's value has an interval too, {low:.2f} to {high:.2f}: chance may suffice" if chance else "")
        + "."
    )


def differences(part: Part) -> list[str]:
    """Each difference to the paper's study of the same part: `30 architectures (the paper 250)`."""
    rows = part.rows
    found = []
    for measured, stated, what in (
        (len(rows), paper.architectures(part.key), "{:,.0f} architectures"),
        (rows["parameters"].median(), paper.PARAMETERS, "a median of {:,.0f} parameters"),
        (rows["runs"].median(), paper.RATES[part.key[2]], "{:,.0f} starting rates tried each"),
    ):
        if not math.isnan(measured) and abs(measured - stated) > NEAR * stated:
            found.append(f"{what.format(measured)} (the paper {stated:,})")
    if own := int((rows["depth"] == 0).sum()):
        found.append(f"{own:,} architectures of a family of the user's own (the paper none)")
    if part.skipped.any():
        found.append(f"{part.skipped.sum()} of them not trained, by train_if (the paper none)")
    epochs = (rows["epochs"] / rows["runs"]).median()
    if epochs < paper.EPOCHS:
        found.append(f"{epochs:.0f} epochs a run, most being stopped early (the paper at least {paper.EPOCHS})")
    for dataset, of_dataset in rows[rows["dataset"].isin(paper.POINTS.keys())].groupby("dataset"):
        title = DATASETS.get(str(dataset), str(dataset))
        stated, points = paper.POINTS[str(dataset)], of_dataset["train_points"].median()
        if abs(points - stated) > NEAR * stated:
            found.append(f"{points:,.0f} training points for {title} (the paper {stated:,})")
        stated, features = paper.FEATURES[str(dataset)], of_dataset["d_in"].median()
        if abs(features - stated) > NEAR * stated:
            found.append(
                f"{features:.0f} input features for {title} (the paper {stated}), so other images: "
                "a compressed copy, or fewer of them"
            )
    return found


def difference_p(part: Part, correlation: Correlation, stated: Stated) -> float:
    """Two-sided p-value of the difference to a correlation of the paper, by Fisher's transformation."""
    if correlation.n < 4:
        return 1.0
    if abs(correlation.pearson) >= 1:
        return 0.0
    error = math.sqrt(1 / (correlation.n - 3) + 1 / (paper.points(stated, part.key) - 3))
    return float(2 * stats.norm.sf(abs(math.atanh(correlation.pearson) - math.atanh(stated.r)) / error))


def paper_interval(part: Part, stated: Stated) -> tuple[float, float]:
    """The 95% interval of a correlation of the paper, by Fisher's transformation."""
    middle, reach = math.atanh(stated.r), 1.96 / math.sqrt(paper.points(stated, part.key) - 3)
    return math.tanh(middle - reach), math.tanh(middle + reach)
