"""How sensitive class probabilities are to the input ("Sensitivity and Generalization in Neural Networks", ICLR 2018)
and how well the network generalizes."""

from functools import partial

from distnlc.records import Quantity

initial, trained = (partial(Quantity, group=group) for group in ("initial", "trained"))

INITIAL_PROBABILITY_JACOBIAN = initial(
    "initial probability Jacobian",
    "probability / input",
    "before training, the mean over points of the Frobenius norm of the Jacobian of softmax(outputs / c), c as the "
    "loss has it; batch statistics are those of one batch, held fixed",
    log=True,
)
INITIAL_ELLIPSE_TRANSITIONS = initial(
    "initial transitions",
    "transitions / ellipse",
    "before training, how often neurons pass 0 along an ellipse through three datapoints of three classes, the mean of "
    "eight ellipses",
    log=True,
)
INITIAL_TRANSITIONS = initial(
    "initial transitions along translations",
    "transitions / trajectory",
    "before training, the transitions along the translations of an image",
    log=True,
)
UNTRAINED_PROBABILITY_JACOBIAN = initial(
    "probability Jacobian before training",
    "probability / input",
    "of the untrained network, the mean over test points of the Frobenius norm of the Jacobian of softmax(outputs)",
    log=True,
)
PROBABILITY_JACOBIAN = trained(
    "probability Jacobian",
    "probability / input",
    "mean over test points of the Frobenius norm of the Jacobian of softmax(outputs)",
    log=True,
)
PROBABILITY_JACOBIAN_ERROR = trained(
    "standard error of the probability Jacobian", "probability / input", "of that mean over test points", log=True
)
PROBABILITY_JACOBIAN_POINTS = trained(
    "effective points of the probability Jacobian",
    "number",
    "(sum of the norms)^2 / sum of their squares: how many test points carry the mean; below 20 it says little",
    log=True,
)
LOGIT_JACOBIAN = trained(
    "logit Jacobian",
    "output / input",
    "mean over test points of the Frobenius norm of the Jacobian of the logits",
    log=True,
)
LOGIT_SCALE = trained(
    "scale of the logits' gradients",
    "(output / input)^2",
    "M of that study's bounds: mean square of the logits' Jacobian norm by the number of classes",
    log=True,
)
TRANSITIONS = trained(
    "transitions",
    "transitions / trajectory",
    "mean over test images of the sum over neurons of changes of their linear region along the image's translations",
    log=True,
)
TRANSITIONS_ERROR = trained(
    "standard error of the transitions", "transitions / trajectory", "of that mean over test images", log=True
)
TRAIN_ACCURACY = trained(
    "training accuracy", "fraction", "of the whole training part as it was given, no image changed by augmentation"
)
TEST_ACCURACY = trained("test accuracy", "fraction", "of the whole test part, whose labels are always the true ones")
GENERALIZATION_GAP = trained("generalization gap", "fraction", "training accuracy less test accuracy")
TRAIN_LOSS = trained(
    "training loss after training",
    "number",
    "mean over the training part of what is trained by, accurate down to 1e-300",
    log=True,
)
TEST_LOSS = trained("test loss after training", "number", "the same over the test part", log=True)
POINT_LOSS = trained(
    "loss of the point", "number", "of what is trained by: cross-entropy, or the sum of squares", log=True
)
POINT_JACOBIAN = trained(
    "probability Jacobian at the point",
    "probability / input",
    "Frobenius norm of the Jacobian of softmax(outputs) there",
    log=True,
)
CLASS_JACOBIAN = trained(
    "gradient of the label's probability",
    "probability / input",
    "its length: the norm of the label's row of that Jacobian",
    log=True,
)
POINT_LOGIT_JACOBIAN = trained(
    "logit Jacobian at the point", "output / input", "Frobenius norm of the Jacobian of the logits there", log=True
)
LABEL_PROBABILITY = trained("probability of the label", "fraction", "that the network gives it", log=True)
LABEL_COMPLEMENT = trained(
    "probability of the other classes", "fraction", "their sum, exact where the label's is almost 1", log=True
)
JACOBIAN_TIME = Quantity(
    "time of the probability Jacobian", "s", "wall time to measure it after training", group="cost"
)
TRANSITIONS_TIME = Quantity("time of the transitions", "s", "wall time to measure them after training", group="cost")
TRAINING_TIME = Quantity("time of the training", "s", "wall time of the training alone", group="cost")
