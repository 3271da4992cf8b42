"""Signal and noise together, one layer after another ("Characterizing Well-Behaved vs. Pathological Deep Neural
Networks", ICML 2019; mu2: the mean over feature maps of the variance over images and positions)."""

from functools import partial

from distnlc.records import Quantity

initial = partial(Quantity, group="initial")

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
