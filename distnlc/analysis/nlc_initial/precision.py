"""How far 32 bits carry: the NLC and the Jacobian norm of drawn architectures in float64 and in float32.

In: both, on the same weights and inputs, and what rounding changes of the outputs. Out: how far they differ as a
function of the NLC, apart from architectures whose outputs are so biased that 32 bits hardly resolve their differences.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.nlc_initial.parts import about_parameters, needed
from distnlc.analysis.tables import Tables

TITLE = "64 against 32 bits: the same networks measured in both"
LIMITS = (0.0, 1e1, 1e3, 1e5, 1e7, math.inf)
"""of the NLC"""
HIGH_BIAS = 1000
"""of an output bias that the study calls high"""
SAME = 0.01
"""how far off a value in 32 bits may be and still count as the same"""
MORE_BITS = 2.0**29
"""a number of 64 bits is so many times more precise than one of 32"""


def measured(tables: Tables) -> pd.DataFrame:
    """One row per network, with the ratios 32 / 64 bits of its NLC (`nlc`) and Jacobian norm (`jacobian`), nan where a
    value is not finite, and its NLC times the rounding of its inputs (`predicted`). Raises MissingRecordsError."""
    (rows,) = needed(tables, "precision")
    ratios = {
        "nlc": rows["single_nlc"] / rows["init_nlc"],
        "jacobian": rows["single_jacobian_norm"] / rows["init_jacobian_norm"],
    }
    finite = {name: ratio.where(ratio.between(0, math.inf, "neither")) for name, ratio in ratios.items()}
    return rows.assign(**finite, predicted=rows["init_nlc"] * rows["input_rounding"])


def groups(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The networks by their NLC in 64 bits, those with a high bias apart; only groups that have some."""
    high = rows["init_bias"] > HIGH_BIAS
    for low, above in pairwise(LIMITS):
        here = rows[~high & (rows["init_nlc"] >= low) & (rows["init_nlc"] < above)]
        span = f"{low:.0e} and more" if above == math.inf else f"below {above:.0e}"
        if not here.empty:
            yield f"NLC {span}" if low in (0, LIMITS[-2]) else f"NLC {low:.0e} to {above:.0e}", here
    if high.any():
        yield f"output bias above {HIGH_BIAS}", rows[high]


def by_nlc(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per group of networks."""
    found = {
        name: {
            "networks": str(len(here)),
            "NLC, 32 / 64 bits": _spread(here["nlc"]),
            "same NLC": _share(here["nlc"]),
            "Jacobian norm, 32 / 64 bits": _spread(here["jacobian"]),
            "same Jacobian norm": _share(here["jacobian"]),
            "change by rounded inputs": _spread(here["rounded_inputs_change"]),
            "change by 32 bits": _spread(here["single_change"]),
        }
        for name, here in groups(rows)
    }
    return pd.DataFrame.from_dict(found, orient="index")


def answer(tables: Tables) -> str:
    """How far 32 bits carry, in a sentence. Raises MissingRecordsError."""
    rows = measured(tables)
    moderate = rows[rows["init_bias"] <= HIGH_BIAS].sort_values("init_nlc")
    first_off = moderate["init_nlc"].where(~_same(moderate["nlc"])).min()
    good = moderate if math.isnan(first_off) else moderate[moderate["init_nlc"] < first_off]
    said = (
        f"Among networks with an output bias of at most {HIGH_BIAS}, 32 bits give the NLC of 64 bits to "
        f"{100 * SAME:.0f} % in all {len(good)}"
    )
    if math.isnan(first_off):
        return f"{said}."
    above = moderate[len(good) :]
    return (
        f"{said} with an NLC below {text.number(first_off, 2)} and in {_same(above['nlc']).sum()} of the {len(above)} "
        f"others; there 32 bits change the outputs by {text.number(above['single_change'].median(), 2)} of their "
        f"spread in the median network, below by {text.number(good['single_change'].max(), 2)} at most."
    )


def tabulate(tables: Tables) -> Table:
    """The table with caption and remarks. Raises MissingRecordsError."""
    rows = measured(tables)
    first = rows.iloc[0]
    caption = (
        f"{len(rows)} architectures of the NLC study at {about_parameters(rows)}, measured on {first['points']:,.0f} "
        f"inputs of {first['inputs']}, {first['batches']:.0f} batches of 250 per Jacobian norm, with the same weights "
        "(numbers of 32 bits) and random vectors in float64 and float32. Median (lowest to highest) over the networks. "
        f"Same: within {100 * SAME:.0f} %. Changes: quadratic mean change of the outputs by their spread, against "
        "float64, when only the inputs are rounded to float32, and when all is computed in float32; unrelated outputs "
        "would have 1.4."
    )
    return Table(caption, [("", by_nlc(rows))], [answer(tables), *_rounding(rows), *_bias(rows)])


def _rounding(rows: pd.DataFrame) -> list[str]:
    """The change by rounded inputs is what the NLC predicts; what more there is comes from rounding in the layers."""
    small = rows[(rows["predicted"] < SAME) & (rows["init_bias"] <= HIGH_BIAS)]
    if small.empty:
        return []
    ratio = small["rounded_inputs_change"] / small["predicted"]
    share = small["rounded_inputs_change"] / small["single_change"]
    limit = 1 / rows["input_rounding"].median()
    beyond = (rows["init_nlc"] > limit).sum()
    return [
        f"Rounding the inputs to 32 bits changes them by {text.number(1 / limit, 2)} of their spread, and the outputs "
        f"by {ratio.median():.2f} times ({ratio.quantile(0.05):.2f} to {ratio.quantile(0.95):.2f} for nine of ten) "
        f"what the NLC makes of that, in the {len(small)} networks where this is below {SAME}: the NLC is the factor "
        f"of an error in the inputs. It explains {100 * share.median():.0f} % of the change by 32 bits in the median "
        f"network; the rest is rounding between the layers. From an NLC of {text.number(limit, 2)} on, the rounding of "
        f"the inputs alone changes the outputs as much as another input does ({beyond} of {len(rows)} networks); with "
        f"64 bits the same holds from {text.number(limit * MORE_BITS, 2)} on "
        f"({(rows['init_nlc'] > limit * MORE_BITS).sum()})."
    ]


def _bias(rows: pd.DataFrame) -> list[str]:
    high = rows[rows["init_bias"] > HIGH_BIAS]
    off = high[~_same(high["nlc"])]
    if off.empty:
        return []
    return [
        f"Of the {len(high)} networks with a higher output bias, {len(off)} have another NLC in 32 bits, "
        f"{off['nlc'].isna().sum()} of them none; {_same(off['jacobian']).sum()} of these have the same Jacobian norm. "
        "What goes wrong is the outputs' spread: 32 bits round outputs by a share of their size, and so by the bias "
        f"times that share of their spread. The smallest such bias is {text.number(off['init_bias'].min(), 2)}."
    ]


def _same(ratios: "pd.Series[float]") -> "pd.Series[bool]":
    return (ratios - 1).abs() <= SAME


def _share(ratios: "pd.Series[float]") -> str:
    return f"{_same(ratios).sum()} of {len(ratios)}"


def _spread(values: "pd.Series[float]") -> str:
    known = values.dropna()
    if known.empty:
        return "–"
    return f"{text.number(known.median())} ({text.number(known.min())} to {text.number(known.max())})"
