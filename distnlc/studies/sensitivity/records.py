"""The rows of a study of sensitivity; `unit_id` joins the tables. Accuracies are fractions, losses those trained by."""

from dataclasses import dataclass
from functools import partial

from distnlc.metrics import catalog
from distnlc.records import ATTEMPTS, DEVICE, INDEX, PART, REASON, SECONDS, STATUS, UNIT_ID, Quantity, column

drawn, identity, result, trained = (
    partial(Quantity, group=group) for group in ("drawn", "identity", "result", "trained")
)
STATE = identity("state", "text", "`initial`: before training; `trained`: after it")


def pair(factor: str, settings: str) -> Quantity:
    """The column that two networks share which differ in one factor alone."""
    about = f"shared by networks, of all seeds, that are equal but for {settings}; missing outside such pairs"
    return identity(f"pair of {factor}", "text", about)


@dataclass(frozen=True, kw_only=True)
class NetworkRow:
    """One unit: a network that was trained once. One that was not fitted, or diverged, is a result all the same."""

    unit_id: str = column(UNIT_ID, required=True)
    part: str = column(PART, required=True)
    index: int = column(INDEX, required=True)
    status: str = column(STATUS, required=True)
    reason: str | None = column(REASON)
    attempts: int = column(ATTEMPTS, default=1)
    seconds: float = column(SECONDS, required=True)
    device: str | None = column(DEVICE)
    cell_id: str | None = column(identity("cell", "text", "shared by networks that are equal but for their seed"))
    pair_labels: str | None = column(pair("labels", "true or random training labels"))
    pair_augmentation: str | None = column(pair("augmentation", "training with or without it"))
    pair_activation: str | None = column(pair("activation functions", "relu or hardsigmoid"))
    pair_optimizer: str | None = column(
        pair("optimizers", "momentum or L-BFGS, with the rate and the batch size that go with it")
    )
    seed: int | None = column(
        drawn("seed", "count", "from 1; fixes weights, order, random labels, augmentation, anchors and ellipses")
    )
    dataset: str | None = column(drawn("data set", "text", "that the network is trained on"))
    crop: int | None = column(drawn("crop", "count", "side of the central square of the images in pixels; 0: all"))
    train_points: int | None = column(drawn("training points", "count", "of the training part"))
    d_in: int | None = column(drawn("inputs", "count", "entries of a datapoint"))
    d_out: int | None = column(drawn("outputs", "count", "the classes"))
    activation: str | None = column(
        drawn("activation function", "text", "`relu`, `relu6`, `tanh`, `hardtanh` or `hardsigmoid`"), lead=3
    )
    width: int | None = column(drawn("width of hidden layers", "count", "neurons of every hidden layer"), lead=4)
    depth: int | None = column(drawn("weight matrices", "count", "D; one more than the hidden layers"), lead=5)
    parameters: int | None = column(drawn("weights", "count", "P, trainable numbers; there are no biases", log=True))
    neurons: int | None = column(drawn("hidden neurons", "count", "of all hidden layers", log=True))
    scale: float | None = column(
        drawn("initial scale", "number", "what the default standard deviation of the weights is multiplied by")
    )
    labels: str | None = column(drawn("training labels", "text", "`true` or `random`"), lead=6)
    augmentation: str | None = column(
        drawn("augmentation", "text", "`none`, `shift-flip` or `shift-flip-rotate`"), lead=7
    )
    loss: str | None = column(
        drawn("loss function", "text", "`cross-entropy`, or `l2` between probabilities and one-hot labels")
    )
    optimizer: str | None = column(
        drawn("optimizer", "text", "`sgd`, `momentum`, `adam`, `rmsprop` or `lbfgs`"), lead=8
    )
    rate: float | None = column(drawn("first learning rate", "number", "none: L-BFGS", log=True))
    batch: int | None = column(drawn("points of a minibatch", "count", "of L-BFGS all training points"))
    stop: str | None = column(
        trained(
            "end of the training",
            "text",
            "`fitted`; `steps`: all that were allowed; `converged`: L-BFGS found no lower loss; `diverged`: the loss "
            "was not finite",
        )
    )
    steps: int | None = column(trained("updates", "count", "of L-BFGS, iterations", log=True))
    epochs: float | None = column(trained("epochs of training", "number", "updates times batch by training points"))
    fitted: bool | None = column(
        trained("fitted", "yes/no", "whether training accuracy and loss reach `fit_accuracy` and `fit_loss` in the end")
    )
    train_accuracy: float | None = column(catalog.TRAIN_ACCURACY)
    test_accuracy: float | None = column(catalog.TEST_ACCURACY)
    gap: float | None = column(catalog.GENERALIZATION_GAP, lead=1)
    train_loss: float | None = column(catalog.TRAIN_LOSS)
    test_loss: float | None = column(catalog.TEST_LOSS)
    jacobian_norm: float | None = column(catalog.PROBABILITY_JACOBIAN, lead=2)
    jacobian_sem: float | None = column(catalog.PROBABILITY_JACOBIAN_ERROR)
    jacobian_points: int | None = column(trained("points of the probability Jacobian", "count", "test points"))
    jacobian_effective_points: float | None = column(catalog.PROBABILITY_JACOBIAN_POINTS)
    logit_jacobian_norm: float | None = column(catalog.LOGIT_JACOBIAN)
    logit_scale: float | None = column(catalog.LOGIT_SCALE)
    transitions: float | None = column(catalog.TRANSITIONS, lead=9)
    transitions_sem: float | None = column(catalog.TRANSITIONS_ERROR)
    trajectories: int | None = column(trained("trajectories", "count", "test images whose translations are counted"))
    transitions_method: str | None = column(trained("method of the transitions", "text", "`exact` or `sampled`"))
    initial_jacobian_norm: float | None = column(catalog.UNTRAINED_PROBABILITY_JACOBIAN)
    initial_transitions: float | None = column(catalog.INITIAL_TRANSITIONS)
    train_seconds: float | None = column(catalog.TRAINING_TIME)
    jacobian_seconds: float | None = column(catalog.JACOBIAN_TIME)
    transitions_seconds: float | None = column(catalog.TRANSITIONS_TIME)


@dataclass(frozen=True, kw_only=True)
class CheckRow:
    """One look at a network while it was trained; at most about 200 of each."""

    unit_id: str = column(UNIT_ID, required=True)
    step: int = column(identity("step", "count", "updates so far; of L-BFGS, iterations"), required=True)
    epoch: float = column(identity("epochs so far", "number", "updates times batch by training points"), required=True)
    rate: float | None = column(trained("learning rate", "number", "of the last update; none: L-BFGS", log=True))
    train_loss: float | None = column(
        trained(
            "loss while training", "number", "of the minibatches since the last look; of L-BFGS all points", log=True
        )
    )
    train_accuracy: float | None = column(trained("accuracy while training", "fraction", "of the whole training part"))


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One hidden layer of one network."""

    unit_id: str = column(UNIT_ID, required=True)
    state: str = column(STATE, required=True)
    layer: int = column(identity("layer", "count", "1 is the first hidden one"), required=True)
    neurons: int = column(drawn("neurons of the layer", "count"), required=True)
    transitions: float = column(
        result("transitions of the layer", "transitions / trajectory", "mean over the trajectories", log=True),
        required=True,
    )


@dataclass(frozen=True, kw_only=True)
class CurveRow:
    """One angular bin of one ellipse through the inputs of a trained network (figure 2)."""

    unit_id: str = column(UNIT_ID, required=True)
    kind: str = column(
        identity(
            "kind of ellipse",
            "text",
            "`random`, or through three training points of three `different` classes or of the `same`",
        ),
        required=True,
    )
    ellipse: int = column(identity("ellipse", "count", "its number among those of its kind, from 0"), required=True)
    bin: int = column(identity("bin", "count", "its number, from 0"), required=True)
    angle: float = column(identity("angle", "radian", "of the bin's centre"), required=True)
    norm: float = column(result("length of the input", "input", "at the bin's centre"), required=True)
    jacobian_norm: float = column(
        result(
            "probability Jacobian on the ellipse",
            "probability / input",
            "Frobenius norm of the Jacobian of softmax(outputs) at the bin's centre",
            log=True,
        ),
        required=True,
    )
    transitions: int = column(
        result("transitions of the bin", "count", "of all hidden layers, within the bin", log=True), required=True
    )
    transitions_last: int = column(
        result("transitions of the last hidden layer", "count", "within the bin", log=True), required=True
    )
    anchors: str = column(
        identity("anchors of the ellipse", "text", "`i,j,k` of the training part; empty for random ellipses"),
        required=True,
    )


@dataclass(frozen=True, kw_only=True)
class PointRow:
    """One test point of one trained network (figures 6, App. 9 and 11)."""

    unit_id: str = column(UNIT_ID, required=True)
    point: int = column(identity("test point", "count", "its index in the test file, from 0"), required=True)
    label: int = column(drawn("label", "count", "the true class"), required=True)
    predicted: int = column(trained("predicted class", "count", "that of the largest output"), required=True)
    loss: float = column(catalog.POINT_LOSS, required=True)
    jacobian_norm: float = column(catalog.POINT_JACOBIAN, required=True)
    class_jacobian_norm: float = column(catalog.CLASS_JACOBIAN, required=True)
    logit_jacobian_norm: float = column(catalog.POINT_LOGIT_JACOBIAN, required=True)
    probability: float = column(catalog.LABEL_PROBABILITY, required=True)
    complement: float = column(catalog.LABEL_COMPLEMENT, required=True)


def density(place: str, about: str) -> Quantity:
    """A density of boundaries, whose disc is named."""
    return result(f"boundaries {place}", "boundaries / pixel", about)


@dataclass(frozen=True, kw_only=True)
class RegionRow:
    """One plane through three training points, cut by the last hidden layer's boundaries (figure 3)."""

    unit_id: str = column(UNIT_ID, required=True)
    state: str = column(STATE, required=True)
    plane: int = column(identity("plane", "count", "its number, from 0"), required=True)
    anchors: str = column(identity("anchors of the plane", "text", "`i,j,k` of the training part"), required=True)
    grid: int = column(drawn("grid", "count", "pixels along a side of the map of [-1, 1] x [-1, 1]"), required=True)
    near: float = column(density("near the anchors", "mean over discs of radius 0.12 at the anchors"), required=True)
    opposite: float = column(
        density("opposite the anchors", "mean over the same discs opposite the anchors, as far from the centre"),
        required=True,
    )
    elsewhere: float = column(density("elsewhere", "mean outside the discs at the anchors"), required=True)
    centre: float = column(density("at the centre", "mean over the same disc at the centre"), required=True)
    boundaries: str | None = column(
        result(
            "map of boundaries",
            "text",
            "base64 of zlib of the (grid, grid) bytes, rows along the sine axis: neurons of the last hidden layer "
            "whose region is another one to the right, plus those for which it is below, at most 255; of plane 0 alone",
        )
    )
