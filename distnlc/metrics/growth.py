"""How a coefficient grows from layer to layer: an exponential fit, by least squares on its logarithm."""

import math
from collections.abc import Sequence

import numpy as np


def exponential_fit(layers: Sequence[int], values: Sequence[float]) -> tuple[float, float, float]:
    """Rate r and intercept c of values = c r^layer, and R^2 of the logarithms ("Gradients explode", section 2, item 4).

    All nan for less than two layers, or a value that is not a positive finite number; R^2 alone where all are equal.
    """
    if len(layers) < 2 or not all(0 < value < math.inf for value in values):
        return math.nan, math.nan, math.nan
    logarithms = np.log(values)
    slope, intercept = np.polyfit(layers, logarithms, 1)
    left = float(np.square(logarithms - intercept - slope * np.asarray(layers)).mean())
    spread = float(logarithms.var())
    return math.exp(slope), math.exp(intercept), 1 - left / spread if spread else math.nan
