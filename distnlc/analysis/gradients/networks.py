"""Networks on noise in groups that differ by their seed alone, and their quantities as arrays over networks and layers.

In: the tables of a study. Groups are joined by what the rows say of a network, never by the names of parts, so that a
part of the user's own with the paper's setting stands beside the paper. A network that failed is in no group; one whose
gradient scale is not finite is counted and left out of means. Layers are given from the input upwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.gradients import paper
from distnlc.analysis.gradients.paper import Setting
from distnlc.analysis.statistics import resampling
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.tables import Tables
from distnlc.records import OK

PRESETS = ("gradients-quick", "gradients-noise", "gradients-small", "gradients")
"""the studies that have networks on noise"""
NOISE = "noise"
KEYS = ["nonlinearity", "normalization", "matrices", "skip", "width", "linear_layers", "block_layers", "points"]
LAYER_COLUMNS = ["layer", "linear_layer", "gsc", "std", "sign_diversity", "dilution", "block_growth"]
DEPTHS = (50, 51)
"""linear layers of the paper's networks, without and with skip connections"""
AFTER = {"input": 0, "linear": 0, "normalization": 1, "activation": 2}
"""how many layers a layer of a kind stands behind the linear layer that it belongs to, if all kinds are there"""


@dataclass(frozen=True)
class Curve:
    """One quantity of a group over some of its layers, from the input upwards."""

    linear: NDArray[np.int64]
    """(L,) how many linear layers there are up to each of the layers"""
    across: Floats
    """(L,) the same, layers between two linear ones at equal distances"""
    kinds: NDArray[np.str_]
    """(L,)"""
    layers: NDArray[np.int64]
    """(L,) the layers' numbers, which count from the top"""
    values: Floats
    """(S, L); nan for what was not measured"""

    @property
    def mean(self) -> Floats:
        """(L,) over the networks that have a value."""
        count = np.sum(~np.isnan(self.values), axis=0)
        return np.asarray(np.nansum(self.values, axis=0) / np.maximum(count, 1))

    def band(self) -> tuple[Floats, Floats] | None:
        """(L,) ends of the mean's interval, networks resampled; None for a single network."""
        usable = self.values[~np.isnan(self.values).any(axis=1)]
        if len(usable) < 2:
            return None
        means = resampling.resamples(len(usable)) @ usable / len(usable)
        low, high = np.quantile(means, resampling.TAILS, axis=0)
        return low, high

    def at(self, places: Sequence[int]) -> list[int | None]:
        """Where linear layers stand in the arrays; None for those that were not measured."""
        found = {int(linear): place for place, linear in enumerate(self.linear)}
        return [found.get(each) for each in places]


@dataclass(frozen=True)
class Group:
    """Finished networks of one setting, depth and number of points."""

    setting: Setting
    linear_layers: int
    block_layers: int
    points: int
    networks: pd.DataFrame
    """their rows; those with a finite gradient scale at the input"""
    not_finite: int
    """how many were left out"""
    _layers: pd.DataFrame = field(repr=False)

    @property
    def size(self) -> int:
        return len(self.networks)

    @property
    def name(self) -> str:
        return paper.name_of(self.setting)

    @property
    def normalized(self) -> bool:
        return self.setting[1] != "none"

    @property
    def row(self) -> paper.Row | None:
        """The paper's row of table 1, if these are its networks."""
        of_paper = self.linear_layers in DEPTHS and (self.setting[3] == "none" or self.block_layers == 2)
        return next((row for row in paper.TABLE_1 if row.setting == self.setting), None) if of_paper else None

    @property
    def comparable(self) -> bool:
        """Whether their gradient scale is the paper's: batch norm's depends on the number of points."""
        return self.setting[1] != "batch" or self.points == paper.POINTS

    def column(self, name: str) -> Floats:
        """(S,) of the networks' table."""
        return self.networks[name].to_numpy(dtype=float)

    def curve(self, column: str, *kinds: str) -> Curve:
        """A quantity over the layers that have it, of some kinds of layer or of all."""
        rows = self._layers[self._layers[column].notna()]
        if kinds:
            rows = rows[rows["kind"].isin(kinds)]
        layers, places = np.unique(-rows["layer"].to_numpy(dtype=np.int64), return_inverse=True)
        firsts = np.zeros(layers.size, dtype=np.int64)
        firsts[places[::-1]] = np.arange(len(rows))[::-1]
        values = np.full((self.size, layers.size), np.nan)
        values[rows["network"].to_numpy(), places] = rows[column].to_numpy(dtype=float)
        kept, linear = rows["kind"].to_numpy()[firsts], rows["linear_layer"].to_numpy(dtype=np.int64)[firsts]
        behind = np.array([AFTER.get(kind, 0) if self.normalized or kind != "activation" else 1 for kind in kept])
        across = linear + behind / (3 if self.normalized else 2)
        return Curve(linear, across, kept.astype(str), -layers, values)


def groups_of(tables: Tables) -> list[Group]:
    """All groups, in the order of table 1, then of table 3, others at the end; many points before few."""
    networks = tables.networks
    networks = networks[(networks["protocol"] == NOISE) & (networks["status"] == OK)]
    finite = np.isfinite(networks["gsc_input"].to_numpy(dtype=float))
    number = networks.groupby(KEYS, sort=False).ngroup().to_numpy()
    usable = networks[finite]
    of_unit = pd.Series(number[finite], index=usable["unit_id"])
    within = pd.Series(usable.groupby(KEYS, sort=False).cumcount().to_numpy(), index=usable["unit_id"])
    codes, ids = pd.factorize(tables.layers["unit_id"])
    group_of_row = of_unit.reindex(ids).fillna(-1).to_numpy(dtype=np.int64)[codes]
    layers = tables.layers[LAYER_COLUMNS].assign(  # half a million rows: texts would take most of the time
        kind=tables.layers["kind"].astype("category"),
        network=within.reindex(ids).fillna(-1).to_numpy(dtype=np.int64)[codes],
    )
    order = np.argsort(group_of_row, kind="stable")
    edges = np.searchsorted(group_of_row[order], np.arange(number.max(initial=-1) + 2))
    found = []
    for each in range(number.max(initial=-1) + 1):
        rows = networks[number == each]
        first = rows.iloc[0]
        found.append(
            Group(
                setting=tuple(first[KEYS[:5]]),
                linear_layers=int(first["linear_layers"]),
                block_layers=int(first["block_layers"]),
                points=int(first["points"]),
                networks=rows[finite[number == each]],
                not_finite=int((~finite[number == each]).sum()),
                _layers=layers.iloc[order[edges[each] : edges[each + 1]]],
            )
        )
    return sorted(found, key=_order)


def of_settings(tables: Tables, settings: Sequence[Setting]) -> list[Group]:
    """The paper's networks of some settings in their order, each with the most points there are.

    Raises MissingRecordsError if there are none.
    """
    found: dict[Setting, Group] = {}
    for group in groups_of(tables):
        if group.row is not None and group.size:
            found.setdefault(group.setting, group)
    if not (there := [found[setting] for setting in settings if setting in found]):
        raise MissingRecordsError(f"no finished network on noise: {'; '.join(map(paper.name_of, settings))}")
    return there


def absent(settings: Sequence[Setting], there: Sequence[Group]) -> list[str]:
    """A sentence that names the settings for which there is no group, if there are any."""
    missing = [paper.name_of(each) for each in settings if each not in {group.setting for group in there}]
    return [f"Not in this study: {'; '.join(missing)}."] if missing else []


def _order(group: Group) -> tuple[int, int, int, str]:
    number = group.row.number if group.row else len(paper.TABLE_1) + 1
    return number, group.block_layers, -group.points, group.name
