"""The effective rank of feature vectors: how many directions their variance is spread over.

In: vectors, one a row (points, features). Out: trace by largest eigenvalue of their covariance, between 1 and the
smaller of points - 1 and features (Labatie 2019, section 3 of the moments study).

The largest eigenvalue comes from Lanczos steps on the smaller of the two Gram matrices, which have the same one; all
basis vectors are kept and orthogonalized against, so that rounding cannot double an eigenvalue. The steps are C code
(native/eigenvalue.c). Where C cannot be compiled they are NumPy's, and LAPACK finds all eigenvalues of a small matrix,
which takes less time than NumPy needs to call those steps.
"""

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distnlc.metrics.native_functions import ADDRESS, COUNT, REAL, functions

TOLERANCE = 1e-6
"""of the largest eigenvalue, by itself"""
ROUNDING = 1e-14
"""of a matrix of trace 1"""
STEPS_BETWEEN_LOOKS = 12
SMALL = 100
"""rows of a matrix of which LAPACK finds all eigenvalues in a fraction of a millisecond"""
PIECE = 128
"""rows of a Gram matrix that are computed at a time, up to the diagonal"""


def effective_rank(features: Tensor) -> float:
    """Trace by largest eigenvalue of the covariance of `features` (points, features); nan where nothing varies."""
    centred = features - features.mean(0)
    matrix = _gram(centred if len(centred) <= centred.shape[1] else centred.T)
    trace = float(matrix.diagonal().double().sum())
    return max(1.0, trace / largest_eigenvalue(matrix.cpu(), trace)) if trace > 0 else float("nan")


def _gram(vectors: Tensor) -> Tensor:
    """vectors vectors^T, which is symmetric: of a large one what is right of the diagonal is not computed again."""
    count = len(vectors)
    if count < 2 * PIECE:
        return vectors @ vectors.T
    gram = vectors.new_empty(count, count)
    for first in range(0, count, PIECE):
        last = min(first + PIECE, count)
        gram[first:last, :last] = vectors[first:last] @ vectors[:last].T
        gram[:first, first:last] = gram[first:last, :first].T
    return gram


def largest_eigenvalue(matrix: Tensor, trace: float) -> float:
    """The largest eigenvalue of a symmetric positive matrix (n, n) of this trace, not zero, to TOLERANCE."""
    if native := _native(matrix.dtype):
        size = len(matrix)
        workspace, matrix = np.empty((size + 3) * size), matrix.contiguous()
        return float(native(matrix.data_ptr(), size, trace, _start(size).ctypes.data, workspace.ctypes.data))
    held = matrix.double().numpy()
    return float(np.linalg.eigvalsh(held)[-1]) if len(held) <= SMALL else lanczos(held)


@cache
def _native(dtype: torch.dtype) -> Any:
    library = functions("eigenvalue", dtype)
    if library is None:
        return None
    function = library.largest_eigenvalue
    function.argtypes, function.restype = [ADDRESS, COUNT, REAL, ADDRESS, ADDRESS], REAL
    return function


@cache
def _start(size: int) -> np.ndarray:
    """The vector of length 1 that the steps begin with: any that is in no subspace of the matrix's."""
    vector = np.random.default_rng(0).standard_normal(size)
    vector /= np.sqrt(vector @ vector)
    return vector


def lanczos(matrix: np.ndarray) -> float:
    """The same by NumPy, in Lanczos steps whatever the size.

    The steps end when the largest Ritz value is surely as close to an eigenvalue: its error is at most the residual's
    length, and at most the square of that by the distance to the next Ritz value.
    """
    scale = np.trace(matrix)
    matrix = matrix / scale  # no overflow, whatever the scale
    size = len(matrix)
    basis = np.empty((size, size))
    diagonal, beside = np.empty(size), np.empty(size)
    vector = _start(size)
    for step in range(size):
        basis[step] = vector
        vector = matrix @ vector
        diagonal[step] = basis[step] @ vector
        known = basis[: step + 1]
        for _ in range(2):  # once is not enough where eigenvalues are alike: little is left, and that is rounding
            vector -= (known @ vector) @ known
        length = beside[step] = np.sqrt(vector @ vector)
        exhausted = length <= ROUNDING or step == size - 1
        if exhausted or step % STEPS_BETWEEN_LOOKS == STEPS_BETWEEN_LOOKS - 1:
            values, vectors = np.linalg.eigh(_tridiagonal(diagonal, beside, step + 1))
            residual, largest = length * abs(vectors[-1, -1]), values[-1]
            if exhausted or min(residual, residual**2 / (largest - values[-2])) <= TOLERANCE * largest:
                break
        vector /= length
    return float(largest) * scale


def _tridiagonal(diagonal: np.ndarray, beside: np.ndarray, size: int) -> np.ndarray:
    matrix = np.diag(diagonal[:size])
    between = np.arange(size - 1)
    matrix[between + 1, between] = matrix[between, between + 1] = beside[: size - 1]
    return matrix
