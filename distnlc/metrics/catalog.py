"""Every quantity that is measured of a network, once: its label, unit, scale and the columns of its cost.

The rows of a study kind cite these with `column()`, so that two kinds and `distnlc measure` call one thing by one name.
Nothing here needs torch. Section and equation numbers are those of the NLC paper.
"""

from distnlc.records import Quantity

# before training

INITIAL_NLC = Quantity(
    "initial NLC",
    group="initial",
    log=True,
    cost=("jacobian_seconds", "outputs_seconds"),
    about="nonlinearity coefficient before training, on the training part (equation 1)",
)
INITIAL_BIAS = Quantity(
    "initial output bias",
    group="initial",
    log=True,
    cost=("outputs_seconds",),
    about="output bias before training, at least 1; above 1000 is called high",
)
INITIAL_LOSS_SCALE = Quantity(
    "size of the outputs",
    unit="output",
    group="initial",
    log=True,
    about="c, the quadratic mean of the outputs, by which the loss divides them",
)
JACOBIAN_NORM = Quantity(
    "Jacobian norm",
    unit="output / input",
    group="initial",
    log=True,
    cost=("jacobian_seconds",),
    about="quadratic mean of the Jacobian's Frobenius norm",
)
GRADIENT_COMPONENT = Quantity(
    "gradient component size",
    unit="loss / input",
    group="initial",
    log=True,
    cost=("gradients_seconds",),
    about="quadratic mean of a component of the loss's gradient by the input",
)
GRADIENT_LENGTH = Quantity(
    "gradient length",
    unit="loss / input",
    group="initial",
    log=True,
    cost=("gradients_seconds",),
    about="quadratic mean of that gradient's length",
)
LIPSCHITZ = Quantity(
    "local Lipschitz estimate",
    unit="output / input",
    group="initial",
    log=True,
    cost=("lipschitz_seconds",),
    about="local Lipschitz estimate: the Jacobian's largest singular value, quadratic mean",
)
INPUT_COSINE = Quantity(
    "mean cosine of two inputs", group="initial", cost=("cosines_seconds",), about="mean cosine of two inputs"
)
OUTPUT_COSINE = Quantity(
    "mean cosine of their outputs", group="initial", cost=("cosines_seconds",), about="mean cosine of their outputs"
)
RELATIVE_DIAMETER = Quantity(
    "relative diameter",
    group="initial",
    log=True,
    cost=("diameter_seconds",),
    about="of the linearly approximable region, relative to the inputs' (section E.1)",
)
ACTIVATION_NLC = Quantity(
    "NLC of the activation function",
    group="initial",
    log=True,
    about="the activation function's own NLC under N(0, 1)",
)
ACTIVATION_LINEAR_ERROR = Quantity(
    "linear error of the activation function",
    group="initial",
    log=True,
    about="the activation function's linear approximation error under N(0, 1)",
)

# what that takes

JACOBIAN_SECONDS = Quantity(
    "time of the Jacobian norm", unit="s", group="cost", about="wall time to measure the Jacobian norm"
)
OUTPUTS_SECONDS = Quantity(
    "time of the output bias",
    unit="s",
    group="cost",
    about="wall time to measure the outputs' moments, which give the bias; the NLC takes this and the Jacobian norm's",
)
GRADIENTS_SECONDS = Quantity(
    "time of the gradients", unit="s", group="cost", about="wall time to measure both gradient sizes"
)
COSINES_SECONDS = Quantity("time of the cosines", unit="s", group="cost", about="wall time to measure both cosines")
LIPSCHITZ_SECONDS = Quantity(
    "time of the Lipschitz estimate", unit="s", group="cost", about="wall time to measure the Lipschitz estimate"
)
DIAMETER_SECONDS = Quantity(
    "time of the relative diameter", unit="s", group="cost", about="wall time to measure the relative diameter"
)

# after training

TRAINED_NLC = Quantity(
    "NLC after training", group="trained", log=True, about="NLC of the chosen run's network, on the training part"
)
TRAINED_NLC_TEST = Quantity(
    "NLC after training (test set)", group="trained", log=True, about="the same, on the test part"
)
TRAINED_BIAS = Quantity(
    "output bias after training",
    group="trained",
    log=True,
    about="output bias of the chosen run's network, on the training part",
)
TRAINED_PERTURBATION = Quantity(
    "error-preserving perturbation",
    group="trained",
    log=True,
    about="the largest perturbation of the test part that keeps the chosen run's error (section E.3)",
)
