"""How the learning rate of each architecture was searched, as far as the runs tell: all rates to their end, or fewer.

In: rows of the table `runs`. Out: a `Sweep`. The paper tries every rate of a grid and trains every run to its end; a
study may refine a coarse grid, and may stop the worse half of the runs early (`search.method`, `search.rungs`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from distnlc.records import PRUNED


@dataclass(frozen=True)
class Sweep:
    """The searches of several architectures."""

    rates: int
    """starting rates of the range"""
    tried: int
    """of these, by the median architecture"""
    runs: int
    pruned: int
    """runs that were stopped early, being among the worse half"""

    @property
    def whole(self) -> bool:
        """Whether every rate was tried, and every run trained to its end: then it is the paper's search."""
        return not self.pruned and self.tried == self.rates

    @property
    def cut(self) -> str:
        """What was spared: `36 of the 40 rates were tried, and 83% of the runs were stopped early`; else empty."""
        said = []
        if self.tried < self.rates:
            said.append(f"{self.tried} of the {self.rates} rates were tried")
        if self.pruned:
            said.append(f"{self.pruned / self.runs:.0%} of the runs were stopped early")
        return ", and ".join(said)


def sweep_of(runs: pd.DataFrame) -> Sweep:
    """The searches that these runs, of one part's architectures, belong to."""
    if runs.empty:
        return Sweep(rates=0, tried=0, runs=0, pruned=0)
    tried = runs.groupby("unit_id")["run"].nunique().median()
    pruned = int((runs["status"] == PRUNED).sum())
    return Sweep(rates=int(runs["run"].max()) + 1, tried=int(tried), runs=len(runs), pruned=pruned)


def described(sweep: Sweep) -> str:
    """The search in one sentence."""
    if sweep.whole:
        return (
            f"Search: all {sweep.rates} starting rates were tried for every architecture, each run trained to its end."
        )
    return (
        f"Search: {sweep.tried} of the {sweep.rates} starting rates were tried for each architecture, and "
        f"{sweep.runs - sweep.pruned:,} of {sweep.runs:,} runs trained to their end (the paper: all of both)."
    )


def cut_short(sweeps: Mapping[str, Sweep]) -> str:
    """Which parts' searches spared something, and what: `MNIST (SGD): 36 of the 40 rates were tried`; else empty."""
    titles = dict[str, list[str]]()
    for title, sweep in sweeps.items():
        if sweep.cut:
            titles.setdefault(sweep.cut, []).append(title)
    return "; ".join(f"{', '.join(of)}: {cut}" for cut, of in titles.items())


def unchecked(sweeps: Mapping[str, Sweep]) -> list[str]:
    """The remark of figures about best rates: what searches that spare runs cannot tell."""
    cut = cut_short(sweeps)
    if not cut:
        return []
    return [
        "The paper's statement that no best rate lies at the ends of the range is not checked by sweeps that were cut "
        f"short, which leave out or stop rates by where the better ones seem to lie. {cut}."
    ]
