"""Figure 2: log moments of signal and noise in networks without normalization spread with depth, nearly Gaussian.

In: the simulations of networks without normalization. Out: densities at four depths with the Gaussian of the same mean
and variance dashed beside (the moment itself is then lognormal), skew and excess kurtosis, and the variance beside
theory's 5 l / width, which holds once the signal has rank one.
"""

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from scipy import stats

from distnlc.analysis import report
from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.panels import page
from distnlc.analysis.moments import paper
from distnlc.analysis.moments.curves import small_grid
from distnlc.analysis.moments.estimates import skew_and_kurtosis, variance_interval
from distnlc.analysis.moments.parts import PRESETS, VANILLA, Part, needed
from distnlc.analysis.statistics.means import Estimate
from distnlc.analysis.tables import Tables

TITLE = "Figure 2: how the moments of signal and noise spread without normalization"
COLUMNS = {"log_second_moment_signal": "log ν₂(x), signal", "log_variance_noise": "log μ₂(dx), noise"}
FIRST = ("Fig2", "Fig2-thin", "FC1", "Fig3-thin", "Fig3", "FC2")
"""the parts, best first, of which one is shown large"""
FEWEST = 10
"""simulations that a density needs"""
MOST_BINS = 50
COLOURS = [colormaps["viridis"](share) for share in (0.85, 0.6, 0.35, 0.1)]
FAR = 2.0
"""standard errors, beyond which a skew or kurtosis is said to differ from a Gaussian's"""


def parts(tables: Tables) -> tuple[Part, list[Part]]:
    """The one that is shown large, and the others. Raises MissingRecordsError."""
    found = [part for part in needed(tables, VANILLA, *COLUMNS) if part.simulations >= FEWEST]
    if not found:
        raise MissingRecordsError(f"no part without normalization has {FEWEST} simulations")
    large = min(found, key=lambda part: FIRST.index(part.name) if part.name in FIRST else len(FIRST))
    return large, [part for part in found if part is not large]


def quarters(part: Part) -> list[int]:
    """Places of the layers nearest to a quarter, half, three quarters and all of the depth."""
    return [int(abs(part.layers - share * part.depth).argmin()) for share in (0.25, 0.5, 0.75, 1)]


def draw(tables: Tables) -> Drawing:
    """The densities. Raises MissingRecordsError."""
    large, _ = parts(tables)
    headings = [
        (f"({letter}) {title}", [f"{large.name}: {large.description}"] * (letter == "a"))
        for letter, title in zip("ab", COLUMNS.values(), strict=True)
    ]
    figure, axes = page(headings, height=2.7)
    for each, column in zip(axes, COLUMNS, strict=True):
        _densities(each, large, column)
        each.set_xlabel("natural logarithm, 0 = the input's", labelpad=1)
        each.legend(frameon=False, fontsize=9, loc="upper left")
    named = "" if large.name == "Fig2" else " The paper's figure is of its part Fig2, which this study does not have."
    caption = (
        f"{large.name}: {large.description}. Densities over simulations at four depths; dashed: the Gaussian of the "
        f"same mean and variance, so that the moment itself is lognormal.{named}"
    )
    return Drawing(caption, figure, table=table([large]), remarks=remarks([large]))


def draw_others(tables: Tables) -> Drawing:
    """A row for each other part. Raises MissingRecordsError."""
    large, others = parts(tables)
    if not others:
        raise MissingRecordsError(f"no part without normalization but {large.name} has {FEWEST} simulations")
    figure, grid = small_grid(
        [f"{part.name}: {part.description}" for part in others], list(COLUMNS.values()), share_y=False
    )
    for part, row in zip(others, grid, strict=True):
        for axes, column in zip(row, COLUMNS, strict=True):
            _densities(axes, part, column)
        row[0].legend(frameon=False, fontsize=8, loc="upper left", handlelength=1.2, labelspacing=0.2)
    caption = (
        f"As figure 2, of {', '.join(part.name for part in others)}. Panels of one column share their axis: the "
        "wider the network, the less the moments spread."
    )
    return Drawing(caption, figure, table=table(others), remarks=remarks(others))


FIGURES = (
    report.Figure("figure2", TITLE, draw, PRESETS),
    report.Figure("figure2_others", f"{TITLE}, the other parts", draw_others, PRESETS),
)


def _densities(axes: Axes, part: Part, column: str) -> None:
    values = part.values(column)
    bins = min(MOST_BINS, max(6, round(1.3 * part.simulations**0.5)))
    for colour, place in zip(COLOURS, quarters(part), strict=True):
        drawn, label = values[:, place], f"l = {part.layers[place]}"
        axes.hist(drawn, bins=bins, density=True, histtype="stepfilled", color=colour, alpha=0.35, linewidth=0)
        mean, deviation = drawn.mean(), drawn.std(ddof=1)
        x = np.linspace(mean - 4 * deviation, mean + 4 * deviation, 200)
        axes.plot(x, stats.norm.pdf(x, mean, deviation), color=colour, linewidth=1.4, linestyle="--", label=label)
    axes.set_yticks([])
    axes.set_ylim(0, None)


def table(shown: list[Part]) -> pd.DataFrame:
    """Rows of part, quantity and depth: mean, variance beside theory, skew and excess kurtosis with their errors."""
    rows = {}
    for part in shown:
        for column, title in COLUMNS.items():
            values = part.values(column)
            for place in quarters(part):
                layer = part.layers[place]
                rows[f"{part.name}: {title.partition(',')[0]}, l = {layer}"] = _row(
                    values[:, place], float(layer), part.width, of_signal=column == "log_second_moment_signal"
                )
    return pd.DataFrame.from_dict(rows, orient="index")


def _row(values: np.ndarray, layer: float, width: int, *, of_signal: bool) -> dict[str, str]:
    variance, (skew, skew_error, kurtosis, kurtosis_error) = variance_interval(values), skew_and_kurtosis(values)
    theory = paper.variance_of_log_moment(layer, width)
    return {
        "mean": text.number(float(values.mean())),
        "-2.5 l / width": text.number(paper.mean_of_log_moment(layer, width)) if of_signal else "–",
        "variance [95 %]": f"{variance.value:.3g} [{variance.low:.3g}, {variance.high:.3g}]",
        "5 l / width": text.number(theory) if of_signal else "–",
        "variance / theory": f"{variance.value / theory:.2f}" if of_signal else "–",
        "skew": f"{skew:+.2f} ± {skew_error:.2f}",
        "excess kurtosis": f"{kurtosis:+.2f} ± {kurtosis_error:.2f}",
    }


def remarks(shown: list[Part]) -> list[str]:
    """How near to a lognormal, and to theory's variance."""
    tested, odd = 0, list[str]()
    for part in shown:
        for column, title in COLUMNS.items():
            for place in quarters(part):
                skew, skew_error, kurtosis, kurtosis_error = skew_and_kurtosis(part.values(column)[:, place])
                tested += 2
                where = f"of {title.partition(',')[0]} at l = {part.layers[place]} of {part.name}"
                odd += [f"skew {skew:+.2f} {where}"] * (abs(skew) > FAR * skew_error)
                odd += [f"kurtosis {kurtosis:+.2f} {where}"] * (abs(kurtosis) > FAR * kurtosis_error)
    said = (
        f"{tested - len(odd)} of {tested} skews and excess kurtoses of the logarithms lie within {FAR:.0f} standard "
        "errors of a Gaussian's 0 (the moment itself is then lognormal)"
    )
    said += f"; beyond are {', '.join(odd[:4])}{f' and {len(odd) - 4} more' * (len(odd) > 4)}." if odd else "."
    return [said, *(f"{part.name}: {spread(part)}" for part in shown)]


def spread(part: Part) -> str:
    """The variance of the signal's log moment beside theory, in a sentence."""
    found = variance_ratios(part)
    ratios, lowest, highest = [one.value for one in found], min(one.low for one in found), max(o.high for o in found)
    said = (
        f"the variance of log ν₂(x) is {min(ratios):.2f} to {max(ratios):.2f} times 5 l / {part.width} at the four "
        f"depths (95 % intervals from {lowest:.2f} to {highest:.2f})"
    )
    if highest < 1:
        said += ", below theory's since that counts every layer as if the signal had rank one from the first layer on"
    return f"{said}{_last_rank(part)}."


def variance_ratios(part: Part) -> list[Estimate]:
    """Variance of log nu2(x) / (5 l / width) at the four depths."""
    values, found = part.values("log_second_moment_signal"), []
    for place in quarters(part):
        variance = variance_interval(values[:, place])
        theory = paper.variance_of_log_moment(float(part.layers[place]), part.width)
        found.append(Estimate(variance.value / theory, variance.low / theory, variance.high / theory))
    return found


def _last_rank(part: Part) -> str:
    if not part.has("rank_signal"):
        return ""
    rank = float(np.nanmean(part.values("rank_signal")[:, -1]))
    return f" (effective rank of the signal at the end: {text.number(rank)})"
