"""The answers of a study of gradients in sentences: networks on noise, dilution, trainings, checks."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.gradients import all_claims, checks, growth, paper, table1, table2, table3
from distnlc.analysis.gradients.claims import FAILS, HOLDS, OPEN, Judged, tally
from distnlc.analysis.gradients.networks import NOISE
from distnlc.analysis.gradients.runs import Run, runs_of
from distnlc.analysis.report import Answers, PartAnswers
from distnlc.analysis.tables import Tables
from distnlc.records import FAILED, OK

Found = TypeVar("Found")


def answers(tables: Tables) -> Answers:
    """What explodes and by how much, what skip connections hide, how deep trained networks are, what agrees."""
    networks, runs = tables.networks, runs_of(tables)
    noise = int(((networks["status"] == OK) & (networks["protocol"] == NOISE)).sum())
    failed, taken = int((networks["status"] == FAILED).sum()), text.duration(float(networks["seconds"].sum()))
    rows, cells = _or_none(table1.found, tables), _or_none(table3.cells, tables)
    tested = _or_none(checks.checks_of, tables)
    on_noise, on_trainings = all_claims.of_noise(tables), all_claims.of_trainings(tables)
    overview, parts = [], []
    if rows:
        near, judged, far = table1.whole(rows)
        overview.append(
            f"Table 1: {near} of {judged} gradient scales lie within 3 standard errors of the printed ones, "
            f"{far or 'none'} beyond 5."
        )
        said = [*table1.remarks(rows), *growth.remarks(growth.rates(tables)), *_said(on_noise, "1")]
        about = f"{noise:,} networks, {len(rows)} of {len(paper.TABLE_1)} rows of table 1"
        parts.append(PartAnswers("Networks on noise", about, said))
    if cells or on_noise:
        said = [*(table3.remarks(cells) if cells else []), *_said(on_noise, "3")]
        about = f"{len(cells or [])} of {len(paper.TABLE_3)} networks of table 3"
        parts.append(PartAnswers("What skip connections hide", about, said))
    if runs:
        said = [*table2.remarks(runs), *_depths(runs), *_said(on_trainings)]
        parts.append(PartAnswers("Trainings", f"{len(runs)} trainings", said))
    if tested:
        overview += checks.remarks(tested)[:1]
        parts.append(PartAnswers("Checks without training", f"{len(tested)} checks", checks.remarks(tested)))
    if on_noise or on_trainings:
        overview.append(tally([*on_noise, *on_trainings]))
    facts = [(noise, "networks on noise"), (len(runs), "trainings"), (len(tables.checks), "checks")]
    done = ", ".join(f"{count:,} {what}" for count, what in facts)
    return Answers(
        facts=[
            (f"{noise:,}", "networks on noise"),
            (str(len(runs)), "trainings"),
            (f"{len(tables.checks):,}", "checks"),
        ],
        work=[f"{len(networks):,} units ({failed} failed): {done}, {taken} one after the other"],
        overview=overview,
        parts=parts,
    )


def _or_none(find: Callable[[Tables], list[Found]], tables: Tables) -> list[Found] | None:
    """What there is, or None where the records do not have it."""
    try:
        return find(tables)
    except MissingRecordsError:
        return None


def _depths(runs: Sequence[Run]) -> list[str]:
    listed = "; ".join(f"{run.full_name} {run.depth} of {run.linear_layers}" for run in runs if run.depth is not None)
    return [f"Effective depth at the end, of so many linear layers: {listed}."] if listed else []


def _said(found: Sequence[Judged], figure: str = "") -> list[str]:
    """Claims in sentences: with their numbers those that do not hold for every network, by name those that do, and
    those that stay open. The table of claims has all numbers."""
    of_figure = [one for one in found if one.panel.startswith(figure)]
    holding, left = ([one for one in of_figure if one.finding.verdict == each] for each in (HOLDS, OPEN))
    said = [
        one.sentence + " Unexplained." * one.finding.verdict.startswith(FAILS)
        for one in of_figure
        if one.finding.verdict not in {HOLDS, OPEN}
    ]
    if holding:
        said.insert(0, f"Claims that hold: {_listed(holding)}.")
    if left:
        said.append(f"Open, for want of records or since too few networks decide nothing: {_listed(left)}.")
    return said


def _listed(found: Sequence[Judged]) -> str:
    return "; ".join(f"{one.panel} ({one.said})" for one in found)
