"""Gaussian numbers for weights that are used once: fast, and fixed by a seed.

In: a seed and a device. Out: float32 tensors of independent N(0, deviation^2) numbers, one after another from one
sequence. On a CPU that sequence is xoshiro128++, LANES of them side by side, and Box and Muller's transform, in C
(native/gaussians.c); where C cannot be compiled NumPy does the same, to the bit, ten times as slowly. For 512 x 512
numbers one core takes 0.2 ms, where torch's Mersenne Twister takes 0.9 ms, NumPy's SFC64 2.6 ms and PCG64 3.0 ms. On a
GPU the sequence is torch's own Philox there, which is another one.
"""

import ctypes
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distnlc.metrics.native_functions import ADDRESS, COUNT, functions

LANES = 1024
"""generators side by side, as in the C code"""
PER_STEP = 2 * LANES


class Gaussians:
    """A sequence of Gaussian numbers."""

    def __init__(self, seed: int, device: str = "cpu") -> None:
        """The seed is a whole number from 0 to 2^63."""
        self.device = device
        if device == "cpu":
            self._state = np.random.SeedSequence(seed).generate_state(4 * LANES).reshape(4, LANES)
        else:
            self._generator = torch.Generator(device).manual_seed(seed)

    def draw(self, *shape: int, deviation: float = 1.0) -> Tensor:
        """The next numbers of the sequence, float32; on a CPU what is left of 2,048 is dropped."""
        out = torch.empty(shape, device=self.device)
        if self.device != "cpu":
            return out.normal_(0, deviation, generator=self._generator)
        if (native := _native()) is None:
            return torch.from_numpy(plain(self._state, out.numel(), deviation)).view(shape)
        native(out.data_ptr(), out.numel(), self._state.ctypes.data, deviation)
        return out


@cache
def _native() -> Any:
    """The C function, None where there is no compiler. No product and sum may become one operation in it."""
    library = functions("gaussians", flags=("-ffp-contract=off",))
    if library is None:
        return None
    library.gaussians.argtypes, library.gaussians.restype = [ADDRESS, COUNT, ADDRESS, ctypes.c_float], None
    return library.gaussians


def plain(state: np.ndarray, count: int, deviation: float) -> np.ndarray:
    """What the C function does: that many numbers, float32; the state (4, LANES) goes on."""
    steps = -(-count // PER_STEP)
    words = np.stack([_step(state) for _ in range(2 * steps)]).reshape(steps, 2, LANES)
    return _pairs(words[:, 0], words[:, 1], np.float32(deviation)).reshape(-1)[:count]


def _rotated(words: np.ndarray, by: int) -> np.ndarray:
    return words << np.uint32(by) | words >> np.uint32(32 - by)


def _step(state: np.ndarray) -> np.ndarray:
    """One word of each generator."""
    a, b, c, d = state.copy()
    words = _rotated(a + d, 7) + a
    c ^= a
    d ^= b
    state[:] = a ^ d, b ^ c, c ^ b << np.uint32(9), _rotated(d, 11)
    return words


def _pairs(first: np.ndarray, second: np.ndarray, deviation: np.float32) -> np.ndarray:
    """Two numbers from two words each, by Box and Muller: (steps, LANES) twice -> (steps, 2, LANES)."""
    f = np.float32
    uniform = ((first >> np.uint32(8)) + np.uint32(1)).astype(f) * f(2.0**-24)
    radius = np.sqrt(f(-2) * _logarithm(uniform)) * deviation
    turn = (second >> np.uint32(8)).astype(f) * f(2.0**-22)  # in quarters
    quarter = (turn + f(0.5)).astype(np.int32)
    x = (turn - quarter.astype(f)) * f(1.57079637)
    z = x * x
    sine = _polynomial(z, (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)) * z * x + x
    cosine = _polynomial(z, (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)) * z * z
    cosine = (cosine - f(0.5) * z) + f(1)
    odd = quarter & 1 == 1
    one = np.where(odd, sine, cosine) * np.where((quarter + 1) & 2, f(-1), f(1))
    other = np.where(odd, cosine, sine) * np.where(quarter & 2, f(-1), f(1))
    return np.stack([radius * one, radius * other], axis=1)


def _logarithm(x: np.ndarray) -> np.ndarray:
    """The logarithm of numbers in (0, 1], as in Cephes."""
    f, root_half = np.float32, np.int32(0x3F3504F3)
    shifted = x.view(np.int32) - root_half
    exponent = (shifted >> 23).astype(f)
    m = ((shifted & 0x007FFFFF) + root_half).view(f) - f(1)
    z = m * m
    coefficients = (
        *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
        *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
    )
    y = _polynomial(m, coefficients) * m * z
    y = y + f(-2.12194440e-4) * exponent
    y = y - f(0.5) * z
    return (m + y) + f(0.693359375) * exponent


def _polynomial(x: np.ndarray, coefficients: tuple[float, ...]) -> np.ndarray:
    """By Horner's rule, highest power first."""
    value = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + np.float32(coefficient)
    return value
