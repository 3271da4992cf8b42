"""Pairs of networks that are equal but for one binary setting (figure 4; section C of the additions, `Pairs`).

In: the table of networks. Out: a frame with one row per pair, x the good setting (true labels, augmentation, relu,
momentum), y the other. Each side is a mean over its networks: seeds, and of momentum also rates and batch sizes. A
side takes part if all its finished networks are fitted; those trained with augmentation need not be, as in the paper.
Where the text is silent: a side of which every network was given up is `failed`, one of which the study has none yet is
`missing`; a network that diverged is not fitted.
"""

from dataclasses import dataclass

import pandas as pd

from distnlc.analysis.sensitivity.cells import AVERAGED, FACTORS, SHARED, averaged, counted, finished, is_fitted
from distnlc.analysis.sensitivity.thresholds import PAPER_POINTS
from distnlc.records import OK

OTHER_MISFIT, NEITHER, MISSING, GIVEN_UP = "other not fitted", "neither fitted", "other missing", "failed"
SIDES = ("x", "y")


@dataclass(frozen=True)
class Pairs:
    """The pairs that differ in one factor."""

    factor: str
    frame: pd.DataFrame
    """`pair`, `part`, `x_gap`, `y_gap`, `x_sem_gap`, ..., `seeds` (of the side that has fewer), and what x shares"""
    left_out: dict[str, int]
    """reason -> pairs"""

    @property
    def paper_size(self) -> bool:
        return bool(len(self.frame)) and bool((self.frame["train_points"] >= PAPER_POINTS).all())


def pairs(networks: pd.DataFrame, factor: str) -> pd.DataFrame:
    """The frame of `pairs_of`, for one's own figures."""
    return pairs_of(networks, factor).frame


def pairs_of(networks: pd.DataFrame, factor: str) -> Pairs:
    """All pairs of a factor, and how many are left out for which reason. Raises ValueError for an unknown factor."""
    if factor not in FACTORS:
        raise ValueError(f"no pairs of {factor!r}; there are: {', '.join(FACTORS)}")
    key = f"pair_{factor}"
    rows = networks[networks[key].notna()]
    rows = rows.assign(side=_sides(rows, factor))
    wanted = is_fitted(rows) | ((rows["side"] == "x") & (factor == "augmentation"))
    done = rows["status"] == OK
    usable = (wanted | ~done) & (rows.index.isin(finished(rows).index) | ~done)
    there, trained, fitting = (
        _of_sides(values, rows, key, how) for values, how in ((done | True, "any"), (done, "any"), (usable, "all"))
    )
    why = pd.Series("", index=there.index)
    why[~fitting.all(axis=1)] = OTHER_MISFIT
    why[~fitting.any(axis=1)] = NEITHER
    why[~trained.all(axis=1)] = GIVEN_UP
    why[~there.all(axis=1)] = MISSING
    both = why.index[why == ""]
    frame = _joined(rows[rows[key].isin(both) & done], key)
    return Pairs(factor, frame, counted(why[why != ""]))


def _sides(rows: pd.DataFrame, factor: str) -> "pd.Series[str]":
    column, good, _ = FACTORS[factor]
    is_good = rows[column] != "none" if factor == "augmentation" else rows[column] == good
    return is_good.map({True: "x", False: "y"})


def _of_sides(values: "pd.Series[bool]", rows: pd.DataFrame, key: str, how: str) -> pd.DataFrame:
    """Pair -> whether `any` or `all` networks of either side have it; a side without networks has nothing."""
    grouped = values.groupby([rows[key], rows["side"]]).agg(how).unstack()
    return grouped.reindex(columns=list(SIDES)).fillna(False).astype(bool)


def _joined(rows: pd.DataFrame, key: str) -> pd.DataFrame:
    """One row per pair, both sides averaged."""
    sides = {side: averaged(rows[rows["side"] == side], [key]).set_index(key) for side in SIDES}
    measured = [name for each in AVERAGED for name in (each, f"sem_{each}")]
    shared = sides["x"][[name for name in SHARED if name in sides["x"]]]
    parts = rows.groupby(key)["part"].first()
    seeds = pd.concat([sides[side]["seeds"] for side in SIDES], axis=1).min(axis=1).rename("seeds")
    values = [sides[side][measured].add_prefix(f"{side}_") for side in SIDES]
    joined = pd.concat([parts, *values, seeds, shared], axis=1)
    return joined.rename_axis("pair").reset_index()
