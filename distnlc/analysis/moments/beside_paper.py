"""Table A: every stated mean beside the measured one, and by how many standard errors they differ.

In: the tables of a study. A difference's standard error holds the measured mean's, the stated mean's and the rounding
of its last digit (unit / sqrt(12)). The paper states no errors: the spread over its simulations is taken from its
percentiles where these are stated, else it is the measured one, for the same networks spread alike. Values that were
read off figures have no known error and are not counted, nor are parts whose networks or inputs are not the paper's:
these are shown with what they differ by.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.moments import paper
from distnlc.analysis.moments.estimates import error_of_deviation
from distnlc.analysis.moments.parts import Part, parts_of
from distnlc.analysis.statistics.means import FAR, NEAR, mean_and_error, rounding
from distnlc.analysis.tables import Tables
from distnlc.records import quantities
from distnlc.studies.moments.records import LayerRow

TITLE = "Table A: every stated mean beside the measured one"
MOST_NAMED = 8
"""values beyond NEAR that a sentence names"""


@dataclass(frozen=True)
class Compared:
    """One stated value and the measured one."""

    part: str
    what: str
    layer: int
    stated: str
    measured: float
    error: float
    """standard error of the measured value"""
    difference: float
    """measured - stated, in standard errors of the difference; nan where that is not known"""

    @property
    def named(self) -> str:
        return f"{self.what} at l = {self.layer} of {self.part} ({self.difference:+.1f})"


def compared(part: Part) -> list[Compared]:
    """All values that the paper states of this part and that were measured; none for a part of the user's own."""
    name, setting = part.name.removesuffix(paper.THIN), part.setting
    if setting is None:
        return []
    place_of = {int(layer): place for place, layer in enumerate(part.layers)}
    found = []
    for deviations, stated in ((False, paper.MEANS), (True, paper.DEVIATIONS)):
        for column, values in stated.get(name, {}).items():
            if not part.has(column):
                continue
            simulated = part.values(column)
            means, errors = mean_and_error(simulated)
            if deviations:
                means, errors = simulated.std(axis=0, ddof=1), error_of_deviation(simulated)
            what = "deviation of " * deviations + quantities(LayerRow)[column].label
            for layer, value in values.items():
                if layer in place_of:
                    place = place_of[layer]
                    mean, error = float(means[place]), float(errors[place])
                    theirs = error * math.sqrt(part.simulations / setting.simulations)
                    if not deviations and (edges := paper.BANDS.get((name, column, layer))):
                        theirs = (edges[1] - edges[0]) / 2 / math.sqrt(setting.simulations)
                    of_difference = math.hypot(error, theirs, rounding(value))
                    difference = math.nan if name in paper.READ_OFF else (mean - float(value)) / of_difference
                    found.append(Compared(part.name, what, layer, value, mean, error, difference))
    return found


@dataclass(frozen=True)
class Agreement:
    """How many values of one part agree."""

    part: Part
    values: list[Compared]

    @property
    def counts(self) -> bool:
        """Whether it is the paper's part, simulated as there, with errors that are known."""
        return not self.part.differences and bool(self.known)

    @property
    def known(self) -> list[Compared]:
        return [value for value in self.values if not math.isnan(value.difference)]

    @property
    def read_off(self) -> bool:
        return self.part.name.removesuffix(paper.THIN) in paper.READ_OFF

    @property
    def near(self) -> list[Compared]:
        return [value for value in self.known if abs(value.difference) <= NEAR]

    @property
    def beyond(self) -> list[Compared]:
        """The others, farthest first."""
        rest = [value for value in self.known if abs(value.difference) > NEAR]
        return sorted(rest, key=lambda value: -abs(value.difference))

    @property
    def farthest(self) -> float:
        return max((abs(value.difference) for value in self.known), default=math.nan)


def agreements(tables: Tables) -> list[Agreement]:
    """The comparison of every part of which the paper states something that was measured."""
    found = [Agreement(part, compared(part)) for part in parts_of(tables)]
    return [one for one in found if one.values]


def tabulate(tables: Tables) -> Table:
    """A row for each part, then its values. Raises MissingRecordsError."""
    found = agreements(tables)
    if not found:
        raise MissingRecordsError("no part of which the paper states a value")
    overview = pd.DataFrame.from_dict({one.part.name: _summary(one) for one in found}, orient="index")
    sections = [("", overview), *((f"{one.part.name}: {one.part.description}", _values(one)) for one in found)]
    caption = (
        "Difference: (measured - paper) / its standard error, which holds that of the measured mean, that of the "
        "paper's (the spread over its simulations from its percentiles where stated, else the measured spread, over "
        "its number of simulations) and the rounding of its last digit. Read off figures: values without a known "
        "error."
    )
    return Table(caption, sections, remarks(found))


def remarks(found: list[Agreement]) -> list[str]:
    """How many values agree, which do not, and why some are not counted."""
    said = list(agreeing(found))
    for one in found:
        if one.part.name == paper.FOURTH_MOMENTS[0] and one.part.has("kurtosis_z"):
            means, _ = mean_and_error(one.part.values("kurtosis_z"))
            _, low, high = paper.FOURTH_MOMENTS
            said.append(
                f"{one.part.name}: the fourth moment after batch norm is {np.min(means):.2f} to {np.max(means):.2f} "
                f"over all units (paper: {low:.2f} to {high:.2f})."
            )
    return said


def agreeing(found: list[Agreement]) -> list[str]:
    """The verdict: counted values, those beyond, and parts that are not counted with the reason."""
    counted = [one for one in found if one.counts]
    said = []
    if known := [value for one in counted for value in one.known]:
        near = sum(len(one.near) for one in counted)
        far = sum(abs(value.difference) > FAR for value in known)
        said.append(
            f"{near} of {len(known)} stated values ({near / len(known):.1%}) of {_names(counted)} lie within "
            f"{NEAR:.0f} standard errors of the measured ones, {far or 'none'} beyond {FAR:.0f}."
        )
        if beyond := sorted((value for one in counted for value in one.beyond), key=lambda v: -abs(v.difference)):
            listed = "; ".join(value.named for value in beyond[:MOST_NAMED])
            more = f"; and {len(beyond) - MOST_NAMED} more" if len(beyond) > MOST_NAMED else ""
            said.append(
                f"Beyond {NEAR:.0f} standard errors: {listed}{more}. Chance would put {0.0027 * len(known):.1f} of so "
                "many there if they were independent (the layers of one part are not); otherwise unexplained."
            )
    settings: dict[str, list[Agreement]] = {}
    for one in found:
        if one.part.differences and one.known:
            settings.setdefault(", ".join(one.part.differences), []).append(one)
    for differences, others in settings.items():
        near = sum(len(one.near) for one in others)
        known_there = sum(len(one.known) for one in others)
        said.append(
            f"Not counted: {_names(others)}, with {near} of {known_there} values within {NEAR:.0f} standard errors; "
            f"differences can come from another setting ({differences})."
        )
    if read_off := [one for one in found if one.read_off]:
        said.append(f"Values of {_names(read_off)} were read off figures, so that their error is unknown.")
    if single := [one for one in found if not one.known and not one.read_off]:
        said.append(f"Means without a standard error, since one simulation is finished: {_names(single)}.")
    return said


def _names(found: list[Agreement]) -> str:
    names = [one.part.name for one in found]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _summary(one: Agreement) -> dict[str, str]:
    known = len(one.known)
    return {
        "values": str(len(one.values)),
        f"within {NEAR:.0f}": f"{len(one.near)} of {known}" if known else "–",
        f"beyond {FAR:.0f}": str(sum(abs(value.difference) > FAR for value in one.known)) if known else "–",
        "largest difference": f"{one.farthest:.1f}" if known else "–",
        "simulations": f"{one.part.simulations:,}",
        "paper's": f"{one.part.setting.simulations:,}" if one.part.setting else "–",
        "differs by": ", ".join(one.part.differences) or ("read off a figure" if one.read_off else "–"),
    }


def _values(one: Agreement) -> pd.DataFrame:
    rows = [
        {
            "paper": value.stated,
            "measured": text.number(value.measured, 4),
            "standard error": text.number(value.error, 2),
            "difference": "–" if math.isnan(value.difference) else f"{value.difference:+.1f}",
        }
        for value in one.values
    ]
    return pd.DataFrame(rows, index=[f"{value.what}, l = {value.layer}" for value in one.values])
