"""What the paper says in words, checked on the records: each claim one sentence, with an interval or counts.

In: a part and its runs. Out: `Claim`s, which the answers say one by one. In brackets stand 95% intervals: of shares by
Wilson, of the others by resampling the architectures. Architectures that lack a quantity are left out; n says how many
are left, only the first initialization of each counted, as in the paper.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from distnlc.analysis.drawing import format as text
from distnlc.analysis.nlc.figure7 import chosen
from distnlc.analysis.nlc.paper import ENDS, GOOD_NLC, HIGH_BIAS, MOST, NEAR_ZERO, TRAINING, VALIDATION
from distnlc.analysis.nlc.parts import Part
from distnlc.analysis.statistics import resampling
from distnlc.analysis.statistics.correlations import Floats, correlate
from distnlc.analysis.statistics.refitting import least_squares

ENOUGH = 8
"""architectures; of fewer no claim is checked"""
BEST = 0.1
"""share of the architectures that are called the best"""
FAR_FROM_ZERO = 0.1
"""a training error above this is far from zero"""
NEEDED = ("init_nlc", "init_bias", "trained_nlc", "trained_nlc_test", "skip_strength", "normalization", "d_out")
"""columns, beside the error"""


@dataclass(frozen=True)
class Claim:
    """One claim of the paper beside what the records say."""

    about: str
    paper: str
    here: str

    @property
    def sentence(self) -> str:
        return f"{self.about}: {self.here}. The paper: {self.paper}."


@dataclass(frozen=True)
class GoodRange:
    """How many architectures have an initial NLC in GOOD_NLC."""

    best: tuple[float, ...]
    """initial NLC of the best, the best first"""
    architectures: int
    in_range: int
    """of all these"""

    @property
    def best_in_range(self) -> int:
        """How many of the best are in the range."""
        return sum(GOOD_NLC[0] <= nlc <= GOOD_NLC[1] for nlc in self.best)

    @property
    def p(self) -> float:
        """The chance that as many of the best are in the range if the NLC says nothing (hypergeometric)."""
        return float(stats.hypergeom.sf(self.best_in_range - 1, self.architectures, self.in_range, len(self.best)))


def claims(part: Part, runs: pd.DataFrame) -> list[Claim]:
    """Those that the part has records for."""
    checks = BY_TRAINING_ERROR if part.key[2] == TRAINING else BY_TEST_ERROR
    few = replace(part, rows=part.rows[[*NEEDED, part.error]])  # all the rest would be copied with every selection
    found = [check(few) for check in checks]
    found.append(_edges(part, runs))
    return [claim for claim in found if claim is not None]


def good_range(part: Part) -> GoodRange | None:
    """The initial NLC of the BEST, those with the lowest test error (ties: lower index), beside that of all."""
    rows = _with(part, ["init_nlc"])
    if rows.empty or part.key[2] == TRAINING:
        return None
    best = rows.sort_values(part.error, kind="stable").head(math.ceil(BEST * len(rows)))
    return GoodRange(tuple(best["init_nlc"]), len(rows), int(rows["init_nlc"].between(*GOOD_NLC).sum()))


def _good_range(part: Part) -> Claim | None:
    found = good_range(part)
    if found is None or found.architectures < ENOUGH:
        return None
    low, high = min(found.best), max(found.best)
    return Claim(
        "Right-sized NLC",
        f"to achieve optimal test error one must start with an NLC between about {GOOD_NLC[0]:g} and {GOOD_NLC[1]:g} "
        "(section 4)",
        f"of the best 10% ({len(found.best)} of {found.architectures} architectures) {found.best_in_range} have an "
        f"initial NLC between {GOOD_NLC[0]:g} and {GOOD_NLC[1]:g}, of all {found.in_range} (by chance as many with "
        f"{text.p_value(found.p)}); theirs range from {text.number(low)} to {text.number(high)}",
    )


def _on_test_inputs(part: Part) -> Claim | None:
    rows = _with(part, ["trained_nlc", "trained_nlc_test"])
    if len(rows) < ENOUGH:
        return None
    found = correlate(rows["trained_nlc"], rows["trained_nlc_test"], log_x=True, log_y=True)
    return Claim(
        "Trained NLC on test inputs",
        "very similar to that on training inputs (section E.2)",
        f"{_ratio(rows['trained_nlc_test'] / rows['trained_nlc'])} times that on training inputs; "
        f"{text.strength(found)} of the logarithms, n = {len(rows)}",
    )


def _falling(part: Part) -> Claim | None:
    rows = _with(part, ["init_nlc", "trained_nlc"])
    if len(rows) < ENOUGH:
        return None
    fell = rows["trained_nlc"] < rows["init_nlc"]
    return Claim(
        "NLC in training",
        "for the vast majority of architectures it falls (section 4)",
        f"falls for {_share(fell)} of {len(rows)}; the trained NLC is {_ratio(rows['trained_nlc'] / rows['init_nlc'])} "
        "times the initial one",
    )


def _initial_or_trained(part: Part) -> Claim | None:
    rows = _with(part, ["init_nlc", "trained_nlc"])
    if len(rows) < ENOUGH:
        return None
    xs, y = np.log(rows[["init_nlc", "trained_nlc"]].to_numpy(dtype=np.float64).T), _errors(part, rows)
    weights = np.concatenate([np.ones((1, y.size), dtype=np.float32), resampling.resamples(y.size)])
    drawn = resampling.coefficients(resampling.resampled(resampling.pearson, weights, xs, y))
    sizes = drawn * np.sign(drawn[:, :1])
    (initial, trained), leads = sizes[:, 0], sizes[0] - sizes[1]
    return Claim(
        "Initial or trained NLC",
        f"the trained one has a significantly lower correlation with {part.error_name} (section 4)",
        f"|r| of the initial one {initial:.2f}, of the trained one {trained:.2f}, difference "
        f"{_signed(float(leads[0]), leads[1:], 2)}, n = {y.size}",
    )


def _skips_and_nlc(part: Part) -> Claim | None:
    rows = _with(part, ["init_nlc"])
    skips = rows["skip_strength"] > 0
    if min(skips.sum(), (~skips).sum()) < ENOUGH:
        return None
    having, without = rows["init_nlc"][skips], rows["init_nlc"][~skips]
    test = stats.mannwhitneyu(having, without)
    return Claim(
        "Skip connections and the NLC",
        "they lead to lower NLC values (section 4)",
        f"the median initial NLC is {text.number(having.median())} with them ({len(having)} architectures), "
        f"{text.number(without.median())} without ({len(without)}; {text.p_value(float(test.pvalue))} by the test of "
        "Mann and Whitney)",
    )


def _skips_at_equal_nlc(part: Part) -> Claim | None:
    rows = _with(part, ["init_nlc"])
    normalized = rows[rows["normalization"] != "none"]
    every, among = _effect(part, rows), _effect(part, normalized)
    if not every:
        return None
    return Claim(
        "Skip connections at equal NLC",
        "to lower test errors for a given NLC (section 4)",
        f"at equal log NLC the {part.error_name} with them differs by {every} percentage points, n = {len(rows)}"
        + (f"; among those with a normalization, which all with skip connections have, by {among}" if among else ""),
    )


def _effect(part: Part, rows: pd.DataFrame) -> str:
    """`-3.1 [-6.0, -0.4]`: how much higher the error is with skip connections, by least squares beside log NLC."""
    skips = (rows["skip_strength"] > 0).to_numpy(dtype=np.float64)
    if min(skips.sum(), (1 - skips).sum()) < ENOUGH:
        return ""
    level = np.log(rows["init_nlc"].to_numpy(dtype=np.float64))
    design = np.column_stack([np.ones(skips.size), level - level.mean(), skips])
    weights = np.concatenate([np.ones((1, skips.size), dtype=np.float32), resampling.resamples(skips.size)])
    effect = 100 * least_squares(design, _errors(part, rows), weights)[:, 2]
    return _signed(float(effect[0]), effect[1:], 1)


def _high_bias(part: Part) -> Claim | None:
    rows = _with(part, ["init_bias"])
    if len(rows) < ENOUGH:
        return None
    learned = ~part.guessing[rows.index]
    high = rows["init_bias"] > HIGH_BIAS
    return Claim(
        "High output bias",
        "all architectures whose output is very biased attain a high test error (section 4)",
        f"of {high.sum()} architectures with an initial bias above {HIGH_BIAS:,.0f}, {(high & learned).sum()} are "
        f"better than guessing; of the {(~high).sum()} others, {(~high & learned).sum()}",
    )


def _low_bias(part: Part) -> Claim | None:
    rows = _with(part, ["init_bias"])
    if len(rows) < ENOUGH:
        return None
    best = rows.sort_values(part.error, kind="stable").head(math.ceil(BEST * len(rows)))
    largest = best["init_bias"].max()
    return Claim(
        "Low output bias",
        "required for an optimal test error (section 4)",
        f"the largest initial bias of the best 10% ({len(best)} architectures) is {text.number(largest)}; "
        f"{(rows['init_bias'] > largest).sum()} of all {len(rows)} have a larger one",
    )


def _trainability(part: Part) -> Claim | None:
    rows = _with(part, ["init_nlc"])
    if len(rows) < ENOUGH:
        return None
    errors, found = rows[part.error], correlate(rows["init_nlc"], rows[part.error], log_x=True)
    near, far = (errors <= NEAR_ZERO).sum(), (errors > FAR_FROM_ZERO).sum()
    shown = near >= MOST * len(rows) and not found.low > 0
    return Claim(
        "Trainability",
        "independently of the NLC, the vast majority achieves a zero or near-zero training error (section 4)",
        f"{near} of {len(rows)} architectures reach a training error of at most {NEAR_ZERO:.0%}, {far} stay above "
        f"{FAR_FROM_ZERO:.0%}; {text.strength(found)} of log initial NLC with it: "
        + ("as in the paper" if shown else "the paper's statement is not what these networks show, and why is open"),
    )


def _edges(part: Part, runs: pd.DataFrame) -> Claim | None:
    found = chosen(part, runs)
    if not len(found.indices):
        return None
    said = (
        f"among the first or last {ENDS} of {found.sweep.rates} for {found.at_ends} of {len(found.indices)} "
        "architectures that are better than guessing"
    )
    if not found.sweep.whole:
        said += f"; this does not check the paper, since {found.sweep.cut}"
    stated = f"never among the first or last {ENDS} (section E.2)" if part.key[2] == VALIDATION else "no number stated"
    return Claim("Best starting rate", stated, said)


BY_TRAINING_ERROR: tuple[Callable[[Part], Claim | None], ...] = (_trainability,)
BY_TEST_ERROR: tuple[Callable[[Part], Claim | None], ...] = (
    _good_range,
    _on_test_inputs,
    _falling,
    _initial_or_trained,
    _skips_and_nlc,
    _skips_at_equal_nlc,
    _high_bias,
    _low_bias,
)


def _with(part: Part, columns: list[str]) -> pd.DataFrame:
    """The architectures that have the error and, positive and finite, all these columns."""
    values = part.rows[columns].to_numpy(dtype=np.float64)
    usable = (np.isfinite(values) & (values > 0)).all(axis=1)
    return part.rows[usable & part.rows[part.error].notna().to_numpy()]


def _errors(part: Part, rows: pd.DataFrame) -> Floats:
    return rows[part.error].to_numpy(dtype=np.float64)


def _ratio(values: "pd.Series[float]") -> str:
    low, middle, high = (text.number(float(values.quantile(q))) for q in (0.1, 0.5, 0.9))
    return f"in the median {middle} (middle 80%: {low} to {high})"


def _share(holds: "pd.Series[bool]") -> str:
    """`53 (88% [78%, 94%])`."""
    found = stats.binomtest(int(holds.sum()), len(holds)).proportion_ci(method="wilson")
    return f"{holds.sum()} ({holds.mean():.0%} [{found.low:.0%}, {found.high:.0%}])"


def _signed(value: float, resamples: Floats, digits: int) -> str:
    low, high = resampling.interval(resamples)
    return f"{value:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
