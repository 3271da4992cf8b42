"""The rows of an NLC study: its architectures, their training runs, and the runs' epochs.

`unit_id` is the key that joins the tables; `architecture_id` names the network at initialization, so that the SGD and
the Adam unit of one architecture share it. Columns are only appended: a running study is continued with those it has.
"""

from dataclasses import dataclass
from functools import partial

from distnlc.metrics import catalog
from distnlc.records import ATTEMPTS, DEVICE, INDEX, PART, REASON, SECONDS, STATUS, UNIT_ID, Quantity, column

identity, drawn, swept = (partial(Quantity, group=group) for group in ("identity", "drawn", "sweep"))


@dataclass(frozen=True, kw_only=True)
class ArchitectureRow:
    """One architecture: what was drawn, measured before training, chosen by the sweep, measured after."""

    # identity
    unit_id: str = column(UNIT_ID, required=True)
    architecture_id: str = column(
        identity(
            "architecture id",
            "text",
            "the initial network; the same where several parts train it, with SGD and with Adam",
        ),
        required=True,
    )
    part: str = column(PART, required=True)
    index: int = column(INDEX, required=True)
    initialization: int = column(
        identity(
            "initialization",
            "count",
            "which of its initial weights, from 0; rows that differ in this alone are repetitions",
        ),
        default=0,
    )
    # what was drawn (section C)
    dataset: str = column(drawn("dataset", "text", "its name in the spec, such as `cifar10`"), required=True)
    train_points: int | None = column(drawn("training points", "count", "datapoints of the training part"))
    optimizer: str = column(drawn("optimizer", "text", "`sgd` or `adam`"), required=True)
    criterion: str = column(
        drawn(
            "criterion",
            "text",
            "`validation-error` or `training-error`: what the schedule and the choice of the run looked at",
        ),
        required=True,
    )
    seed: int = column(
        drawn("seed", "number", "of the weights; a whole number below 2^63, more digits than a float holds"),
        required=True,
    )
    d_in: int = column(drawn("input features", "count", "input features"), required=True)
    d_out: int = column(drawn("outputs", "count", "outputs, the classes"), required=True)
    depth: int = column(
        drawn("depth", "count", "linear operations; 0 for a family of the user's own"), required=True, lead=4
    )
    width: int = column(
        drawn("width", "count", "neurons of every hidden layer; 0 for such a family", log=True), required=True
    )
    parameters: int = column(drawn("parameters", "count", "trainable weights and biases", log=True), required=True)
    activation: str = column(
        drawn(
            "activation",
            "text",
            "`relu`, `selu`, `tanh`, `sigmoid`, `even-tanh`, `gaussian`, `square` or `odd-square`, or a family",
        ),
        required=True,
        lead=3,
    )
    dilation: float = column(drawn("dilation d", "number", "d of `c tau(d s + t) + b` (section C)"), required=True)
    shift: float = column(drawn("shift t", "number", "t of the same"), required=True)
    debiased: bool = column(drawn("debiased", "yes/no", "whether b makes the mean under N(0, 1) zero"), required=True)
    bias_variance: float = column(
        drawn("bias variance", "number", "variance of the initial biases; 0: they are zero"), required=True
    )
    initial_scale: float = column(
        drawn("initial scale", "factor", "that all initial weights and biases were multiplied by"), required=True
    )
    normalization: str = column(drawn("normalization", "text", "`none`, `batch` or `layer`"), required=True, lead=5)
    skip_strength: float = column(
        drawn("skip strength", "factor", "that the skip connections carry; 0: there are none"), required=True, lead=6
    )
    skip_start: str = column(
        drawn(
            "skips start after", "text", "`linear` or `normalization`, after which the skip connections begin; `none`"
        ),
        required=True,
        lead=7,
    )
    # status
    status: str = column(STATUS, required=True)
    reason: str | None = column(REASON)
    attempts: int = column(ATTEMPTS, default=1)
    seconds: float = column(SECONDS, required=True)
    device: str | None = column(DEVICE)
    # initial network
    init_nlc: float | None = column(catalog.INITIAL_NLC, lead=2)
    init_bias: float | None = column(catalog.INITIAL_BIAS, lead=11)
    init_loss_scale: float | None = column(catalog.INITIAL_LOSS_SCALE)
    init_jacobian_norm: float | None = column(catalog.JACOBIAN_NORM)
    init_gradient_component: float | None = column(catalog.GRADIENT_COMPONENT)
    init_gradient_length: float | None = column(catalog.GRADIENT_LENGTH)
    init_lipschitz: float | None = column(catalog.FORMER_LIPSCHITZ)
    init_input_cosine: float | None = column(catalog.INPUT_COSINE)
    init_output_cosine: float | None = column(catalog.OUTPUT_COSINE)
    init_relative_diameter: float | None = column(catalog.RELATIVE_DIAMETER)
    activation_nlc: float | None = column(catalog.ACTIVATION_NLC)
    activation_linear_error: float | None = column(catalog.ACTIVATION_LINEAR_ERROR)
    # wall time of the initial measurements
    jacobian_seconds: float | None = column(catalog.JACOBIAN_SECONDS)
    outputs_seconds: float | None = column(catalog.OUTPUTS_SECONDS)
    gradients_seconds: float | None = column(catalog.GRADIENTS_SECONDS)
    cosines_seconds: float | None = column(catalog.COSINES_SECONDS)
    lipschitz_seconds: float | None = column(catalog.LIPSCHITZ_SECONDS)
    diameter_seconds: float | None = column(catalog.DIAMETER_SECONDS)
    # sweep
    smallest_rate: float | None = column(
        swept("smallest starting rate", "rate", "the smallest starting rate (section E.2)", log=True)
    )
    runs: int | None = column(swept("runs", "count", "runs of the sweep"))
    diverged_runs: int | None = column(swept("diverged runs", "count", "those whose loss was never finite"), lead=9)
    epochs: int | None = column(swept("epochs", "count", "of all runs together"))
    best_run: int | None = column(
        swept("index of the chosen run", "count", "`run` of the chosen run, the trained network")
    )
    best_rate: float | None = column(
        swept("starting rate of the chosen run", "rate", "its starting rate", log=True), lead=8
    )
    best_at_edge: bool | None = column(
        swept(
            "chosen rate at the edge",
            "yes/no",
            "whether it is among the first or last rates, so that a better one may lie outside",
        )
    )
    val_error: float | None = column(
        swept(
            "validation error",
            "fraction",
            "validation error of the trained network; missing where there is no validation part",
        )
    )
    test_error: float | None = column(swept("test error", "fraction", "its test error"), lead=1)
    train_error: float | None = column(swept("training error", "fraction", "its training error"))
    # trained network
    trained_nlc: float | None = column(catalog.TRAINED_NLC, lead=10)
    trained_nlc_test: float | None = column(catalog.TRAINED_NLC_TEST)
    trained_bias: float | None = column(catalog.TRAINED_BIAS)
    trained_perturbation: float | None = column(catalog.TRAINED_PERTURBATION)
    # initial network: columns that rows of earlier versions lack (these have `init_lipschitz` instead)
    init_local_lipschitz: float | None = column(catalog.LOCAL_LIPSCHITZ)
    init_cosine_correlation: float | None = column(catalog.COSINE_CORRELATION)
    init_linear_region: float | None = column(catalog.LINEAR_REGION)


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One training at one starting rate; errors are those of the state with the lowest error of the criterion."""

    unit_id: str = column(UNIT_ID, required=True)
    architecture_id: str = column(swept("architecture id", "text", "as there"), required=True)
    run: int = column(
        swept("run", "count", "index of the starting rate in the geometric series, 0 is the smallest"), required=True
    )
    start_rate: float = column(swept("starting rate", "rate", "at which it began", log=True), required=True)
    status: str = column(
        swept(
            "status",
            "text",
            "`ok`; `diverged`: its loss was never finite; `pruned`: stopped early, being among the worse half",
        ),
        required=True,
    )
    epochs: int = column(swept("epochs", "count", "that it took"), required=True)
    best_epoch: int = column(
        swept(
            "best epoch",
            "count",
            "after which the criterion's error was lowest (it was rewound to this); 0 is the initial network",
        ),
        required=True,
    )
    divisions: int = column(swept("divisions", "count", "how often its rate was divided"), required=True)
    diverged_epochs: int = column(
        swept("diverged epochs", "count", "that ended with a loss that is not finite, and were rewound at once"),
        required=True,
    )
    val_error: float | None = column(
        swept("validation error", "fraction", "validation error after the best epoch"), required=True
    )
    test_error: float | None = column(swept("test error", "fraction", "test error after the best epoch"), required=True)
    train_error: float | None = column(
        swept("training error", "fraction", "training error after the best epoch"), required=True
    )


@dataclass(frozen=True, kw_only=True)
class EpochRow:
    """One epoch of one run."""

    unit_id: str = column(UNIT_ID, required=True)
    architecture_id: str = column(swept("architecture id", "text", "as there"), required=True)
    run: int = column(swept("run", "count", "the row of `runs`"), required=True)
    epoch: int = column(swept("epoch", "count", "from 1"), required=True)
    rate: float = column(swept("rate", "rate", "in this epoch", log=True), required=True)
    train_loss: float = column(
        swept(
            "training loss",
            "loss",
            "mean over the epoch's minibatches, while they were trained on; nan once it is not finite",
            log=True,
        ),
        required=True,
    )
    val_error: float | None = column(
        swept("validation error", "fraction", "validation error after the epoch"), required=True
    )
    train_error: float | None = column(
        swept("training error", "fraction", "training error after the epoch; measured only where it is the criterion"),
        required=True,
    )
