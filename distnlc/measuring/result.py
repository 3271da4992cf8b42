"""The result of `distnlc.measure`: every initial metric of one network, its place, and the error to expect.

Plain data that prints itself; the command shows and dumps the same.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from distnlc.networks.text_table import aligned

if TYPE_CHECKING:
    from distnlc.analysis.nlc.expectation import Expected
    from distnlc.analysis.sensitivity.neighbours import Neighbour

GROUPS: Mapping[str, str] = {
    "function": "the NLC and its rivals",
    "moments": "sensitivity at the output",
    "gradients": "gradients through the layers",
    "sensitivity": "sensitivity of class probabilities",
    "scaling": "pace of the layers",
    "zero-cost": "zero-cost proxies",
    "ntk": "tangent kernel",
    "size": "size",
    "own": "your own metrics",
    "test": "sensitivity on the test part, as the network is",
}
"""group -> what a table says above it, in their order"""
COLUMNS = {"value": "value", "percentile": "rank %", "median": "median", "alone": "alone", "seconds": "s"}
"""field -> what it is called in a table"""

SMALL = 0.1


@dataclass(frozen=True, kw_only=True)
class Row:
    """One metric of one network."""

    name: str
    label: str
    group: str
    log: bool
    """whether it is compared by its logarithm"""
    value: float | None
    reason: str | None = None
    """why there is no value"""
    seconds: float | None = None
    """wall time of its measurement, with what is measured together with it"""
    comparable: bool = True
    """whether it is the reference's quantity: an effective rank of fewer points than there is another"""
    percentile: float | None = None
    """percentage of the reference's networks with a lower value, equal ones counted half"""
    median: float | None = None
    """of the reference's networks"""
    count: int = 0
    """networks of the reference that have the metric"""
    alone: float | None = None
    """the error that this metric alone predicts"""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The part of a study that a network was compared with."""

    study: str
    part: str
    title: str
    dataset: str
    networks: int


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The initial metrics of one network. `found["init_nlc"]` is one row; `found.values` all numbers by name."""

    rows: tuple[Row, ...]
    parameters: int | None
    """None for a callable that is no module"""
    outputs: int
    input_shape: tuple[int, ...]
    points: int
    """datapoints that were measured on"""
    batch_size: int
    dtype: str
    seed: int
    notes: tuple[str, ...]
    """in plain words, what was measured otherwise than the network was given, and what to think of the comparison"""
    reference: Reference | None = None
    prediction: "Expected | None" = None
    neighbours: "tuple[Neighbour, ...]" = ()
    """trained networks of the sensitivity example that are about as sensitive on the test part"""

    def __getitem__(self, name: str) -> Row:
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"no metric {name!r}; there are: {', '.join(row.name for row in self.rows)}")

    @property
    def values(self) -> dict[str, float]:
        """Name -> value of the metrics that have one."""
        return {row.name: row.value for row in self.rows if row.value is not None}

    def table(self) -> list[dict[str, Any]]:
        """One mapping per metric, as a data frame takes it."""
        return [asdict(row) for row in self.rows]

    def __str__(self) -> str:
        size = "" if self.parameters is None else f"{self.parameters:,} parameters, "
        shape = " x ".join(map(str, self.input_shape))
        lines = [f"{size}{shape} inputs, {self.outputs} outputs; on {self.points:,} points", "", *self._lines(), ""]
        if self.reference is not None:
            of = self.reference
            lines.append(
                f"rank % (how many have less) and median: of {of.networks} architectures of {of.title} in {of.study}"
            )
        if self.prediction is not None:
            lines += [*self.prediction.sentences(), "alone: the error that this metric alone predicts"]
        for reason, labels in self.missing().items():
            lines.append(f"no value, it {reason}: {', '.join(labels)}")
        if self.neighbours:
            lines += [
                "",
                "trained networks of the sensitivity example that are about as sensitive:",
                self._beside(),
                "",
            ]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def missing(self) -> dict[str, list[str]]:
        """Why metrics have no value -> their labels."""
        found = dict[str, list[str]]()
        for row in self.rows:
            if row.value is None:
                found.setdefault(row.reason or "is not defined", []).append(row.label)
        return found

    def _beside(self) -> str:
        titles = [field.name.replace("_", " ") for field in fields(self.neighbours[0])]
        return aligned(titles, [list(asdict(each).values()) for each in self.neighbours])

    def _lines(self) -> list[str]:
        """The table, with a line above each group."""
        shown = [row for group in GROUPS for row in self.rows if row.group == group and row.value is not None]
        cells = [[row.label, *(_number(getattr(row, field)) for field in COLUMNS)] for row in shown]
        head, *lines = aligned(["metric", *COLUMNS.values()], cells).splitlines()
        found, before = [head], ""
        for row, line in zip(shown, lines, strict=True):
            if row.group != before:
                found += ["", f"{GROUPS[row.group]}:"]
            found.append(line)
            before = row.group
        return found


def _number(value: float | None) -> float | int | None:
    """Whole numbers without an exponent, small ones in two digits, so that a line has eighty columns."""
    if value is not None and math.isfinite(value) and float(value).is_integer() and abs(value) < 1e12:
        return int(value)
    return float(f"{value:.2g}") if value is not None and abs(value) < SMALL else value
