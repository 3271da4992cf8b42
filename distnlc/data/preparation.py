"""How raw points become a network's inputs (section D.2).

In: the training part and any other parts, as arrays (points, features). Out: the same, prepared, as float64 tensors.
Statistics come from the training part alone; the others go through the same map. Torch works with one thread, since
the number of threads changes rounding and must not change a study.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

VARIANCE_KEPT = 0.99


def normalize_features(train: np.ndarray, *others: np.ndarray) -> list[Tensor]:
    """Each feature to mean 0 and variance 1. A feature that is constant in `train` is only centered."""
    with _one_thread():
        points = _as_tensor(train)
        mean, scale = points.mean(dim=0), _deviation(points, dim=0)
        return [(_as_tensor(part) - mean) / scale for part in (train, *others)]


def prepare_images(train: np.ndarray, *others: np.ndarray, seed: int) -> list[Tensor]:
    """Parts of shape (points, k) from images of shape (points, d); Q_{x,i} x(i) = 1 on the training part.

    k is the number of principal components that hold 99 % of the training part's variance; the images are
    projected on k random directions, not on those components. Raises ValueError if all images are the same.
    """
    with _one_thread():
        centered = _normalize_points(train)
        feature_mean = centered.mean(dim=0)
        centered -= feature_mean
        kept = components_kept(centered)
        directions = random_orthogonal(centered.shape[1], kept, seed)
        mapped = [centered @ directions]
        del centered  # the largest array by far: gone before the other parts become float64
        mapped += [_normalize_points(part).sub_(feature_mean) @ directions for part in others]
        constant = mapped[0].square().mean().rsqrt()
        return [part.mul_(constant) for part in mapped]


def components_kept(centered: Tensor) -> int:
    """The number of principal components of centered points (n, d) that together hold 99 % of the variance.

    Raises ValueError if the points have no variance.
    """
    points, features = centered.shape
    # Both products have the same positive eigenvalues: the smaller one is cheaper.
    product = centered.T @ centered if features <= points else centered @ centered.T
    variances = torch.linalg.eigvalsh(product).flip(0).clamp(min=0)
    held = variances.cumsum(0)
    if held[-1] == 0:
        raise ValueError(f"the {points} training images do not differ from one another")
    return int((held < VARIANCE_KEPT * held[-1]).sum()) + 1


def random_orthogonal(rows: int, columns: int, seed: int) -> Tensor:
    """A (rows, columns) slice, columns <= rows, of a uniformly random orthogonal matrix of size `rows`."""
    gaussian = np.random.default_rng(seed).standard_normal((rows, columns))
    q, r = torch.linalg.qr(torch.from_numpy(gaussian))
    # The signs make the factorization unique, and so the distribution of q uniform.
    return q * r.diagonal().sign()


def _normalize_points(images: np.ndarray) -> Tensor:
    """Each datapoint to mean 0 and variance 1, as a new tensor; a constant image becomes zero."""
    points = _as_tensor(images)
    scale = _deviation(points, dim=1)
    return points.sub_(points.mean(dim=1, keepdim=True)).div_(scale[:, None])


def _deviation(points: Tensor, *, dim: int) -> Tensor:
    """The standard deviation along `dim`, and 1 where all values are equal."""
    constant = points.amax(dim) == points.amin(dim)  # rounding can leave a tiny deviation
    return points.std(dim, correction=0).masked_fill_(constant, 1.0)


def _as_tensor(array: np.ndarray) -> Tensor:
    """A copy, so that it may be changed in place."""
    return torch.tensor(array, dtype=torch.float64)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
