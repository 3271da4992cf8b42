"""Figures 5 and App. 8: the generalization gap against the Jacobian norm, and against transitions.

In: the tables of a study. Out: a panel per data set with Spearman's correlation, and below it the correlation of the
logits' Jacobian norm, all of them given the number of weights, and their differences. Cells are resampled, twins and
seeds together.
"""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from distnlc.analysis import report
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.axes import plain_log
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.report.criteria import Criterion, decided, too_few
from distnlc.analysis.sensitivity.axes import ACTIVATIONS
from distnlc.analysis.sensitivity.cells import PRESETS, left_out, size_of
from distnlc.analysis.sensitivity.populations import (
    METRIC_NAMES,
    METRICS,
    Ordered,
    Population,
    needed,
    ordered,
    populations,
)
from distnlc.analysis.sensitivity.thresholds import FEWEST_ROWS, JACOBIAN_CORRELATION, TRANSITIONS_CORRELATION
from distnlc.analysis.statistics.correlations import TooFewRowsError
from distnlc.analysis.statistics.means import Estimate
from distnlc.analysis.statistics.rank_correlations import RankCorrelation
from distnlc.analysis.tables import Tables

X_LABELS = {"jacobian_norm": "Jacobian norm", "transitions": "transitions per trajectory"}


def orders(found: Sequence[Population]) -> dict[str, Ordered]:
    """Panel's name -> its correlations, of those with rows enough."""
    known = {}
    for one in found:
        try:
            known[one.name] = ordered(one)
        except TooFewRowsError:
            continue
    return known


def criteria(tables: Tables) -> list[Criterion]:
    """What is asked of figures 5 and App. 8."""
    found = populations(tables)
    known = orders(found)
    return [*_jacobians(found, known), *_transitions(found, known)]


def _jacobians(found: Sequence[Population], known: Mapping[str, Ordered]) -> Iterator[Criterion]:
    for one in found:
        if one.name not in known:
            continue
        rho = known[one.name].plain["jacobian_norm"]
        few = too_few(rho.n, FEWEST_ROWS, "networks")
        least = JACOBIAN_CORRELATION.at(one.cells.paper_size) or 0.0
        yield Criterion(
            one.where("5"),
            f"Spearman of Jacobian norm and gap above {least:g}, its interval above 0",
            decided(rho.value > least and rho.low > 0, few),
            f"{written(rho)}.",
            basis=JACOBIAN_CORRELATION.basis,
            why_open=few,
        )


def _transitions(found: Sequence[Population], known: Mapping[str, Ordered]) -> Iterator[Criterion]:
    shown = [one for one in found if one.name in known]
    leads = {one.name: known[one.name].lead("transitions") for one in shown}
    open_ones = {one.name: too_few(known[one.name].plain["transitions"].n, FEWEST_ROWS, "networks") for one in shown}
    for one in shown:
        rho = known[one.name].plain["transitions"]
        evidence = f"{written(rho)}; Jacobian norm less transitions {bracketed(leads[one.name])}."
        yield Criterion(
            one.where("App. 8"),
            "Spearman of transitions and gap below that of the Jacobian norm",
            decided(leads[one.name].value > 0, open_ones[one.name]),
            evidence,
            basis="0.16 against 0.63 on CIFAR10, -0.14 against 0.68 on MNIST",
            why_open=open_ones[one.name],
        )
        most = TRANSITIONS_CORRELATION.paper or 0.0
        yield Criterion(
            one.where("App. 8"),
            f"no general correlation of transitions and gap, |Spearman| below {most:g}",
            decided(abs(rho.value) < most, open_ones[one.name]),
            f"{written(rho)}.",
            asked=one.cells.paper_size,
            basis=TRANSITIONS_CORRELATION.basis,
            why_open=open_ones[one.name],
        )
    if decisive := [name for name, why in open_ones.items() if not why]:
        above = [name for name in decisive if leads[name].low > 0]
        yield Criterion(
            "App. 8",
            "the difference's interval above 0 on at least one data set",
            bool(above),
            f"Above 0 on {', '.join(above) or 'none'} of {', '.join(decisive)}.",
            basis="0.46 [0.21, 0.69] on CIFAR10, 0.82 [0.44, 1.12] on MNIST",
        )


def written(found: RankCorrelation) -> str:
    """`Spearman 0.63 [0.44, 0.77], p = 0.0001, 55 networks`."""
    p = "" if found.p != found.p else f", {text.p_value(found.p)}"
    return f"Spearman {bracketed(found.estimate)}{p}, {found.n} networks"


def bracketed(found: Estimate) -> str:
    """`0.46 [0.21, 0.69]`, with two digits after the point."""
    if found.value != found.value:
        return "–"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def draw_against(tables: Tables, metric: str) -> Drawing:
    """The gap against one metric. Raises MissingRecordsError."""
    found = needed(tables)
    known = orders(found)
    shown = [one for one in found if (one.frame[metric] > 0).any()]
    if not shown:
        raise MissingRecordsError(f"no fitted network with positive {METRIC_NAMES[metric]}")
    headings = [(one.name, _heading(one, known, metric)) for one in shown]
    activations = [name for name in ACTIVATIONS if any((one.frame["activation"] == name).any() for one in shown)]
    figure, panels = page(headings, height=3.2, marks=[_mark(name) for name in activations])
    remarks = []
    for one, axes in zip(shown, panels, strict=True):
        zeros = _draw_cells(axes, one, metric)
        left = one.cells.left_out | ({f"{METRIC_NAMES[metric]} zero": zeros} if zeros else {})
        remarks.append(f"{one.name}: {size_of(one.frame)} {left_out(left, 'network')}")
        if one.name in known:
            remarks += _remarks(one, known[one.name], metric)
    caption = (
        f"Generalization gap against {X_LABELS[metric]} (log scale), one point per network that is fitted and trained "
        "with true labels; a mean over seeds where there are several, bars are standard errors. Spearman's correlation "
        "with its 95 % bootstrap interval (cells resampled, twins and seeds together) and permutation p."
    )
    return Drawing(caption, figure, table=numbers(shown, known), remarks=remarks)


def _heading(one: Population, known: Mapping[str, Ordered], metric: str) -> list[str]:
    if one.name not in known:
        return [f"{len(one.frame)} networks, at least 3 have a correlation"]
    return [written(known[one.name].plain[metric])]


def _mark(activation: str) -> Line2D:
    group = ACTIVATIONS[activation]
    return Line2D([], [], linestyle="", marker=group.marker, color=group.colour, markersize=5, label=group.label)


def _draw_cells(axes: Axes, one: Population, metric: str) -> int:
    """The points of one panel; gives how many have no logarithm."""
    frame = one.frame[one.frame[metric].notna() & one.frame["gap"].notna()]
    kept = frame[frame[metric] > 0]
    for activation, rows in kept.groupby("activation"):
        group = ACTIVATIONS[str(activation)]
        axes.errorbar(
            rows[metric],
            rows["gap"],
            xerr=rows[f"sem_{metric}"].fillna(0),
            yerr=rows["sem_gap"].fillna(0),
            linestyle="",
            marker=group.marker,
            markersize=4.5,
            color=group.colour,
            alpha=0.85,
            markeredgecolor="white",
            markeredgewidth=0.3,
            elinewidth=0.7,
        )
    axes.set_xlabel(X_LABELS[metric])
    axes.set_ylabel("generalization gap")
    axes.set_xscale("log")
    plain_log(axes, "x")
    return len(frame) - len(kept)


def _remarks(one: Population, known: Ordered, metric: str) -> list[str]:
    if metric == "jacobian_norm":
        said = [
            f"{one.name}: the logits' Jacobian norm has {written(known.plain['logit_jacobian_norm'])}; Jacobian norm "
            f"less that: {bracketed(known.lead('logit_jacobian_norm'))}."
        ]
        if known.reliable is not None:
            said.append(
                f"{one.name}: without networks whose Jacobian norm fewer than 20 test points carry: "
                f"{written(known.reliable)}."
            )
        depths = ", ".join(f"{depth}: {rho:.2f} ({n})" for depth, (rho, n) in known.by_depth.items())
        said.append(f"{one.name}: within one number of weight matrices (networks): {depths}.")
        return said
    given = known.given_size
    return [
        f"{one.name}: given the logarithm of the number of weights transitions have Spearman "
        f"{bracketed(given['transitions'].estimate)}, per hidden neuron {bracketed(known.per_neuron.estimate)}: "
        + (
            "among networks of one size they go with the gap, as the paper explains by the number of neurons."
            if given["transitions"].low > 0
            else "among networks of one size they do not go with the gap for certain."
        )
    ]


def numbers(shown: Sequence[Population], known: Mapping[str, Ordered]) -> pd.DataFrame | None:
    """All correlations of the panels."""
    rows = {}
    for one in shown:
        if one.name not in known:
            continue
        of_panel = known[one.name]
        for metric in METRICS:
            lead = "–" if metric == "jacobian_norm" else bracketed(of_panel.lead(metric))
            rows[one.name, METRIC_NAMES[metric]] = {
                "Spearman": bracketed(of_panel.plain[metric].estimate),
                "permutation p": text.probability(of_panel.plain[metric].p),
                "given log weights": bracketed(of_panel.given_size[metric].estimate),
                "Jacobian norm less this": lead,
                "networks": str(of_panel.plain[metric].n),
                "clusters": str(of_panel.plain[metric].cells),
            }
        rows[one.name, "transitions per neuron"] = {
            "Spearman": bracketed(of_panel.per_neuron.estimate),
            "permutation p": text.probability(of_panel.per_neuron.p),
            "given log weights": "–",
            "Jacobian norm less this": "–",
            "networks": str(of_panel.per_neuron.n),
            "clusters": str(of_panel.per_neuron.cells),
        }
    if not rows:
        return None
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=["data", ""])
    return frame


FIGURE5 = report.Figure(
    "figure5",
    "Figure 5: the generalization gap against the Jacobian norm",
    lambda tables: draw_against(tables, "jacobian_norm"),
    PRESETS,
)
FIGURE_APP8 = report.Figure(
    "figureApp8",
    "Figure App. 8: the generalization gap against transitions",
    lambda tables: draw_against(tables, "transitions"),
    PRESETS,
)
