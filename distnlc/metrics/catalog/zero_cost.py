"""Zero-cost proxies, by which architecture search ranks networks that nobody trains, and what they have to beat."""

from functools import partial

from distnlc.records import Quantity

initial = partial(Quantity, group="initial")

WEIGHT_GRADIENT_NORM = initial(
    "gradient norm",
    "loss / weight",
    "sum over weight matrices of the norm of the loss's gradient by each (Abdelfattah and others, 2021); larger is "
    "taken for better",
    log=True,
)
SNIP = initial(
    "SNIP",
    "loss",
    "sum over weights of |w dL/dw|: how much the loss depends on each connection (Lee and others, 2019); larger is "
    "taken for better",
    log=True,
)
GRASP = initial(
    "GraSP",
    "(loss / weight)^2",
    "-w H g, g and H being gradient and Hessian of the loss by the weights w: whether the gradient grows where they "
    "shrink (Wang and others, 2020); larger is taken for better",
)
FISHER = initial(
    "Fisher",
    "loss^2",
    "sum over channels of half the mean square over points of a dL/da: how much the loss depends on each channel a "
    "(Theis and others, 2018); larger is taken for better",
    log=True,
)
SYNFLOW = initial(
    "SynFlow",
    "number",
    "sum over weights of |w| dR/d|w|, R the product of the layers' absolute weights, without activation functions and "
    "normalizations (Tanaka and others, 2020); larger is taken for better",
    log=True,
)
JACOBIAN_COVARIANCE = initial(
    "Jacobian covariance",
    "number",
    "-sum of log s + 1 / s over the eigenvalues s of the correlations between gradients at different inputs (Mellor "
    "and others, 2020); larger is taken for better",
)
NASWOT = initial(
    "NASWOT",
    "number",
    "log determinant of how many neurons have the same code at two inputs (Mellor and others, 2021); missing without "
    "piecewise linear activation functions; larger is taken for better",
)
LAYERWISE_NASWOT = initial(
    "layer-wise NASWOT",
    "number",
    "the same of each layer by itself, added up; larger is taken for better",
)
ZEN_SCORE = initial(
    "Zen score",
    "number",
    "log of how far the features of Gaussian weights move with a Gaussian input, the scale that batch norm takes away "
    "restored (Lin and others, 2021); larger is taken for better",
)
NTK_CONDITION = initial(
    "NTK condition number",
    "number",
    "largest by smallest eigenvalue of the tangent kernel of one batch (Chen and others, 2021); smaller is taken for "
    "better",
    log=True,
)
DEPTH = initial("weight layers", "count", "the most weight layers on one path from inputs to outputs")
WIDTH = initial(
    "mean width", "number", "mean number of outputs, features or channels, of the weight layers but the last", log=True
)
PARAMETERS = initial("number of parameters", "count", "numbers in all parameters, gains and biases included", log=True)

ZERO_COST = {
    "gradient_norm": WEIGHT_GRADIENT_NORM,
    "snip": SNIP,
    "grasp": GRASP,
    "fisher": FISHER,
    "synflow": SYNFLOW,
    "jacobian_covariance": JACOBIAN_COVARIANCE,
    "naswot": NASWOT,
    "layerwise_naswot": LAYERWISE_NASWOT,
    "zen_score": ZEN_SCORE,
    "ntk_condition_number": NTK_CONDITION,
    "depth": DEPTH,
    "width": WIDTH,
    "parameters": PARAMETERS,
}
"""name, as `metrics/zero_cost.py` measures it -> quantity"""
