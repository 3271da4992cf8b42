"""The rows of a study of gradients; `unit_id` joins the tables. Layers are counted from the top, as the paper does."""

from dataclasses import dataclass
from functools import partial

from distnlc.metrics import catalog
from distnlc.records import ATTEMPTS, DEVICE, INDEX, PART, REASON, SECONDS, STATUS, UNIT_ID, Quantity, column

drawn, identity, result, trained = (
    partial(Quantity, group=group) for group in ("drawn", "identity", "result", "trained")
)
EPOCH = partial(identity, "epoch", "count")
STEP = "step size, or for a custom protocol the number that multiplies every layer's own"
TRAIN_ERROR = trained(
    "training error", "fraction", "share of the training points whose largest output is not the label"
)


@dataclass(frozen=True, kw_only=True)
class NetworkRow:
    """One unit: a network on noise, a training with all its step sizes, or a family of checks."""

    unit_id: str = column(UNIT_ID, required=True)
    part: str = column(PART, required=True)
    index: int = column(INDEX, required=True)
    status: str = column(STATUS, required=True)
    reason: str | None = column(REASON)
    attempts: int = column(ATTEMPTS, default=1)
    seconds: float = column(SECONDS, required=True)
    device: str | None = column(DEVICE)
    nonlinearity: str | None = column(drawn("nonlinearity", "text", "`relu`, `tanh` or `selu`"), lead=2)
    normalization: str | None = column(
        drawn("normalization", "text", "after every linear layer: `none`, `batch`, `layer` or `length`"), lead=3
    )
    matrices: str | None = column(drawn("matrices", "text", "how the weights are initialized"), lead=4)
    skip: str | None = column(
        drawn("skip connections", "text", "`none`, or what they multiply by: `identity` or a fixed `gaussian` matrix"),
        lead=5,
    )
    width: str | None = column(drawn("width", "text", "of every linear layer but the last; two take turns"))
    linear_layers: int | None = column(drawn("linear layers", "count", "the compositional depth N"))
    block_layers: int | None = column(drawn("linear layers of a block", "count", "that a skip connection bypasses"))
    points: int | None = column(drawn("points", "count", "datapoints that the network is measured on"))
    protocol: str | None = column(
        drawn("protocol", "text", "`noise`; of a training `single` or `custom`; `checks`"), lead=6
    )
    dataset: str | None = column(drawn("dataset", "text", "of a training"))
    gsc_input: float | None = column(catalog.GRADIENT_SCALE, lead=1)
    gsc_lowest: float | None = column(catalog.LOWEST_GRADIENT_SCALE)
    std_top: float | None = column(catalog.PREACTIVATION_SPREAD, lead=7)
    sign_diversity_top: float | None = column(catalog.SIGN_DIVERSITY, lead=8)
    growth_rate: float | None = column(catalog.GRADIENT_GROWTH)
    growth_intercept: float | None = column(catalog.GRADIENT_GROWTH_INTERCEPT)
    growth_r2: float | None = column(catalog.GRADIENT_GROWTH_FIT)
    dilution_corrected: float | None = column(
        Quantity(
            "dilution-corrected gradient scale",
            "number",
            "what the coefficient would be without skip connections by the paper's formula, of this network alone: the "
            "coefficient above the highest block times every block's corrected growth; missing where one is not "
            "positive",
            group="initial",
            log=True,
        )
    )
    dilution_exact: float | None = column(
        Quantity(
            "gradient scale without dilution",
            "number",
            "the same by the exact law of dilution",
            group="initial",
            log=True,
        )
    )
    best_step: float | None = column(trained("best step size", "number", f"the chosen {STEP}", log=True))
    train_error: float | None = column(TRAIN_ERROR)
    effective_depth: int | None = column(
        trained("effective depth", "count", "after the chosen training, at the threshold 1e-6")
    )
    epochs: int | None = column(trained("epochs", "count", "of the chosen training, those of pre-training included"))
    largest_first_update: float | None = column(
        trained("largest first update", "number", "of any layer in the first batch, relative to its weights", log=True)
    )
    batch_size: int | None = column(drawn("batch size", "count", "points of a training's minibatch"))


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One place of one network; in networks with skip connections coefficients stand only between the blocks."""

    unit_id: str = column(UNIT_ID, required=True)
    part: str = column(PART, required=True)
    epoch: int = column(EPOCH("after which it was measured, 0: at initialization"), required=True)
    layer: int = column(
        identity("layer", "count", "l, from the top: 1 is the prediction layer, the largest the input"), required=True
    )
    kind: str = column(
        identity("kind of layer", "text", "`linear`, `normalization`, `activation`, `softmax` or `input`"),
        required=True,
    )
    linear_layer: int = column(
        identity("linear layers", "count", "from the input up to that place, itself included"), required=True
    )
    gsc: float | None = column(
        result(
            "gradient scale coefficient",
            "number",
            "GSC(l, 0): size of the error's gradient at the layer, times the layer's, by the error's",
            log=True,
        )
    )
    std: float | None = column(
        result(
            "pre-activation spread",
            "number",
            "quadratic mean over the neurons of the standard deviation of what enters the activation",
            log=True,
        )
    )
    sign_diversity: float | None = column(
        result("sign diversity", "fraction", "mean over neurons of the share of the rarer sign of what enters")
    )
    residual_norm: float | None = column(
        result("residual weights", "number", "operator norm of the weights less the initial ones", log=True)
    )
    relative_update: float | None = column(
        result("largest relative update", "number", "Y_l, of the step size that was chosen for the layer", log=True)
    )
    dilution: float | None = column(
        result(
            "dilution of the block",
            "number",
            "k_b, size of what the skip connection brings by that of what the block adds",
            log=True,
        )
    )
    block_growth: float | None = column(
        result("growth over the block", "number", "r_b, the coefficient below the block by that above it", log=True)
    )
    corrected_growth: float | None = column(
        result("corrected growth", "number", "1 + (k_b^2 + 1) (r_b - 1), as the paper corrects it for dilution")
    )
    exact_growth: float | None = column(
        result("exact growth", "number", "the root of (k_b^2 + 1) r_b^2 - k_b^2; missing where it is none", log=True)
    )


@dataclass(frozen=True, kw_only=True)
class EpochRow:
    """One epoch at one step size; all but the training error only in the re-run of the chosen one."""

    unit_id: str = column(UNIT_ID, required=True)
    part: str = column(PART, required=True)
    phase: str = column(identity("phase", "text", "`pretraining` or `training`"), required=True)
    step: float = column(identity("first step size", "number", f"the run's first {STEP}"), required=True)
    epoch: int = column(EPOCH("from 1, through both phases"), required=True)
    rate: float = column(trained("step size", "number", "at which the epoch was trained", log=True), required=True)
    train_error: float | None = column(TRAIN_ERROR)
    gsc_input: float | None = column(
        trained("gradient scale while training", "number", "GSC(L, 0) at the input", log=True)
    )
    effective_depth_1e4: int | None = column(
        trained("effective depth at 1e-4", "count", "with the weights before pre-training as initial ones")
    )
    effective_depth_1e6: int | None = column(trained("effective depth at 1e-6", "count", "likewise"))
    effective_depth_1e8: int | None = column(trained("effective depth at 1e-8", "count", "likewise"))
    effective_depth_after_pretraining: int | None = column(
        trained("effective depth since pre-training", "count", "at 1e-6, with the weights after it as initial ones")
    )
    std_top: float | None = column(
        trained(
            "spread at the top while training", "number", "pre-activation spread of the highest activation", log=True
        )
    )
    sign_diversity_top: float | None = column(
        trained("sign diversity at the top while training", "fraction", "of the highest activation")
    )
    measured: bool = column(
        identity("measured", "yes/no", "whether it is the re-run of the chosen step size"), required=True
    )


@dataclass(frozen=True, kw_only=True)
class TaylorRow:
    """A trained network, its lowest linear layers replaced by their Taylor expansion (appendix G)."""

    unit_id: str = column(UNIT_ID, required=True)
    part: str = column(PART, required=True)
    compositional_depth: int = column(
        identity("compositional depth left", "count", "linear layers of the reduced network"), required=True
    )
    train_error: float | None = column(TRAIN_ERROR)


@dataclass(frozen=True, kw_only=True)
class CheckRow:
    """One claim that needs no training: what was measured, and what it should be (section 7)."""

    unit_id: str = column(UNIT_ID, required=True)
    part: str = column(PART, required=True)
    check: str = column(identity("check", "text", "the family of checks"), required=True)
    case: str = column(identity("case", "text", "what of it"), required=True)
    measured: float | None = column(result("measured", "number", "what came out"), required=True)
    target: float | None = column(result("target", "number", "what the claim says"), required=True)
    standard_error: float | None = column(
        result("standard error", "number", "of measured less target; none: both are exact")
    )
    tolerance: float | None = column(
        result("tolerance", "number", "relative to the target; none: three standard errors decide")
    )
    relation: str = column(
        result("relation", "text", "of the measured to the target: `equal`, `at most` or `at least`"), required=True
    )
