"""A printed or independently measured value beside this study's, in standard errors of the difference.

The difference's standard error holds that of the measured mean, that of the stated mean and the rounding of its last
digit. Both means are of the same networks, so that both errors come from one spread over networks: the spec's or this
study's, whichever is of more networks. A spread of few networks is itself rough: a difference is counted in those
standard errors of a Gaussian that are as unlikely as it is by Student's t.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from scipy import stats

from distnlc.analysis.drawing import format as text
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.means import FAR, NEAR, rounding

CHANCE = 0.0027
"""share of agreeing values that lie beyond NEAR all the same, if they are Gaussian"""

SMALLEST = 1e-300
"""probability that is told from 0"""
MOST_NAMED = 8
"""values beyond NEAR that a sentence names"""


@dataclass(frozen=True)
class Compared:
    """One stated value and the measured one."""

    what: str
    stated: str
    value: float
    error: float
    """standard error of the measured value; nan where the spread is not known"""
    stated_error: float
    """of the stated mean, its rounding not counted"""
    networks: int
    """of which the spread is that both errors come from"""

    @property
    def difference(self) -> float:
        """Measured - stated, in standard errors of a Gaussian; nan where no spread is known."""
        if math.isnan(self.error):
            return math.nan
        error = math.hypot(self.error, self.stated_error, rounding(self.stated))
        far = (self.value - float(self.stated)) / error
        unlikely = max(float(stats.t.sf(abs(far), self.networks - 1)), SMALLEST)
        return math.copysign(float(stats.norm.isf(unlikely)), far)

    @property
    def known(self) -> bool:
        return not math.isnan(self.difference)

    @property
    def near(self) -> bool:
        return abs(self.difference) <= NEAR

    @property
    def far(self) -> bool:
        return abs(self.difference) > FAR

    @property
    def verdict(self) -> str:
        """`agrees`, `beyond 3` or `beyond 5`; an en dash where there is no error."""
        if not self.known:
            return "–"
        return "agrees" if self.near else f"beyond {FAR if self.far else NEAR:.0f}"

    @property
    def shown(self) -> dict[str, str]:
        """As cells of a table."""
        return {
            "stated": self.stated,
            "measured": text.number(self.value, 4),
            "standard error": text.number(self.error, 2),
            "difference": f"{self.difference:+.1f}" if self.known else "–",
            "verdict": self.verdict,
        }

    @property
    def named(self) -> str:
        return f"{self.what} ({self.difference:+.1f})"


def compared(
    what: str, stated: str, values: Floats, networks: int, spread: tuple[float, int] = (math.nan, 0)
) -> Compared:
    """A stated mean over `networks` beside measured values (S,).

    spread: the standard deviation over networks that is stated, and of how many networks it is.
    """
    own = float(values.std(ddof=1)) if values.size > 1 else math.nan
    known, of = spread
    deviation = known if of > values.size or math.isnan(own) else own
    error, theirs = deviation / math.sqrt(values.size), deviation / math.sqrt(networks)
    return Compared(what, stated, float(values.mean()), error, theirs, max(of, values.size))


def frame(rows: dict[str, Compared]) -> pd.DataFrame:
    """A table of comparisons."""
    return pd.DataFrame.from_dict({name: one.shown for name, one in rows.items()}, orient="index")


def counted(found: Sequence[Compared], what: str) -> list[str]:
    """How many agree, which do not, and how many chance would put there, in sentences."""
    known = [one for one in found if one.known]
    said = []
    if known:
        near, far = sum(one.near for one in known), sum(one.far for one in known)
        said.append(
            f"{what}: {near} of {len(known)} lie within {NEAR:.0f} standard errors, {far or 'none'} beyond {FAR:.0f}."
        )
    if beyond := sorted((one for one in known if not one.near), key=lambda one: -abs(one.difference)):
        listed = "; ".join(one.named for one in beyond[:MOST_NAMED])
        more = f"; and {len(beyond) - MOST_NAMED} more" if len(beyond) > MOST_NAMED else ""
        said.append(
            f"Beyond {NEAR:.0f} standard errors: {listed}{more}. Chance alone would put {CHANCE * len(known):.1f} of "
            f"{len(known)} there; otherwise unexplained."
        )
    if unknown := len(found) - len(known):
        said.append(f"{what}: {unknown} have no standard error, since one network is finished.")
    return said
