"""How much a layer multiplies the normalized sensitivity, by theorems 2 and 3 of Labatie 2019 on measured moments.

In: moments of one layer's signal (and noise). Out: the increment delta chi, or one of the factors that batch norm
splits it into; nan where the moments are beyond the formula's reach.
"""

import math

GAUSSIAN_BY_ACTIVATION = (1 - 1 / math.pi) ** -0.5
"""1.2111: theorem 3's factor of ReLU where features are Gaussian after batch norm"""


def increment_without_norm(halves: float, variance_before: float) -> float:
    """Theorem 2: (1 - E_c[nu_{1,c}(y+) nu_{1,c}(y-)] / mu_2(x))^(-1/2), at least 1.

    `halves` is `mean_of_halves` of the layer's y, `variance_before` mu_2 of the layer's input x.
    """
    return _inverse_root(1 - halves / variance_before)


def increment_by_norm(mean_ratio: float, log_sensitivity_before: float) -> float:
    """Theorem 3's factor of batch norm: sqrt(E_c[mu_{2,c}(dy) / mu_{2,c}(y)]) by chi before the layer.

    `mean_ratio` is that expectation over features, of what is normalized.
    """
    return math.exp(math.log(mean_ratio) / 2 - log_sensitivity_before)


def increment_by_activation(halves: float) -> float:
    """Theorem 3's factor of ReLU: (1 - 2 E_c[nu_{1,c}(z+) nu_{1,c}(z-)])^(-1/2), z of variance 1 in every feature."""
    return _inverse_root(1 - 2 * halves)


def _inverse_root(value: float) -> float:
    return value**-0.5 if value > 0 else math.nan
