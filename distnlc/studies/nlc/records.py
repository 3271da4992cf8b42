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
            unit="text",
            about="the initial network; the same where several parts train it, with SGD and with Adam",
        ),
        required=True,
    )
    part: str = column(PART, required=True)
    index: int = column(INDEX, required=True)
    initialization: int = column(
        identity(
            "initialization",
            unit="count",
            about="which of its initial weights, from 0; rows that differ in this alone are repetitions",
        ),
        default=0,
    )
    # what was drawn (section C)
    dataset: str = column(drawn("dataset", unit="text", about="`waveform-noise`, `mnist` or `cifar10`"), required=True)
    train_points: int | None = column(drawn("training points", unit="count", about="datapoints of the training part"))
    optimizer: str = column(drawn("optimizer", unit="text", about="`sgd` or `adam`"), required=True)
    criterion: str = column(
        drawn(
            "criterion",
            unit="text",
            about="`validation-error` or `training-error`: what the schedule and the choice of the run looked at",
        ),
        required=True,
    )
    seed: int = column(
        drawn("seed", unit="number", about="of the weights; a whole number below 2^63, more digits than a float holds"),
        required=True,
    )
    d_in: int = column(drawn("input features", unit="count", about="input features"), required=True)
    d_out: int = column(drawn("outputs", unit="count", about="outputs, the classes"), required=True)
    depth: int = column(drawn("depth", unit="count", about="linear operations"), required=True, lead=4)
    width: int = column(drawn("width", unit="count", log=True, about="neurons of every hidden layer"), required=True)
    parameters: int = column(
        drawn("parameters", unit="count", log=True, about="trainable weights and biases"), required=True
    )
    activation: str = column(
        drawn(
            "activation",
            unit="text",
            about="`relu`, `selu`, `tanh`, `sigmoid`, `even-tanh`, `gaussian`, `square` or `odd-square`",
        ),
        required=True,
        lead=3,
    )
    dilation: float = column(
        drawn("dilation d", unit="number", about="d of `c tau(d s + t) + b` (section C)"), required=True
    )
    shift: float = column(drawn("shift t", unit="number", about="t of the same"), required=True)
    debiased: bool = column(
        drawn("debiased", unit="yes/no", about="whether b makes the mean under N(0, 1) zero"), required=True
    )
    bias_variance: float = column(
        drawn("bias variance", unit="number", about="variance of the initial biases; 0: they are zero"), required=True
    )
    initial_scale: float = column(
        drawn("initial scale", unit="factor", about="that all initial weights and biases were multiplied by"),
        required=True,
    )
    normalization: str = column(
        drawn("normalization", unit="text", about="`none`, `batch` or `layer`"), required=True, lead=5
    )
    skip_strength: float = column(
        drawn("skip strength", unit="factor", about="that the skip connections carry; 0: there are none"),
        required=True,
        lead=6,
    )
    skip_start: str = column(
        drawn(
            "skips start after",
            unit="text",
            about="`linear` or `normalization`, after which the skip connections begin; `none`",
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
    init_lipschitz: float | None = column(catalog.LIPSCHITZ)
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
        swept("smallest starting rate", unit="rate", log=True, about="the smallest starting rate (section E.2)")
    )
    runs: int | None = column(swept("runs", unit="count", about="runs of the sweep"))
    diverged_runs: int | None = column(
        swept("diverged runs", unit="count", about="those whose loss was never finite"), lead=9
    )
    epochs: int | None = column(swept("epochs", unit="count", about="of all runs together"))
    best_run: int | None = column(
        swept("index of the chosen run", unit="count", about="`run` of the chosen run, the trained network")
    )
    best_rate: float | None = column(
        swept("starting rate of the chosen run", unit="rate", log=True, about="its starting rate"), lead=8
    )
    best_at_edge: bool | None = column(
        swept(
            "chosen rate at the edge",
            unit="yes/no",
            about="whether it is among the first or last rates, so that a better one may lie outside",
        )
    )
    val_error: float | None = column(
        swept(
            "validation error",
            unit="fraction",
            about="validation error of the trained network; missing where there is no validation part",
        )
    )
    test_error: float | None = column(swept("test error", unit="fraction", about="its test error"), lead=1)
    train_error: float | None = column(swept("training error", unit="fraction", about="its training error"))
    # trained network
    trained_nlc: float | None = column(catalog.TRAINED_NLC, lead=10)
    trained_nlc_test: float | None = column(catalog.TRAINED_NLC_TEST)
    trained_bias: float | None = column(catalog.TRAINED_BIAS)
    trained_perturbation: float | None = column(catalog.TRAINED_PERTURBATION)


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One training at one starting rate; errors are those of the state with the lowest error of the criterion."""

    unit_id: str = column(UNIT_ID, required=True)
    architecture_id: str = column(swept("architecture id", unit="text", about="as there"), required=True)
    run: int = column(
        swept("run", unit="count", about="index of the starting rate in the geometric series, 0 is the smallest"),
        required=True,
    )
    start_rate: float = column(swept("starting rate", unit="rate", log=True, about="at which it began"), required=True)
    status: str = column(
        swept(
            "status",
            unit="text",
            about="`ok`; `diverged`: its loss was never finite; `pruned`: stopped early, being among the worse half",
        ),
        required=True,
    )
    epochs: int = column(swept("epochs", unit="count", about="that it took"), required=True)
    best_epoch: int = column(
        swept(
            "best epoch",
            unit="count",
            about="after which the criterion's error was lowest (it was rewound to this); 0 is the initial network",
        ),
        required=True,
    )
    divisions: int = column(swept("divisions", unit="count", about="how often its rate was divided"), required=True)
    diverged_epochs: int = column(
        swept(
            "diverged epochs", unit="count", about="that ended with a loss that is not finite, and were rewound at once"
        ),
        required=True,
    )
    val_error: float | None = column(
        swept("validation error", unit="fraction", about="validation error after the best epoch"), required=True
    )
    test_error: float | None = column(
        swept("test error", unit="fraction", about="test error after the best epoch"), required=True
    )
    train_error: float | None = column(
        swept("training error", unit="fraction", about="training error after the best epoch"), required=True
    )


@dataclass(frozen=True, kw_only=True)
class EpochRow:
    """One epoch of one run."""

    unit_id: str = column(UNIT_ID, required=True)
    architecture_id: str = column(swept("architecture id", unit="text", about="as there"), required=True)
    run: int = column(swept("run", unit="count", about="the row of `runs`"), required=True)
    epoch: int = column(swept("epoch", unit="count", about="from 1"), required=True)
    rate: float = column(swept("rate", unit="rate", log=True, about="in this epoch"), required=True)
    train_loss: float = column(
        swept(
            "training loss",
            unit="loss",
            log=True,
            about="mean over the epoch's minibatches, while they were trained on; nan once it is not finite",
        ),
        required=True,
    )
    val_error: float | None = column(
        swept("validation error", unit="fraction", about="validation error after the epoch"), required=True
    )
    train_error: float | None = column(
        swept(
            "training error",
            unit="fraction",
            about="training error after the epoch; measured only where it is the criterion",
        ),
        required=True,
    )
