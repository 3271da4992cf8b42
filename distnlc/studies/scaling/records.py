"""The rows of a study of the scaling calculus; `unit_id` joins the tables. Moments are uncentred second moments.

s = number of entries * E[x^2] * E[Dx^2], D the gradient of one datapoint's loss.
"""

from dataclasses import dataclass
from functools import partial

from distnlc.metrics import catalog
from distnlc.records import ATTEMPTS, DEVICE, INDEX, PART, REASON, SECONDS, STATUS, UNIT_ID, Quantity, column

drawn, identity, result, trained = (
    partial(Quantity, group=group) for group in ("drawn", "identity", "result", "trained")
)
declared = column
"""the same under a name that the row with a field `column` leaves free"""
RUN = identity("run", "count", "its number within the unit, from 0, by rising rates")


@dataclass(frozen=True, kw_only=True)
class UnitRow:
    """One unit: an operation, a measured network, or a network that was trained at all rates."""

    unit_id: str = column(UNIT_ID, required=True)
    part: str = column(PART, required=True)
    index: int = column(INDEX, required=True)
    status: str = column(STATUS, required=True)
    reason: str | None = column(REASON)
    attempts: int = column(ATTEMPTS, default=1)
    seconds: float = column(SECONDS, required=True)
    device: str | None = column(DEVICE)
    seed: int | None = column(
        drawn("number of the seed", "count", "from 0; fixes weights, points and their order, whatever the init")
    )
    operation: str | None = column(drawn("operation", "text", "of table 1"), lead=2)
    dataset: str | None = column(
        drawn("dataset", "text", "that is trained on; of LibSVM's page its name there"), lead=3
    )
    points: int | None = column(drawn("training points", "count", "after the draw of at most so many"))
    d_in: int | None = column(drawn("inputs", "count", "entries of a datapoint"))
    classes: int | None = column(drawn("classes", "count", "of the dataset"))
    init: str | None = column(
        drawn("initialization", "text", "`geometric`, `fan-in`, `fan-out` or `arithmetic`"), lead=4
    )
    setup: int | None = column(
        drawn("set-up", "count", "from 0; fixes weights, inputs and loss, whatever the init, weighting and scaling")
    )
    variant: str | None = column(
        drawn("residual network", "text", "`equal` width, or `widen-pool`, `widen-subsample`"), lead=5
    )
    weighting: str | None = column(
        drawn("weights of the branches", "text", "alpha^2 and beta^2: `half` each, or `rescale`, RescaleNet's"), lead=6
    )
    block_scaled: bool | None = column(
        drawn("scaled blocks", "yes/no", "whether branches' weights are scaled as section 11 says"), lead=7
    )
    kept: float | None = column(result("kept", "number", "s before the operation by s behind it", log=True), lead=1)
    kept_error: float | None = column(result("standard error of kept", "number", "over draws", log=True))
    kept_weights: float | None = column(
        result("kept by the weights", "number", "s of the operation's weights by s behind it", log=True)
    )
    kept_weights_error: float | None = column(
        result("standard error of kept by the weights", "number", "over draws", log=True)
    )
    gamma_imbalance: float | None = column(catalog.GAMMA_IMBALANCE)
    ratio_imbalance: float | None = column(catalog.RATIO_IMBALANCE)
    hessian_imbalance: float | None = column(catalog.HESSIAN_IMBALANCE)
    offline_imbalance: float | None = column(catalog.PLANNED_IMBALANCE)
    output_second_moment: float | None = column(catalog.OUTPUT_SECOND_MOMENT)
    initial_loss: float | None = column(
        result("initial loss", "number", "cross-entropy of the untrained network over all training points", log=True)
    )
    runs: int | None = column(trained("runs", "count", "rates that were tried"))
    diverged_runs: int | None = column(trained("diverged runs", "count", "whose loss was not finite"))
    best_run: int | None = column(trained("best run", "count", "of this unit alone: the lowest training loss"))
    best_rate: float | None = column(trained("best rate", "number", "that of the best run", log=True))
    best_loss: float | None = column(
        trained("best training loss", "number", "of the best run, over all training points at the end", log=True)
    )
    at_edge: bool | None = column(
        trained("best rate on the edge", "yes/no", "whether it is the lowest or highest that was tried")
    )


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One weight layer, learnable scalar or vector of biases of an untrained network, in order of execution."""

    unit_id: str = column(UNIT_ID, required=True)
    layer: int = column(
        identity("layer", "count", "its number, from 0; biases have that of their layer"), required=True
    )
    name: str = column(identity("name of the layer", "text", "its path within the network"), required=True)
    kind: str = column(identity("kind of layer", "text", "`linear`, `conv`, `scalar` or `bias`"), required=True)
    place: str = column(
        identity("place", "text", "`outside` of residual blocks, in a `main` branch or in a `shortcut`"), required=True
    )
    N: int = column(drawn("numbers", "count", "of the layer's weights or biases"), required=True)
    variance: float | None = column(result("mean square of the weights", "number", log=True))
    terms: float | None = column(drawn("terms", "number", "F, mean number of products that make up one output"))
    share: float | None = column(
        drawn("share", "number", "q, s at the layer over that of the whole signal, by the design", log=True)
    )
    x_second: float | None = column(result("second moment of the input", "number", log=True))
    y_second: float | None = column(result("second moment of the output", "number", log=True))
    dx_second: float | None = column(result("second moment of the input's gradient", "number", log=True))
    dy_second: float | None = column(result("second moment of the output's gradient", "number", log=True))
    s_in: float | None = column(result("s of the input", "number", log=True))
    s_out: float | None = column(result("s of the output", "number", log=True))
    gamma: float | None = column(catalog.GAMMA)
    gamma_extrinsic: float | None = column(
        result("extrinsic gamma", "number", "F * positions * E[x^2]^2 E[Dy^2] / E[y^2], without the weights", log=True)
    )
    ratio: float | None = column(catalog.EXACT_RATIO)
    hessian: float | None = column(catalog.HESSIAN_SQUARE)
    offline_gamma: float | None = column(
        result(
            "planned gamma", "number", "from shapes and initialization alone, relative to s = 1 at the output", log=True
        )
    )


@dataclass(frozen=True, kw_only=True)
class BlockRow:
    """One block of the Hessian by two weight layers, row <= column."""

    unit_id: str = declared(UNIT_ID, required=True)
    row: int = declared(identity("row", "count", "the first layer, from 0"), required=True)
    column: int = declared(identity("column", "count", "the second layer"), required=True)
    row_size: int = declared(drawn("weights of the row", "count", "of the first layer"), required=True)
    column_size: int = declared(drawn("weights of the column", "count", "of the second layer"), required=True)
    square: float | None = declared(
        result(
            "square of the block",
            "number",
            "squared Frobenius norm by the root of the product of both sizes, mean over datapoints",
            log=True,
        )
    )
    gauss_newton: float | None = declared(
        result("Gauss-Newton share", "number", "the same of its Gauss-Newton part, exactly", log=True)
    )


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One training at one rate; one that diverged has no losses."""

    unit_id: str = column(UNIT_ID, required=True)
    run: int = column(RUN, required=True)
    exponent: int | None = column(drawn("exponent", "count", "of 2 in the rate; none where it is no power of 2"))
    rate: float = column(drawn("learning rate", "number", "the first one", log=True), required=True)
    status: str = column(
        Quantity("status of the run", "text", "`ok`, or `diverged`: a loss was not finite", group="status"),
        required=True,
    )
    train_loss: float | None = column(
        trained(
            "training loss at the end", "number", "cross-entropy over all training points after the last step", log=True
        )
    )
    epoch_loss: float | None = column(
        trained("training loss of the last epoch", "number", "mean over its minibatches", log=True)
    )
    train_error: float | None = column(
        trained("training error at the end", "fraction", "of all training points, the largest output decides")
    )
    diverged_epoch: int | None = column(trained("epoch of divergence", "count", "from 1; none: it did not diverge"))


@dataclass(frozen=True, kw_only=True)
class EpochRow:
    """One epoch of one run; none after a divergence."""

    unit_id: str = column(UNIT_ID, required=True)
    run: int = column(RUN, required=True)
    epoch: int = column(identity("epoch", "count", "from 1"), required=True)
    train_loss: float | None = column(
        trained("training loss of the epoch", "number", "mean over its minibatches", log=True)
    )
    seconds: float | None = column(
        Quantity("time of the epoch", "s", "wall time, of all runs of the unit together", group="cost")
    )
