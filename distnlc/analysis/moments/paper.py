"""Every value that the paper on well-behaved and pathological networks states, and what its theory says, once.

Numbers are of the arrays and figures that the paper's author released; they stand here as they are written, since the
last digit says how far a value is rounded. Layers are numbered from 1; `Fig3`, `Fig4` and `Fig5` were read off
figures, so that their error is unknown. Parts are named as in the study, quantities by their columns.
"""

import math
from dataclasses import dataclass

import numpy as np

from distnlc.analysis.statistics.correlations import Floats

Values = dict[int, str]
"""layer -> the stated value, in its digits"""


@dataclass(frozen=True)
class Setting:
    """What the paper's simulations of one part were."""

    net: str
    width: int
    kernel: int
    batch: int
    simulations: int
    boundary: str = "periodic"
    epsilon: float = 0.001
    input: str = "cifar10"


SETTINGS = {
    "Fig2": Setting("vanilla", 128, 3, 1024, 10_000),
    "Fig3": Setting("vanilla", 512, 3, 64, 1_000),
    "Fig4": Setting("bn_ff", 512, 3, 64, 1_000),
    "Fig5": Setting("bn_res", 512, 3, 64, 1_000),
    "S1": Setting("vanilla", 512, 3, 1024, 10_000),
    "S2": Setting("vanilla", 512, 3, 64, 200, boundary="symmetric"),
    "S3": Setting("vanilla", 512, 3, 64, 200, boundary="zero"),
    "S4": Setting("bn_ff", 512, 3, 64, 200, boundary="zero"),
    "S5": Setting("bn_ff", 512, 3, 64, 200, input="mnist"),
    "S6": Setting("bn_ff", 512, 3, 64, 200, epsilon=0.0),
    "FC1": Setting("vanilla", 128, 1, 1024, 10_000),
    "FC2": Setting("vanilla", 512, 1, 64, 200),
    **{f"FC3-{batch}": Setting("bn_ff", 512, 1, batch, 200) for batch in (64, 128, 256, 512)},
    "FC4": Setting("bn_res", 512, 1, 64, 200),
}
"""also the paper's order of the parts"""
READ_OFF = ("Fig3", "Fig4", "Fig5")
"""parts whose values were read off figures"""
THIN = "-thin"
"""what a part's name ends with if its networks are smaller than the paper's"""


def _at(layers: str, **columns: str) -> dict[str, Values]:
    """Values by column and layer, written as columns of numbers."""
    places = [int(layer) for layer in layers.split()]
    return {name: dict(zip(places, values.split(), strict=True)) for name, values in columns.items()}


QUARTERS, SIX, SEVEN = "50 100 150 200", "2 10 20 50 100 200", "5 10 20 50 100 250 500"

MEANS: dict[str, dict[str, Values]] = {
    "Fig2": _at(
        QUARTERS,
        log_second_moment_signal="-0.849 -1.819 -2.809 -3.806",
        log_variance_noise="-0.158 -0.341 -0.517 -0.709",
    ),
    "Fig3": _at("2 10 20", delta_chi="1.13 1.04 1.02")
    | _at("2 4 10 20 50 100 200", rank_signal="3.0 3.8 2.65 1.9 1.26 1.09 1.04"),
    "Fig4": {},  # indistinguishable from S6
    "Fig5": _at("5 500", delta_chi="1.26 1.20", delta_bn="1.05 1.00", rank_signal="7 16", kurtosis_z="3.5 4.0")
    | _at("500", delta_phi="1.20", rank_noise="350", mean_abs_z="0.79")
    | _at("100 200 300 400 500", chi="14 20.5 25.5 30 33.5"),
    "S1": _at(
        QUARTERS,
        log_second_moment_signal="-0.202 -0.440 -0.688 -0.935",
        log_variance_noise="-0.035 -0.080 -0.128 -0.177",
    ),
    "S2": _at(
        SIX,
        delta_chi="1.130 1.039 1.017 1.008 0.999 1.006",
        chi="1.371 2.175 2.755 3.734 4.741 6.712",
        rank_signal="2.57 2.28 1.66 1.25 1.10 1.03",
    ),
    "S3": _at(SIX, rank_signal="3.32 2.42 1.92 1.78 1.76 1.77") | _at("200", chi="3.00"),
    "S4": _at(SIX, chi="1.93 8.08 44.4 4.81e3 7.07e6 1.37e13"),
    "S5": _at(SIX, chi="1.62 7.12 44.8 8.72e3 2.02e7 7.51e13") | _at("2", kurtosis_z="5.39", delta_phi="1.159"),
    "S6": _at(
        SIX,
        delta_bn="1.073 1.004 1.007 1.072 1.133 1.141",
        delta_phi="1.200 1.196 1.186 1.089 1.029 1.018",
        delta_chi="1.287 1.201 1.194 1.167 1.165 1.161",
        chi="1.986 9.043 55.03 8.02e3 1.64e7 5.73e13",
        rank_noise="141 312 310 268 225 210",
        rank_signal="5.97 14.5 10.5 2.85 2.11 2.03",
        kurtosis_z="3.61 3.91 5.28 42.0 100 126",
        mean_abs_z="0.780 0.775 0.760 0.560 0.323 0.258",
    ),
    "FC1": _at(
        QUARTERS,
        log_second_moment_signal="-0.858 -1.851 -2.830 -3.820",
        log_variance_noise="-0.277 -0.813 -1.462 -2.212",
    ),
    "FC2": _at(
        SIX,
        delta_chi="1.146 1.041 1.014 1.001 1.006 0.999",
        chi="1.384 2.359 2.993 3.851 4.452 5.386",
        rank_signal="5.558 2.810 1.667 1.155 1.043 1.010",
    ),
    "FC3-64": _at(
        SIX,
        chi="1.661 8.878 70.08 3.456e4 1.063e9 9.90e17",
        delta_bn="1.047 1.022 1.021 1.024 1.025 1.025",
        delta_phi="1.204 1.203 1.203 1.201 1.199 1.199",
        rank_noise="29.7 25.4 21.6 14.8 10.0 6.6",
        rank_signal="8.70 13.1 12.5 11.2 10.4 10.2",
        kurtosis_z="3.262 3.373 3.440 3.600 3.696 3.728",
        mean_abs_z="0.787 0.786 0.785 0.782 0.780 0.780",
    ),
    "FC3-128": _at(SIX, chi="1.631 7.964 55.3 1.79e4 2.84e8 7.44e16")
    | _at("200", kurtosis_z="8.04", rank_signal="4.57"),
    "FC3-256": _at(SIX, chi="1.617 7.533 48.5 1.19e4 1.21e8 1.36e16")
    | _at("200", kurtosis_z="18.3", rank_signal="2.93"),
    "FC3-512": _at(SIX, chi="1.609 7.319 45.2 9.03e3 6.50e7 3.66e15")
    | _at("200", kurtosis_z="34.5", rank_signal="2.41"),
    "FC4": _at(
        SEVEN,
        chi="2.256 3.175 4.683 8.156 12.58 22.53 35.11",
        delta_chi="1.250 1.242 1.236 1.234 1.231 1.232 1.232",
        delta_bn="1.038 1.030 1.026 1.024 1.023 1.023 1.023",
        rank_signal="10.0 11.8 12.7 13.0 12.9 12.9 12.8",
        rank_noise="28.8 27.2 25.7 23.7 22.1 20.5 19.6",
    ),
}
"""part -> column -> means over simulations"""

DEVIATIONS: dict[str, dict[str, Values]] = {
    "Fig2": _at(
        QUARTERS, log_second_moment_signal="1.289 1.889 2.342 2.739", log_variance_noise="0.539 0.807 1.023 1.188"
    ),
    "S1": _at(
        QUARTERS, log_second_moment_signal="0.650 0.952 1.183 1.371", log_variance_noise="0.272 0.407 0.511 0.594"
    ),
    "FC1": _at(
        QUARTERS, log_second_moment_signal="1.303 1.926 2.414 2.787", log_variance_noise="0.725 1.192 1.584 1.920"
    ),
}
"""part -> column -> standard deviations over simulations"""

BANDS: dict[tuple[str, str, int], tuple[float, float]] = {
    ("FC2", "rank_signal", 2): (4.6, 6.4),
    ("FC3-64", "chi", 2): (1.625, 1.700),
    ("FC3-64", "chi", 10): (8.55, 9.25),
    ("FC3-64", "chi", 20): (66.8, 73.3),
    ("FC4", "chi", 500): (32.9, 37.3),
}
"""(part, column, layer) -> 16th and 84th percentile over simulations: two standard deviations apart if Gaussian"""

FOURTH_MOMENTS = ("FC4", 3.30, 3.40)
"""the part of which a range of mu4(z) over all layers is stated"""


@dataclass(frozen=True)
class PowerLaw:
    """A fit of chi by constant * l^exponent as the paper draws it."""

    exponent: str
    increment: str = ""
    constant: str = ""


POWER_LAWS = {"Fig5": PowerLaw("0.54"), "FC4": PowerLaw("0.6523", "1.2321", "0.613")}

# what theory says

GAUSSIAN_FOURTH_MOMENT = 3.0
GAUSSIAN_MEAN_ABSOLUTE = math.sqrt(2 / math.pi)
GAUSSIAN_DELTA_PHI = (1 - 1 / math.pi) ** -0.5
"""theorem 3's second factor where z is Gaussian, 1.2111"""
CONVOLUTIONS = 2
"""H, of a residual unit"""


def variance_of_log_moment(layer: float, width: float) -> float:
    """Var[log nu2(x)] once the signal has rank one."""
    return 5 * layer / width


def mean_of_log_moment(layer: float, width: float) -> float:
    """E[log nu2(x)] once the signal has rank one: half the variance below 0, so that the mean of nu2 stays 1."""
    return -variance_of_log_moment(layer, width) / 2


def power_law_exponent(increment: Floats) -> Floats:
    """Theorem 4: tau = (d^(2 H) - 1) / 2, of the increments d of units' first layers, any shape."""
    return (increment ** (2 * CONVOLUTIONS) - 1) / 2


def sensitivity_by_units(increment: float, units: int) -> Floats:
    """(units,) chi as theorem 4 multiplies it up: (chi^l / chi^(l-1))^2 = 1 + (d^(2 H) - 1) / (l + 1)."""
    unit = np.arange(1, units + 1)
    return np.asarray(np.sqrt(np.cumprod(1 + (increment ** (2 * CONVOLUTIONS) - 1) / (unit + 1))))
