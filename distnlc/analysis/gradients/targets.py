"""What was measured independently along the curves of networks on noise, where the paper prints no numbers, once.

Growth rates, values on the curves of figures 1 and 3, factors of single layers (study's spec, section 9): means over as
many networks as `paper.TABLE_1` says of each. Values stand as they are written there.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from distnlc.analysis.gradients.paper import Setting, gaussian


@dataclass(frozen=True)
class Growth:
    """The fit of the logarithm of the gradient scale over nominal layers."""

    per_linear_layer: float
    per_layer: float | None = None
    intercept: float | None = None
    r2: float | None = None


GROWTH: Mapping[Setting, Growth] = {
    gaussian("relu", "batch"): Growth(1.194, 1.0610, 0.895, 0.9992),
    gaussian("tanh", "batch"): Growth(1.098, 1.0316, 0.999, 0.9995),
    gaussian("tanh", "layer"): Growth(1.091, 1.0295, 0.938, 0.9997),
    gaussian("tanh", "length"): Growth(1.092, 1.0298, 0.942, 0.9997),
    gaussian("selu", "none"): Growth(1.038, 1.0190, 0.957, 0.9992),
    gaussian("selu", "length"): Growth(1.0415, 1.0137, 0.946, 0.9994),
    gaussian("tanh", "none"): Growth(1.001),
}
GROWTH_RANGE = (1.005, 1.008)
"""per linear layer, of the networks of GROWTH_IN_RANGE"""
GROWTH_IN_RANGE = tuple(gaussian("relu", each) for each in ("none", "layer", "length"))
GROWTH_NEAR = 0.01
"""relative difference per linear layer, within which a growth rate agrees"""
EXPLODING = tuple(gaussian(*net) for net in (("relu", "batch"), ("tanh", "layer"), ("tanh", "batch"), ("selu", "none")))
STRAIGHT = 0.999
"""R^2 of an exploding network's fit, at least"""

PLACES = (1, 10, 20, 30, 40, 50)
"""linear layers, after which GSC_AT states the gradient scale"""
GSC_AT: Mapping[Setting, tuple[str, ...]] = {
    gaussian("relu", "batch"): ("6060", "1300", "217", "35.5", "6.39", "1.19"),
    gaussian("tanh", "batch"): ("98.2", "46.6", "17.7", "7.17", "2.79", "1.06"),
    gaussian("tanh", "layer"): ("72.3", "32.3", "13.6", "5.70", "2.37", "1.00"),
    gaussian("selu", "none"): ("6.29", "4.46", "3.04", "2.09", "1.45", "1.00"),
    gaussian("tanh", "none"): ("1.27", "1.07", "1.08", "1.11", "1.09", "1.00"),
    gaussian("relu", "none"): ("1.55", "1.43", "1.26", "1.22", "1.14", "1.01"),
}
STEP_LAYERS = (10, 40)
"""linear layers between which STEPS are averaged"""
STEPS: Mapping[Setting, tuple[str | None, str | None, str | None]] = {
    gaussian("relu", "batch"): ("0.981", "1.216", "1.0015"),
    gaussian("tanh", "batch"): ("0.975", "1.056", "1.066"),
    gaussian("tanh", "layer"): ("0.995", "1.010", "1.085"),
    gaussian("selu", "none"): ("0.996", None, "1.043"),
    gaussian("relu", "layer"): ("1.004", "1.004", "0.996"),
}
"""factor of the gradient scale across a linear, a normalization and a nonlinearity layer"""
INFINITE_WIDTH = {"tanh": 1.0853, "selu": 1.0352, "batch-relu": (1 - 1 / math.pi) ** -0.5}
"""sqrt(E sigma'^2 / Var sigma): the factor per linear layer at infinite width"""

SPREAD_PLACES = (1, 5, 10, 20, 30, 40, 49)
"""nonlinearity layers of STD_AT and SIGN_DIVERSITY_AT"""
STD_AT: Mapping[Setting, tuple[str, ...]] = {
    gaussian("relu", "none"): ("1.00", "0.57", "0.39", "0.29", "0.24", "0.24", "0.20"),
    gaussian("relu", "layer"): ("1.00", "0.56", "0.39", "0.22", "0.16", "0.12", "0.10"),
    gaussian("tanh", "none"): ("1.00", "0.36", "0.24", "0.16", "0.13", "0.11", "0.09"),
    gaussian("selu", "none"): ("1.00", "0.99", "0.98", "0.99", "0.98", "0.98", "0.96"),
}
SIGN_DIVERSITY_AT: Mapping[Setting, tuple[str, ...]] = {
    gaussian("relu", "none"): ("0.49", "0.19", "0.12", "0.08", "0.05", "0.04", "0.03"),
    gaussian("relu", "batch"): ("0.50", "0.49", "0.48", "0.46", "0.45", "0.43", "0.42"),
    gaussian("selu", "none"): ("0.49", "0.48", "0.47", "0.46", "0.44", "0.43", "0.42"),
}
RESNET_PLACES = (1, 2, 10, 20, 30, 40, 50)
"""nonlinearity layers of RESNET_SIGN_DIVERSITY: layer-ReLU with identity skips"""
RESNET_SIGN_DIVERSITY = ("0.49", "0.31", "0.22", "0.19", "0.19", "0.17", "0.175")


@dataclass(frozen=True)
class Corrected:
    """Totals of figure 3 C, in decimal logarithms."""

    by_formula: float
    exact: float
    vanilla: Setting
    """the network without skips that it is set beside"""
    vanilla_total: float


FIGURE_3C: Mapping[Setting, Corrected] = {
    gaussian("relu", "batch", "identity"): Corrected(4.55, 3.95, gaussian("relu", "batch"), 3.76),
    gaussian("tanh", "batch", "identity"): Corrected(2.13, 1.96, gaussian("tanh", "batch"), 1.97),
    gaussian("tanh", "layer", "identity"): Corrected(2.20, 2.03, gaussian("tanh", "layer"), 1.86),
    gaussian("selu", "layer", "identity"): Corrected(1.01, 0.97, gaussian("selu", "none"), 0.80),
    gaussian("relu", "layer", "identity"): Corrected(0.22, 0.21, gaussian("relu", "layer"), 0.06),
}
BLOCK_PLACES = (1, 2, 5, 10, 15, 20, 25)
"""blocks from the bottom, of which BLOCK_GROWTH is stated"""
BLOCK_GROWTH: Mapping[Setting, tuple[str, ...]] = {
    gaussian("relu", "batch", "identity"): ("1.119", "1.104", "1.085", "1.045", "1.031", "1.026", "1.026"),
    gaussian("tanh", "layer", "identity"): ("1.062", "1.047", "1.029", "1.018", "1.013", "1.008", "1.008"),
}
