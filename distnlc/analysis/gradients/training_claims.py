"""Claims about figures 2, 4, 5 and 6, and about large first steps, judged from trainings.

One training of each sort is what there is, so that a comparison of two has no error; slopes over layers have that of
their least squares. Trainings in small show less than the paper's: what is not there stays open.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.gradients import paper
from distnlc.analysis.gradients.claims import Case, Claim, Finding, counted, larger
from distnlc.analysis.gradients.runs import Run, best_of, shown
from distnlc.analysis.statistics.correlations import Floats

OUTLIERS = 0.1
"""share of the layers that may be outliers"""
FAR_BELOW = 0.1
"""of Y_l GSC(l, 0), whose median is then far below 1"""
EARLY, MOSTLY = 0.5, 0.8
"""share of the epochs in which an effective depth that rises early reaches so much of its end"""
FIRST_QUARTER = 0.25
DIVISIONS = 3
"""that are several"""
WITHIN = 0.02
"""of the error, by which a cut may raise it"""
LOW = 10.0
"""gradient scale at the input that is low"""
TROUBLE = 0.8
"""training error of a network that hardly trains"""
CUT_DEPTH = 15
PAIRS = tuple(
    ((nonlinearity, normalization, "gaussian", "identity"), (nonlinearity, normalization, "gaussian", "none"))
    for nonlinearity, normalization in (("tanh", "layer"), ("tanh", "batch"), ("relu", "layer"), ("relu", "batch"))
)
"""networks with and without skip connections"""
EXCEPTION = (("selu", "layer", "gaussian", "identity"), ("selu", "none", "gaussian", "none"))
APART = 3.0
"""factor between two first updates that tells a large one from a small one"""


@dataclass(frozen=True)
class Runs:
    """All trainings of a study."""

    every: Sequence[Run]

    def of(self, figure: int, protocol: str = "", without: Sequence[tuple[str, str]] = ()) -> list[Run]:
        """Those that a figure shows, or of its networks by one protocol."""
        rows = [row for row in paper.TABLE_2 if row.figure == figure and row.setting[:2] not in without]
        found = [best_of(self.every, row, protocol) if protocol else shown(self.every, row) for row in rows]
        return [run for run in found if run is not None]

    def at(self, key: tuple[str, ...], protocol: str = "") -> Run | None:
        """The training of one row of table 2 that a figure shows, or by one protocol."""
        row = next(row for row in paper.TABLE_2 if row.setting[:4] == key)
        return best_of(self.every, row, protocol) if protocol else shown(self.every, row)

    def pairs(
        self, pairs: Sequence[tuple[tuple[str, ...], tuple[str, ...]]], protocol: str = ""
    ) -> list[tuple[Run, Run]]:
        """Both trainings of those pairs of which there are both."""
        found = [(self.at(one, protocol), self.at(other, protocol)) for one, other in pairs]
        return [(one, other) for one, other in found if one is not None and other is not None]


BATCH_RELU = [("relu", "batch")]


def _missing(figure: int, protocol: str = "") -> str:
    names = ", ".join(paper.name_of(row.setting) for row in paper.TABLE_2 if row.figure == figure)
    return f"{protocol + ' ' if protocol else ''}trainings of {names}"


def slope(across: Floats, values: Floats) -> tuple[float, float]:
    """Of the logarithm of positive values (L,) over linear layers, and its standard error."""
    usable = (values > 0) & np.isfinite(values)
    across, log_values = across[usable] - across[usable].mean(), np.log(values[usable])
    if log_values.size < 3:
        return np.nan, np.nan
    square = across @ across
    found = across @ log_values / square
    left = log_values - log_values.mean() - found * across
    return float(found), float(np.sqrt(left @ left / (log_values.size - 2) / square))


def _updates(runs: Runs, figure: int) -> Iterator[tuple[Run, Floats, Floats, Floats]]:
    for run in runs.of(figure, "custom"):
        linear, updates, inverse = run.scale_at_updates()
        if linear.size >= 3:
            yield run, linear, updates, inverse


def _below_inverse(runs: Runs) -> Finding:
    cases: list[Case] = []
    for run, _, updates, inverse in _updates(runs, 2):
        below = int((updates <= inverse).sum())
        cases.append((below >= (1 - OUTLIERS) * updates.size, f"{run.name} at {below} of {updates.size} layers"))
    return counted(cases, _missing(2, "custom"))


def _updates_fall(runs: Runs) -> Finding:
    cases: list[Case] = []
    for run, linear, updates, _ in _updates(runs, 2):
        found, error = slope(linear, updates)
        cases.append(
            (larger(found, 0, error), f"{run.name} by {100 * found:+.1f} ± {100 * error:.1f} % a layer upwards")
        )
    return counted(cases, _missing(2, "custom"))


def _faster(runs: Runs) -> Finding:
    slopes = [
        (run, slope(linear, updates)[0], np.log(float(run.row.gsc_input)))
        for run, linear, updates, _ in _updates(runs, 2)
    ]
    cases: list[Case] = [
        (
            (one[1] > other[1]) == (one[2] > other[2]),
            f"{one[0].name} {100 * one[1]:+.1f} %, {other[0].name} {100 * other[1]:+.1f} %",
        )
        for one, other in combinations(slopes, 2)
    ]
    return counted(cases, f"two {_missing(2, 'custom')}")


def _less_is_better(runs: Runs) -> Finding:
    cases: list[Case] = []
    for one, other in combinations(runs.of(2), 2):
        less, more = sorted((one, other), key=lambda run: float(run.row.gsc_input))
        cases.append(
            (less.error < more.error, f"{less.name} {_percent(less.error)}, {more.name} {_percent(more.error)}")
        )
    return counted(cases, f"two {_missing(2)}")


def _falls_in_pretraining(runs: Runs) -> Finding:
    cases: list[Case] = []
    for run in runs.of(2, "custom"):
        _, values = run.over_epochs("gsc_input")
        if run.pretraining and values.size >= run.pretraining:
            first, then = float(run.row.gsc_input), values[run.pretraining - 1]
            cases.append((bool(then < first), f"{run.name} {text.number(first)} to {text.number(then)}"))
    return counted(cases, _missing(2, "custom"))


def _below_one(runs: Runs) -> Finding:
    """Behind the 2nd to 6th highest linear layers, which are pre-trained; and from there to the input."""
    cases: list[Case] = []
    for run in runs.of(2, "custom"):
        linear, scale = run.over_layers("gsc", run.pretraining, "linear")
        inner = (linear < run.linear_layers) & (linear >= run.linear_layers - 5)
        if run.pretraining and inner.any():
            typical, lowest = float(np.median(scale[inner])), float(scale[0])
            said = f"{run.name} {text.number(typical)} across them, {text.number(lowest)} at the lowest layer"
            cases.append((typical < 1 and lowest > typical, said))
    return counted(cases, _missing(2, "custom"))


def _regains(runs: Runs) -> Finding:
    cases: list[Case] = []
    for run in runs.of(2):
        _, values = run.over_epochs("gsc_input")
        later = values[run.pretraining :]
        if later.size:
            first = float(run.row.gsc_input)
            cases.append(
                (bool(later.max() >= first), f"{run.name} from {text.number(first)} to {text.number(later.max())}")
            )
    return counted(cases, _missing(2))


def _shallow(figure: int) -> Callable[[Runs], Finding]:
    def judge(runs: Runs) -> Finding:
        cases: list[Case] = []
        for run in runs.of(figure):
            _, depth = run.over_epochs("effective_depth_1e6")
            if depth.size:
                cases.append((bool(depth.max() < run.linear_layers), f"{run.name} {depth.max():.0f}"))
        return counted(cases, _missing(figure))

    return judge


def _close(runs: Runs) -> Finding:
    order = (("tanh", "batch"), ("selu", "none"))
    cases: list[Case] = []
    for place, net in enumerate(order):
        deep = runs.at((*net, "gaussian", "none"))
        for other in runs.of(2, without=order[: place + 1]):
            if deep is not None and _depth(deep) is not None and _depth(other) is not None:
                said = f"{deep.name} {_depth(deep)}, {other.name} {_depth(other)}"
                cases.append(((_depth(deep) or 0) > (_depth(other) or 0), said))
    return counted(cases, "trainings of batch-tanh or SELU beside others without skip connections")


def _early(runs: Runs) -> Finding:
    cases: list[Case] = []
    for run in runs.of(2):
        _, depth = run.over_epochs("effective_depth_1e6")
        if depth.size >= 4:
            middle = depth[int(EARLY * depth.size) - 1]
            said = f"{run.name} {middle:.0f} of {depth[-1]:.0f} after half of the epochs"
            cases.append((bool(middle >= MOSTLY * depth[-1]), said))
    return counted(cases, _missing(2))


def _flat_later(runs: Runs) -> Finding:
    cases: list[Case] = []
    for run in runs.of(2):
        rows = run.epochs[(run.epochs["phase"] == "training") & run.epochs["effective_depth_1e6"].notna()]
        if rows.empty:
            continue
        late = rows[(rows["rate"].diff() < 0).cumsum() >= DIVISIONS]
        if len(late) >= 2:
            rise = late["effective_depth_1e6"].iloc[-1] - late["effective_depth_1e6"].iloc[0]
            fall = late["train_error"].iloc[0] - late["train_error"].iloc[-1]
            said = f"{run.name} rises by {rise:.0f} while its error falls by {_percent(fall)}"
            cases.append((bool(rise <= 1 and fall > 0), said))
    return counted(cases, f"trainings whose step was divided {DIVISIONS} times, of figure 2")


def _residuals(selu: bool) -> Callable[[Runs], Finding]:
    def judge(runs: Runs) -> Finding:
        cases: list[Case] = []
        for run in runs.of(2):
            linear, norms = run.over_layers("residual_norm", None, "linear")
            if linear.size >= 3 and (run.setting[0] == "selu") == selu:
                found, error = slope(linear, norms)
                falls = larger(found, 0, error)
                said = f"{run.name} by {100 * found:+.1f} ± {100 * error:.1f} % a layer upwards"
                cases.append((not falls if selu else falls, said))
        return counted(cases, "training of SELU" if selu else _missing(2))

    return judge


def _cut_enormously(runs: Runs) -> Finding:
    cases: list[Case] = []
    for run in (runs.at((*net, "gaussian", "none")) for net in (("tanh", "layer"), ("relu", "batch"))):
        if run is not None and (cut := run.cut_to(WITHIN)) is not None:
            said = f"{run.name} to depth {cut} with the error within {_percent(WITHIN)} of {_percent(run.error)}"
            cases.append((cut <= run.linear_layers / 2, said))
    return counted(cases, "Taylor reductions of layer-tanh and batch-ReLU")


def _beats(runs: Runs) -> Finding:
    tanh = runs.at(("tanh", "layer", "gaussian", "none"))
    cases: list[Case] = []
    error = tanh.error_at(CUT_DEPTH) if tanh is not None else None
    for other in (runs.at((*net, "gaussian", "none")) for net in (("tanh", "batch"), ("relu", "batch"))):
        if error is not None and other is not None:
            cases.append((error < other.error, f"layer-tanh {_percent(error)}, {other.name} {_percent(other.error)}"))
    return counted(cases, f"layer-tanh reduced to depth {CUT_DEPTH}, and batch-tanh or batch-ReLU")


def _minibatches(runs: Runs) -> Finding:
    cases: list[Case] = [
        (run.error > paper.MINI_BATCH_ERROR, f"{run.full_name} {_percent(run.error)}")
        for run in runs.every
        if run.key == ("relu", "batch", "gaussian", "none") and run.batch is not None
    ]
    return counted(cases, "trainings of batch-ReLU in minibatches")


def _criterion(runs: Runs) -> Finding:
    """The paper means the gradient scale at the first batch norm, next to that at the input."""
    cases: list[Case] = []
    for run in runs.every:
        if run.setting[1] == "batch" and run.setting[3] == "none" and run.batch is not None:
            scale, bound = float(run.row.gsc_input), float(np.sqrt(run.batch))
            said = f"{run.full_name} {text.number(scale)} beside {text.number(bound)}, error {_percent(run.error)}"
            cases.append(((scale > bound) == (run.error > TROUBLE), said))
    return counted(cases, "trainings with batch norm in minibatches, without skip connections")


def _no_trend(runs: Runs) -> Finding:
    cases: list[Case] = []
    for run, linear, updates, _ in _updates(runs, 4):
        found, error = slope(linear, updates)
        said = f"{run.name} by {100 * found:+.1f} ± {100 * error:.1f} % a layer upwards"
        cases.append((larger(found, 0, error) is None, said))
    return counted(cases, _missing(4, "custom"))


def _far_below(runs: Runs) -> Finding:
    cases: list[Case] = []
    for run, _, updates, inverse in _updates(runs, 4):
        share = float(np.nanmedian(updates / inverse))
        cases.append((share < FAR_BELOW, f"{run.name} {text.number(share, 2)} of it in the median"))
    return counted(cases, _missing(4, "custom"))


def _above_exploding(runs: Runs) -> Finding:
    cases: list[Case] = [
        (one.error > other.error, f"{one.name} {_percent(one.error)}, {other.name} {_percent(other.error)}")
        for one in runs.of(4)
        for other in runs.of(2, without=BATCH_RELU)
    ]
    return counted(cases, f"{_missing(4)}, and of figure 2")


def _custom_is_no_help(runs: Runs) -> Finding:
    cases: list[Case] = []
    for row in paper.TABLE_2:
        custom, single = (best_of(runs.every, row, protocol) for protocol in ("custom", "single"))
        if row.figure == 4 and custom is not None and single is not None:
            said = f"{custom.name} custom {_percent(custom.error)}, single {_percent(single.error)}"
            cases.append((custom.error >= single.error, said))
    return counted(cases, f"custom and single {_missing(4)}")


def _less_linear(column: str, nonlinearity: str) -> Callable[[Runs], Finding]:
    def judge(runs: Runs) -> Finding:
        cases: list[Case] = []
        for run in runs.of(4):
            epochs, values = run.over_epochs(column)
            first = float(getattr(run.row, column))
            if run.setting[0] == nonlinearity and epochs.size >= 4:
                early = values[: max(1, int(FIRST_QUARTER * epochs.size))].max()
                said = f"{run.name} {text.number(first)} to {text.number(early)} in the first quarter"
                cases.append((bool(early > first), said))
        return counted(cases, f"trainings of {paper.NONLINEARITIES[nonlinearity]} networks of figure 4")

    return judge


def _compared(
    value_of: Callable[[Run], float | None], say: Callable[[float], str], more: bool, protocol: str = ""
) -> Callable[[Runs], Finding]:
    """Networks with skip connections beside the same without."""

    def judge(runs: Runs) -> Finding:
        cases: list[Case] = []
        for one, other in runs.pairs(PAIRS, protocol):
            ours, theirs = value_of(one), value_of(other)
            if ours is not None and theirs is not None:
                holds = None if ours == theirs else (ours > theirs) is more
                cases.append((holds, f"{other.name} {say(ours)} with, {say(theirs)} without skips"))
        return counted(cases, "the same networks with and without skip connections")

    return judge


def _exception(runs: Runs) -> Finding:
    cases: list[Case] = [
        (one.error >= other.error, f"{one.name} {_percent(one.error)}, {other.name} {_percent(other.error)}")
        for one, other in runs.pairs([EXCEPTION])
    ]
    return counted(cases, "trainings of SELU and of layer-SELU with skip connections")


def _stays_low(figure: int, only: Sequence[tuple[str, str]] = ()) -> Callable[[Runs], Finding]:
    def judge(runs: Runs) -> Finding:
        cases: list[Case] = []
        for run in runs.of(figure):
            _, values = run.over_epochs("gsc_input")
            if values.size and (not only or run.setting[:2] in only):
                cases.append((bool(values.max() < LOW), f"{run.name} at most {text.number(values.max())}"))
        return counted(cases, "trainings of batch-ReLU, looks-linear" if only else _missing(figure))

    return judge


def _beats_resnets(runs: Runs) -> Finding:
    best = runs.at(("relu", "none", "looks-linear", "none"))
    cases: list[Case] = []
    if best is not None:
        for other in runs.of(5):
            said = f"{_percent(best.error)}, {other.name} {_percent(other.error)}"
            cases.append((None if best.error == other.error else best.error < other.error, said))
    return counted(cases, "trainings of looks-linear ReLU and of networks with skip connections")


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
            said = f"{one.name} {text.number(ours, 2)}, Gaussian {text.number(theirs, 2)} in the median layer"
            cases.append((ours > theirs, said))
    return counted(cases, "trainings of ReLU networks, looks-linear and Gaussian")


def _large_first_step(runs: Runs) -> Finding:
    cases: list[Case] = []
    for one, other in combinations(runs.every, 2):
        large, small = sorted((one, other), key=lambda run: -float(run.row.largest_first_update))
        factor = float(large.row.largest_first_update) / float(small.row.largest_first_update)
        depths = _depth(large), _depth(small)
        if one.setting == other.setting and one.batch == other.batch and factor >= APART and None not in depths:
            said = (
                f"{large.name}: first update {text.number(float(large.row.largest_first_update), 2)} instead of "
                f"{text.number(float(small.row.largest_first_update), 2)}, depth {depths[0]} instead of {depths[1]}, "
                f"error {_percent(large.error)} instead of {_percent(small.error)}"
            )
            cases.append(((depths[0] or 0) > (depths[1] or 0) and large.error > small.error, said))
    return counted(cases, "two trainings of one network whose first updates differ much")


def _depth(run: Run) -> int | None:
    return None if pd.isna(run.row.effective_depth) else int(run.row.effective_depth)


def _typical_update(run: Run) -> float | None:
    _, updates = run.over_layers("relative_update")
    return float(np.median(updates)) if updates.size else None


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


CLAIMS: tuple[Claim[Runs], ...] = (
    Claim("2A", "relative updates stay below 1 / GSC but for few outliers", _below_inverse),
    Claim("2A", "they fall towards lower layers", _updates_fall),
    Claim("2A", "faster where the gradient scale explodes faster", _faster),
    Claim("2B", "the less it explodes, the lower the final error", _less_is_better),
    Claim("2B", "batch-ReLU in minibatches stays above 89 % error", _minibatches),
    Claim("2B", "batch norm gives trouble where GSC > sqrt(batch)", _criterion),
    Claim("2C", "the gradient scale falls in pre-training", _falls_in_pretraining),
    Claim("2C", "below 1 across pre-trained layers, exploding below them", _below_one),
    Claim("2C", "later it regains or exceeds its start", _regains),
    Claim("2D", "effective depth stays below the linear layers", _shallow(2)),
    Claim("2D", "SELU, and above all batch-tanh, come close", _close),
    Claim("2D", "it rises mostly early", _early),
    Claim("2D", "flat once the step is small, while the error falls", _flat_later),
    Claim("2E", "residual weights fall towards the input", _residuals(selu=False)),
    Claim("2E", "those of SELU do not", _residuals(selu=True)),
    Claim("2F", "layer-tanh and batch-ReLU can be cut enormously", _cut_enormously),
    Claim("2F", "layer-tanh at depth 15 beats batch-tanh, batch-ReLU", _beats),
    Claim("4A", "relative updates have no trend with depth", _no_trend),
    Claim("4A", "they lie far below 1 / GSC", _far_below),
    Claim("4B", "errors lie above the exploding networks'", _above_exploding),
    Claim("4B", "custom step sizes do not help", _custom_is_no_help),
    Claim("4D", "effective depth stays below the linear layers", _shallow(4)),
    Claim("4G", "tanh becomes less linear early in training", _less_linear("std_top", "tanh")),
    Claim("4H", "ReLU networks become less linear early", _less_linear("sign_diversity_top", "relu")),
    Claim(
        "5A", "relative updates are larger than without skips", _compared(_typical_update, text.number, True, "custom")
    ),
    Claim("5B", "errors are lower than without skips", _compared(lambda run: run.error, _percent, False)),
    Claim("5B", "layer-SELU is the exception, beside SELU", _exception),
    Claim("5C", "the gradient scale stays low", _stays_low(5)),
    Claim("5D", "effective depth is larger than without skips", _compared(_depth, str, True)),
    Claim("5F", "less robust to Taylor than without skips", _compared(lambda run: run.cut_to(WITHIN), str, True)),
    Claim("6B", "looks-linear ReLU beats every residual network", _beats_resnets),
    Claim("6C", "the gradient scale of batch-ReLU stays low", _stays_low(6, BATCH_RELU)),
    Claim("6E", "residuals grow larger than with Gaussian weights", _grows_more),
    Claim("D.3", "an unnecessarily large first step inflates effective depth and ends worse", _large_first_step),
)
