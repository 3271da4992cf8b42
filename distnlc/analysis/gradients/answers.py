"""The answers of a study of gradients in sentences: networks on noise, dilution, trainings, checks."""

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.gradients import all_claims, checks, growth, table1, table2, table3
from distnlc.analysis.gradients.claims import FAILS, HOLDS, OPEN, Judged, tally
from distnlc.analysis.gradients.networks import NOISE
from distnlc.analysis.gradients.runs import runs_of
from distnlc.analysis.report import Answers, PartAnswers
from distnlc.analysis.tables import Tables
from distnlc.records import FAILED, OK


def answers(tables: Tables) -> Answers:
    """What explodes and by how much, what skip connections hide, how deep trained networks are, what agrees."""
    networks = tables.networks
    done = networks[networks["status"] == OK]
    noise, trained = int((done["protocol"] == NOISE).sum()), len(runs_of(tables))
    failed, taken = int((networks["status"] == FAILED).sum()), text.duration(float(networks["seconds"].sum()))
    parts = [part for part in (_noise(tables, noise), _dilution(tables), _trainings(tables), _checks(tables)) if part]
    return Answers(
        facts=[(f"{noise:,}", "networks on noise"), (str(trained), "trainings"), (f"{len(tables.checks):,}", "checks")],
        work=[
            f"{len(networks):,} units ({failed} failed): {noise:,} networks on noise, {trained} trainings, "
            f"{len(tables.checks):,} checks, {taken} one after the other"
        ],
        overview=_overview(tables),
        parts=parts,
    )


def _overview(tables: Tables) -> list[str]:
    """What agrees, in one sentence each."""
    said = []
    try:
        near, judged, far = table1.whole(table1.found(tables))
        said.append(
            f"Table 1: {near} of {judged} gradient scales lie within 3 standard errors of the printed ones, "
            f"{far or 'none'} beyond 5."
        )
    except MissingRecordsError:
        pass
    if found := [*all_claims.of_noise(tables), *all_claims.of_trainings(tables)]:
        said.append(tally(found))
    return said


def _noise(tables: Tables, networks: int) -> PartAnswers | None:
    try:
        every = table1.found(tables)
    except MissingRecordsError:
        return None
    said = [*table1.remarks(every)]
    if rates := growth.rates(tables):
        said += growth.remarks(rates)
    said += _said(all_claims.of_noise(tables), "1")
    return PartAnswers("Networks on noise", f"{networks:,} networks, {len(every)} of 34 rows of table 1", said)


def _dilution(tables: Tables) -> PartAnswers | None:
    said, about = _said(all_claims.of_noise(tables), "3"), ""
    try:
        cells = table3.cells(tables)
        said = [*table3.remarks(cells), *said]
        about = f"{len(cells)} of {len(table3.paper.TABLE_3)} networks of table 3"
    except MissingRecordsError:
        pass
    return PartAnswers("What skip connections hide", about or "no network of table 3", said) if said else None


def _trainings(tables: Tables) -> PartAnswers | None:
    runs = runs_of(tables)
    if not runs:
        return None
    found = all_claims.of_trainings(tables)
    depths = [f"{run.full_name} {run.row.effective_depth:.0f}" for run in runs if run.row.effective_depth >= 0]
    said = [*table2.remarks(runs)]
    if depths:
        said.append(f"Effective depth of {runs[0].linear_layers} linear layers, at the end: {', '.join(depths)}.")
    return PartAnswers("Trainings", f"{len(runs)} trainings", [*said, *_said(found)])


def _checks(tables: Tables) -> PartAnswers | None:
    try:
        found = checks.checks_of(tables)
    except MissingRecordsError:
        return None
    return PartAnswers("Checks without training", f"{len(found)} checks", checks.remarks(found))


def _said(found: list[Judged], figure: str = "") -> list[str]:
    """Claims in sentences: each that is decided, and the others by their panels."""
    of_figure = [one for one in found if one.panel.startswith(figure)]
    decided = [one for one in of_figure if one.finding.verdict != OPEN]
    said = [one.sentence for one in sorted(decided, key=lambda one: one.finding.verdict == HOLDS)]
    if left := [f"{one.panel} ({one.said})" for one in of_figure if one.finding.verdict == OPEN]:
        said.append(f"Open, for want of records: {'; '.join(left)}.")
    return [_explained(line) if FAILS in line.partition(". ")[0] else line for line in said]


def _explained(sentence: str) -> str:
    """A claim that does not hold is so far unexplained."""
    return f"{sentence} Unexplained."
