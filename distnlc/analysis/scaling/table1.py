"""Table 1: which operations keep s, measured beside the paper's marks.

In: the units of the experiment `operations`, one for each. The interval is Student's over draws of weights, inputs and
gradients.
"""

import math
from dataclasses import dataclass

import pandas as pd
from scipy import stats

from distnlc.analysis.drawing.table import Table
from distnlc.analysis.report.criteria import Criterion, decided, too_few
from distnlc.analysis.scaling import paper, thresholds
from distnlc.analysis.scaling.parts import Part, largest, needed, others
from distnlc.analysis.statistics.correlations import LEVEL
from distnlc.analysis.statistics.means import Estimate
from distnlc.analysis.tables import Tables

TITLE = "Table 1: operations that keep s"
WHITE = "average pool 2x2"
"""the pool of a white input with mean 0, the one that keeps s"""


@dataclass(frozen=True)
class Operation:
    """One operation as it was measured."""

    name: str
    kept: Estimate
    """s before it by s behind it"""
    weights: Estimate | None
    """s of its weights by s behind it"""

    @property
    def keeps(self) -> bool:
        return thresholds.KEPT.holds(self.kept.value)

    @property
    def written(self) -> str:
        return fixed(self.kept)


def fixed(value: Estimate) -> str:
    """`1.001 [0.994, 1.008]`."""
    return f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"


def operations(part: Part) -> dict[str, Operation]:
    """Name -> operation, in the study's order."""
    far = float(stats.t.ppf((1 + LEVEL) / 2, max(int(part.setting["draws"]) - 1, 1)))
    units = part.units[part.units["kept"].notna()]
    names = units["operation"].astype(str)
    columns = ("kept", "kept_error", "kept_weights", "kept_weights_error")
    values = units[list(columns)].to_numpy(dtype=float)
    return {
        name: Operation(name, _estimate(kept, error, far), None if math.isnan(own) else _estimate(own, own_error, far))
        for name, (kept, error, own, own_error) in zip(names, values, strict=True)
    }


def _estimate(value: float, error: float, far: float) -> Estimate:
    return Estimate(float(value), float(value - far * error), float(value + far * error))


def criteria(tables: Tables) -> list[Criterion]:
    """That those which keep s do, that the others miss it by what they did in the prototype."""
    part = largest(tables, "operations")
    if part is None:
        return []
    found, few = operations(part), too_few(int(part.setting["draws"]), thresholds.FEWEST_DRAWS, "draws")
    keeping = [one for one in found.values() if one.name not in thresholds.NOT_KEPT]
    criteria = []
    if keeping:
        off = [f"{one.name} {one.written}" for one in keeping if not one.keeps]
        values = [one.kept.value for one in keeping]
        evidence = f"Outside: {'; '.join(off)}." if off else f"{min(values):.3f} to {max(values):.3f}."
        claim = f"s before by s behind {thresholds.KEPT} in all {len(keeping)} operations that keep it"
        criteria.append(_criterion("operations", claim, not off, evidence, thresholds.KEPT.prototype, few))
    for name, limit in thresholds.NOT_KEPT.items():
        if name in found:
            one = found[name]
            claim, holds = f"s before by s behind {limit}", limit.holds(one.kept.value)
            criteria.append(_criterion(name, claim, holds, f"{one.written}.", limit.prototype, few))
    return criteria + _of_the_paper(found, few)


def _criterion(what: str, claim: str, holds: bool, evidence: str, basis: str, few: str) -> Criterion:
    return Criterion(f"Table 1, {what}", claim, decided(holds, few), evidence, basis=basis, why_open=few, noun="")


def against_marks(found: dict[str, Operation]) -> list[Operation]:
    """Those that keep s where the paper's table says no, or do not where it says yes, its own notes aside."""
    return [
        one
        for name, one in found.items()
        if paper.mark(name)[0] == ("no" if one.keeps else "yes") and name not in _BY_ITS_NOTE
    ]


def _of_the_paper(found: dict[str, Operation], few: str) -> list[Criterion]:
    """The paper's marks, where an operation has one; behind a ReLU too, as its networks have it."""
    marked = {name: one for name, one in found.items() if paper.mark(name)[0] != "–"}
    against = against_marks(found)
    if not marked:
        return []
    listed = "; ".join(f"{one.name} {one.written}" for one in against)
    evidence = f"Against the mark: {listed}." if against else f"All {len(marked)} agree."
    claim = "operations keep s where the paper's table marks them so"
    return [Criterion("Table 1, marks", claim, decided(not against, few), evidence, asked=False, why_open=few, noun="")]


_UNCENTRED = ("ReLU of a ReLU", "ReLU of mean 1")
_BY_ITS_NOTE = {"tanh of deviation 0.1", *_UNCENTRED}
"""tanh in its linear range keeps s as the paper's note says; inputs that are not symmetric break its assumptions"""


def tabulate(tables: Tables) -> Table:
    """Raises MissingRecordsError."""
    part = needed(tables, "operations")
    found = operations(part)
    rows = {name: _cells(one) for name, one in found.items()}
    caption = (
        "s: number of entries of one datapoint's activations, times their second moment, times that of their "
        f"gradients. Kept: s before by s behind within {thresholds.KEPT}. In brackets the {LEVEL:.0%} interval over "
        f"{part.setting['draws']} draws. The paper gives marks alone."
    )
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return Table(caption, [("", frame)], [*remarks(found), *others(tables, part, "operations")])


def _cells(one: Operation) -> dict[str, str]:
    mark, note = paper.mark(one.name)
    return {
        "kept": "yes" if one.keeps else "no",
        "s before by s behind": one.written,
        "s of weights by s behind": "–" if one.weights is None else fixed(one.weights),
        "paper": mark,
        "paper's note": note or "–",
    }


def remarks(found: dict[str, Operation]) -> list[str]:
    """Sentences on what the rows say against the paper's marks and notes."""
    said = []
    pools = [one for name, one in found.items() if name.startswith("average pool") and "ReLU" in name and not one.keeps]
    if pools:
        listed = ", ".join(f"{one.name} {one.kept.value:.3f}" for one in pools)
        kept_white = WHITE in found and found[WHITE].keeps
        white = f", unlike one of a white input ({found[WHITE].kept.value:.3f})" if kept_white else ""
        said.append(
            f"Average pooling of a ReLU's output does not keep s ({listed}){white}: its window averages entries with a "
            "common mean. The paper's table marks it as kept, without that condition."
        )
    strided = [one for name, one in found.items() if "stride" in name and "conv" in name]
    if strided and all(one.keeps for one in strided):
        values = [one.kept.value for one in strided]
        said.append(
            f"Convolutions keep s at every stride that was measured ({min(values):.3f} to {max(values):.3f} with "
            "padding or without): that it equals the kernel's size, as the paper's note requires, is needed for "
            "entries that are distributed alike, not for s."
        )
    if uncentred := [found[name] for name in _UNCENTRED if name in found and not found[name].keeps]:
        listed = ", ".join(f"{one.name} {one.kept.value:.3f}" for one in uncentred)
        said.append(f"A ReLU does not keep s of inputs that are not symmetric, as the paper assumes them: {listed}.")
    return said
