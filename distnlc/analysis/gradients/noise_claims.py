"""Claims about figures 1 and 3, judged from networks on noise."""

import math

import numpy as np

from distnlc.analysis.drawing import format as text
from distnlc.analysis.gradients import paper, targets
from distnlc.analysis.gradients.claims import Case, Claim, Finding, counted, larger
from distnlc.analysis.gradients.comparison import compared
from distnlc.analysis.gradients.correction import blocks_of, by_formula
from distnlc.analysis.gradients.growth import KINDS, Rate, steps
from distnlc.analysis.gradients.networks import Group, groups_of
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.statistics.means import estimate
from distnlc.analysis.tables import Tables

Groups = dict[paper.Setting, Group]
gaussian = paper.gaussian

COLLAPSING = (gaussian("relu", "none"), gaussian("relu", "layer"), gaussian("tanh", "none"))
STABLE = (*COLLAPSING, gaussian("relu", "length"))
FEW = 5
"""networks, below which what a mean curve scatters is theirs"""
FLAT = 1.02
"""growth per linear layer, below which a network does not explode"""
SHRUNK, KEPT = 0.3, 0.9
"""spread at the top, below which it has collapsed, and above which it has been kept"""
LOST, DIVERSE = 0.1, 0.4
"""sign diversity likewise"""
TOP = {"std_top": "spread", "sign_diversity_top": "sign diversity"}
LOST_FROM = 20
"""linear layers, from which on the sign diversity of ReLU networks is lost"""
NARROW_AND_WIDE = (
    (gaussian("relu", "batch"), gaussian("relu", "batch", width="200")),
    (gaussian("selu", "none"), gaussian("selu", "none", width="200")),
)
RESNETS = tuple(targets.FIGURE_3C)


def groups(tables: Tables) -> Groups:
    """The paper's networks by setting, each with the most points there are."""
    found: Groups = {}
    for group in groups_of(tables):
        if group.row is not None and group.size:
            found.setdefault(group.setting, group)
    return found


def _missing(*settings: paper.Setting) -> str:
    return f"networks on noise of {', '.join(map(paper.name_of, settings))}"


def _error(group: Group) -> float:
    """Standard error of the mean gradient scale at the input, by the spread that is of more networks."""
    assert group.row is not None
    return compared("", group.row.gsc, group.column("gsc_input"), paper.NETWORKS, group.row.spread).error


def _mean(group: Group) -> float:
    return float(group.column("gsc_input").mean())


def _less(found: Groups, less: paper.Setting, more: paper.Setting) -> bool | None:
    """Whether one network's gradient scale is below another's."""
    error = math.hypot(_error(found[less]), _error(found[more]))
    return larger(_mean(found[more]), _mean(found[less]), error)


def _straight(found: Groups) -> Finding:
    cases: list[Case] = []
    for group in (found[each] for each in targets.EXPLODING if each in found):
        rate, r2 = Rate(group).per_linear_layer.value, Rate(group).fit.r2
        holds: bool | None = rate > FLAT and r2 >= targets.STRAIGHT
        if not holds and group.size < FEW:
            holds = None
        cases.append((holds, f"{group.name} by {text.number(rate, 4)} a linear layer, R² = {r2:.4f}"))
    return counted("Growth of the mean gradient scale", cases, _missing(*targets.EXPLODING))


def _flat(found: Groups) -> Finding:
    cases: list[Case] = []
    for group in (found[each] for each in STABLE if each in found):
        rate = Rate(group).per_linear_layer.value
        cases.append((rate < FLAT, f"{group.name} by {text.number(rate, 4)} a linear layer"))
    return counted("Growth of the mean gradient scale", cases, _missing(*STABLE))


def _by_kind(found: Groups) -> Finding:
    cases: list[Case] = []
    for group in (found[each] for each in targets.EXPLODING if each in found):
        curve = group.curve("gsc")
        factor = {kind: estimate(steps(curve, kind)) for kind in KINDS if (curve.kinds == kind).any()}
        signs = [
            None if math.isnan(one.low) or one.low <= 1 <= one.high else (one.value > 1) is (kind != "linear")
            for kind, one in factor.items()
        ]
        holds = False if False in signs else None if None in signs else True
        listed = ", ".join(f"{KINDS[kind]} {text.number(one.value, 4)}" for kind, one in factor.items())
        cases.append((holds, f"{group.name}: {listed}"))
    return counted("Factor of the gradient scale across one layer", cases, _missing(*targets.EXPLODING))


def _wider(found: Groups) -> Finding:
    cases: list[Case] = []
    for narrow, wide in NARROW_AND_WIDE:
        if narrow in found and wide in found:
            said = f"{paper.name_of(wide)} {text.number(_mean(found[wide]), 4)}"
            cases.append((_less(found, wide, narrow), f"{said}, width 100 {text.number(_mean(found[narrow]), 4)}"))
    missing = _missing(*(each for pair in NARROW_AND_WIDE for each in pair))
    return counted("Mean gradient scale at the input", cases, missing)


def _top(found: Groups, column: str, settings: tuple[paper.Setting, ...], low: float, high: float) -> Finding:
    cases: list[Case] = []
    for group in (found[each] for each in settings if each in found):
        value = float(np.nanmean(group.column(column)))
        cases.append((low <= value <= high, f"{group.name} {text.number(value)}"))
    return counted(f"Mean {TOP[column]} of what enters the highest activation", cases, _missing(*settings))


def _lost(found: Groups) -> Finding:
    cases: list[Case] = []
    settings = COLLAPSING[:2]
    for group in (found[each] for each in settings if each in found):
        curve = group.curve("sign_diversity", "activation")
        (place,) = curve.at([LOST_FROM])
        if place is not None:
            value = curve.mean[place]
            cases.append((bool(value <= LOST), f"{group.name} {text.number(value)}"))
    return counted(f"Mean sign diversity behind linear layer {LOST_FROM}", cases, _missing(*settings))


def _slower(found: Groups) -> Finding:
    cases: list[Case] = []
    for setting, stated in targets.FIGURE_3C.items():
        if setting in found and stated.vanilla in found:
            ours, plain = (text.number(_mean(found[each])) for each in (setting, stated.vanilla))
            cases.append(
                (_less(found, setting, stated.vanilla), f"{found[setting].name} {ours}, without skips {plain}")
            )
    return counted("Mean gradient scale at the input", cases, "networks on noise with and without skip connections")


def unexplained(values: Floats, across: Floats) -> float:
    """The share of a curve's variance (L,) that a straight line leaves."""
    return 1 - float(np.corrcoef(values, across)[0, 1]) ** 2


def _power(found: Groups) -> Finding:
    cases: list[Case] = []
    for group in (found[each] for each in RESNETS if each in found):
        curve = group.curve("gsc", "linear")
        boundaries = 1 + (curve.linear.astype(float) - 1) / group.block_layers
        log_gsc = np.log(curve.mean)
        power, exponential = (unexplained(log_gsc, x) for x in (np.log(boundaries), boundaries))
        said = f"{group.name} a power {100 * power:.2g} %, an exponential {100 * exponential:.2g} %"
        grows = larger(_mean(group), 1, _error(group))
        cases.append((power < exponential if grows else None, said))
    return counted("Variance of ln GSC(l, 0) that a fit leaves", cases, _missing(*RESNETS))


def _keeps_signs(found: Groups) -> Finding:
    cases: list[Case] = []
    for setting, stated in targets.FIGURE_3C.items():
        if setting in found and stated.vanilla in found:
            with_skips, without = (
                estimate(found[each].column("sign_diversity_top")) for each in (setting, stated.vanilla)
            )
            said = f"{found[setting].name} {text.number(with_skips.value)}, without skips {text.number(without.value)}"
            cases.append((with_skips.value >= without.value - 0.005, said))
    missing = "networks on noise with and without skip connections"
    return counted("Mean sign diversity of what enters the highest activation", cases, missing)


def _hidden(found: Groups) -> Finding:
    cases: list[Case] = []
    for setting, stated in targets.FIGURE_3C.items():
        blocks = blocks_of(found[setting]) if setting in found else None
        if blocks is not None and stated.vanilla in found:
            total, without = blocks.total(by_formula), found[stated.vanilla]
            plain, error = math.log10(_mean(without)), _error(without) / _mean(without) / math.log(10)
            said = f"{found[setting].name} 10^{total.value:.2f}, without skips 10^{plain:.2f}"
            cases.append((larger(total.value, plain, math.hypot(error, (total.high - total.low) / 4)), said))
    missing = "networks on noise with skip connections, their dilution, and those without"
    return counted("Gradient scale, corrected for dilution", cases, missing)


CLAIMS: tuple[Claim[Groups], ...] = (
    Claim("1A", "four networks explode, exponentially in depth", _straight),
    Claim("1A", "ReLU networks without batch norm and tanh do not explode", _flat),
    Claim("1A", "linear layers lower the gradient scale, the others raise it", _by_kind),
    Claim("1A", "width 200 explodes slightly less than width 100", _wider),
    Claim(
        "1B", "the spread collapses where nothing explodes", lambda found: _top(found, "std_top", COLLAPSING, 0, SHRUNK)
    ),
    Claim(
        "1B",
        "exploding networks keep their spread",
        lambda found: _top(found, "std_top", targets.EXPLODING, KEPT, math.inf),
    ),
    Claim("1C", "ReLU networks lose their sign diversity from linear layer 20 on", _lost),
    Claim(
        "1C",
        "exploding networks keep theirs",
        lambda found: _top(found, "sign_diversity_top", targets.EXPLODING, DIVERSE, 0.5),
    ),
    Claim("3A", "skip connections reduce the gradient scale", _slower),
    Claim("3A", "it grows rather as a power of depth", _power),
    Claim("3B", "signs stay at least as diverse as without skip connections", _keeps_signs),
    Claim("3C", "without dilution they explode at least as plain networks do", _hidden),
)
"""each judged from `groups`"""
