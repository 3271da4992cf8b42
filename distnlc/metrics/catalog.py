"""Every quantity that is measured of a network, once: its label, unit, scale and the columns of its cost.

The rows of a study kind cite these with `column()`, so that two kinds and `distnlc measure` call one thing by one name.
Nothing here needs torch. Section and equation numbers are those of the NLC paper.
"""

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
    "measured no more: with batch norm another quantity (as above) than without (quadratic mean over points)",
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
    "the same by a condition for each datapoint, the median, in units of the inputs' radius; missing where rounding "
    "hides it",
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

# signal and noise together, one layer after another ("Characterizing Well-Behaved vs. Pathological Deep Neural
# Networks", ICML 2019; mu2: the mean over feature maps of the variance over images and positions)

NORMALIZED_SENSITIVITY = initial(
    "normalized sensitivity",
    "number",
    "chi, the square root of mu2(noise) / mu2(signal) beside that of the input: above 1 the noise grows faster",
    log=True,
)
SENSITIVITY_INCREMENT = initial(
    "increment of the sensitivity", "number", "delta chi: chi after the layer by chi before it", log=True
)
NORMALIZATION_INCREMENT = initial(
    "increment by batch norm",
    "number",
    "the part of delta chi up to the batch norm (with the convolution before it, or of a residual unit's batch norm "
    "alone)",
    log=True,
)
ACTIVATION_INCREMENT = initial(
    "increment by the activation",
    "number",
    "the rest of delta chi: by ReLU (in residual units with the convolution behind it)",
    log=True,
)
PREDICTED_SENSITIVITY_INCREMENT = initial(
    "increment of the sensitivity, predicted",
    "number",
    "delta chi as theorem 2 (without batch norm) or 3 gives it from moments of the same simulation",
    log=True,
)
PREDICTED_NORMALIZATION_INCREMENT = initial(
    "increment by batch norm, predicted", "number", "the first factor of theorem 3, likewise", log=True
)
PREDICTED_ACTIVATION_INCREMENT = initial(
    "increment by the activation, predicted", "number", "the second factor of theorem 3, likewise", log=True
)
SIGNAL_RANK = initial(
    "effective rank of the signal",
    "number",
    "trace of the feature maps' covariance over images and positions, by its largest eigenvalue",
    log=True,
)
NOISE_RANK = initial("effective rank of the noise", "number", "the same of the noise", log=True)
NORMALIZED_KURTOSIS = initial(
    "fourth moment after batch norm",
    "number",
    "mu4(z), the mean over feature maps of their fourth central moment after batch norm; 3 if they are Gaussian",
    log=True,
)
NORMALIZED_MEAN_ABSOLUTE = initial(
    "mean absolute value after batch norm",
    "number",
    "nu1(|z|), mean over feature maps, images and positions; 0.798 if they are Gaussian",
    log=True,
)
SIGNAL_LOG_MOMENT = initial(
    "log second moment of the signal",
    "number",
    "natural logarithm of nu2(x), the mean square of the signal; 0 is the input's",
)
NOISE_LOG_VARIANCE = initial(
    "log variance of the noise",
    "number",
    "natural logarithm of mu2(dx), the mean square of the noise; 0 is the input's",
)

# the gradient on its way from the error to the inputs ("Gradients explode - Deep Networks are shallow - ResNet
# explained", 2018; Q: the quadratic mean over datapoints)

GRADIENT_SCALE = initial(
    "gradient scale at the input",
    "number",
    "expected gradient scale coefficient from the inputs x to the error, Q||df/dx|| Q||x|| / (sqrt(width of x) Q|f|): "
    "relative change of the error by relative change of the inputs",
    log=True,
)
GRADIENT_GROWTH = initial(
    "growth of the gradient scale",
    "number",
    "factor by which the gradient scale coefficient grows from one layer to the layer below it, by least squares on "
    "its logarithm: above 1 gradients explode",
    log=True,
)
LOWEST_GRADIENT_SCALE = initial(
    "gradient scale at the lowest layer",
    "number",
    "the same at the output of the lowest linear layer, in place of the inputs",
    log=True,
)
GRADIENT_GROWTH_INTERCEPT = initial(
    "intercept of the gradient scale",
    "number",
    "c of the fit c r^l, r being the growth, l the layer from the top",
    log=True,
)
GRADIENT_GROWTH_FIT = initial(
    "fit of the gradient scale", "number", "R^2 of that fit of the coefficient's logarithm, at most 1"
)
PREACTIVATION_SPREAD = initial(
    "spread before the activation",
    "number",
    "standard deviation over datapoints of what enters an activation function, quadratic mean over its neurons",
    log=True,
)
SIGN_DIVERSITY = initial(
    "sign diversity before the activation",
    "number",
    "share of datapoints with the rarer sign in what enters an activation function, mean over its neurons: 0 to 0.5",
)

# how sensitive class probabilities are to the input ("Sensitivity and Generalization in Neural Networks", ICLR 2018)

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

# at what pace layers learn ("Beyond Folklore: A Scaling Calculus for ReLU Networks")

SCALING_IMBALANCE = initial(
    "imbalance of the layers",
    "number",
    "natural logarithm of largest over smallest gamma, the mean square of a layer's gradient by that of its weights as "
    "its scaling factor gives it: 0 where all layers learn at one pace",
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
