"""At what pace layers learn ("Beyond Folklore: A Scaling Calculus for the Design and Initialization of ReLU Networks",
2019)."""

from functools import partial

from distnlc.records import Quantity

initial = partial(Quantity, group="initial", log=True)

SCALING_IMBALANCE = Quantity(
    "imbalance of the layers",
    "number",
    "natural logarithm of largest over smallest gamma, the mean square of a layer's gradient by that of its weights as "
    "its scaling factor gives it: 0 where all layers learn at one pace",
    group="initial",
)
GAMMA_IMBALANCE = initial(
    "largest over smallest gamma", "number", "of the weight layers: 1 where all of them learn at one pace"
)
RATIO_IMBALANCE = initial(
    "largest over smallest exact ratio",
    "number",
    "of the weight layers: mean square of the gradient of one datapoint's loss by that of the weights",
)
HESSIAN_IMBALANCE = initial(
    "largest over smallest Hessian block",
    "number",
    "of the weight layers: average squared singular value of the diagonal block of one datapoint's loss",
)
PLANNED_IMBALANCE = initial(
    "largest over smallest planned gamma", "number", "of the weight layers, from shapes and initialization alone"
)
OUTPUT_SECOND_MOMENT = initial("second moment of the outputs", "number", "mean square of the initial outputs")
GAMMA = initial(
    "gamma",
    "number",
    "scaling factor s of the layer's input by (number of weights * mean square of the weights squared); of biases by "
    "equation (7)",
)
EXACT_RATIO = initial(
    "exact ratio", "number", "mean square of the gradient of one datapoint's loss by that of the parameter"
)
HESSIAN_SQUARE = initial(
    "square of the Hessian block",
    "number",
    "average squared singular value of the parameter's diagonal block, mean over datapoints",
)
