"""Table B: which pathology each network shows, by the paper's definitions.

In: the simulations of every part. Zero-dimensional signal: mu2(x) / nu2(x) goes to 0; it follows from three columns,
since mu2(x) = mu2(dx) / chi^2. One-dimensional signal: its effective rank goes to 1. Exploding sensitivity: chi grows
as an exponential of depth, at least. What "goes to" means of a finite depth is decided by the thresholds below.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.moments import paper
from distnlc.analysis.moments.estimates import slopes, steadier
from distnlc.analysis.moments.parts import BN_RES, NETS, Part, parts_of
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.means import Estimate, estimate, mean_and_error
from distnlc.analysis.tables import Tables

TITLE = "Table B: which pathology each network shows"
COLLAPSED = 0.01
"""mu2 / nu2 at the end, below which a falling one is called a collapse"""
ONE_DIMENSIONAL = 1.5
"""effective rank at the end, below which it is nearer to 1 than to 2; decided where its interval lies on one side"""
SURE = 0.975
"""share of resampled simulations that must agree on exponential or power"""
FIRST_SHARE = 0.1
"""of the depth, from which on it is judged whether chi is an exponential or a power"""
DEEP = 50
"""layers, from which on the paper's networks without normalization have ranks below ONE_DIMENSIONAL"""
FEWEST_LAYERS = 10
"""that a verdict on growth needs"""
YES, NO, UNDECIDED = "yes", "no", "undecided"


@dataclass(frozen=True)
class Pathologies:
    """What one part shows at its last layer and over the last half of its layers."""

    part: Part
    signal: float
    """mu2(x) / nu2(x) at the end, geometric mean; nan where it was not measured"""
    signal_rate: Estimate
    """of its logarithm, per layer"""
    rank: Estimate
    """of the signal, at the end"""
    rank_limit: Estimate
    """of infinite depth, if the rank goes on over 1 / l as it does over the last half"""
    growth: Estimate
    """of log chi, per layer"""
    exponential: float
    """share of resamples in which an exponential fits chi better than a power"""
    increment: Estimate
    """delta chi over the last half"""

    @property
    def collapses(self) -> str:
        if math.isnan(self.signal):
            return "–"
        return YES if self.signal < COLLAPSED and self.signal_rate.high < 0 else NO

    @property
    def one_dimensional(self) -> str:
        if math.isnan(self.rank.value):
            return "–"
        if self.rank.high < ONE_DIMENSIONAL:
            return YES
        return NO if self.rank.low >= ONE_DIMENSIONAL else UNDECIDED

    @property
    def deep(self) -> bool:
        """Whether a rank that is above ONE_DIMENSIONAL at the end is there to stay."""
        return bool(self.part.depth >= DEEP and self.rank_limit.low >= ONE_DIMENSIONAL)

    @property
    def explodes(self) -> str:
        if math.isnan(self.exponential):
            return "–"
        if self.growth.low > 0 and self.exponential >= SURE:
            return YES
        return NO if self.growth.low <= 0 or self.exponential <= 1 - SURE else UNDECIDED

    @property
    def shown(self) -> list[str]:
        """The pathologies' names."""
        named = {
            "zero-dimensional signal": self.collapses,
            "one-dimensional signal": self.one_dimensional,
            "exploding sensitivity": self.explodes,
        }
        return [name for name, verdict in named.items() if verdict == YES]

    @property
    def left_open(self) -> list[str]:
        """What too few layers or simulations do not tell: a rank on either side, an explosion."""
        named = {
            "one-dimensional signal": self.one_dimensional == UNDECIDED,
            "exploding sensitivity": self.explodes not in (YES, NO),
        }
        return [name for name, is_open in named.items() if is_open]


def pathologies_of(part: Part) -> Pathologies:
    """Which pathologies one part shows."""
    layers, half = part.layers.astype(float), part.last_half
    log_chi = np.log(part.values("chi"))
    late = layers >= FIRST_SHARE * part.depth
    nothing = Estimate(math.nan, math.nan, math.nan)
    signal, signal_rate = math.nan, nothing
    if part.has("log_second_moment_signal") and part.has("log_variance_noise"):
        share = part.values("log_variance_noise") - 2 * log_chi - part.values("log_second_moment_signal")
        signal = float(np.exp(mean_and_error(share)[0][-1]))
        signal_rate = estimate(slopes(share[:, half], layers[half]))
    rank = part.values("rank_signal")
    enough = late.sum() >= FEWEST_LAYERS and part.simulations > 1
    return Pathologies(
        part=part,
        signal=signal,
        signal_rate=signal_rate,
        rank=estimate(rank[:, -1]),
        rank_limit=estimate(_at_zero(rank[:, half], 1 / layers[half])),
        growth=estimate(slopes(log_chi[:, half], layers[half])),
        exponential=steadier(log_chi[:, late], layers[late]) if enough else math.nan,
        increment=estimate(np.nanmean(part.values("delta_chi")[:, half], axis=1)),
    )


def _at_zero(values: Floats, x: Floats) -> Floats:
    """(S,) what the least-squares line of each simulation's values (S, L) over x (L,) comes to at 0."""
    return np.asarray(values.mean(axis=1) - slopes(values, x) * x.mean())


def found(tables: Tables) -> list[Pathologies]:
    """Which pathologies each part shows."""
    return [pathologies_of(part) for part in parts_of(tables)]


def tabulate(tables: Tables) -> Table:
    """A row for each part. Raises MissingRecordsError."""
    every = found(tables)
    if not every:
        raise MissingRecordsError("no simulation")
    frame = pd.DataFrame.from_dict({one.part.name: _row(one) for one in every}, orient="index")
    caption = (
        f"[95 % intervals] over simulations; rates over the last half of the layers. Zero-dimensional signal: "
        f"μ₂ / ν₂ at the end is below {COLLAPSED} and falls. One-dimensional signal: the effective rank at the end, "
        "and its interval, is nearer to 1 than to 2. Exploding sensitivity: χ grows, and from a tenth of the depth on "
        f"log χ is straighter over depth (an exponential) than over the logarithm of depth (a power) in {SURE:.1%} of "
        "the resampled sets of simulations. Paper: the factor per layer from its stated χ at half and at all of the "
        "depth. Of residual units the increment δχ is that of a unit's first layer, without the skip connection."
    )
    return Table(caption, [("", frame)], verdicts(every))


def verdicts(every: list[Pathologies]) -> list[str]:
    """A sentence for each kind of network, and where parts of one kind differ, which do."""
    said = []
    for net in NETS:
        of_net = [one for one in every if one.part.net == net]
        if of_net:
            said.append(f"{NETS[net][0].upper()}{NETS[net][1:]}: {_verdict(of_net)}")
    return said


def _verdict(of_net: list[Pathologies]) -> str:
    groups: dict[str, list[str]] = {}
    for one in of_net:
        left_open = " and ".join(one.left_open)
        what = " and ".join(one.shown) or f"none of the {'other' if left_open else 'three'} pathologies"
        groups.setdefault(what + f", {left_open} left open" * bool(left_open), []).append(one.part.name)
    return "; ".join(f"{what} ({', '.join(names)})" for what, names in groups.items()) + "."


def _row(one: Pathologies) -> dict[str, str]:
    has_signal = not math.isnan(one.signal)
    rate = one.growth
    return {
        "zero-dimensional": one.collapses,
        "one-dimensional": one.one_dimensional,
        "exploding": one.explodes,
        "μ₂ / ν₂ at the end": text.number(one.signal),
        "its factor per layer": factor(one.signal_rate) if has_signal else "–",
        "rank at the end": interval(one.rank),
        "factor of χ per layer": factor(rate),
        "in dB": f"{decibels(rate.value):.3f}",
        "paper": stated_factor(one.part),
        "exponential in": "–" if math.isnan(one.exponential) else f"{one.exponential:.0%}",
        "δχ": interval(one.increment),
        "network": NETS[one.part.net],
    }


def decibels(rate: float) -> float:
    """20 log10 of the factor exp(rate)."""
    return 20 * rate / math.log(10)


def factor(rate: Estimate) -> str:
    """`1.229 [1.228, 1.230]` of a rate of a logarithm."""
    low, high = (f"{math.exp(end):.4f}" if math.isfinite(end) else "–" for end in (rate.low, rate.high))
    return f"{math.exp(rate.value):.4f} [{low}, {high}]"


def interval(one: Estimate) -> str:
    if math.isnan(one.value):
        return "–"
    return f"{text.number(one.value, 4)} [{text.number(one.low, 4)}, {text.number(one.high, 4)}]"


def stated_factor(part: Part) -> str:
    """The growth per layer that follows from the paper's chi at half and all of the depth."""
    chi = paper.MEANS.get(part.name, {}).get("chi", {})
    ends = part.depth // 2, part.depth
    if part.net == BN_RES or not all(layer in chi for layer in ends):
        return "–"
    return f"{(float(chi[ends[1]]) / float(chi[ends[0]])) ** (1 / (ends[1] - ends[0])):.4f}"
