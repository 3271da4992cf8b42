"""Every value that the paper on exploding gradients prints, and what was measured of it independently, once.

In print: "Gradients explode - Deep Networks are shallow - ResNet explained" (tables 1, 2 and 3). Measured: the same
networks by an independent program, with standard errors and the number of networks and points (study's spec, sections
4 and 9). Printed values stand as they are written, since the last digit says how far a value is rounded. Nonlinearity,
normalization, matrices, skip and width are named as in the records.
"""

import math
from dataclasses import dataclass

Setting = tuple[str, str, str, str, str]
"""nonlinearity, normalization, matrices, skip, width: what a row of table 1 is about"""

NETWORKS, POINTS = 100, 10_000
"""of every row in print, and of every network"""


def gaussian(nonlinearity: str, normalization: str, skip: str = "none", width: str = "100") -> Setting:
    """The setting of networks with Gaussian matrices."""
    return nonlinearity, normalization, "gaussian", skip, width


@dataclass(frozen=True)
class Measured:
    """A mean gradient scale at the input that was measured independently."""

    value: float
    error: float
    networks: int
    points: int

    @property
    def spread(self) -> float:
        """Standard deviation over networks."""
        return self.error * math.sqrt(self.networks)


@dataclass(frozen=True)
class Row:
    """One row of table 1."""

    number: int
    setting: Setting
    gsc: str
    std: str
    sign_diversity: str
    measured: Measured
    """of the gradient scale; where there are several, that with the most networks"""
    measured_std: float
    measured_sign_diversity: float
    relative_spread: float | None = None
    """standard deviation over networks / mean of the gradient scale, where the spec states it"""

    @property
    def spread(self) -> tuple[float, int]:
        """Standard deviation over networks, and of how many it is."""
        if self.relative_spread is None:
            return self.measured.spread, self.measured.networks
        return self.relative_spread * self.measured.value, self.measured.networks


# number: nonlinearity, normalization, matrices, skip, width | printed GSC, st. dev., sign diversity
#   | measured GSC, standard error, networks, points | measured st. dev., sign diversity | stated spread
_TABLE_1 = """
1 relu none gaussian none 100              | 1.52 0.22 0.030 | 1.72 0.06 200 200   | 0.20 0.030  | 0.53
2 relu layer gaussian none 100             | 1.16 0.096 0.029 | 1.155 0.057 200 200 | 0.097 0.028 | 0.70
3 relu length gaussian none 100            | 1.30 0.10 0.030 | 1.325 0.058 200 200 | 0.107 0.032 | 0.62
4 relu batch gaussian none 100             | 5728 1.00 0.41  | 5950 240 3 10000    | 1.000 0.417 |
5 tanh none gaussian none 100              | 1.26 0.096 0.50 | 1.262 0.010 20 1000 | 0.092 0.488 |
6 tanh layer gaussian none 100             | 72.2 1.00 0.50  | 71.9 1.6 20 1000    | 1.000 0.488 |
7 tanh length gaussian none 100            | 71.9 1.00 0.50  | 76.3 2.0 20 1000    | 0.999 0.487 |
8 tanh batch gaussian none 100             | 93.6 1.00 0.50  | 94.2 1.3 3 10000    | 1.000 0.498 |
9 selu none gaussian none 100              | 6.36 0.97 0.42  | 6.26 0.10 20 1000   | 0.960 0.424 |
10 selu length gaussian none 100           | 7.00 0.98 0.42  | 7.19 0.13 20 1000   | 0.975 0.424 |
11 relu batch gaussian none 200            | 5556 1.00 0.42  | 5622 470 2 10000    | 1.000 0.421 |
12 relu batch gaussian none 100/200        | 5527 1.00 0.41  | 5116 420 3 10000    | 1.000 0.408 |
13 selu none gaussian none 200             | 5.86 0.99 0.45  | 5.93 0.13 8 1000    | 0.978 0.451 |
14 selu none gaussian none 100/200         | 6.09 0.98 0.43  | 6.20 0.08 20 1000   | 0.972 0.433 |
15 relu none orthogonal none 100           | 1.29 0.20 0.03  | 1.318 0.036 200 200 | 0.192 0.034 | 0.39
16 relu layer orthogonal none 100          | 1.00 0.10 0.03  | 1.027 0.026 200 200 | 0.103 0.031 | 0.37
17 relu batch orthogonal none 100          | 5014 1.00 0.42  | 5880 580 3 10000    | 1.000 0.432 | 0.18
18 tanh none orthogonal none 100           | 1.18 0.10 0.50  | 1.176 0.007 20 1000 | 0.104 0.487 |
19 tanh layer orthogonal none 100          | 56.3 1.00 0.50  | 56.7 0.4 20 1000    | 1.000 0.487 |
20 tanh batch orthogonal none 100          | 54.6 1.00 0.50  | 54.9 0.15 3 10000   | 1.000 0.497 |
21 selu none orthogonal none 100           | 5.47 1.00 0.49  | 5.43 0.03 20 1000   | 1.002 0.487 |
22 relu none looks-linear none 100         | 1.00 1.00 0.50  | 0.999 0.004 20 1000 | 0.999 0.487 |
23 relu layer looks-linear none 100        | 1.00 1.00 0.50  | 0.996 0.007 20 1000 | 0.999 0.487 |
24 relu batch looks-linear none 100        | 1.00 1.00 0.50  | 0.995 0.006 3 10000 | 1.000 0.497 |
25 relu layer gaussian identity 100        | 1.08 0.56 0.19  | 1.075 0.009 200 200 | 0.560 0.189 | 0.12
26 relu batch gaussian identity 100        | 4.00 1.00 0.48  | 4.06 0.10 3 10000   | 1.000 0.485 |
27 tanh layer gaussian identity 100        | 1.63 1.00 0.50  | 1.617 0.006 20 1000 | 1.000 0.488 |
28 tanh batch gaussian identity 100        | 1.57 1.00 0.50  | 1.570 0.013 3 10000 | 1.000 0.498 |
29 selu layer gaussian identity 100        | 1.31 0.99 0.48  | 1.320 0.008 20 1000 | 0.998 0.479 |
30 relu layer gaussian gaussian 100        | 1.17 0.56 0.18  | 1.175 0.018 200 200 | 0.561 0.180 | 0.21
31 relu batch gaussian gaussian 100        | 4.50 1.00 0.48  | 4.67 0.04 3 10000   | 1.000 0.480 |
32 tanh layer gaussian gaussian 100        | 1.97 1.00 0.50  | 1.968 0.025 20 1000 | 1.000 0.488 |
33 tanh batch gaussian gaussian 100        | 1.71 1.00 0.50  | 1.62 0.04 3 10000   | 1.000 0.498 |
34 selu layer gaussian gaussian 100        | 1.53 9.97 0.48  | 1.510 0.010 20 1000 | 0.997 0.474 |
"""
ALSO_MEASURED = {1: Measured(1.54, 0.15, 20, 1_000)}
"""a second measurement of a row of table 1"""
MISPRINTS = {34: "0.997"}
"""rows of table 1 whose printed st. dev. cannot be, and what it is with the point where it belongs"""
MANY_SMALL = (1, 2, 3, 15, 16, 25, 30)
"""rows that spread so much that 200 networks of 200 points are measured beside"""
WITH_QUANTILES = (1, 2, 3)
"""rows of which median and outer quantiles are given beside"""
QUANTILES = {2: ("0.93", "0.28", "2.67")}
"""median, 5 % and 95 % of the independent measurement, where stated"""


def _row(line: str) -> Row:
    setting, printed, measured, at_top, spread = (each.split() for each in line.split("|"))
    number, *what = setting
    gsc, std, sign_diversity = printed
    value, error, networks, points = measured
    return Row(
        int(number),
        (what[0], what[1], what[2], what[3], what[4]),
        gsc,
        std,
        sign_diversity,
        Measured(float(value), float(error), int(networks), int(points)),
        float(at_top[0]),
        float(at_top[1]),
        float(spread[0]) if spread else None,
    )


TABLE_1 = tuple(_row(line) for line in _TABLE_1.strip().splitlines())


@dataclass(frozen=True)
class Trained:
    """One row of table 2: training errors in %."""

    setting: Setting
    custom: str
    single: str
    shown: str
    """the protocol of the run that the figures show"""
    figure: int


def _trained(line: str) -> Trained:
    nonlinearity, normalization, matrices, skip, custom, single, figure = line.split()
    shown = "custom" if custom.endswith("*") or not single.endswith("*") else "single"
    setting = (nonlinearity, normalization, matrices, skip, "100")
    return Trained(setting, custom.rstrip("*"), single.rstrip("*"), shown, int(figure))


TABLE_2 = tuple(
    _trained(line)
    for line in """
relu none gaussian none 31.48 19.24* 4
relu layer gaussian none 42.48 21.23* 4
relu batch gaussian none 34.83* 76.65 2
tanh none gaussian none 23.42 16.22* 4
tanh layer gaussian none 1.92* 17.5 2
tanh batch gaussian none 12.31* 23.8 2
selu none gaussian none 0.24* 1.78 2
relu none looks-linear none 0.002* 0.008 6
relu layer looks-linear none 0.77* 1.2 6
relu batch looks-linear none 0.38 0.19* 6
tanh layer gaussian identity 0.35 0.27* 5
tanh batch gaussian identity 0.13* 0.24 5
relu layer gaussian identity 2.09 1.49* 5
relu batch gaussian identity 0.06* 0.096 5
selu layer gaussian identity 1.55 1.55 5
""".strip().splitlines()
)
"""a row without a star (layer-SELU ResNet: both errors alike) is shown by its custom run"""
TRAINING_LAYERS, TRAINING_POINTS, TRAINING_DATASET = 51, 50_000, "cifar10"
MINI_BATCH_ERROR = 0.89
"""batch-ReLU with batches of 1,000 stays above"""


@dataclass(frozen=True)
class Diluted:
    """One cell of table 3: decimal logarithms of the gradient scale at the input and of its corrected value."""

    gsc: str
    corrected: str
    measured: float
    """independently, as `measured_corrected`: that of the most points and networks, averaged first where stated"""
    measured_corrected: float


MATRICES_3 = {
    "gaussian": "(i) Gaussian",
    "skew-symmetric": "(ii) skew-symmetric",
    "negative-definite": "(iii) negative-definite",
    "autoregressive": "(iv) autoregressive",
}
NETS_3 = (("relu", "batch"), ("tanh", "layer"))
TABLE_3 = {
    ("relu", "batch", "gaussian"): Diluted("0.337", "4.23", 0.330, 4.5),
    ("tanh", "layer", "gaussian"): Diluted("0.136", "2.17", 0.133, 2.23),
    ("relu", "batch", "skew-symmetric"): Diluted("0.329", "4.06", 0.325, 4.25),
    ("tanh", "layer", "skew-symmetric"): Diluted("0.114", "1.91", 0.118, 1.92),
    ("relu", "batch", "negative-definite"): Diluted("6.164", "68.37", 6.200, 68.5),
    ("tanh", "layer", "negative-definite"): Diluted("3.325", "5.46", 3.339, 5.43),
    ("relu", "batch", "autoregressive"): Diluted("0.313", "7.22", 0.310, 7.7),
    ("tanh", "layer", "autoregressive"): Diluted("0.143", "2.31", 0.148, 2.58),
}
"""by nonlinearity, normalization and matrices"""
TABLE_3_NEAR = 0.05
"""in decimal logarithms, within which the gradient scale agrees"""


def sign_diversity_of_symmetric(points: float) -> float:
    """The mean of min(p, 1 - p) of a symmetric neuron over finitely many points."""
    return 0.5 - math.sqrt(1 / (2 * math.pi * points))


NONLINEARITIES = {"relu": "ReLU", "tanh": "tanh", "selu": "SELU"}
NORMALIZATIONS = {"none": "", "batch": "batch-", "layer": "layer-", "length": "LOlayer-"}


def name_of(setting: Setting) -> str:
    """As the paper calls it: `batch-ReLU`, `layer-tanh, identity skips`, `SELU, width 200`."""
    nonlinearity, normalization, matrices, skip, width = setting
    named = NORMALIZATIONS.get(normalization, normalization) + NONLINEARITIES.get(nonlinearity, nonlinearity)
    if matrices != "gaussian":
        named += f", {matrices}"
    if skip != "none":
        named += f", {skip} skips" if skip == "identity" else ", Gaussian skips"
    return named if width == "100" else f"{named}, width {width}"
