"""Claims about trainings: those of figure 2, and about figures 4, 5 and 6.

One training of each sort is what there is, so that a comparison of two has no error.
"""

from collections.abc import Callable, Sequence

import numpy as np

from distnlc.analysis.drawing import format as text
from distnlc.analysis.gradients import figure2_claims, paper
from distnlc.analysis.gradients.claims import Case, Claim, Finding, below, counted, larger, slope
from distnlc.analysis.gradients.figure2_claims import FINAL_ERROR, KEPT_DEPTH, UPDATE_SLOPE, shallow
from distnlc.analysis.gradients.runs import Run, Runs, best_of, missing

FAR_BELOW = 0.1
"""of Y_l GSC(l, 0), whose median is then far below 1"""
TREND = 0.045
"""of a logarithm a layer: a factor of ten over 51 layers, of which there is no trend where it is excluded"""
FIRST_QUARTER = 0.25
"""of the epochs, which is early"""
LOW = 10.0
"""gradient scale at the input that is low"""
PAIRS = tuple(
    ((nonlinearity, normalization, "gaussian", "identity"), (nonlinearity, normalization, "gaussian", "none"))
    for nonlinearity, normalization in (("tanh", "layer"), ("tanh", "batch"), ("relu", "layer"), ("relu", "batch"))
)
"""networks with and without skip connections"""
BATCH_RELU = [("relu", "batch")]
EXCEPTION = (("selu", "layer", "gaussian", "identity"), ("selu", "none", "gaussian", "none"))


def _no_trend(runs: Runs) -> Finding:
    cases: list[Case] = []
    for run, linear, updates, _ in runs.updates(4):
        found, error = slope(linear, updates)
        said = f"{run.name} {100 * found:+.1f} ± {100 * error:.1f} %"
        none = None if abs(found) + 2 * error > TREND else True  # a slope that is hardly known tells nothing
        cases.append((none if larger(found, 0, error) is None else False, said))
    return counted(UPDATE_SLOPE, cases, missing(4, "custom"))


def _far_below(runs: Runs) -> Finding:
    cases: list[Case] = []
    for run, _, updates, inverse in runs.updates(4):
        share = float(np.nanmedian(updates / inverse))
        cases.append((share < FAR_BELOW, f"{run.name} {text.number(share, 2)}"))
    return counted("Relative update times GSC(l, 0), median over layers", cases, missing(4, "custom"))


def _above_exploding(runs: Runs) -> Finding:
    cases: list[Case] = [
        (
            below(other.error, one.error),
            f"{one.name} {text.percent(one.error)}, {other.name} {text.percent(other.error)}",
        )
        for one in runs.of(4)
        for other in runs.of(2, without=BATCH_RELU)
    ]
    return counted(f"{FINAL_ERROR}, beside an exploding network's", cases, f"{missing(4)}, and of figure 2")


def _custom_is_no_help(runs: Runs) -> Finding:
    cases: list[Case] = []
    for row in paper.TABLE_2:
        custom, single = (best_of(runs.every, row, protocol) for protocol in ("custom", "single"))
        if row.figure == 4 and custom is not None and single is not None:
            said = f"{custom.name} custom {text.percent(custom.error)}, single {text.percent(single.error)}"
            cases.append((below(single.error, custom.error), said))
    return counted(FINAL_ERROR, cases, f"custom and single {missing(4)}")


def _less_linear(what: str, column: str, nonlinearity: str) -> Callable[[Runs], Finding]:
    def judge(runs: Runs) -> Finding:
        cases: list[Case] = []
        for run in runs.of(4):
            epochs, values = run.over_epochs(column)
            first = float(getattr(run.row, column))
            if run.setting[0] == nonlinearity and epochs.size >= 4:
                early = values[int(FIRST_QUARTER * epochs.size) - 1]
                said = f"{run.name} {text.number(first)} to {text.number(early)}"
                cases.append((bool(early > first), said))
        missing_runs = f"trainings of {paper.NONLINEARITIES[nonlinearity]} networks of figure 4"
        return counted(
            f"{what} at the highest activation, at first and after a quarter of the epochs", cases, missing_runs
        )

    return judge


def _compared(
    of: str, value_of: Callable[[Run], float | None], say: Callable[[float], str], more: bool, protocol: str = ""
) -> Callable[[Runs], Finding]:
    """Networks with skip connections beside the same without."""

    def judge(runs: Runs) -> Finding:
        cases: list[Case] = []
        for one, other in runs.pairs(PAIRS, protocol):
            ours, theirs = value_of(one), value_of(other)
            if ours is not None and theirs is not None:
                holds = None if ours == theirs else (ours > theirs) is more
                said = f"{say(ours)} with ({one.protocol}), {say(theirs)} without skips ({other.protocol})"
                cases.append((holds, f"{other.name} {said}"))
        return counted(of, cases, "the same networks with and without skip connections")

    return judge


def _exception(runs: Runs) -> Finding:
    cases: list[Case] = [
        (
            below(other.error, one.error),
            f"{one.name} {text.percent(one.error)}, {other.name} {text.percent(other.error)}",
        )
        for one, other in runs.pairs([EXCEPTION])
    ]
    return counted(FINAL_ERROR, cases, "trainings of SELU and of layer-SELU with skip connections")


def _stays_low(figure: int, only: Sequence[tuple[str, str]] = ()) -> Callable[[Runs], Finding]:
    def judge(runs: Runs) -> Finding:
        cases: list[Case] = []
        for run in runs.of(figure):
            _, values = run.over_epochs("gsc_input")
            if values.size and (not only or run.setting[:2] in only):
                cases.append((bool(values.max() < LOW), f"{run.name} {text.number(values.max())}"))
        missing_runs = "trainings of batch-ReLU, looks-linear" if only else missing(figure)
        return counted("Largest gradient scale at the input in training", cases, missing_runs)

    return judge


def _beats_resnets(runs: Runs) -> Finding:
    best = runs.at(("relu", "none", "looks-linear", "none"))
    cases: list[Case] = []
    if best is not None:
        for other in runs.of(5):
            said = f"{best.name} {text.percent(best.error)}, {other.name} {text.percent(other.error)}"
            cases.append((below(best.error, other.error), said))
    missing_runs = "trainings of looks-linear ReLU and of networks with skip connections"
    return counted(FINAL_ERROR, cases, missing_runs)


def _grows_more(runs: Runs) -> Finding:
    pairs = [
        (("relu", each, "looks-linear", "none"), ("relu", each, "gaussian", "none"))
        for each in ("none", "layer", "batch")
    ]
    cases: list[Case] = []
    for one, other in runs.pairs(pairs):
        norms = [run.over_layers("residual_norm", None, "linear")[1] for run in (one, other)]
        if all(each.size for each in norms):
            ours, theirs = (float(np.median(each)) for each in norms)
            said = f"{one.name} {text.number(ours, 2)}, Gaussian {text.number(theirs, 2)}"
            cases.append((ours > theirs, said))
    missing_runs = "trainings of ReLU networks, looks-linear and Gaussian"
    return counted("Operator norm of the residual weights, median over layers", cases, missing_runs)


def _typical_update(run: Run) -> float | None:
    _, updates = run.over_layers("relative_update")
    return float(np.median(updates)) if updates.size else None


_UPDATE = "Relative update, median over layers"
CLAIMS: tuple[Claim[Runs], ...] = (
    *figure2_claims.CLAIMS,
    Claim("4A", "relative updates have no trend with depth", _no_trend),
    Claim("4A", "they lie far below 1 / GSC", _far_below),
    Claim("4B", "errors lie above the exploding networks'", _above_exploding),
    Claim("4B", "custom step sizes do not help", _custom_is_no_help),
    Claim("4D", "effective depth stays below the linear layers", shallow(4)),
    Claim("4G", "tanh becomes less linear early in training", _less_linear("Spread", "std_top", "tanh")),
    Claim("4H", "ReLU networks become less linear early", _less_linear("Sign diversity", "sign_diversity_top", "relu")),
    Claim(
        "5A",
        "relative updates are larger than without skips",
        _compared(_UPDATE, _typical_update, text.number, True, "custom"),
    ),
    Claim(
        "5B",
        "errors are lower than without skips",
        _compared(FINAL_ERROR, lambda run: run.error, text.percent, False),
    ),
    Claim("5B", "layer-SELU is the exception, beside SELU", _exception),
    Claim("5C", "the gradient scale stays low", _stays_low(5)),
    Claim(
        "5D",
        "effective depth is larger than without skips",
        _compared("Effective depth at the end", lambda run: run.depth, str, True),
    ),
    Claim("5F", "less robust to Taylor than without skips", _compared(KEPT_DEPTH, lambda run: run.cut, str, True)),
    Claim("6B", "looks-linear ReLU beats every residual network", _beats_resnets),
    Claim("6C", "the gradient scale of batch-ReLU stays low", _stays_low(6, BATCH_RELU)),
    Claim("6E", "residuals grow larger than with Gaussian weights", _grows_more),
)
"""in the order of the figures"""
