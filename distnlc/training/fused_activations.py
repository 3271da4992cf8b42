"""The activation functions in Triton, and what a layer does with them; see `fused_kernels.py`."""

import triton
import triton.language as tl

from distnlc.networks.activations import PIECES, SELU_LEFT, SELU_RIGHT

NEAR = tl.constexpr(0.4)
LEFT, RIGHT = tl.constexpr(SELU_LEFT), tl.constexpr(SELU_RIGHT)
ROOT_PI = tl.constexpr(1.7724538509055160273)
HARDTANH_LOW, HARDTANH_HIGH = map(tl.constexpr, PIECES["hardtanh"])
RELU6_HIGH, HARDSIGMOID_HIGH = tl.constexpr(PIECES["relu6"][1]), tl.constexpr(PIECES["hardsigmoid"][1])


@triton.jit
def near_zero(x):
    """Numerator and denominator of tanh(x) for |x| < NEAR, by its continued fraction: exact to rounding there, where
    differences of exponentials are not."""
    y = x * x
    numerator = x * (135135 + y * (17325 + y * (378 + y)))
    return numerator, 135135 + y * (62370 + y * (3150 + 28 * y))


@triton.jit
def tanh(x):
    """With one exponential and one division, the most that the memory's rate leaves time for."""
    size = tl.abs(x)
    e = tl.exp(-2 * size)
    numerator, denominator = near_zero(x)
    far = tl.where(x < 0, e - 1, 1 - e)
    near = size < NEAR
    return tl.where(near, numerator, far) / tl.where(near, denominator, 1 + e)


@triton.jit
def expm1(x):
    """exp(x) - 1 for x <= 0, small differences included: 2 tanh(x / 2) / (1 - tanh(x / 2)) near 0."""
    numerator, denominator = near_zero(0.5 * x)
    return tl.where(x > -NEAR, 2 * numerator / (denominator - numerator), tl.exp(x) - 1)


@triton.jit
def between(x, low, high):
    """x within two bounds; what is not a number stays so."""
    return tl.where(x < low, low, tl.where(x > high, high, x))


@triton.jit
def tau(u, KIND: tl.constexpr):
    """The activation function of `networks/activations.py` with that name; `identity` for none."""
    if KIND == "relu":
        return tl.where(u <= 0, 0, u)
    elif KIND == "selu":
        return tl.where(u > 0, RIGHT * u, LEFT * expm1(tl.where(u > 0, 0, u)))
    elif KIND == "tanh":
        return tanh(u)
    elif KIND == "sigmoid":
        return 1 / (1 + tl.exp(-u))
    elif KIND == "even-tanh":
        return tanh(tl.abs(u))
    elif KIND == "gaussian":
        return tl.exp(-0.5 * u * u) / ROOT_PI
    elif KIND == "square":
        return u * u
    elif KIND == "odd-square":
        return u * tl.abs(u)
    elif KIND == "relu6":
        return between(u, 0.0, RELU6_HIGH)
    elif KIND == "hardtanh":
        return between(u, HARDTANH_LOW, HARDTANH_HIGH)
    elif KIND == "hardsigmoid":
        return between(u, -HARDSIGMOID_HIGH, HARDSIGMOID_HIGH) + 0.5
    else:
        tl.static_assert(KIND == "identity")
        return u


@triton.jit
def slope(u, KIND: tl.constexpr):
    """tau'(u), at kinks that of the constant piece."""
    if KIND == "relu":
        return tl.where(u > 0, 1.0, 0.0).to(u.dtype)
    elif KIND == "selu":
        return tl.where(u > 0, RIGHT, LEFT * tl.exp(tl.where(u > 0, 0, u)))
    elif KIND == "tanh":
        t = tanh(u)
        return 1 - t * t
    elif KIND == "sigmoid":
        s = tau(u, KIND)
        return s - s * s
    elif KIND == "even-tanh":
        t = tanh(tl.abs(u))
        return (1 - t * t) * tl.where(u < 0, -1.0, tl.where(u > 0, 1.0, 0.0)).to(u.dtype)
    elif KIND == "gaussian":
        return -u * tau(u, KIND)
    elif KIND == "square":
        return 2 * u
    elif KIND == "odd-square":
        return 2 * tl.abs(u)
    elif KIND == "relu6":
        return tl.where((u > 0) & (u < RELU6_HIGH), 1.0, 0.0).to(u.dtype)
    elif KIND == "hardtanh":
        return tl.where((u > HARDTANH_LOW) & (u < HARDTANH_HIGH), 1.0, 0.0).to(u.dtype)
    else:
        tl.static_assert(KIND == "hardsigmoid")
        return tl.where((u > -HARDSIGMOID_HIGH) & (u < HARDSIGMOID_HIGH), 1.0, 0.0).to(u.dtype)


@triton.jit
def activated(s, constants, KIND: tl.constexpr):
    """scale * tau(dilation * s + shift) + offset."""
    if KIND == "identity":
        return s
    else:
        u = tl.load(constants) * s + tl.load(constants + 1)
        return tl.load(constants + 2) * tau(u, KIND) + tl.load(constants + 3)


@triton.jit
def through_activation(delta, s, constants, KIND: tl.constexpr):
    """The derivative by an activation function's value becomes that by its argument `s`."""
    if KIND == "identity":
        return delta
    else:
        dilation = tl.load(constants)
        u = dilation * s + tl.load(constants + 1)
        return delta * (slope(u, KIND) * (tl.load(constants + 2) * dilation))
