"""Table 2 (the paper's table of section 9): normalized losses of four initializations on sets of LibSVM's page.

In: the rankings of losses.py. Both readings of the training loss stand side by side, with the paper's numbers, since
the order depends on the reading. At small sizes averages are asked for and no order; the paper's order is judged all
the same, and said plainly where it is not reproduced.
"""

from collections.abc import Sequence

import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.report.criteria import Criterion, decided, too_few
from distnlc.analysis.scaling import paper, thresholds
from distnlc.analysis.scaling.losses import CUT, END, Outcome, Ranking, average_text, order, rankings
from distnlc.analysis.scaling.parts import OURS, Part, parts, unlike
from distnlc.analysis.tables import Tables

TITLE = "Table 2: losses on sets of LibSVM's page (the paper's table 1)"


def found(tables: Tables) -> list[tuple[Part, list[Ranking]]]:
    """The parts with trainings on a whole set, with their rankings."""
    every = [(part, rankings(tables, part)) for part in parts(tables, "libsvm")]
    return [(part, ranked) for part, ranked in every if ranked]


def needed(tables: Tables) -> list[tuple[Part, list[Ranking]]]:
    """The same. Raises MissingRecordsError if there are none."""
    if not (every := found(tables)):
        raise MissingRecordsError("no set of LibSVM's page that is trained on with all initializations")
    return every


def criteria(tables: Tables) -> list[Criterion]:
    """Averages near the prototype's, asked for at its size; the paper's order under both readings."""
    every = found(tables)
    return [
        one
        for part, ranked in every
        for one in [*_averages(part, ranked[0], _name(part, every)), *_order(ranked, _name(part, every))]
    ]


def _name(part: Part, every: Sequence[object]) -> str:
    """The words behind `Table 2`, which name the part where there are several."""
    return f" ({part.name})" if len(every) > 1 else ""


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _paper_size(ranked: Ranking) -> bool:
    return len(ranked.outcomes) >= paper.SETS


def _other_size(part: Part, ranked: Ranking) -> str:
    """Why averages get no verdict; empty if they are of the prototype's size."""
    why = unlike(part, {**thresholds.SMALL_TRAINING, "points": thresholds.SMALL_POINTS})
    if {one.losses.name for one in ranked.outcomes} != thresholds.SMALL_SETS:
        why.insert(0, f"{len(ranked.outcomes)} sets, not the ten that were worked out")
    seeds = too_few(min(one.losses.seeds for one in ranked.outcomes), thresholds.FEWEST_SEEDS, "seeds")
    return "; ".join([*why, *([seeds] if seeds else [])])


def _averages(part: Part, ranked: Ranking, name: str) -> list[Criterion]:
    why = _other_size(part, ranked)
    return [
        Criterion(
            f"Table 2{name}, {init}",
            f"average normalized loss (full pass at the end) {limit}",
            decided(limit.holds(one.value), why),
            f"{average_text(one)}.",
            basis=limit.prototype,
            why_open=why,
            noun="",
        )
        for init, one in ranked.averages().items()
        for limit in [thresholds.AVERAGES[init]]
    ]


def _order(ranked: Sequence[Ranking], name: str) -> list[Criterion]:
    """The paper's sentences on the order, under the literal reading and under the other."""
    criteria = []
    for one in _both(ranked):
        few = too_few(len(one.outcomes), thresholds.FEWEST_SETS, "sets")
        asked = _paper_size(one) and one.reading is END
        worst, best, failed = one.count("worst"), one.count("winners"), failures(one)
        claims: Sequence[tuple[str, bool, str]] = (
            (f"{OURS} has the lowest average normalized loss", one.lowest() == [OURS], f"{order(one)}."),
            (f"{OURS} is never the worst", worst[OURS] == 0, f"Worst: {_counts(worst)}."),
            ("fan-out is most often the best", _first(best, "fan-out"), f"Best: {_counts(best)}."),
            ("arithmetic is most often the worst", _first(worst, "arithmetic"), f"Worst: {_counts(worst)}."),
            (
                "fan-out fails to learn on some set",
                any(init == "fan-out" for init, _ in failed),
                f"Failed to learn: {'; '.join(f'{init} on {where}' for init, where in failed) or 'none on any set'}.",
            ),
        )
        criteria += [
            Criterion(
                f"Table 2{name}, {one.reading.name}",
                claim,
                decided(holds, few),
                evidence,
                asked=asked,
                why_open=few,
                noun="",
            )
            for claim, holds, evidence in claims
        ]
    return criteria


def failures(ranked: Ranking) -> list[tuple[str, str]]:
    """Initialization and set, where nothing was learned at the best rate."""
    return [
        (init, one.losses.name)
        for one in ranked.outcomes
        for init, failed in zip(ranked.inits, one.failed, strict=True)
        if failed
    ]


def _first(counts: dict[str, int], init: str) -> bool:
    """Whether one has more than every other."""
    return all(counts[init] > count for other, count in counts.items() if other != init)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{init} {count}" for init, count in counts.items())


def tabulate(tables: Tables) -> Table:
    """Raises MissingRecordsError."""
    every = needed(tables)
    sections = list[tuple[str, pd.DataFrame]]()
    remarks = list[str]()
    for part, ranked in every:
        name = f"{part.name}: " if len(every) > 1 else ""
        end, last, *cut = ranked
        sections.append((f"{name}both readings of the training loss", _summary([end, last])))
        sections.append((f"{name}{OURS} less each other, average normalized loss", _differences(ranked)))
        sections += [(f"{name}{one.reading.name}", _summary([one])) for one in cut]
        sections.append((f"{name}sets, by the {END.name}", _sets(ranked[0])))
        remarks += [f"{name}{said}" for said in [*verdicts(ranked), *answer(ranked), *size(part, ranked[0])]]
    caption = (
        "Normalized loss: median over seeds of the training loss at the best rate, over that of the set's worst "
        "initialization; shown are averages over sets, in brackets their 95 % intervals over sets, and over seeds "
        "within sets. Worst, best: in so many sets, ties in all. In sets: median loss (exponent of 2 of the best "
        "rate); *: the lowest or highest rate that was tried; †: failed to learn, the median loss is not below "
        "ln(classes)."
    )
    return Table(caption, sections, remarks)


def _summary(readings: Sequence[Ranking]) -> pd.DataFrame:
    """Averages and counts under some readings side by side, and the paper's."""
    rows: dict[str, dict[str, str]] = {init: {} for init in readings[0].inits}
    for one in readings:
        worst, best = one.count("worst"), one.count("winners")
        for init, average in one.averages().items():
            rows[init][one.reading.name] = average_text(average)
            rows[init][f"worst, best by the {one.reading.name.split(',')[0]}"] = f"{worst[init]}, {best[init]}"
    for init, row in rows.items():
        stated = paper.LOSSES[init]
        row |= {"paper": f"{stated.average:.2f}", "worst, best in the paper": f"{stated.worst}, {stated.best}"}
    return pd.DataFrame.from_dict(rows, orient="index")


def _differences(ranked: Sequence[Ranking]) -> pd.DataFrame:
    rows = {
        one.reading.name: {f"less {init}": average_text(each, 3) for init, each in one.differences().items()}
        for one in ranked
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _sets(ranked: Ranking) -> pd.DataFrame:
    rows = {}
    for one in ranked.outcomes:
        about = one.losses
        rows[about.name] = {
            "inputs": f"{about.d_in:,}",
            "classes": str(about.classes),
            "points": f"{about.points:,}",
            "steps": f"{about.steps:,}",
            "seeds": str(about.seeds),
        } | {init: _cell(one, place) for place, init in enumerate(ranked.inits)}
    return pd.DataFrame.from_dict(rows, orient="index")


def _cell(one: Outcome, place: int) -> str:
    edge, failed = "*" * one.at_edge[place], " †" * one.failed[place]
    return f"{text.number(float(one.loss[place]))} ({one.exponents[place]}{edge}){failed}"


def verdicts(ranked: Sequence[Ranking]) -> list[str]:
    """Whether the paper's order comes out under both readings, and whether that depends on the reading."""
    said = [_verdict(one) for one in _both(ranked)]
    if len({tuple(one.lowest()) for one in _both(ranked)}) > 1:
        said.append("So the order depends on which loss is read, which the paper's text leaves open.")
    return said


def answer(ranked: Sequence[Ranking]) -> list[str]:
    """Sentences on what the rates and the sets leave open, in the numbers of these rows."""
    by_reading = {one.reading: one for one in ranked}
    end, cut = by_reading.get(END), by_reading.get(CUT)
    said = list[str]()
    if end is not None and (open_ones := undecided(end)):
        said.append(f"Not decided by these sets, their intervals over sets hold 0: {'; '.join(open_ones)}.")
    if cut is not None and OURS in cut.inits:
        counts, top = cut.count("worst"), text.power_of_two(thresholds.PAPER_TOP_EXPONENT)
        said.append(
            f"With rates up to {top} alone, the paper's range as far as is known, the averages are {order(cut)}, and "
            f"{OURS} is the worst in {counts[OURS]} of {len(cut.outcomes)} sets: best rates are relative to the "
            "numerator of the initialization."
        )
    if end is not None:
        said += _trouble(end)
    return said


def lead(ranked: Sequence[Ranking]) -> list[str]:
    """The same in short."""
    return [
        f"On {len(one.outcomes)} sets the paper's order, {OURS} lowest and never the worst, is "
        f"{_outcome(one)} by the {one.reading.name}: {order(one)}, {OURS} the worst in "
        f"{one.count('worst')[OURS]}."
        for one in _both(ranked)
    ]


def _both(ranked: Sequence[Ranking]) -> list[Ranking]:
    """Both readings, if all initializations of the paper are compared."""
    return [one for one in ranked if one.reading is not CUT and set(one.inits) == set(paper.LOSSES)]


def _outcome(one: Ranking) -> str:
    """Whether the paper's order comes out, if the sets are enough to say that."""
    if len(one.outcomes) < thresholds.FEWEST_SETS:
        return "not judged"
    same = one.lowest() == [OURS] and one.count("worst")[OURS] == 0
    return "reproduced" if same else "not reproduced"


def _verdict(one: Ranking) -> str:
    """The paper's order beside that of one reading."""
    stated = ", ".join(f"{init} {paper.LOSSES[init].average:.2f}" for init in one.inits)
    return (
        f"By the {one.reading.name} the paper's order ({OURS} with the lowest average and never the worst) is "
        f"{_outcome(one)} on these {len(one.outcomes)} sets: averages {order(one)} (paper, {paper.SETS} "
        f"sets: {stated}); worst in {_counts(one.count('worst'))}; best in {_counts(one.count('winners'))}."
    )


def undecided(ranked: Ranking) -> list[str]:
    """Differences whose interval over sets holds 0."""
    return [
        f"{OURS} - {init} {average_text(one, 3)}"
        for init, one in ranked.differences().items()
        if one.sets[0] <= 0 <= one.sets[1]
    ]


def _trouble(end: Ranking) -> list[str]:
    """Failures and rates on the edge."""
    said = [f"Failed to learn: {init} on {name}." for init, name in failures(end)]
    edges = [
        f"{init} on {one.losses.name}"
        for one in end.outcomes
        for init, edge in zip(end.inits, one.at_edge, strict=True)
        if edge
    ]
    return [*said, *([f"Best rate on the edge of those tried: {', '.join(edges)}."] if edges else [])]


def size(part: Part, ranked: Ranking) -> list[str]:
    """Sentences on how small the sets are, which list it is, and what is left out."""
    steps, inputs = ([getattr(one.losses, name) for one in ranked.outcomes] for name in ("steps", "d_in"))
    said = []
    if not _paper_size(ranked):
        said.append(
            f"These {len(ranked.outcomes)} sets say little about the paper's {paper.SETS}, whose list is not known: "
            f"they take {_range(steps)} steps and have {_range(inputs)} inputs."
        )
    if why := _other_size(part, ranked):
        said.append(f"The averages get no verdict: {why}.")
    if ranked.left_out:
        said.append(f"Left out, not all initializations finished: {', '.join(ranked.left_out)}.")
    return [*said, *([part.left_out] if part.left_out else [])]
