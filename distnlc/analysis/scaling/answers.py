"""The answers of a study of the scaling calculus in sentences: operations, networks at initialization, trainings."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from distnlc.analysis.drawing import format as text
from distnlc.analysis.report import Answers, PartAnswers
from distnlc.analysis.report.criteria import Criterion, failing, negatives, tally
from distnlc.analysis.scaling import (
    acceptance,
    biases,
    figure1,
    figure2,
    figure3,
    residual,
    resnet,
    table1,
    table2,
    thresholds,
)
from distnlc.analysis.scaling.parts import largest, parts
from distnlc.analysis.scaling.residual_nets import nets_of
from distnlc.analysis.tables import Tables
from distnlc.records import FAILED, OK


def answers(tables: Tables) -> Answers:
    """Which operations keep s, whether gamma is the Hessian's pace, what balance does to trainings; then negatives."""
    units, found = tables.units, acceptance.criteria(tables)
    failed, taken = int((units["status"] == FAILED).sum()), text.duration(float(units["seconds"].sum()))
    every = [(subject, says(tables)) for subject, says in _SUBJECTS.items()]
    said_parts = [
        PartAnswers(title, said.about, [*said.full, *_failing(found, places)])
        for (title, places), said in every
        if said.full
    ]
    if missed := negatives(found):
        said = [f"{one.place}, {one.claim}: not shown. {one.evidence}" for one in missed]
        said_parts.append(PartAnswers("Claims of the paper that these rows do not show", f"{len(said)} claims", said))
    measured = units[(units["status"] == OK) & units["runs"].isna()]
    counts = {
        "operations": int(measured["operation"].notna().sum()),
        "networks at initialization": int(measured["operation"].isna().sum()),
        "trainings": int(units["runs"].fillna(0).sum()),
    }
    return Answers(
        facts=[(f"{count:,}", what) for what, count in counts.items() if count],
        work=[f"{len(units):,} units ({failed} failed), {taken} one after the other"],
        overview=[*(line for _, said in every for line in said.lead), *tally(found)],
        parts=said_parts,
    )


class Said(NamedTuple):
    """The sentences about one subject."""

    about: str
    """how many of what there is"""
    lead: Sequence[str]
    """in short, for the head of the page"""
    full: Sequence[str]


NOTHING = Said("", [], [])


def _operations(tables: Tables) -> Said:
    part = largest(tables, "operations")
    if part is None:
        return NOTHING
    found = table1.operations(part)
    keeping, against = sum(one.keeps for one in found.values()), table1.against_marks(found)
    listed = ", ".join(f"{one.name} {one.kept.value:.3f}" for one in against)
    marks = f"against the paper's marks: {listed}" if against else "which agrees with the paper's marks"
    first = f"Of {len(found)} operations {keeping} keep s within {thresholds.KEPT}; {marks}."
    return Said(f"{len(found)} operations", [first], [first, *table1.remarks(found)])


def _gamma(tables: Tables) -> Said:
    part = largest(tables, "ratio")
    if part is None:
        return NOTHING
    hessian, ratio = (figure1.layers_of(tables, part, column) for column in figure1.AGAINST)
    said = [
        f"Gamma over {name}, pooled over {len(found.gamma)} set-ups, from the input on: "
        f"{', '.join(text.bracketed(one, 3) for one in found.pooled)}."
        for found, name in ((hessian, "the Hessian's block"), (ratio, "the exact ratio"))
    ]
    with_biases = biases.biases_of(tables, part)
    values = [one.value for one in hessian.pooled]
    lead = (
        f"Gamma over the Hessian's block, pooled over {len(hessian.gamma)} set-ups: {min(values):.2f} to "
        f"{max(values):.2f} in {len(values)} layers."
    )
    return Said(f"{len(hessian.gamma)} set-ups", [lead], said + (biases.answers(with_biases) if with_biases else []))


def _blocks(tables: Tables) -> Said:
    part = largest(tables, "blocks")
    if part is None:
        return NOTHING
    found = figure2.hessians(tables, part)
    listed = ", ".join(f"{one.init} {text.number(one.imbalance.value)}" for one in found)
    return Said(
        f"{len(found)} initializations, {len(found[0].squares)} set-ups",
        [f"Largest by smallest diagonal block of the Hessian: {listed}."],
        [figure2.answer(found)],
    )


def _sets(tables: Tables) -> Said:
    every = table2.found(tables)
    lead = [line for _, ranked in every for line in table2.lead(ranked)]
    full = [
        line
        for part, ranked in every
        for line in [*table2.verdicts(ranked), *table2.answer(ranked), *table2.size(part, ranked[0])]
    ]
    return Said(f"{sum(len(ranked[0].outcomes) for _, ranked in every)} sets", lead, full)


def _alexnet(tables: Tables) -> Said:
    found = figure3.curves_of(tables)
    if found is None:
        return NOTHING
    full = [figure3.answer(found), *figure3.remarks(tables, found)]
    return Said(f"{found.outcome.losses.seeds} seeds", [figure3.lead(found)], full)


def _residual(tables: Tables) -> Said:
    part = largest(tables, "residual")
    if part is None:
        return NOTHING
    found = nets_of(tables, part)
    return Said(f"{len(part.units):,} networks", residual.lead(found), residual.answers(found))


def _trained_residual(tables: Tables) -> Said:
    runs = sum(len(part.units) for part in parts(tables, "resnet"))
    return Said(f"{runs} trainings", [], resnet.answers(tables))


_SUBJECTS: dict[tuple[str, Sequence[str]], Callable[[Tables], Said]] = {
    ("Operations", ("Table 1",)): _operations,
    ("Gamma and the Hessian", ("Figure 1", "Biases")): _gamma,
    ("Blocks of the Hessian", ("Figure 2",)): _blocks,
    ("Trainings on sets of LibSVM's page", ("Table 2",)): _sets,
    ("AlexNet on CIFAR10", ("Figure 3",)): _alexnet,
    ("Residual networks at initialization", ("Residual networks",)): _residual,
    ("Residual networks trained on CIFAR10", ()): _trained_residual,
}
"""title, and the beginnings of the criteria that belong to it -> what is said"""


def _failing(found: list[Criterion], places: Sequence[str]) -> list[str]:
    """The criteria asked for there that do not hold, in sentences."""
    return [one.sentence for one in failing(found) if one.place.startswith(tuple(places))]
