"""The parts of a study of moments: how each was simulated, and its quantities as arrays over simulations and layers.

In: the tables of a study. A part of which no simulation is finished is no part yet. Rows are placed by their numbers of
simulation and layer, so that their order and the blocks cannot show in any result. What was done to the images is in no
column, but in the study's spec where the study was loaded from its folder.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.moments.paper import SETTINGS, THIN, Setting
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.tables import Tables
from distnlc.records import OK

VANILLA, BN_FF, BN_RES = "vanilla", "bn_ff", "bn_res"
NETS = {
    VANILLA: "without normalization",
    BN_FF: "batch norm",
    BN_RES: "batch norm and residual units",
}
PRESETS = ("moments-quick", "moments-small", "moments")
"""the studies that have parts of every net"""
SHOWN_LAYERS = (2, 5, 10, 20, 50, 100, 200, 250, 500)
"""which layers tables of numbers show, where they were measured: the paper's"""
RAW = "raw"
"""the preparation of images that leaves them as they are"""
PERCENTILES = (16, 84)
"""of the bands over simulations"""


@dataclass(frozen=True)
class Part:
    """One part with at least one finished simulation."""

    name: str
    net: str
    kernel: int
    width: int
    depth: int
    batch: int
    boundary: str
    epsilon: float
    input: str
    layers: NDArray[np.int64]
    """(L,) those that were measured, ascending"""
    simulations: int
    """S, the finished ones"""
    data: Mapping[str, Any]
    """the spec's fields of the images; none where only the rows are known"""
    _rows: pd.DataFrame = field(repr=False)
    _places: tuple[NDArray[np.int64], NDArray[np.int64]] = field(repr=False)

    def values(self, column: str) -> Floats:
        """(S, L); nan for what was not measured."""
        held = np.full((self.simulations, self.layers.size), np.nan)
        held[self._places] = self._rows[column].to_numpy(dtype=float)
        return held

    def has(self, column: str) -> bool:
        """Whether any value of the column was measured."""
        return bool(self._rows[column].notna().any())

    @property
    def shown(self) -> list[int]:
        """Places of SHOWN_LAYERS and of the last layer in `layers`."""
        last = self.layers.size - 1
        return [place for place, layer in enumerate(self.layers) if layer in SHOWN_LAYERS or place == last]

    @property
    def last_half(self) -> slice:
        """Places of the layers from half the depth on."""
        return slice(int(np.searchsorted(self.layers, self.layers[-1] / 2)), None)

    @property
    def setting(self) -> Setting | None:
        """The paper's, of the part that this one is or is a thin version of; None for a part of the user's own."""
        return SETTINGS.get(self.name.removesuffix(THIN))

    @property
    def differences(self) -> list[str]:
        """How it differs from the paper's part, `width 64 instead of 512`.

        The number of simulations is no difference, nor is that of the images which batches are drawn from: either only
        makes means less certain. The standard errors do not know that batches of few images overlap.
        """
        paper = self.setting
        if paper is None:
            return []
        found = [
            f"{word} {getattr(self, name)} instead of {getattr(paper, name)}"
            for name, word in _WORDS.items()
            if getattr(self, name) != getattr(paper, name)
        ]
        if crop := self.data.get("crop"):
            found.append(f"crops of {crop} x {crop} instead of whole images")
        if (preparation := self.data.get("preparation")) not in (None, RAW):
            found.append(f"preparation {preparation} instead of {RAW}")
        return found

    @property
    def description(self) -> str:
        """In one line."""
        kind = (
            "fully connected"
            if self.kernel == 1
            else f"{self.kernel} x {self.kernel} kernels, {self.boundary} boundary"
        )
        return (
            f"{NETS[self.net]}, {kind}, width {self.width}, batch {self.batch}, {self.input}, "
            f"{self.simulations:,} simulations"
        )


_WORDS = {
    "input": "input",
    "width": "width",
    "kernel": "kernel",
    "batch": "batch",
    "boundary": "boundary",
    "epsilon": "epsilon",
    "net": "net",
}


def parts_of(tables: Tables, net: str | None = None) -> list[Part]:
    """The parts in the paper's order, a thin one behind its original, others at the end; those of one net if named."""
    blocks, layers = tables.blocks, tables.layers
    blocks = blocks[blocks["status"] == OK]
    codes, names = pd.factorize(layers["part"])
    found = []
    for name, rows in blocks.groupby("part"):
        if (net is None or rows["net"].iloc[0] == net) and name in names:
            own = tables.spec.get("parts", {}).get(name, {})
            data = {**tables.spec.get("data", {}), **own.get("data", {})}
            found.append(_part(str(name), data, rows.iloc[0], layers[codes == names.get_loc(name)]))
    return sorted(found, key=_order)


def needed(tables: Tables, net: str, *columns: str) -> list[Part]:
    """The parts of one net that have all columns. Raises MissingRecordsError if there are none."""
    found = [part for part in parts_of(tables, net) if all(part.has(column) for column in columns)]
    if not found:
        raise MissingRecordsError(f"no simulation of a network {NETS[net]}")
    return found


def _part(name: str, data: Mapping[str, Any], block: Any, rows: pd.DataFrame) -> Part:
    layers, of_layer = np.unique(rows["layer"].to_numpy(), return_inverse=True)
    simulations, of_simulation = np.unique(rows["simulation"].to_numpy(), return_inverse=True)
    about = {column: block[column] for column in _WORDS}
    return Part(
        name=name,
        depth=block["depth"],
        layers=layers,
        simulations=simulations.size,
        data=data,
        _rows=rows,
        _places=(of_simulation, of_layer),
        **about,
    )


def _order(part: Part) -> tuple[int, bool, str]:
    names = list(SETTINGS)
    plain = part.name.removesuffix(THIN)
    return names.index(plain) if plain in names else len(names), part.name != plain, part.name
