"""The networks of the experiment `residual`, and the paces of their layers beside those outside the blocks.

In: the tables of a study and a part. Out: `Nets`, one for each variant and weighting, with scaled blocks or without.
residual.py says which means are taken, and why.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from distnlc.analysis.scaling.parts import WEIGHTS, Part
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.imbalance import (
    geometric_mean,
    largest_over_smallest,
    ratio_of_geometric_means,
    typical_ratio_of_geometric_means,
)
from distnlc.analysis.statistics.means import Estimate
from distnlc.analysis.tables import Tables

WEIGHTINGS = {"rescale": "RescaleNet's", "half": "1/2 each"}
VARIANTS = {"equal": "equal width", "widen-pool": "widening, average pool", "widen-subsample": "widening, subsampling"}
SCALED = {False: "unscaled", True: "scaled"}
KERNEL = 3
"""of the branch's convolution that is padded"""


@dataclass(frozen=True)
class Nets:
    """The networks of one variant and weighting, with scaled blocks or without."""

    variant: str
    weighting: str
    scaled: bool
    layers: pd.DataFrame
    """(L) a row each: `name`, `kind`, `place`, `share`"""
    ratios: Floats
    """(networks, L)"""
    size: int
    """pixels along a side of the images"""

    @property
    def name(self) -> str:
        """`equal width, RescaleNet's, scaled`."""
        return f"{VARIANTS[self.variant]}, {WEIGHTINGS[self.weighting]}, {SCALED[self.scaled]}"

    def places(self, *of: str, kinds: Sequence[str] = WEIGHTS) -> list[int]:
        """Layers of some places and kinds."""
        fitting = self.layers["place"].isin(of) & self.layers["kind"].isin(kinds)
        return [int(place) for place in np.flatnonzero(fitting)]

    def relative(self, of: list[int], typical: bool = True) -> Estimate | None:
        """The geometric mean of some layers over that of those outside, in a typical network or of means over networks;
        None if there are none."""
        outside = self.places("outside")
        by = typical_ratio_of_geometric_means if typical else ratio_of_geometric_means
        return by(self.ratios, of, outside) if of and outside else None

    @property
    def branches(self) -> Estimate | None:
        """Convolutions of the main branches."""
        return self.relative(self.places("main"))

    @property
    def branches_of_means(self) -> Estimate | None:
        """The same of means over networks."""
        return self.relative(self.places("main"), typical=False)

    @property
    def shortcuts(self) -> Estimate | None:
        """Convolutions of the shortcuts."""
        return self.relative(self.places("shortcut"))

    @property
    def scalars(self) -> Estimate | None:
        """Learnable scalars of the branches, of means over networks."""
        return self.relative(self.places("main", "shortcut", "outside", kinds=("scalar",)), typical=False)

    @property
    def imbalance(self) -> Estimate:
        """Largest over smallest of all weights, without the scalars."""
        return largest_over_smallest(self.ratios[:, self.places("outside", "main", "shortcut")])

    @property
    def planned(self) -> float:
        """The pace of the branches by design where blocks are unscaled: the geometric mean of their shares, times f.

        f is that of the whole image, which only networks of equal width keep.
        """
        shares = self.layers["share"].to_numpy(dtype=float)[self.places("main")]
        return float(geometric_mean(shares)) * covered(self.size)


def covered(size: int) -> float:
    """The mean share of a 3 x 3 kernel with a padding of 1 that lies within an image of size x size."""
    return (1 - 2 / (KERNEL * size)) ** 2


def nets_of(tables: Tables, part: Part) -> list[Nets]:
    """Unscaled before scaled, RescaleNet's weights, which the paper takes, before others."""
    rows = part.rows(tables, "layers")
    rows = rows[rows["kind"] != "bias"]
    found = []
    for variant in VARIANTS:
        for weighting in WEIGHTINGS:
            for scaled in SCALED:
                fitting = (rows["variant"] == variant) & (rows["weighting"] == weighting)
                own = rows[fitting & (rows["block_scaled"] == scaled).fillna(False)]
                if len(own):
                    found.append(_nets(variant, weighting, scaled, own, int(part.setting["size"])))
    return found


def _nets(variant: str, weighting: str, scaled: bool, rows: pd.DataFrame, size: int) -> Nets:
    layers = rows.sort_values("layer").drop_duplicates("layer")[["layer", "name", "kind", "place", "share"]]
    wide = rows.pivot(index="unit_id", columns="layer", values="ratio").dropna()
    return Nets(variant, weighting, scaled, layers.reset_index(drop=True), wide.to_numpy(dtype=float), size)
