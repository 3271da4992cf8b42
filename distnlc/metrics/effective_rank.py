"""The effective rank of feature vectors: how many directions their variance is spread over.

In: vectors, one a row (points, features). Out: trace by largest eigenvalue of their covariance, between 1 and the
smaller of points - 1 and features (Labatie 2019, section 3 of the moments study).

The largest eigenvalue comes from Lanczos steps on the smaller of the two Gram matrices, which have the same one; all
basis vectors are kept and orthogonalized against, so that rounding cannot double an eigenvalue.
"""

import numpy as np
from torch import Tensor

TOLERANCE = 1e-6
"""of the largest eigenvalue, by itself"""
ROUNDING = 1e-14
"""of a matrix of trace 1"""
STEPS_BETWEEN_LOOKS = 8


def effective_rank(features: Tensor) -> float:
    """Trace by largest eigenvalue of the covariance of `features` (points, features); nan where nothing varies."""
    centred = features - features.mean(0)
    gram = centred @ centred.T if len(centred) <= centred.shape[1] else centred.T @ centred
    matrix = gram.double().cpu().numpy()
    trace = float(np.trace(matrix))
    return max(1.0, trace / largest_eigenvalue(matrix)) if trace > 0 else float("nan")


def largest_eigenvalue(matrix: np.ndarray) -> float:
    """The largest eigenvalue of a symmetric positive matrix (n, n), not zero, to TOLERANCE.

    The steps end when the largest Ritz value is surely as close to an eigenvalue: its error is at most the residual's
    length, and at most the square of that by the distance to the next Ritz value.
    """
    scale = np.trace(matrix)
    matrix = matrix / scale  # no overflow, whatever the scale
    size = len(matrix)
    basis = np.empty((size, size))
    diagonal, beside = np.empty(size), np.empty(size)
    vector = np.random.default_rng(0).standard_normal(size)
    vector /= np.sqrt(vector @ vector)
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
