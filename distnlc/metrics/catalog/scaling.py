"""At what pace layers learn ("Beyond Folklore: A Scaling Calculus for the Design and Initialization of ReLU Networks",
2019)."""

from distnlc.records import Quantity

SCALING_IMBALANCE = Quantity(
    "imbalance of the layers",
    "number",
    "natural logarithm of largest over smallest gamma, the mean square of a layer's gradient by that of its weights as "
    "its scaling factor gives it: 0 where all layers learn at one pace",
    group="initial",
)
