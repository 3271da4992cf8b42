"""Random weight matrices of the study of gradients: looks-linear, and those of dynamical systems (B.1.2, appendix H).

In: a shape and a generator. Out: float64 matrices (d_out, d_in) on the CPU. The qm norm of a matrix is the quadratic
mean of its effect on unit vectors, its Frobenius norm by the root of its columns' number.
"""

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from distnlc.networks.initialization import orthogonal

Place = Literal["lowest", "intermediate", "highest"]
PERSISTENCE = 0.5
"""correlation of a matrix with the one below, where they are autoregressive"""


def qm_norm(matrix: Tensor) -> float:
    """The Frobenius norm by the root of the number of columns."""
    return float(matrix.norm()) / math.sqrt(matrix.shape[1])


def scaled(matrix: Tensor, norm: float) -> Tensor:
    """The matrix times what gives it that qm norm exactly."""
    return matrix * (norm / qm_norm(matrix))


def standard(d_out: int, d_in: int, generator: np.random.Generator) -> Tensor:
    """Independent N(0, 1) entries."""
    return torch.from_numpy(generator.standard_normal((d_out, d_in)))


def skew_symmetric(size: int, generator: np.random.Generator) -> Tensor:
    """G - G^T with G Gaussian; not scaled."""
    matrix = standard(size, size, generator)
    return matrix - matrix.T


def negative_definite(size: int, generator: np.random.Generator) -> Tensor:
    """-C^T C with C Gaussian; not scaled."""
    matrix = standard(size, size, generator)
    return -matrix.T @ matrix


def autoregressive(below: Tensor | None, size: int, generator: np.random.Generator) -> Tensor:
    """A Gaussian matrix of variance 1 that is correlated with the one below, None for the lowest."""
    fresh = standard(size, size, generator)
    return fresh if below is None else PERSISTENCE * below + math.sqrt(1 - PERSISTENCE**2) * fresh


def looks_linear(d_out: int, d_in: int, place: Place, generator: np.random.Generator) -> Tensor:
    """A matrix whose network of ReLU layers computes a linear function at initialization (appendix H).

    Neurons 2i and 2i + 1 of a ReLU layer carry the positive and the negative part of one number; from layer to layer
    these numbers are multiplied by a slice of a random orthogonal matrix. Raises ValueError where a ReLU layer on
    either side has an odd width.
    """
    sides = {"lowest": [d_out], "intermediate": [d_out, d_in], "highest": [d_in]}[place]
    if odd := [width for width in sides if width % 2]:
        raise ValueError(f"looks-linear matrices need ReLU layers of even width, but one has {odd[0]} neurons")
    rows = d_out // (1 if place == "highest" else 2)
    columns = d_in // (1 if place == "lowest" else 2)
    inner = orthogonal(rows, columns, generator)
    if place != "highest":
        inner = torch.stack([inner, -inner], dim=1).flatten(0, 1)  # rows 2i and 2i + 1
    if place != "lowest":
        inner = torch.stack([inner, -inner], dim=2).flatten(1, 2)  # columns 2j and 2j + 1
    return inner
