"""The gradient on its way from the error to the inputs ("Gradients explode - Deep Networks are shallow - ResNet
explained", 2018; Q: the quadratic mean over datapoints)."""

from functools import partial

from distnlc.records import Quantity

initial = partial(Quantity, group="initial")

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
