"""Trainings on sets of LibSVM's page: the best rate of every initialization, and losses over the worst of each set.

In: the runs of one part of the experiment `libsvm`. Out: a `Ranking` for each reading of "training loss after five
epochs", which the text leaves open. The best rate has the lowest median over seeds, the lowest such rate if several
have; a run that diverged counts as infinite. Seeds count that all initializations of a set have, since they share
weights, points and order. Sets are resampled, and seeds within each set, where every resample chooses its own rates.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.scaling.parts import OTHERS, OURS, Part, inits_of
from distnlc.analysis.scaling.thresholds import LEARNED, PAPER_TOP_EXPONENT
from distnlc.analysis.statistics.correlations import RESAMPLES, SEED, Floats
from distnlc.analysis.statistics.resampling import interval, resamples
from distnlc.analysis.tables import Tables


@dataclass(frozen=True)
class Reading:
    """One meaning of "training loss", and the rates that may be chosen."""

    name: str
    column: str
    top: int | None = None
    """the highest exponent; None: all that were tried"""


END = Reading("full pass at the end", "train_loss")
LAST_EPOCH = Reading("mean of the last epoch", "epoch_loss")
CUT = Reading(
    f"full pass at the end, rates up to {text.power_of_two(PAPER_TOP_EXPONENT)}", "train_loss", PAPER_TOP_EXPONENT
)


@dataclass(frozen=True)
class Losses:
    """All runs on one set."""

    name: str
    inits: Sequence[str]
    exponents: Sequence[int]
    values: dict[str, Floats]
    """column of a reading -> (inits, rates, seeds), infinite where a run diverged"""
    points: int
    d_in: int
    classes: int
    steps: int

    @property
    def seeds(self) -> int:
        return int(self.values[END.column].shape[-1])


@dataclass(frozen=True)
class Outcome:
    """The best rates and losses of one set, by one reading."""

    losses: Losses
    reading: Reading

    @cached_property
    def values(self) -> Floats:
        """(inits, rates, seeds) of the rates that may be chosen."""
        kept = [self.reading.top is None or each <= self.reading.top for each in self.losses.exponents]
        return self.losses.values[self.reading.column][:, kept]

    @cached_property
    def medians(self) -> Floats:
        """(inits, rates)."""
        return np.asarray(np.median(self.values, axis=-1))

    @property
    def best(self) -> list[int]:
        """Place of the best rate of every initialization."""
        return [int(place) for place in np.argmin(self.medians, axis=1)]

    @property
    def exponents(self) -> list[int]:
        """Those of the best rates."""
        return [self.losses.exponents[place] for place in self.best]

    @property
    def at_edge(self) -> list[bool]:
        """Whether the best rate is the lowest or highest that may be chosen."""
        return [place in (0, self.medians.shape[1] - 1) for place in self.best]

    @property
    def loss(self) -> Floats:
        """(inits,) median loss at the best rate."""
        return np.asarray(self.medians.min(axis=1))

    @property
    def failed(self) -> list[bool]:
        """Whether an initialization learned nothing at its best rate."""
        return [bool(loss >= math.log(self.losses.classes) - LEARNED) for loss in self.loss]

    @property
    def normalized(self) -> Floats:
        """(inits,) loss over that of the set's worst initialization."""
        return over_worst(self.loss)

    @cached_property
    def resampled(self) -> Floats:
        """(resamples, inits) the same of seeds drawn again, alike for all initializations and rates."""
        drawn = np.random.default_rng(SEED).integers(self.losses.seeds, size=(RESAMPLES, self.losses.seeds))
        losses = [np.median(rates[:, drawn], axis=-1).min(axis=0) for rates in self.values]
        return over_worst(np.array(losses).T)

    @property
    def worst(self) -> list[bool]:
        """Ties go to all."""
        return [bool(loss == self.loss.max()) for loss in self.loss]

    @property
    def winners(self) -> list[bool]:
        """Likewise."""
        return [bool(loss == self.loss.min()) for loss in self.loss]


def over_worst(losses: Floats) -> Floats:
    """Losses (..., inits) over the largest; beside one that is infinite the others are 0."""
    worst = losses.max(axis=-1, keepdims=True)
    found = np.where(np.isinf(losses), 1.0, 0.0)
    np.divide(losses, worst, out=found, where=np.isfinite(worst) & (worst > 0))
    return found


@dataclass(frozen=True)
class Average:
    """A mean over sets with its intervals over sets and over seeds within sets."""

    value: float
    sets: tuple[float, float]
    seeds: tuple[float, float]


@dataclass(frozen=True)
class Ranking:
    """The outcomes of all sets by one reading, and their averages."""

    reading: Reading
    outcomes: Sequence[Outcome]
    inits: Sequence[str]
    left_out: Sequence[str] = field(default=())

    def values(self) -> dict[str, float]:
        """Average normalized loss by initialization."""
        return dict(zip(self.inits, map(float, self._normalized.mean(axis=0)), strict=True))

    def averages(self) -> dict[str, Average]:
        """The same with intervals, which take long."""
        return {init: self._average(place, None) for place, init in enumerate(self.inits)}

    def differences(self) -> dict[str, Average]:
        """That of the geometric initialization less that of each other."""
        if OURS not in self.inits:
            return {}
        ours = self.inits.index(OURS)
        return {init: self._average(ours, self.inits.index(init)) for init in OTHERS if init in self.inits}

    def count(self, what: str) -> dict[str, int]:
        """In how many sets each initialization is `worst`, or among the `winners`."""
        every = np.array([getattr(one, what) for one in self.outcomes])
        return {init: int(every[:, place].sum()) for place, init in enumerate(self.inits)}

    def lowest(self) -> list[str]:
        """The initializations with the lowest average."""
        values = self.values()
        return [init for init, value in values.items() if value == min(values.values())]

    @cached_property
    def _normalized(self) -> Floats:
        """(sets, inits)."""
        return np.array([one.normalized for one in self.outcomes])

    @cached_property
    def _over_seeds(self) -> Floats:
        """(resamples, inits) averages over sets."""
        return np.asarray(np.mean([one.resampled for one in self.outcomes], axis=0))

    def _average(self, place: int, less: int | None) -> Average:
        def of(values: Floats) -> Floats:
            return values[..., place] - (0 if less is None else values[..., less])

        own = of(self._normalized)
        over_sets = resamples(own.size).astype(np.float64) @ own / own.size
        nothing = (math.nan, math.nan)
        sets = interval(over_sets) if own.size > 1 else nothing
        seeds = interval(of(self._over_seeds)) if all(one.losses.seeds > 1 for one in self.outcomes) else nothing
        return Average(float(own.mean()), sets, seeds)


def rankings(tables: Tables, part: Part) -> list[Ranking]:
    """Both readings, and the first with the paper's rates where higher ones were tried; none without a whole set."""
    every, left_out = losses_of(tables, part)
    if not every:
        return []
    low, high = min(every[0].exponents), max(every[0].exponents)
    readings = [END, LAST_EPOCH, *([CUT] if low <= PAPER_TOP_EXPONENT < high else [])]
    inits = every[0].inits
    return [Ranking(each, [Outcome(one, each) for one in every], inits, left_out) for each in readings]


def losses_of(tables: Tables, part: Part) -> tuple[list[Losses], list[str]]:
    """The sets that have a seed of all initializations, in the study's order, and what is left out, in words."""
    inits = inits_of(part.units)
    runs = part.rows(tables, "runs")
    found, left_out = list[Losses](), list[str]()
    for name, units in part.units.groupby("dataset", sort=False):
        by_seed = units.groupby("seed")["init"].nunique()
        seeds = sorted(by_seed[by_seed == len(inits)].index)
        if len(seeds) < len(by_seed):
            left_out.append(f"{len(by_seed) - len(seeds)} of {len(by_seed)} seeds of {name}")
        if seeds:
            own = runs[(runs["dataset"] == name) & runs["seed"].isin(seeds)]
            found.append(_losses(str(name), inits, own, units.iloc[0], part))
    return found, left_out


def _losses(name: str, inits: Sequence[str], runs: pd.DataFrame, unit: pd.Series, part: Part) -> Losses:
    exponents, seeds = (sorted(runs[column].unique()) for column in ("exponent", "seed"))
    where = pd.MultiIndex.from_product([inits, exponents, seeds])
    shape = (len(inits), len(exponents), len(seeds))
    by_run = runs.set_index(["init", "exponent", "seed"])
    points = int(unit["points"])
    return Losses(
        name=name,
        inits=inits,
        exponents=[int(each) for each in exponents],
        values={
            each.column: by_run[each.column].reindex(where).fillna(np.inf).to_numpy(dtype=float).reshape(shape)
            for each in (END, LAST_EPOCH)
        },
        points=points,
        d_in=int(unit["d_in"]),
        classes=int(unit["classes"]),
        steps=int(part.setting["epochs"]) * math.ceil(points / int(part.setting["batch_size"])),
    )


def average_text(one: Average, places: int = 2) -> str:
    """`0.91 [sets 0.83, 0.98; seeds 0.87, 0.97]`."""
    sign = "+" if places > 2 else ""

    def pair(ends: tuple[float, float]) -> str:
        return ", ".join("–" if math.isnan(end) else f"{end:{sign}.{places}f}" for end in ends)

    return f"{one.value:{sign}.{places}f} [sets {pair(one.sets)}; seeds {pair(one.seeds)}]"


def order(ranking: Ranking) -> str:
    """`geometric 0.91, fan-in 0.86, ...`."""
    return ", ".join(f"{init} {value:.2f}" for init, value in ranking.values().items())
