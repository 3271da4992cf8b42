"""Do the statistics find what is not there? Metrics and errors by chance, and how often each test calls them related.

In: the metrics xs (m, n) of a study in the scale in which they are correlated, controls and the error y (n,). Out:
`Found`s: how many of the repetitions call chance significant at LEVEL, beside the share that is promised. What is
counted is done by the functions of the ranking: none of them is written anew here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from distnlc.analysis.statistics import refitting, resampling
from distnlc.analysis.statistics.coefficients import controlled, firsts_of, lead, of_metrics
from distnlc.analysis.statistics.correlations import LEVEL, SEED, Floats
from distnlc.analysis.statistics.learning import Learner, learn, pair_of, ridge

KINDS = ("pearson", "spearman", "kendall", "partial")
BLOCK = 100
"""random metrics at a time"""


@dataclass(frozen=True)
class Found:
    """The count of repetitions in which a test calls chance significant."""

    test: str
    promised: float
    """at most this share"""
    count: int
    repetitions: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval of the share."""
        found = stats.binomtest(self.count, self.repetitions).proportion_ci(LEVEL, method="wilson")
        return float(found.low), float(found.high)

    @property
    def sentence(self) -> str:
        low, high = self.interval
        return (
            f"{self.test}: {self.count} of {self.repetitions}, {self.count / self.repetitions:.1%} "
            f"[{low:.1%}, {high:.1%}]; promised: {self.promised:.1%} at most"
        )


def random_metrics(
    xs: Floats, controls: Mapping[str, Floats], y: Floats, repetitions: int, seed: int = SEED
) -> list[Found]:
    """A metric by chance is added to the others, `repetitions` times: how often it comes out related to the error."""
    generator, weights, alpha = np.random.default_rng(seed), resampling.resamples(y.size), 1 - LEVEL
    others = of_metrics([""] * len(xs), controls, weights, xs, y)
    best, firsts = max(others, key=lambda one: abs(one.spearman.value)), [*firsts_of(xs), len(xs)]
    counts = dict.fromkeys((*(f"{kind}, {what}" for what in ("p", "q", "interval") for kind in KINDS), "lead"), 0)
    for start in range(0, repetitions, BLOCK):
        drawn = generator.normal(size=(min(BLOCK, repetitions - start), y.size))
        for one in of_metrics([""] * len(drawn), controls, weights, drawn, y):
            for kind in KINDS:
                estimate = getattr(one, kind)
                q = controlled([*(getattr(other, kind).p for other in others), estimate.p], firsts)[-1]
                counts[f"{kind}, p"] += estimate.p < alpha
                counts[f"{kind}, q"] += bool(q < alpha)
                counts[f"{kind}, interval"] += estimate.low * estimate.high > 0
            counts["lead"] += lead(best, one)[2] < 0
    named = {"p": "p below 0.05", "q": "q below 0.05", "interval": "interval without 0"}
    found = []
    for name, count in counts.items():
        kind, _, what = name.partition(", ")
        text = f"a random metric, {kind}: {named[what]}" if what else "a random metric: ahead of the best metric"
        found.append(Found(text, alpha / 2 if not what else alpha, count, repetitions))
    return found


def random_errors(xs: Floats, y: Floats, repetitions: int, seed: int = SEED) -> list[Found]:
    """The errors are dealt out anew, `repetitions` times, so that nothing tells them: how often something seems to."""
    generator, alpha, firsts = np.random.default_rng(seed), 1 - LEVEL, firsts_of(xs)
    allowed: NDArray[np.bool_] = np.ones((len(xs), len(xs)), dtype=bool)
    models: dict[str, Learner] = {"ridge regression on all": ridge, "the best pair": pair_of(allowed)}
    tests = {"Pearson": stats.pearsonr, "Spearman": stats.spearmanr}
    counts = dict.fromkeys(
        (*(f"any metric, {name}: q below 0.05" for name in tests), *(f"{name}: p below 0.05" for name in models)), 0
    )
    for _ in range(repetitions):
        dealt = generator.permutation(y)
        for name, test in tests.items():
            p = [float(test(x, dealt).pvalue) for x in xs]
            counts[f"any metric, {name}: q below 0.05"] += bool(np.nanmin(controlled(p, firsts)) < alpha)
        for name, learner in models.items():
            learned = learn(xs.T, dealt, resampling.resamples(y.size)[:1], learner)
            counts[f"{name}: p below 0.05"] += refitting.share_at_least(learned.permuted, dealt)[1] <= alpha
    return [Found(f"errors dealt out anew, {name}", alpha, count, repetitions) for name, count in counts.items()]
