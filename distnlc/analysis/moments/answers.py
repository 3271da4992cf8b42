"""The answers of a study of moments in sentences, one group for each kind of network and one beside the paper."""

from collections.abc import Callable

import numpy as np

from distnlc.analysis.drawing import format as text
from distnlc.analysis.moments import beside_paper, figure2, paper, theorems
from distnlc.analysis.moments.figures import fit_of, of_fit
from distnlc.analysis.moments.parts import BN_FF, BN_RES, NETS, VANILLA, Part
from distnlc.analysis.moments.pathologies import (
    UNDECIDED,
    YES,
    Pathologies,
    decibels,
    factor,
    found,
    interval,
    stated_factor,
)
from distnlc.analysis.report import Answers, PartAnswers
from distnlc.analysis.tables import Tables
from distnlc.records import FAILED

NEAR_ONE = 0.02
"""from an increment of 1, within which layers are called pseudo-linear"""
TITLES = {net: f"Networks {'with ' * (net != VANILLA)}{about}" for net, about in NETS.items()}


def answers(tables: Tables) -> Answers:
    """Which networks are well-behaved, with numbers; then how many stated values and predictions agree."""
    blocks, every = tables.blocks, found(tables)
    failed, taken = int((blocks["status"] == FAILED).sum()), text.duration(float(blocks["seconds"].sum()))
    simulations = sum(one.part.simulations for one in every)
    parts = []
    for net, sentences in ((VANILLA, _vanilla), (BN_FF, _bn_ff), (BN_RES, _bn_res)):
        if of_net := [one for one in every if one.part.net == net]:
            count = sum(one.part.simulations for one in of_net)
            parts.append(PartAnswers(TITLES[net], f"{count:,} simulations", sentences(of_net)))
    agreed, predicted = beside_paper.agreements(tables), theorems.every(tables)
    if said := [*beside_paper.agreeing(agreed), *theorems.verdicts(predicted)]:
        parts.append(PartAnswers("Beside the paper", f"{sum(len(one.values) for one in agreed)} stated values", said))
    return Answers(
        facts=[(f"{simulations:,}", "simulations"), (str(len(every)), "parts"), (f"{len(tables.layers):,}", "rows")],
        work=[f"{len(blocks)} units ({failed} failed), {simulations:,} simulations, {taken} one after the other"],
        overview=_overview(every),
        parts=parts,
    )


def _overview(every: list[Pathologies]) -> list[str]:
    """The paper's conclusion, as far as the rows show it."""
    said = []
    for net, pathology in ((VANILLA, "one-dimensional signal"), (BN_FF, "exploding sensitivity"), (BN_RES, "")):
        of_net = [one for one in every if one.part.net == net]
        if not of_net:
            continue
        agreeing = [one for one in of_net if one.shown == [pathology] * bool(pathology) and not one.left_open]
        what = f"show one pathology, {pathology}" if pathology else "show none of the three pathologies"
        left_open = ", ".join(one.part.name for one in of_net if one.left_open)
        said.append(
            f"{TITLES[net]}: {len(agreeing)} of {len(of_net)} parts {what}"
            + (f"; too few layers or simulations, or undecided: {left_open}." if left_open else ".")
        )
    return said


def _vanilla(of_net: list[Pathologies]) -> list[str]:
    said = []
    if ranked := [one for one in of_net if one.one_dimensional != "–"]:
        flat = [one for one in ranked if one.one_dimensional == YES]
        said.append(
            f"The signal ends nearer to one dimension than to two in {len(flat)} of {len(ranked)} parts (effective "
            f"rank at the last layer: {_listed(ranked, lambda one: interval(one.rank))})."
        )
        said += [_of_more_dimensions(one) for one in ranked if one not in flat]
        near = [one for one in ranked if abs(one.increment.low - 1) <= NEAR_ONE >= abs(one.increment.high - 1)]
        far = [one for one in ranked if one.increment.high < 1 - NEAR_ONE or one.increment.low > 1 + NEAR_ONE]
        undecided = [one.part.name for one in ranked if one not in near and one not in far]
        said.append(
            f"Over the last half of the layers δχ lies within {NEAR_ONE} of 1 in {len(near)} of {len(ranked)} parts "
            f"({_listed(ranked, lambda one: interval(one.increment))})"
            + (f"; undecided, since the interval is wider: {', '.join(undecided)}" if undecided else "")
            + (": layers become pseudo-linear." if len(near) == len(ranked) else ".")
        )
    said += _growth(of_net)
    for one in of_net:
        if one.part.has("log_second_moment_signal") and one.part.simulations >= figure2.FEWEST:
            said.append(f"{one.part.name}: {figure2.spread(one.part)}")
    return said


def _of_more_dimensions(one: Pathologies) -> str:
    """Why a rank is not nearer to 1 than to 2 at the end."""
    if one.one_dimensional == UNDECIDED:
        return f"{one.part.name} has an effective rank of {interval(one.rank)}: undecided with so few simulations."
    said = f"{one.part.name} keeps an effective rank of {interval(one.rank)}"
    if not one.deep:
        return f"{said} after {one.part.depth} layers: not deep enough to tell whether it would go to 1."
    if one.part.boundary == "zero" and one.part.kernel > 1:
        stated = paper.MEANS["S3"]["rank_signal"][200]
        return (
            f"{said}: explained by its edge of zeros, which gives all images a second direction, as in the paper "
            f"({stated} at width 512)."
        )
    return f"{said}: unexplained."


def _bn_ff(of_net: list[Pathologies]) -> list[str]:
    said = _growth(of_net)
    shown = [
        f"{one.part.name} {_last(one.part, 'delta_bn')} and {_last(one.part, 'delta_phi')}, μ₄(z) = "
        f"{_last(one.part, 'kurtosis_z')}"
        for one in of_net
    ]
    said.append(
        "At the last layer batch norm and activation multiply χ by: " + "; ".join(shown) + ". Where z is Gaussian the "
        f"activation gives {paper.GAUSSIAN_DELTA_PHI:.3f} and μ₄(z) is 3."
    )
    return said


def _bn_res(of_net: list[Pathologies]) -> list[str]:
    said = _growth(of_net)
    for one in of_net:
        said += of_fit(one.part, fit_of(one.part))
    ranked = [one for one in of_net if one.one_dimensional != "–"]
    said.append(f"Effective rank of the signal at the last unit: {_listed(ranked, lambda one: interval(one.rank))}.")
    return said


def _growth(of_net: list[Pathologies]) -> list[str]:
    """Whether chi explodes, where there are layers and simulations enough to tell."""
    judged = [one for one in of_net if one.explodes != "–"]
    if not judged:
        return []
    exploding = [one for one in judged if one.explodes == YES]
    said = (
        f"The sensitivity χ explodes in {len(exploding)} of {len(judged)} parts; its factor per layer over the last "
        f"half: {_listed(judged, _factor)}"
    )
    if undecided := [one.part.name for one in judged if one.explodes == UNDECIDED]:
        said += f"; whether it is an exponential or a power stays undecided for {', '.join(undecided)}"
    return [f"{said}."]


def _factor(one: Pathologies) -> str:
    stated = stated_factor(one.part)
    return f"{factor(one.growth)}, that is {decibels(one.growth.value):.2f} dB" + f", paper {stated}" * (stated != "–")


def _listed(many: list[Pathologies], say: Callable[[Pathologies], str]) -> str:
    return "; ".join(f"{one.part.name} {say(one)}" for one in many)


def _last(part: Part, column: str) -> str:
    return text.number(float(np.nanmean(part.values(column)[:, -1])), 4) if part.has(column) else "–"
