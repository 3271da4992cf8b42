"""Growth of the gradient scale over the blocks of residual networks, corrected for dilution.

In: a group of networks with skip connections. Dilution k_b and growth r_b of every block are averaged over networks
first and corrected then, since the correction of a single draw can be below 0, where its logarithm is undefined. The
corrected curve is the gradient scale above the highest block, which holds the final normalization's step, times the
running product of corrected growths downwards. Beside it stands the exact inverse of the law of dilution. Intervals
resample networks.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from distnlc.analysis.gradients.networks import Group
from distnlc.analysis.statistics import resampling
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.means import Estimate

Correction = Callable[[Floats, Floats], Floats]
"""growths and dilutions of one shape -> corrected growths"""


def by_formula(growth: Floats, dilution: Floats) -> Floats:
    """1 + (k^2 + 1) (r - 1): what a block's growth would be without dilution, to first order."""
    return np.asarray(1 + (dilution**2 + 1) * (growth - 1))


def exactly(growth: Floats, dilution: Floats) -> Floats:
    """The r of growth = sqrt((k^2 + r^2) / (k^2 + 1)); nan where its square would be negative."""
    square = (dilution**2 + 1) * growth**2 - dilution**2
    return np.sqrt(np.where(square >= 0, square, np.nan))


@dataclass(frozen=True)
class Blocks:
    """What a group's networks measured of their blocks, the lowest first."""

    linear: Floats
    """(B,) linear layers up to each block's upper boundary"""
    layers_of_block: int
    dilution: Floats
    """(S, B)"""
    growth: Floats
    """(S, B)"""
    above: Floats
    """(S,) gradient scale above the highest block"""

    @property
    def across(self) -> Floats:
        """(B + 1,) linear layers up to each boundary between blocks, the lowest first."""
        return np.concatenate([self.linear[:1] - self.layers_of_block, self.linear])

    def curve(self, correction: Correction) -> tuple[Floats, Floats]:
        """(B + 1,) decimal logarithms of the corrected gradient scale at the boundaries, and (b, B + 1) of resamples
        of the networks; none for a single network."""
        size = len(self.growth)
        weights = np.ones((1, size))
        if size > 1:
            weights = np.concatenate([weights, resampling.resamples(size)])
        weights = weights / size
        steps = np.log10(_positive(correction(weights @ self.growth, weights @ self.dilution)))
        above = np.log10(weights @ self.above)[:, None]
        from_top = np.cumsum(np.concatenate([above, steps[:, ::-1]], axis=1), axis=1)
        return from_top[0, ::-1], from_top[1:, ::-1]

    def total(self, correction: Correction) -> Estimate:
        """Decimal logarithm below the lowest block, with its interval."""
        value, others = self.curve(correction)
        low, high = resampling.interval(others[:, 0]) if len(others) else (np.nan, np.nan)
        return Estimate(float(value[0]), low, high)

    def singly(self, correction: Correction) -> tuple[float, int]:
        """Mean of the total's logarithm over networks corrected each alone, and for how many it is undefined."""
        with np.errstate(invalid="ignore"):
            totals = np.log10(self.above) + np.log10(_positive(correction(self.growth, self.dilution))).sum(axis=1)
        defined = totals[np.isfinite(totals)]
        return float(defined.mean()) if defined.size else np.nan, totals.size - defined.size


def blocks_of(group: Group) -> Blocks | None:
    """None for networks without skip connections."""
    dilution, growth = group.curve("dilution"), group.curve("block_growth")
    if not dilution.layers.size or not np.array_equal(dilution.layers, growth.layers):
        return None
    gsc = group.curve("gsc")
    above = gsc.values[:, np.flatnonzero(gsc.layers == dilution.layers[-1])[0]]
    usable = np.isfinite(dilution.values).all(axis=1) & np.isfinite(growth.values).all(axis=1) & np.isfinite(above)
    if not usable.any():
        return None
    return Blocks(
        dilution.linear.astype(float), group.block_layers, dilution.values[usable], growth.values[usable], above[usable]
    )


def _positive(values: Floats) -> Floats:
    return np.where(values > 0, values, np.nan)
