"""The pairs of figure 4 by data set and quantity: shares above the diagonal, in words, and what is asked of them.

In: the tables of a study. A `Comparison` is one quantity of the pairs of one factor on one data set.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.report.criteria import Criterion, decided, too_few
from distnlc.analysis.sensitivity.cells import DATA_NAMES, FACTORS
from distnlc.analysis.sensitivity.pairs import Pairs, pairs_of
from distnlc.analysis.sensitivity.thresholds import (
    FEW_POINTS,
    FEWEST_PAIRS,
    HIGHER_ACCURACY,
    OPTIMIZER_TRANSITIONS,
    PAIRS,
)
from distnlc.analysis.statistics.shares import Share, share_above
from distnlc.analysis.tables import Tables

METRICS = {"gap": "generalization gap", "jacobian_norm": "Jacobian norm", "transitions": "transitions"}
LARGER = {"gap": "the larger gap", "jacobian_norm": "the larger Jacobian norm", "transitions": "more transitions"}
ROWS = {
    "labels": ("labels", "with true labels", "with random labels"),
    "augmentation": ("augmentation", "with augmentation", "without augmentation"),
    "activation": ("activation functions", "with ReLU", "with HardSigmoid"),
    "optimizer": ("optimizers", "by SGD with momentum", "by L-BFGS"),
}
"""factor -> what the pairs differ in, the good and the other setting in words"""


@dataclass(frozen=True)
class Comparison:
    """One quantity of the pairs of one factor on one data set."""

    factor: str
    dataset: str
    metric: str
    rows: pd.DataFrame
    paper_size: bool

    @property
    def share(self) -> Share:
        return share_above(self.rows[f"x_{self.metric}"], self.rows[f"y_{self.metric}"])

    @property
    def reliable(self) -> Share:
        """The share among the pairs whose Jacobian norms are both carried by enough test points."""
        kept = self.rows[~mean_of_few(self.rows)]
        return share_above(kept[f"x_{self.metric}"], kept[f"y_{self.metric}"])

    @property
    def median_ratio(self) -> float:
        """y / x, of pairs with a positive x."""
        x, y = self.rows[f"x_{self.metric}"], self.rows[f"y_{self.metric}"]
        return float((y[x > 0] / x[x > 0]).median())

    @property
    def data(self) -> str:
        return DATA_NAMES.get(self.dataset, self.dataset)

    @property
    def counted(self) -> str:
        """`21 of 23 [0.73, 0.98]`."""
        found = self.share
        ties = f", {found.ties} tie{'s' * (found.ties > 1)}" if found.ties else ""
        interval = f" [{found.low:.2f}, {found.high:.2f}]" if found.n else ""
        return f"{found.count} of {found.n}{interval}{ties}"

    @property
    def sentence(self) -> str:
        """`Of 52 pairs on CIFAR10 that differ in labels alone, 52 have the larger Jacobian norm with random labels`."""
        found, (what, _, other) = self.share, ROWS[self.factor]
        return (
            f"Of {found.n} pairs on {self.data} that differ in {what} alone, {found.count} have {LARGER[self.metric]} "
            f"{other}"
        )


def mean_of_few(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Pairs of which a Jacobian norm is carried by few test points."""
    return (rows[["x_jacobian_effective_points", "y_jacobian_effective_points"]] < FEW_POINTS).any(axis=1)


def every_pairs(tables: Tables) -> list[Pairs]:
    """The factors that any network is paired in."""
    networks = tables.networks
    return [pairs_of(networks, factor) for factor in FACTORS if networks[f"pair_{factor}"].notna().any()]


def comparisons(found: Pairs) -> list[Comparison]:
    """By data set and quantity."""
    return [
        Comparison(found.factor, str(dataset), metric, rows, found.paper_size)
        for dataset, rows in found.frame.groupby("dataset", sort=False)
        for metric in METRICS
    ]


def criteria(tables: Tables) -> list[Criterion]:
    """What is asked of the shares above the diagonal, on every data set."""
    found = list[Criterion]()
    for of_factor in every_pairs(tables):
        for one in comparisons(of_factor):
            found += _judged(one)
        if of_factor.factor == "augmentation" and len(of_factor.frame):
            found.append(_higher_accuracy(of_factor))
    return found


def _judged(one: Comparison) -> Iterator[Criterion]:
    limit, found = PAIRS[one.factor][one.metric], one.share
    where = f"4, {ROWS[one.factor][0]}, {one.data}"
    few = too_few(found.n, FEWEST_PAIRS, "pairs")
    evidence = f"{one.counted}{said_of(found)}, median ratio {text.number(one.median_ratio)}."
    least = limit.at(one.paper_size)
    name = METRICS[one.metric]
    if least is not None:
        claim = f"{name} above the diagonal in a share of at least {least:g}"
        yield Criterion(where, claim, decided(found.value >= least, few), evidence, basis=limit.basis, why_open=few)
    elif one.factor == "optimizer":
        most = OPTIMIZER_TRANSITIONS.at(one.paper_size) or 0.0
        claim = f"transitions fail, being above the diagonal in a share of at most {most:g}"
        yield Criterion(
            where,
            claim,
            decided(found.value <= most, few),
            evidence,
            basis=OPTIMIZER_TRANSITIONS.basis,
            why_open=few,
        )


def _higher_accuracy(of_factor: Pairs) -> Criterion:
    """Whether augmented networks generalize better, which makes their smaller gap meaningful."""
    rows = of_factor.frame
    found = share_above(rows["y_test_accuracy"], rows["x_test_accuracy"])
    least = HIGHER_ACCURACY.at(of_factor.paper_size) or 0.0
    few = too_few(found.n, FEWEST_PAIRS, "pairs")
    return Criterion(
        "4, augmentation",
        f"higher test accuracy with augmentation in a share of at least {least:g}",
        decided(found.count >= least * found.n, few),
        f"{found.count} of {found.n} [{found.low:.2f}, {found.high:.2f}]{said_of(found)}.",
        basis=HIGHER_ACCURACY.basis,
        why_open=few,
    )


def caveat(found: Pairs) -> str:
    """A sentence on where the trainings of both sides ended, without which pairs would be misread; empty without pairs
    and where all networks have the paper's size."""
    rows = found.frame
    if rows.empty or found.paper_size:
        return ""
    if found.factor == "augmentation":
        low, high = (100 * float(each) for each in (rows["x_train_accuracy"].min(), rows["x_train_accuracy"].max()))
        smaller = float((rows["y_gap"] - rows["x_gap"]).mean())
        better = float((rows["x_test_accuracy"] - rows["y_test_accuracy"]).mean())
        return (
            f"Networks with augmentation reach training accuracies of {low:.0f} to {high:.0f} %: their gaps are "
            f"smaller by {smaller:.2f} on average, of which {better:.2f} is higher test accuracy, the rest lower "
            "training accuracy."
        )
    ratio = rows["y_train_loss"] / rows["x_train_loss"]
    level = rows[ratio >= 1]
    above = share_above(level["x_jacobian_norm"], level["y_jacobian_norm"])
    _, good, other = ROWS[found.factor]
    return (
        f"Training losses {other} are {text.number(float(ratio.median()))} times those {good} (median); where they "
        f"are not lower, the Jacobian norm is the larger one in {above.count} of {above.n} pairs."
    )


def said_of(found: Share) -> str:
    """The test of a share, to be put behind it."""
    return f", sign test {text.p_value(found.p)}" if found.n else ""
