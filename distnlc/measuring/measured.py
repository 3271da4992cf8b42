"""`distnlc.measure`: a network's initial metrics, their place in a finished study, and the error to expect.

In: any network with inputs and labels, and a study of the kind `nlc`. Out: `Measured`. An error is predicted only where
the reference is about the same dataset, or where a part of it is named.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from distnlc.measuring.network import Told, measure_network
from distnlc.measuring.result import Measured, Reference, Row
from distnlc.metrics.spec import MetricsSpec
from distnlc.spec import SpecError
from distnlc.store import read_spec_fields

if TYPE_CHECKING:
    from torch import Tensor

    from distnlc.analysis.nlc.parts import Part
    from distnlc.metrics.measurable import Network

KIND = "nlc"
"""the kind of study that has these metrics of thousands of networks, and their errors"""
OUTSIDE = 5
"""metrics outside the reference's range that are named"""


def measure(
    network: "Network",
    inputs: "Tensor",
    labels: "Tensor | None" = None,
    *,
    batch_size: int = 250,
    spec: MetricsSpec | None = None,
    seed: int = 0,
    walks: bool = False,
    ntk: bool = False,
    reference: str | Path | None = None,
    part: str | None = None,
    data: str | None = None,
    progress: Told = lambda _, __: None,
) -> Measured:
    """Return all initial metrics of a network, with their place among a study's and the error to expect.

    network: (batch, d_in...) -> (batch, d_out); if it is a module, a copy of it goes to the inputs' device, and to
    float64 if it can. inputs: (points, d_in...). labels: (points,), whole numbers in 0 ... d_out - 1; without them what
    needs the loss is missing. batch_size: as in training, where batch norm makes the network a function of batches.
    spec: how much is measured, and metrics of your own (`extra`); left out, as much as in a study. walks, ntk: whether
    the walks to the ends of linear regions, and the NTK's condition number, are measured, which take long for large
    networks. reference: a study folder; left out, the example study. part: of that study. data: the dataset that
    inputs are of, as a spec names it; without it, or a part, no error is predicted. progress: is told what begins, and
    which share of the work is done. Nothing that is given changes. Raises ValueError for a network, inputs or labels
    that cannot be measured, StoreError and SpecError for a reference that is none.
    """
    compared = find_reference(reference, data, part)
    found = measure_network(
        *(network, inputs, labels),
        batch_size=batch_size,
        spec=spec,
        seed=seed,
        walks=walks,
        ntk=ntk,
        progress=progress,
    )
    return placed(found, compared, study=reference, data=data or "these inputs", named=part is not None)


def find_reference(study: str | Path | None, data: str | None, part: str | None) -> "Part":
    """The part of a study to compare with, by default of the example. Raises SpecError and StoreError."""
    from distnlc.analysis import EXAMPLE
    from distnlc.analysis.nlc.expectation import find_part

    if study is None:
        return _part_of_example(EXAMPLE, data, part)
    kind = read_spec_fields(study).get("kind")
    if kind != KIND:
        raise SpecError(f"--reference {study}: expected a study of the kind {KIND}, found {kind!r}")
    return find_part(study, dataset=data, part=part)


@cache
def _part_of_example(folder: Path, data: str | None, part: str | None) -> "Part":
    """Read once: unlike a user's study, it does not change, and to read it takes as long as to measure a network."""
    from distnlc.analysis.nlc.expectation import find_part

    return find_part(folder, dataset=data, part=part)


def placed(found: Measured, part: "Part", *, study: str | Path | None, data: str, named: bool) -> Measured:
    """The same with each metric's place among the part's architectures, and the error to expect."""
    from distnlc.analysis.nlc.expectation import Value, expected_error

    dataset, notes, expected = part.key[0], list(found.notes), None
    if dataset != data and not named:
        notes.append(
            f"the reference is about {dataset}, not about {data}: percentiles are no more than a hint, and no error is "
            "predicted (naming a part predicts by it all the same)"
        )
    else:
        expected = expected_error(
            part,
            [
                Value(name=row.name, label=row.label, log=row.log, value=row.value)
                for row in found.rows
                if row.value is not None and row.comparable
            ],
        )
        if expected is None:
            notes.append("no error is predicted: too few architectures of the reference were trained")
        else:
            if outside := expected.outside:
                more = f" and {len(outside) - OUTSIDE} more" if len(outside) > OUTSIDE else ""
                notes.append(
                    f"{', '.join(outside[:OUTSIDE])}{more}: outside the reference's range, where the prediction takes "
                    "the nearest value of that and is a guess"
                )
            notes.append(
                f"the prediction is for a network trained as the reference's were, {_of_kind(part)} and of "
                f"{part.rows['parameters'].median():,.0f} parameters; of another kind it may be far off"
            )
    alone = {} if expected is None else {each.name: each.error for each in expected.alone}
    return replace(
        found,
        rows=tuple(_placed(row, part, alone.get(row.name)) for row in found.rows),
        reference=Reference(
            study="the example study" if study is None else str(study),
            part=part.name,
            title=part.title,
            dataset=dataset,
            networks=len(part.rows),
        ),
        prediction=expected,
        notes=tuple(notes),
    )


def _of_kind(part: "Part") -> str:
    drawn = bool((part.rows["depth"] > 0).all())
    return "fully connected" if drawn else f"of the family {part.rows['activation'].iloc[0]}"


def _placed(row: Row, part: "Part", alone: float | None) -> Row:
    """Its place, as far as the part has that metric."""
    from distnlc.analysis.nlc.expectation import place

    among = None if row.value is None or not row.comparable else place(part, row.name, row.value)
    if among is None:
        return row
    return replace(row, percentile=among.percentile, median=among.median, count=among.count, alone=alone)
