"""Residual networks at initialization (section 11): whether the layers of branches learn at the pace of those outside.

In: the layers of the experiment `residual`. Everything is an exact ratio relative to the geometric mean of the stem's
and the last layer's; networks are resampled. Branches and shortcuts are compared with these within each network, and
the geometric mean over networks is taken: y^T R y gives gradients such heavy tails that means over a hundred networks
are carried by few, and differ by 10 % from one hundred to the next. Layers one by one, the largest by the smallest, and
scalars, each gradient of which is one number of any size, are means over networks. By design an unscaled branch learns
at its share q of what is outside, times f, the share of a padded kernel that covers the image (additions A4):
multipliers make up for f only where blocks are scaled.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from distnlc.analysis import report
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.axes import COLOURS, log_y
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.report.criteria import Criterion, decided, too_few
from distnlc.analysis.scaling import paper, thresholds
from distnlc.analysis.scaling.parts import PRESETS, WEIGHTS, Part, largest, needed, others, unlike
from distnlc.analysis.scaling.residual_nets import SCALED, VARIANTS, WEIGHTINGS, Nets, nets_of
from distnlc.analysis.statistics.correlations import LEVEL
from distnlc.analysis.statistics.imbalance import geometric_mean
from distnlc.analysis.statistics.means import Estimate
from distnlc.analysis.tables import Tables

STYLES = {False: COLOURS[1], True: COLOURS[0]}


def criteria(tables: Tables) -> list[Criterion]:
    """Branches at their share without scaling and at 1 with it; all weights near each other."""
    part = largest(tables, "residual")
    if part is None:
        return []
    return [one for nets in nets_of(tables, part) for one in _judged(nets, other_size(part, len(nets.ratios)))]


def other_size(part: Part, networks: int) -> str:
    """Why no verdict is given; empty if one is."""
    few = too_few(networks, thresholds.FEWEST_NETS, "networks")
    return "; ".join([*unlike(part, thresholds.SMALL_NETS), *([few] if few else [])])


def _judged(nets: Nets, few: str) -> list[Criterion]:
    branches, criteria = nets.branches, []

    def criterion(claim: str, holds: bool, said: str, basis: str) -> None:
        where = f"Residual networks, {nets.name}"
        criteria.append(Criterion(where, claim, decided(holds, few), said, basis=basis, why_open=few, noun=""))

    if nets.variant == "equal" and branches is not None:
        said = f"{text.bracketed(branches, 3)}"
        if nets.scaled:
            limit = thresholds.BRANCH_SCALED
            criterion(f"branches over those outside {limit}", limit.holds(branches.value), f"{said}.", limit.prototype)
        else:
            limit = thresholds.BRANCH_BY_SHARE
            holds = limit.holds(branches.value / nets.planned)
            planned = f"{said}, by design {text.number(nets.planned)}."
            criterion("branches over those outside within 20 % of their share", holds, planned, limit.prototype)
    if nets.scaled:
        value = nets.imbalance
        said = f"{text.bracketed(value, 3)}."
        limit_of = thresholds.SCALED_IMBALANCE.get((nets.variant, nets.weighting))
        if limit_of is not None:
            claim = f"largest by smallest ratio of all weights at most {limit_of.high:g}"
            criterion(claim, limit_of.holds(value.value), said, limit_of.prototype)
        elif (nets.variant, nets.weighting) == ("widen-pool", "rescale"):
            least = thresholds.POOL_IMBALANCE
            claim = f"largest by smallest ratio of all weights above {least:g}, since average pools do not keep s"
            criterion(claim, value.value > least, said, "46 -> 9.3")
    return criteria


def draw(tables: Tables) -> Drawing:
    """Raises MissingRecordsError."""
    part = needed(tables, "residual")
    found = nets_of(tables, part)
    few = other_size(part, max(len(one.ratios) for one in found))
    pairs = list(dict.fromkeys((one.variant, one.weighting) for one in found))
    headings = [
        (f"{VARIANTS[variant]}, weights {WEIGHTINGS[weighting]}", _details(found, variant, weighting))
        for variant, weighting in pairs
    ]
    figure, axes = page(headings, height=2.5, marks=_marks(found))
    for pair, each in zip(pairs, axes, strict=True):
        for nets in found:
            if (nets.variant, nets.weighting) == pair:
                _layers(each, nets)
        _finish(each)
    caption = (
        "Mean square of the gradient of one datapoint's loss by that of the parameter, mean over "
        f"{max(len(one.ratios) for one in found)} networks, relative to the geometric mean of the stem's and the last "
        f"layer's, by parameter from the input on; {part.setting['blocks']} blocks. Above each panel largest by "
        f"smallest of all weights, with its {LEVEL:.0%} interval over networks. Main branches and "
        "shortcuts in the table are geometric means over networks of what each has."
    )
    said = [*answers(found), f"No verdict at this size: {few}."] if few else answers(found)
    return Drawing(caption, figure, table=_numbers(found), remarks=[*said, *others(tables, part, "residual")])


def _details(found: Sequence[Nets], variant: str, weighting: str) -> list[str]:
    own = [one for one in found if (one.variant, one.weighting) == (variant, weighting)]
    return [f"largest by smallest, {SCALED[one.scaled]}: {text.bracketed(one.imbalance, 3)}" for one in own]


MARKERS = {"outside": ("s", WEIGHTS), "main": ("o", WEIGHTS), "shortcut": ("^", WEIGHTS), "scalar": ("x", ("scalar",))}
"""what stands in the legend -> its marker and kinds of parameters"""


def _marks(found: Sequence[Nets]) -> list[Line2D]:
    shown = {"outside": "stem, last layer", "main": "main branches", "shortcut": "shortcuts", "scalar": "scalars"}
    there = [name for name in shown if any(_of_mark(one, name) for one in found)]
    return [
        *(Line2D([], [], color=STYLES[scaled], linewidth=3, label=f"{name} blocks") for scaled, name in SCALED.items()),
        *(
            Line2D([], [], color="0.3", linestyle="", marker=MARKERS[name][0], markersize=5, label=shown[name])
            for name in there
        ),
    ]


def _of_mark(nets: Nets, name: str) -> list[int]:
    places = ("outside", "main", "shortcut") if name == "scalar" else (name,)
    return nets.places(*places, kinds=MARKERS[name][1])


def _layers(axes: Axes, nets: Nets) -> None:
    means = nets.ratios.mean(axis=0)
    relative = means / geometric_mean(means[nets.places("outside")])
    axes.plot(np.arange(len(relative)), relative, color=STYLES[nets.scaled], linewidth=0.6, alpha=0.5)
    for name, (marker, _) in MARKERS.items():
        at = _of_mark(nets, name)
        axes.plot(at, relative[at], linestyle="", marker=marker, color=STYLES[nets.scaled], markersize=4.5)


def _finish(axes: Axes) -> None:
    axes.axhline(1, color="0.45", linestyle="--", linewidth=1.1)
    axes.set_xlabel("parameter, from the input on")
    axes.set_ylabel("relative exact ratio")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    log_y(axes)


def _numbers(found: Sequence[Nets]) -> pd.DataFrame:
    rows = {}
    for one in found:
        by_design = 1.0 if one.scaled else one.planned if one.variant == "equal" else float("nan")
        rows[one.name] = {
            "main branches": _written(one.branches),
            "by design": text.number(by_design),
            "main branches, of means": _written(one.branches_of_means),
            "largest by smallest weight": _written(one.imbalance),
            "shortcuts": _written(one.shortcuts),
            "scalars": _written(one.scalars),
            "networks": str(len(one.ratios)),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _written(value: Estimate | None) -> str:
    return "–" if value is None else text.bracketed(value, 3)


def _both(nets: Nets) -> str:
    """`0.483 [0.468, 0.499] (of means 0.575)`."""
    means = nets.branches_of_means
    return f"{_written(nets.branches)} (of means {text.number(means.value)})" if means else _written(None)


def lead(found: Sequence[Nets]) -> list[str]:
    """Sentences in short on what scaling of blocks does to RescaleNet's weights."""
    values = {one.scaled: one.imbalance.value for one in found if (one.variant, one.weighting) == ("equal", "rescale")}
    if len(values) < len(SCALED):
        return []
    return [
        "In residual networks with RescaleNet's weights scaling of blocks takes largest by smallest ratio from "
        f"{text.number(values[False])} to {text.number(values[True])}."
    ]


def answers(found: Sequence[Nets]) -> list[str]:
    """Sentences on what scaling of blocks changes, and why a network whose shortcuts average stays uneven."""
    by_name = {(one.variant, one.weighting, one.scaled): one for one in found}
    said = []
    for (variant, weighting, scaled), one in by_name.items():
        before = by_name.get((variant, weighting, False))
        if scaled and before is not None:
            branches = f"branches over those outside {_both(before)} to {_both(one)}, "
            said.append(
                f"{VARIANTS[variant].capitalize()}, weights {WEIGHTINGS[weighting]}: scaling of blocks takes "
                f"{branches}largest by smallest weight {_written(before.imbalance)} to {_written(one.imbalance)}."
            )
    pool, subsample = (by_name.get((variant, "rescale", True)) for variant in ("widen-pool", "widen-subsample"))
    if pool is not None and subsample is not None and pool.imbalance.value > subsample.imbalance.value:
        said.append(
            f"With average pools in its shortcuts a network stays uneven ({text.number(pool.imbalance.value)} against "
            f"{text.number(subsample.imbalance.value)} by subsampling): entries of a window have a common mean, so "
            "that the pool does not keep s; subsampling does."
        )
    if said:
        said.insert(0, HOW)
    return [*said, f"Trained ResNet-50 on ImageNet, not part of this study: the paper states {paper.TOP1}."]


HOW = (
    "Branches are compared with the stem and the last layer within each network, geometric means over networks. In "
    "parentheses the same of means over networks, which few of these carry."
)
FIGURE = report.Figure("residual", "Residual networks at initialization (section 11)", draw, PRESETS)
