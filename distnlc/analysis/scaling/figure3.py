"""Figure 3: training losses of AlexNet on CIFAR10 over epochs, and the geometric initialization against each other.

In: the trainings of the experiment `alexnet`, each initialization at its best rate: the lowest median over seeds of the
loss that its curve ends with. Losses of an epoch are means over its minibatches. The full pass at the end, the other
reading, chooses slower rates, since at these the loss jumps from step to step; it is stated beside. Seeds share weights
and order between initializations, so that differences are paired. At every epoch p-values of the three comparisons are
corrected by Holm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from distnlc.analysis import report
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.report.criteria import Criterion, decided, too_few
from distnlc.analysis.scaling import losses, thresholds
from distnlc.analysis.scaling.losses import END, LAST_EPOCH, Outcome
from distnlc.analysis.scaling.parts import INITS, OURS, TRAINING_PRESETS, Part, largest, others, unlike
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.means import Estimate, estimate
from distnlc.analysis.statistics.paired import Difference, holm, paired_difference
from distnlc.analysis.tables import Tables


@dataclass(frozen=True)
class Curves:
    """The trainings at the best rates."""

    part: Part
    outcome: Outcome
    """by the mean of the last epoch"""
    at_the_end: Outcome
    """by the full pass at the end"""
    values: dict[str, Floats]
    """initialization -> (seeds, epochs), nan from a divergence on"""
    planned: dict[str, float]
    """largest over smallest gamma by shapes alone"""
    left_out: Sequence[str]

    @property
    def epochs(self) -> int:
        return int(self.values[OURS].shape[1])

    @property
    def paper_size(self) -> bool:
        return int(self.part.setting["divisor"]) == 1

    def at(self, init: str, epoch: int) -> Estimate:
        """Mean over seeds with Student's interval; epochs from 0, -1 the last."""
        return estimate(self.values[init][:, epoch])

    def differences(self, epoch: int) -> dict[str, Difference]:
        """The geometric initialization less each other, p-values corrected by Holm."""
        found = {
            init: paired_difference(self.values[OURS][:, epoch], values[:, epoch])
            for init, values in self.values.items()
            if init != OURS
        }
        corrected = holm([one.p for one in found.values()])
        return {init: Difference(one.mean, one.n, p) for (init, one), p in zip(found.items(), corrected, strict=True)}

    def better(self, init: str, sign: int = -1) -> list[int]:
        """Epochs, from 0, after which the geometric one is significantly below another, or above it (sign 1)."""
        return [
            epoch
            for epoch in range(self.epochs)
            for one in [self.differences(epoch)[init]]
            if one.p < thresholds.SIGNIFICANT and sign * one.mean.value > 0
        ]


def curves_of(tables: Tables) -> Curves | None:
    """None without a seed that all initializations have, or without the geometric one."""
    part = largest(tables, "alexnet")
    every, left_out = losses.losses_of(tables, part) if part else ([], [])
    if part is None or not every or OURS not in every[0].inits:
        return None
    outcome = Outcome(every[0], LAST_EPOCH)
    epochs = part.rows(tables, "epochs").merge(
        part.rows(tables, "runs")[["unit_id", "run", "exponent"]], on=["unit_id", "run"]
    )
    by_seed = part.units.groupby("seed")["init"].nunique()
    seeds = sorted(by_seed[by_seed == len(outcome.losses.inits)].index)
    length = range(1, int(part.setting["epochs"]) + 1)
    values, planned = {}, {}
    for init, exponent in zip(outcome.losses.inits, outcome.exponents, strict=True):
        own = epochs[(epochs["init"] == init) & (epochs["exponent"] == exponent)]
        wide = own.pivot(index="seed", columns="epoch", values="train_loss").reindex(index=seeds, columns=length)
        values[init] = wide.to_numpy(dtype=float)
        planned[init] = float(part.units.loc[part.units["init"] == init, "offline_imbalance"].iloc[0])
    return Curves(part, outcome, Outcome(every[0], END), values, planned, left_out)


def other_size(found: Curves) -> str:
    """Why losses get no verdict; empty if the trainings are of the prototype's size."""
    few = too_few(found.outcome.losses.seeds, thresholds.FEWEST_ALEXNET_SEEDS, "seeds")
    return "; ".join([*unlike(found.part, thresholds.SMALL_ALEXNET), *([few] if few else [])])


def criteria(tables: Tables) -> list[Criterion]:
    """Losses near the prototype's at its size; the paper's claims, asked for at its own."""
    found = curves_of(tables)
    if found is None:
        return []
    why, final = other_size(found), {init: found.at(init, -1) for init in found.values}
    last = found.differences(-1)
    criteria = []
    if not found.paper_size:
        losses_said = ", ".join(f"{init} {text.number(one.value, 4)}" for init, one in final.items())
        limit, apart = thresholds.FINAL_LOSS, thresholds.FINAL_DIFFERENCE
        criteria = [
            _criterion(
                f"mean loss of the last epoch {limit} for all initializations",
                all(limit.holds(one.value) for one in final.values()),
                f"{losses_said}.",
                limit.prototype,
                why,
            ),
            _criterion(
                f"none differs from the geometric one by more than {apart.high:g}",
                all(apart.holds(one.mean.value) for one in last.values()),
                f"{_said(last)}.",
                apart.prototype,
                why,
            ),
        ]
    return criteria + _of_the_paper(found, last)


def _criterion(claim: str, holds: bool, said: str, basis: str, why: str) -> Criterion:
    return Criterion("Figure 3", claim, decided(holds, why), said, basis=basis, why_open=why, noun="")


def _of_the_paper(found: Curves, last: dict[str, Difference]) -> list[Criterion]:
    few = too_few(found.outcome.losses.seeds, thresholds.FEWEST_ALEXNET_SEEDS, "seeds")
    claims = []
    for init in ("arithmetic", "fan-in"):
        if init in last:
            holds = last[init].p < thresholds.SIGNIFICANT and last[init].mean.value < 0
            claims.append((f"significantly below {init} after the last epoch", holds, f"{_said({init: last[init]})}."))
    if "fan-out" in last:
        better = found.better("fan-out")
        said = ", ".join(str(epoch + 1) for epoch in better) or "none"
        holds = bool(better) and found.epochs - 1 not in better
        claims.append(("significantly below fan-out at iterations in the middle alone", holds, f"Epochs: {said}."))
    return [
        Criterion("Figure 3", claim, decided(holds, few), said, asked=found.paper_size, why_open=few, noun="")
        for claim, holds, said in claims
    ]


def _said(differences: dict[str, Difference]) -> str:
    """`less fan-in 0.018 [0.01, 0.026], p = 0.03`."""
    return "; ".join(
        f"{OURS} less {init} {text.bracketed(one.mean, 2)}, {text.p_value(one.p)}" for init, one in differences.items()
    )


def draw(tables: Tables) -> Drawing:
    """Raises MissingRecordsError."""
    found = curves_of(tables)
    if found is None:
        raise MissingRecordsError("no seed of AlexNet that is trained from all initializations")
    marks = [Line2D([], [], color=INITS[init], linewidth=1.6, label=init) for init in found.values]
    rates = ", ".join(
        f"{init} {text.power_of_two(exponent)}{'*' * edge}"
        for init, exponent, edge in zip(found.values, found.outcome.exponents, found.outcome.at_edge, strict=True)
    )
    headings = [
        ("Training loss of AlexNet on CIFAR10", [f"best rates: {rates}"]),
        (
            f"{OURS.capitalize()} less each other, of the same seeds",
            ["below 0 the geometric one is lower; dots: significant"],
        ),
    ]
    figure, (upper, lower) = page(headings, height=3.2, marks=marks)
    epochs = np.arange(1, found.epochs + 1, dtype=float)
    for init in found.values:
        _band(upper, init, epochs, [found.at(init, epoch) for epoch in range(found.epochs)])
    differences = [found.differences(epoch) for epoch in range(found.epochs)]
    for place, init in enumerate(differences[0]):
        every = [one[init] for one in differences]
        _band(lower, init, epochs, [one.mean for one in every])
        marked = [(epoch, one.mean.value) for epoch, one in zip(epochs, every, strict=True) if one.p < 0.05]
        if marked:
            lower.plot(*zip(*marked, strict=True), "o", color=INITS[init], markersize=5, zorder=4 + place)
    lower.axhline(0, color="0.45", linestyle="--", linewidth=1.1)
    for axes, label in ((upper, "training loss"), (lower, "difference")):
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    caption = (
        f"Means over {found.outcome.losses.seeds} seeds of the training loss of each epoch at each initialization's "
        "best rate, with 95 % t-intervals; * marks a best rate at the edge of those tried. Right: paired differences; "
        f"dots: p < {thresholds.SIGNIFICANT:g} by the paired t-test, corrected by Holm over the three comparisons."
    )
    return Drawing(caption, figure, table=_numbers(found), remarks=[answer(found), *remarks(tables, found)])


def _band(axes: Axes, init: str, epochs: Floats, values: Sequence[Estimate]) -> None:
    low, high = (np.array([getattr(one, end) for one in values]) for end in ("low", "high"))
    axes.fill_between(epochs, low, high, color=INITS[init], alpha=0.15, linewidth=0)
    axes.plot(epochs, [one.value for one in values], color=INITS[init], linewidth=1.5)


def _numbers(found: Curves) -> pd.DataFrame:
    last, rows = found.differences(-1), {}
    for init in found.values:
        place = list(found.outcome.losses.inits).index(init)
        rows[init] = {
            "best rate": text.power_of_two(found.outcome.exponents[place]),
            "last epoch, mean": text.bracketed(found.at(init, -1), 4),
            "full pass at the end, median": text.number(float(found.at_the_end.loss[place]), 4),
            "its best rate": text.power_of_two(found.at_the_end.exponents[place]),
            f"{OURS} less it": "–" if init == OURS else text.bracketed(last[init].mean, 2),
            "p": "–" if init == OURS else text.probability(last[init].p),
            "largest by smallest gamma, by shapes": text.number(found.planned[init]),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def remarks(tables: Tables, found: Curves) -> list[str]:
    """Sentences on what the figure shows at this size and what not, and what is left out."""
    said = list[str]()
    if not found.paper_size:
        said.append(
            f"With the channels divided by {found.part.setting['divisor']} this figure shows the method and not the "
            f"paper's claim, although by shapes alone gammas differ by {_planned(found)}."
        )
    if diverged := {init: int(np.isnan(each[:, -1]).sum()) for init, each in found.values.items()}:
        named = [f"{count} of {init}" for init, count in diverged.items() if count]
        said += [f"Left out of the means, diverged: {', '.join(named)}."] if named else []
    end = found.at_the_end
    listed = ", ".join(
        f"{init} {text.number(float(loss), 4)} at {text.power_of_two(exponent)}"
        for init, loss, exponent in zip(end.losses.inits, end.loss, end.exponents, strict=True)
    )
    said.append(f"By the {END.name}, which the last steps move, medians over seeds at their best rates are {listed}.")
    said += [f"Left out, not all initializations finished: {', '.join(found.left_out)}."] if found.left_out else []
    return [*said, *others(tables, found.part, "alexnet")]


def _planned(found: Curves) -> str:
    return ", ".join(f"{text.number(value)} ({init})" for init, value in found.planned.items())


def lead(found: Curves) -> str:
    """The end of training in short."""
    below = [
        init for init, one in found.differences(-1).items() if one.p < thresholds.SIGNIFICANT and one.mean.value < 0
    ]
    end = f"AlexNet from the {OURS} initialization, after {found.epochs} epochs: "
    if not below:
        return f"{end}not significantly lower than from any other."
    return f"{end}significantly lower than from {', '.join(below)}."


def answer(found: Curves) -> str:
    """The comparisons after the last epoch, and where they were significant."""
    said = _said(found.differences(-1))
    lower, higher = _where(found, -1), _where(found, 1)
    much = f"significantly lower than {'; than '.join(lower)}" if lower else "not significantly lower than any"
    much += f", and significantly higher than {'; than '.join(higher)}" if higher else ""
    return (
        f"AlexNet, after the last of {found.epochs} epochs, {found.outcome.losses.seeds} seeds: {said}. The geometric "
        f"initialization is {much}; the paper's is lower than arithmetic and fan-in, and than fan-out at iterations "
        "in the middle alone."
    )


def _where(found: Curves, sign: int) -> list[str]:
    """`fan-in after epochs 1, 2`, of each initialization that the geometric one is significantly below or above."""
    return [
        f"{init} after epoch{'s' * (len(epochs) > 1)} {', '.join(str(epoch + 1) for epoch in epochs)}"
        for init in found.values
        if init != OURS and (epochs := found.better(init, sign))
    ]


FIGURE = report.Figure("figure3", "Figure 3: AlexNet from four initializations", draw, TRAINING_PRESETS)
