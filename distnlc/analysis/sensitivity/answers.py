"""The answers of a study of sensitivity in sentences: pairs, gaps, ellipses and maps, single points, negatives."""

from collections.abc import Sequence

from distnlc.analysis.drawing import format as text
from distnlc.analysis.report import Answers, PartAnswers
from distnlc.analysis.report.criteria import Criterion, failing, negatives, tally
from distnlc.analysis.sensitivity import acceptance, figure2, figure3
from distnlc.analysis.sensitivity.bounds import agreement
from distnlc.analysis.sensitivity.cells import is_fitted, left_out
from distnlc.analysis.sensitivity.comparisons import LARGER, ROWS, Comparison, caveat, comparisons, every_pairs
from distnlc.analysis.sensitivity.figure2 import written_ratio
from distnlc.analysis.sensitivity.figure6 import spread
from distnlc.analysis.sensitivity.gap_figures import bracketed, orders, written
from distnlc.analysis.sensitivity.pairs import Pairs
from distnlc.analysis.sensitivity.points import of_bounds, panels
from distnlc.analysis.sensitivity.populations import populations
from distnlc.analysis.tables import Tables
from distnlc.records import FAILED


def answers(tables: Tables) -> Answers:
    """What the pairs, correlations, curves, maps and points say; then what does not hold, and what is not shown."""
    networks = tables.networks
    failed, fitted = int((networks["status"] == FAILED).sum()), int(is_fitted(networks).sum())
    taken = text.duration(float(networks["seconds"].sum()))
    every, found = every_pairs(tables), acceptance.criteria(tables)
    complete = sum(len(one.frame) for one in every)
    groups = [
        ("Pairs that differ in one setting", f"{complete} pairs", ("4",), _pairs(every)),
        ("Sensitivity and the generalization gap", _panels(tables), ("1", "5", "App. 8"), _gaps(tables)),
        ("Along ellipses and in planes", _planes(tables), ("2", "3"), _curves(tables)),
        ("Single points", _points_summary(tables), ("6", "App. 9", "App. 11"), _points(tables)),
    ]
    parts = [
        PartAnswers(title, about, [*said, *_failing(found, figures)]) for title, about, figures, said in groups if said
    ]
    if missed := negatives(found):
        said = [f"{one.place}, {one.claim}: not shown. {one.evidence}" for one in missed]
        parts.append(PartAnswers("Claims of the paper that these rows do not show", f"{len(said)} claims", said))
    return Answers(
        facts=[
            (f"{len(networks):,}", "networks"),
            (f"{fitted:,}", "fitted"),
            (f"{complete:,}", "pairs"),
            (f"{len(tables.points):,}", "single points"),
        ],
        work=[f"{len(networks):,} networks ({failed} failed), {fitted:,} of them fitted, {taken} one after the other"],
        overview=[*_overview(tables, every), *tally(found)],
        parts=parts,
    )


def _overview(tables: Tables, every: Sequence[Pairs]) -> list[str]:
    """The two headline results."""
    said = [
        f"{one.sentence}."
        for of_factor in every
        for one in comparisons(of_factor)
        if one.factor == "labels" and one.metric == "jacobian_norm"
    ]
    known = orders(populations(tables))
    if known:
        listed = "; ".join(f"{name} {bracketed(one.plain['jacobian_norm'].estimate)}" for name, one in known.items())
        said.append(f"Spearman of Jacobian norm and generalization gap: {listed}.")
    return said


def _failing(found: list[Criterion], figures: Sequence[str]) -> list[str]:
    """What is asked for in these figures and does not hold."""
    return [one.sentence for one in failing(found) if one.figure in figures]


def _pairs(every: Sequence[Pairs]) -> list[str]:
    said = []
    for of_factor in every:
        found = comparisons(of_factor)
        said += [_of_dataset(found[place : place + 3]) for place in range(0, len(found), 3)]
        if said_of_ends := caveat(of_factor):
            said.append(said_of_ends)
        if of_factor.left_out:
            left = left_out(of_factor.left_out, "pair").removeprefix("Left out")
            said.append(f"Left out of the pairs of {ROWS[of_factor.factor][0]}{left}")
    return said


def _of_dataset(three: Sequence[Comparison]) -> str:
    """`Pairs on CIFAR10 that differ in labels alone: with random labels 23 of 23 [0.86, 1.00] have the larger gap`."""
    what, _, other = ROWS[three[0].factor]
    listed = ", ".join(f"{one.counted} have {LARGER[one.metric]}" for one in three)
    return f"Pairs on {three[0].data} that differ in {what} alone: {other} {listed}."


def _panels(tables: Tables) -> str:
    return f"{sum(len(one.frame) for one in populations(tables)):,} networks"


def _gaps(tables: Tables) -> list[str]:
    said = []
    for name, one in orders(populations(tables)).items():
        lead = one.lead("transitions")
        said.append(
            f"{name}: the gap has {written(one.plain['jacobian_norm'])}, with the Jacobian norm; "
            f"{bracketed(one.plain['logit_jacobian_norm'].estimate)} with that of the logits, "
            f"{bracketed(one.plain['transitions'].estimate)} with transitions (the Jacobian norm's less this: "
            f"{bracketed(lead)}), and given the number of weights {bracketed(one.given_size['transitions'].estimate)}."
        )
    return said


def _planes(tables: Tables) -> str:
    curves, regions = figure2.curves_of(tables), figure3.regions_of(tables)
    counts = [f"{sum(map(len, curves.owners.values()))} ellipses"] if curves else []
    return ", ".join(counts + ([f"{len(regions.rows['trained'])} planes"] if regions else []))


def _curves(tables: Tables) -> list[str]:
    said, curves, regions = [], figure2.curves_of(tables), figure3.regions_of(tables)
    if curves is not None:
        for metric, name in figure2.METRICS.items():
            listed = "; ".join(
                f"{figure2.WORDS[kind]} {written_ratio(curves.ratio(metric, kind))}" for kind in curves.kinds()
            )
            said.append(f"Ratio of the {name} at the anchors of ellipses to that between them: {listed}.")
    if regions is not None:
        before, after = (written_ratio(regions.ratio(state)) for state in figure3.STATES)
        lower = regions.lower("trained")
        said.append(
            f"Density of boundaries near training points to that opposite them: {before} before training, {after} "
            f"after it, when it is lower in {lower.count} of {lower.n} planes."
        )
    return said


def _points_summary(tables: Tables) -> str:
    return f"{sum(len(one.networks) for one in panels(tables)) or len(of_bounds(tables))} networks"


def _points(tables: Tables) -> list[str]:
    said = [
        f"{panel.title}: Spearman of loss and Jacobian norm {spread(panel, False)} among correct points, "
        f"{spread(panel, True)} among misclassified ones; {_range([one.tenth(True) for one in panel.networks])} of the "
        f"tenth with the largest norms are misclassified, {_range([one.error for one in panel.networks])} of all."
        for panel in panels(tables)
    ]
    if networks := of_bounds(tables):
        found = [agreement(one) for one in networks]
        said.append(
            f"Of the points {_range([one.widened for one in found])} lie within the bounds (5) by their loss, widened "
            f"by 2, and {_range([one.above for one in found])} above (6); {_range([one.near for one in found])} lie "
            "within a factor 3 of (7)."
        )
    return said


def _range(values: Sequence[float]) -> str:
    """Shares of several networks: `39 to 52 %`."""
    low, high = (f"{100 * each:.3g}" for each in (min(values), max(values)))
    return f"{low} %" if low == high else f"{low} to {high} %"
