"""Table C: the increments that theorems 2 and 3 give from a simulation's own moments, beside the measured ones.

In: the simulations of every part. The theorems average over a layer's weights and hold for wide layers, so that one
simulation differs by chance, the less the wider; the means over simulations should not.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.moments.parts import VANILLA, Part, parts_of
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.means import mean_and_error
from distnlc.analysis.tables import Tables

TITLE = "Table C: increments that theorems 2 and 3 predict, beside the measured ones"
PREDICTED = {"delta_chi": "δχ", "delta_bn": "δχ of batch norm", "delta_phi": "δχ of the activation"}
"""columns that have a prediction, `_predicted` behind their name"""
NEAR = 0.01
"""relative difference of means, below which a prediction is said to hold"""
CHANCE = 3.0
"""standard errors, below which a larger difference of means is said to be chance"""


@dataclass(frozen=True)
class Tested:
    """One increment of one part."""

    part: Part
    column: str
    measured: Floats
    """(L,) means over simulations"""
    predicted: Floats
    error: Floats
    """(L,) standard error of the mean of predicted - measured, by the measured mean"""
    median: Floats
    """(L,) over simulations, of the relative difference's size"""
    largest: Floats
    overall: float
    """the median over simulations and layers"""

    @property
    def of_means(self) -> Floats:
        """(L,) relative difference of the means, predicted - measured."""
        return self.predicted / self.measured - 1

    @property
    def off(self) -> NDArray[np.bool_]:
        """(L,) where the means differ by more than chance and more than NEAR."""
        return np.asarray((abs(self.of_means) > NEAR) & (abs(self.of_means) > CHANCE * self.error))

    @property
    def worst_mean(self) -> float:
        return float(np.nanmax(abs(self.of_means)))

    @property
    def worst(self) -> float:
        return float(np.nanmax(self.largest))

    @property
    def label(self) -> str:
        return PREDICTED[self.column]


def tested(part: Part) -> list[Tested]:
    """All increments of a part that were predicted."""
    found = []
    for column in PREDICTED:
        if part.has(column) and part.has(f"{column}_predicted"):
            measured, predicted = part.values(column), part.values(f"{column}_predicted")
            off = abs(predicted / measured - 1)
            mean, _ = mean_and_error(measured)
            mean_predicted, _ = mean_and_error(predicted)
            _, error = mean_and_error(predicted - measured)
            found.append(
                Tested(
                    part=part,
                    column=column,
                    measured=mean,
                    predicted=mean_predicted,
                    error=error / mean,
                    median=np.median(off, axis=0),
                    largest=off.max(axis=0),
                    overall=float(np.median(off)),
                )
            )
    return found


def every(tables: Tables) -> list[Tested]:
    return [one for part in parts_of(tables) for one in tested(part)]


def tabulate(tables: Tables) -> Table:
    """All parts over all layers, then each part's layers. Raises MissingRecordsError."""
    found = every(tables)
    if not found:
        raise MissingRecordsError("no predicted increments")
    overview = pd.DataFrame.from_dict({f"{one.part.name}: {one.label}": _overall(one) for one in found}, orient="index")
    names = dict.fromkeys(one.part.name for one in found)
    sections = [("", overview)]
    for name in names:
        of_part = [one for one in found if one.part.name == name]
        sections.append((f"{name}: {of_part[0].part.description}", pd.concat(map(_layers, of_part))))
    caption = (
        "Relative differences, predicted / measured - 1: of the means over simulations with its sign; median and "
        f"largest size over single simulations. Means agree within {100 * NEAR:.0f} % or {CHANCE:.0f} standard "
        "errors. Theorem 2 without normalization, theorem 3 with batch norm."
    )
    return Table(caption, sections, verdicts(found))


def verdicts(found: list[Tested]) -> list[str]:
    """Where the means agree and where they do not, in sentences.

    Theorem 3's factor of batch norm is that factor itself but for epsilon, and the whole increment the product: only
    the activation's factor tests it, and only that is counted. A single simulation has no means to judge by.
    """
    said = []
    found = [one for one in found if one.part.simulations > 1]
    for theorem, about, of_theorem in (
        (2, "", [one for one in found if one.part.net == VANILLA]),
        (3, " of the activation", [one for one in found if one.column == "delta_phi"]),
    ):
        if not of_theorem:
            continue
        layers, off = sum(one.off.size for one in of_theorem), sum(int(one.off.sum()) for one in of_theorem)
        sizes = dict.fromkeys(_percent(each([one.overall for one in of_theorem])) for each in (min, max))
        counts = dict.fromkeys(f"{each(one.part.simulations for one in of_theorem):,}" for each in (min, max))
        sentence = (
            f"Theorem {theorem}: at {layers - off:,} of {layers:,} layers the means over {' to '.join(counts)} "
            f"simulations of predicted and measured increments{about} agree within {100 * NEAR:.0f} % or {CHANCE:.0f} "
            f"standard errors; single simulations differ by {' to '.join(sizes)} in the median, by "
            f"{_percent(max(one.worst for one in of_theorem))} at most"
        )
        if others := [one for one in of_theorem if one.off.any()]:
            sentence += ". Beyond: " + "; ".join(_beyond(one) for one in others)
        said.append(f"{sentence}.")
    return said


def _beyond(one: Tested) -> str:
    place = int(np.argmax(abs(one.of_means) * one.off))
    return (
        f"{one.label} of {one.part.name} at {one.off.sum()} of {one.off.size} layers, by "
        f"{100 * one.of_means[place]:+.2g} % at l = {one.part.layers[place]} ({_why(one.part)})"
    )


def _why(part: Part) -> str:
    edge = "theory knows no edge of zeros, and " if part.boundary == "zero" and part.kernel > 1 else "theory "
    return f"{edge}is of infinite width; here it is {part.width}"


def _overall(one: Tested) -> dict[str, str]:
    return {
        "layers": str(one.part.layers.size),
        "simulations": f"{one.part.simulations:,}",
        "means agree at": str(int((~one.off).sum())) if one.part.simulations > 1 else "–",
        "largest difference of means": _percent(one.worst_mean),
        "median": _percent(one.overall),
        "largest": _percent(one.worst),
    }


def _layers(one: Tested) -> pd.DataFrame:
    rows = {
        f"{one.label}, l = {one.part.layers[place]}": {
            "measured": text.number(one.measured[place], 5),
            "predicted": text.number(one.predicted[place], 5),
            "of the means": f"{100 * one.of_means[place]:+.2g} %",
            "median": _percent(one.median[place]),
            "largest": _percent(one.largest[place]),
        }
        for place in one.part.shown
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _percent(share: float) -> str:
    return "< 0.01 %" if share < 1e-4 else f"{text.number(100 * share, 2)} %"
