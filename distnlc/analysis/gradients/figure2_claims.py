"""Claims about figure 2, exploding networks in training, and about large first steps (appendix D.3).

One training of each sort is what there is, so that a comparison of two has no error; slopes over layers have that of
their least squares. Trainings in small show less than the paper's: what is not there stays open.
"""

from collections.abc import Callable
from itertools import combinations

import numpy as np

from distnlc.analysis.drawing import format as text
from distnlc.analysis.gradients import paper
from distnlc.analysis.gradients.claims import Case, Claim, Finding, below, counted, larger, slope
from distnlc.analysis.gradients.runs import WITHIN, Runs, missing

OUTLIERS = 0.1
"""share of the layers that may be outliers"""
EARLY, MOSTLY = 0.5, 0.8
"""share of the epochs in which an effective depth that rises early reaches so much of its end"""
DIVISIONS = 3
"""that are several"""
TROUBLE = 0.8
"""training error of a network that hardly trains"""
CUT_DEPTH = 15
APART = 3.0
"""factor between two first updates that tells a large one from a small one"""
FINAL_ERROR = "Training error at the end"
UPDATE_SLOPE = "Change of the largest relative update from layer to layer upwards"
KEPT_DEPTH = f"Smallest depth that keeps the training error within {text.percent(WITHIN)}"


def shallow(figure: int) -> Callable[[Runs], Finding]:
    """Below the most that it can be: the lowest layer's gradient passes all linear layers but its own."""

    def judge(runs: Runs) -> Finding:
        cases: list[Case] = []
        for run in runs.of(figure):
            _, depth = run.over_epochs("effective_depth_1e6")
            if depth.size:
                most = run.linear_layers - 1
                cases.append((bool(depth.max() < most), f"{run.name} {depth.max():.0f} of at most {most}"))
        return counted("Largest effective depth in training", cases, missing(figure))

    return judge


def _below_inverse(runs: Runs) -> Finding:
    cases: list[Case] = []
    for run, _, updates, inverse in runs.updates(2):
        below = int((updates <= inverse).sum())
        cases.append((below >= (1 - OUTLIERS) * updates.size, f"{run.name} {below} of {updates.size}"))
    return counted("Layers whose update stays below", cases, missing(2, "custom"))


def _updates_fall(runs: Runs) -> Finding:
    cases: list[Case] = []
    for run, linear, updates, _ in runs.updates(2):
        found, error = slope(linear, updates)
        cases.append((larger(found, 0, error), f"{run.name} {100 * found:+.1f} ± {100 * error:.1f} %"))
    return counted(UPDATE_SLOPE, cases, missing(2, "custom"))


def _faster(runs: Runs) -> Finding:
    slopes = [(run, *slope(linear, updates)) for run, linear, updates, _ in runs.updates(2)]
    cases: list[Case] = []
    for pair in combinations(slopes, 2):
        less, more = sorted(pair, key=lambda each: float(each[0].row.gsc_input))
        said = ", ".join(f"{run.name} {100 * found:+.1f} ± {100 * error:.1f} %" for run, found, error in (more, less))
        cases.append((larger(more[1], less[1], float(np.hypot(more[2], less[2]))), said))
    return counted(UPDATE_SLOPE, cases, f"two {missing(2, 'custom')}")


def _less_is_better(runs: Runs) -> Finding:
    cases: list[Case] = []
    for one, other in combinations(runs.of(2), 2):
        less, more = sorted((one, other), key=lambda run: float(run.row.gsc_input))
        said = f"{less.name} {text.percent(less.error)}, {more.name} {text.percent(more.error)}"
        cases.append((below(less.error, more.error), said))
    return counted(f"{FINAL_ERROR}, of the smaller gradient scale first", cases, f"two {missing(2)}")


def _falls_in_pretraining(runs: Runs) -> Finding:
    """Both by a pass over all points: what stands in the epochs was measured before their updates."""
    cases: list[Case] = []
    for run in runs.of(2, "custom"):
        _, then = run.over_layers("gsc", run.pretraining, "input")
        if run.pretraining and then.size:
            first = float(run.row.gsc_input)
            cases.append((bool(then[0] < first), f"{run.name} {text.number(first)} to {text.number(then[0])}"))
    return counted("Gradient scale at the input over pre-training", cases, missing(2, "custom"))


def _below_one(runs: Runs) -> Finding:
    """Behind the 2nd to 6th highest linear layers, which are pre-trained; and from there to the input."""
    cases: list[Case] = []
    for run in runs.of(2, "custom"):
        linear, scale = run.over_layers("gsc", run.pretraining, "linear")
        inner = (linear < run.linear_layers) & (linear >= run.linear_layers - 5)
        if run.pretraining and inner.any():
            typical, lowest = float(np.median(scale[inner])), float(scale[0])
            said = f"{run.name} {text.number(typical)} in the median of them, {text.number(lowest)} at the lowest layer"
            cases.append((typical < 1 and lowest > typical, said))
    return counted("Gradient scale after pre-training", cases, missing(2, "custom"))


def _regains(runs: Runs) -> Finding:
    cases: list[Case] = []
    for run in runs.of(2):
        _, values = run.over_epochs("gsc_input")
        later = values[run.pretraining :]
        if run.pretraining and later.size:
            first = float(run.row.gsc_input)
            cases.append((bool(later.max() >= first), f"{run.name} {text.number(first)} to {text.number(later.max())}"))
    return counted("Gradient scale at the input, at first and its later maximum", cases, missing(2))


def _close(runs: Runs) -> Finding:
    order = (("tanh", "batch"), ("selu", "none"))
    cases: list[Case] = []
    for place, net in enumerate(order):
        deep = runs.at((*net, "gaussian", "none"))
        for other in runs.of(2, without=order[: place + 1]):
            if deep is not None and deep.depth is not None and other.depth is not None:
                cases.append((deep.depth > other.depth, f"{deep.name} {deep.depth}, {other.name} {other.depth}"))
    missing_runs = "trainings of batch-tanh or SELU beside others without skip connections"
    return counted("Effective depth at the end", cases, missing_runs)


def _early(runs: Runs) -> Finding:
    cases: list[Case] = []
    for run in runs.of(2):
        _, depth = run.over_epochs("effective_depth_1e6")
        if depth.size >= 4:
            middle = depth[int(EARLY * depth.size) - 1]
            cases.append((bool(middle >= MOSTLY * depth[-1]), f"{run.name} {middle:.0f} of {depth[-1]:.0f}"))
    return counted("Effective depth after half of the epochs, of that at the end", cases, missing(2))


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
            said = f"{run.name} by {rise:.0f} while its training error falls by {text.percent(fall)}"
            # an error of 0 cannot fall
            cases.append((None if rise <= 1 and not late["train_error"].iloc[0] else rise <= 1 and fall > 0, said))
    missing_runs = f"trainings whose step was divided {DIVISIONS} times, of figure 2"
    return counted(f"Rise of the effective depth after {DIVISIONS} divisions of the step", cases, missing_runs)


def _residuals(selu: bool) -> Callable[[Runs], Finding]:
    def judge(runs: Runs) -> Finding:
        cases: list[Case] = []
        for run in runs.of(2):
            linear, norms = run.over_layers("residual_norm", None, "linear")
            if linear.size >= 3 and (run.setting[0] == "selu") == selu:
                found, error = slope(linear, norms)
                falls = larger(found, 0, error) if run.error <= TROUBLE else None
                said = f"{run.name} {100 * found:+.1f} ± {100 * error:.1f} %"
                cases.append((falls if not selu or falls is None else not falls, said))
        of = "Change of the residual weights' norm from layer to layer upwards"
        return counted(of, cases, "training of SELU" if selu else missing(2))

    return judge


def _cut_enormously(runs: Runs) -> Finding:
    cases: list[Case] = []
    for run in (runs.at((*net, "gaussian", "none")) for net in (("tanh", "layer"), ("relu", "batch"))):
        if run is not None and (cut := run.cut) is not None:
            said = f"{run.name} {cut} of {run.linear_layers} (training error {text.percent(run.error)})"
            # What never learnt anything is not worse without its layers.
            cases.append((None if run.error > TROUBLE else cut <= run.linear_layers / 2, said))
    return counted(KEPT_DEPTH, cases, "Taylor reductions of layer-tanh and batch-ReLU")


def _beats(runs: Runs) -> Finding:
    tanh = runs.at(("tanh", "layer", "gaussian", "none"))
    cases: list[Case] = []
    error = tanh.error_at(CUT_DEPTH) if tanh is not None else None
    for other in (runs.at((*net, "gaussian", "none")) for net in (("tanh", "batch"), ("relu", "batch"))):
        if error is not None and other is not None:
            said = f"layer-tanh {text.percent(error)}, {other.name} {text.percent(other.error)}"
            cases.append((below(error, other.error), said))
    missing_runs = f"layer-tanh reduced to depth {CUT_DEPTH}, and batch-tanh or batch-ReLU"
    return counted(f"Training error, layer-tanh at depth {CUT_DEPTH}, the other whole", cases, missing_runs)


def _minibatches(runs: Runs) -> Finding:
    """With classes of unequal size, as in MNIST, what learns nothing but the largest stays below 89 %."""
    cases: list[Case] = []
    for run in runs.every:
        if run.key == ("relu", "batch", "gaussian", "none") and run.batch is not None:
            unequal = run.dataset != paper.TRAINING_DATASET and run.error > TROUBLE
            holds = run.error > paper.MINI_BATCH_ERROR or (None if unequal else False)
            cases.append((holds, f"{run.full_name} {text.percent(run.error)}"))
    return counted(FINAL_ERROR, cases, "trainings of batch-ReLU in minibatches")


def _criterion(runs: Runs) -> Finding:
    """The paper means the gradient scale at the first batch norm, next to that at the input."""
    cases: list[Case] = []
    for run in runs.every:
        if run.setting[1] == "batch" and run.setting[3] == "none" and run.batch is not None:
            scale, bound = float(run.row.gsc_input), float(np.sqrt(run.batch))
            said = f"{run.full_name} {text.number(scale)}, {text.number(bound)}, {text.percent(run.error)}"
            cases.append(((scale > bound) == (run.error > TROUBLE), said))
    missing_runs = "trainings with batch norm in minibatches, without skip connections"
    return counted("Gradient scale at the input, root of the batch, training error at the end", cases, missing_runs)


def _large_first_step(runs: Runs) -> Finding:
    """Two protocols differ in more than their first step: the evidence names them."""
    cases: list[Case] = []
    for one, other in combinations(runs.every, 2):
        small, large = sorted((one, other), key=lambda run: float(run.row.largest_first_update))
        less, more = (float(run.row.largest_first_update) for run in (small, large))
        same = one.setting == other.setting and one.batch == other.batch
        if same and more >= APART * less and large.depth is not None and small.depth is not None:
            said = (
                f"{large.full_name} {text.number(more, 2)}, {large.depth}, {text.percent(large.error)}, beside "
                f"{small.full_name} {text.number(less, 2)}, {small.depth}, {text.percent(small.error)}"
            )
            cases.append((large.depth > small.depth and large.error > small.error, said))
    missing_runs = "two trainings of one network whose first updates differ much"
    return counted("Largest relative first update, effective depth, training error", cases, missing_runs)


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
    Claim("2D", "effective depth stays below the linear layers", shallow(2)),
    Claim("2D", "SELU, and above all batch-tanh, come close", _close),
    Claim("2D", "it rises mostly early", _early),
    Claim("2D", "flat once the step is small, while the error falls", _flat_later),
    Claim("2E", "residual weights fall towards the input", _residuals(selu=False)),
    Claim("2E", "those of SELU do not", _residuals(selu=True)),
    Claim("2F", "layer-tanh and batch-ReLU can be cut enormously", _cut_enormously),
    Claim("2F", "layer-tanh at depth 15 beats batch-tanh, batch-ReLU", _beats),
    Claim("D.3", "an unnecessarily large first step inflates effective depth and ends worse", _large_first_step),
)
