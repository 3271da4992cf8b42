"""Quantities of the NLC paper; section and equation numbers are its."""

from functools import partial

from distnlc.records import Quantity

initial, taken, trained = (partial(Quantity, group=group) for group in ("initial", "cost", "trained"))

# before training

INITIAL_NLC = initial(
    "initial NLC",
    "number",
    "nonlinearity coefficient before training, on the training part (equation 1)",
    log=True,
    cost=("jacobian_seconds", "outputs_seconds"),
)
INITIAL_BIAS = initial(
    "initial output bias",
    "number",
    "output bias before training, at least 1; above 1000 is called high",
    log=True,
    cost=("outputs_seconds",),
)
INITIAL_LOSS_SCALE = initial(
    "size of the outputs", "output", "c, the quadratic mean of the outputs, by which the loss divides them", log=True
)
JACOBIAN_NORM = initial(
    "Jacobian norm",
    "output / input",
    "quadratic mean of the Jacobian's Frobenius norm",
    log=True,
    cost=("jacobian_seconds",),
)
GRADIENT_COMPONENT = initial(
    "gradient component size",
    "loss / input",
    "quadratic mean of a component of the loss's gradient by the input",
    log=True,
    cost=("gradients_seconds",),
)
GRADIENT_LENGTH = initial(
    "gradient length", "loss / input", "quadratic mean of that gradient's length", log=True, cost=("gradients_seconds",)
)
LOCAL_LIPSCHITZ = initial(
    "local Lipschitz estimate",
    "output / input",
    "largest singular value of a batch's Jacobian (without batch norm: the largest of its points' Jacobians), "
    "quadratic mean over the batches",
    log=True,
    cost=("lipschitz_seconds",),
)
FORMER_LIPSCHITZ = Quantity(
    "earlier Lipschitz estimate",
    "output / input",
    "no longer measured: with batch norm it was another quantity than without (quadratic mean over points)",
    group="former",
    log=True,
)
INPUT_COSINE = initial(
    "mean cosine of two inputs",
    "number",
    "mean cosine of two inputs, over all pairs of four batches (rows with `init_lipschitz`: of 1,000 pairs)",
    cost=("cosines_seconds",),
)
OUTPUT_COSINE = initial(
    "mean cosine of their outputs", "number", "mean cosine of their outputs, likewise", cost=("cosines_seconds",)
)
COSINE_CORRELATION = initial(
    "correlation preservation",
    "number",
    "Pearson correlation, over pairs of datapoints, of the cosine of their inputs with that of their outputs",
    cost=("cosines_seconds",),
)
LINEAR_REGION = initial(
    "linear region",
    "number",
    "diameter of the linearly approximable region by the paper's condition: one for a whole batch (section E.1); "
    "missing where rounding hides it",
    log=True,
    cost=("diameter_seconds",),
)
RELATIVE_DIAMETER = initial(
    "relative diameter",
    "number",
    "the linear region by a condition for each datapoint, the median, in units of the inputs' radius; missing where "
    "rounding hides it",
    log=True,
    cost=("diameter_seconds",),
)
ACTIVATION_NLC = initial(
    "NLC of the activation function", "number", "the activation function's own NLC under N(0, 1)", log=True
)
ACTIVATION_LINEAR_ERROR = initial(
    "linear error of the activation function",
    "number",
    "the activation function's linear approximation error under N(0, 1)",
    log=True,
)

# what that takes

JACOBIAN_SECONDS = taken("time of the Jacobian norm", "s", "wall time to measure the Jacobian norm")
OUTPUTS_SECONDS = taken(
    "time of the output bias",
    "s",
    "wall time to measure the outputs' moments, which give the bias; the NLC takes this and the Jacobian norm's",
)
GRADIENTS_SECONDS = taken("time of the gradients", "s", "wall time to measure both gradient sizes")
COSINES_SECONDS = taken("time of the cosines", "s", "wall time to measure both cosines")
LIPSCHITZ_SECONDS = taken("time of the Lipschitz estimate", "s", "wall time to measure the Lipschitz estimate")
DIAMETER_SECONDS = taken(
    "time of the diameters", "s", "wall time to measure the linear region and the relative diameter"
)

# after training

TRAINED_NLC = trained("NLC after training", "number", "NLC of the chosen run's network, on the training part", log=True)
TRAINED_NLC_TEST = trained("NLC after training (test set)", "number", "the same, on the test part", log=True)
TRAINED_BIAS = trained(
    "output bias after training", "number", "output bias of the chosen run's network, on the training part", log=True
)
TRAINED_PERTURBATION = trained(
    "error-preserving perturbation",
    "number",
    "the largest perturbation of the test part that keeps the chosen run's error (section E.3)",
    log=True,
)
