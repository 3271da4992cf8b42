"""How raw points become a network's inputs: the built-in preparations (catalog.py names them).

In: the training part and any other parts, as arrays (points, ...). Out: the same, prepared, as float64 tensors of the
same shapes; `prepare_images` and `normalize_varying_features` give (points, k). Statistics come from the training part
alone; the others go through the same map. Torch works with one thread, since the number of threads changes rounding and
must not change a study.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

VARIANCE_KEPT = 0.99
LAYER_NORM_EPSILON = 1e-5


class PointError(ValueError):
    """A point that cannot be prepared: number `row` of the part of that number."""

    def __init__(self, part: int, row: int, reason: str) -> None:
        super().__init__(f"point {row} of part {part}: {reason}")
        self.part, self.row, self.reason = part, row, reason


def normalize_features(train: np.ndarray, *others: np.ndarray, seed: int = 0) -> list[Tensor]:
    """Each feature to mean 0 and variance 1. A feature that is constant in `train` is only centered."""
    with _one_thread():
        points = _as_tensor(train)
        mean, scale = points.mean(dim=0), _deviation(points, dim=0)
        return [part.sub_(mean).div_(scale) for part in (points, *map(_as_tensor, others))]


def normalize_varying_features(train: np.ndarray, *others: np.ndarray, seed: int = 0) -> list[Tensor]:
    """Parts (points, k): the k features that are not constant in `train`, each to mean 0 and variance 1.

    Raises ValueError if all are constant.
    """
    rows = _flat(train)
    varies = rows.max(axis=0) > rows.min(axis=0)
    if not varies.any():
        raise ValueError(f"the {len(rows)} training points do not differ from one another")
    return normalize_features(*(_flat(part)[:, varies] for part in (train, *others)))


def onto_sphere(train: np.ndarray, *others: np.ndarray, seed: int = 0) -> list[Tensor]:
    """Each datapoint to mean 0 and variance 1 over all its d entries, so that ||x|| = sqrt(d) (the sensitivity paper).

    Raises PointError for a point whose entries are all equal.
    """
    with _one_thread():
        for number, part in enumerate((train, *others)):
            rows = _flat(part)
            if (constant := rows.max(axis=1) == rows.min(axis=1)).any():
                reason = "all its entries are equal, so it cannot be put on the sphere"
                raise PointError(number, int(constant.argmax()), reason)
        return [_normalize_points(part).view(part.shape) for part in (train, *others)]


def normalize_points(train: np.ndarray, *others: np.ndarray, seed: int = 0) -> list[Tensor]:
    """Layer normalization of each datapoint: (x - mean) / sqrt(variance + 1e-5) over all its entries; 0 if constant."""
    with _one_thread():
        prepared = []
        for part in (train, *others):
            points = _as_tensor(_flat(part))
            scale = points.var(dim=1, correction=0).add_(LAYER_NORM_EPSILON).sqrt_()
            prepared.append(points.sub_(points.mean(dim=1, keepdim=True)).div_(scale[:, None]).view(part.shape))
        return prepared


def as_they_are(train: np.ndarray, *others: np.ndarray, seed: int = 0) -> list[Tensor]:
    """The values themselves."""
    return [_as_tensor(part) for part in (train, *others)]


def prepare_images(train: np.ndarray, *others: np.ndarray, seed: int) -> list[Tensor]:
    """The recipe of the NLC paper (section D.2): parts (points, k); Q_{x,i} x(i) = 1 on the training part.

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
    """Each datapoint to mean 0 and variance 1, as a new tensor (points, d); a constant image becomes zero."""
    points = _as_tensor(_flat(images))
    scale = _deviation(points, dim=1)
    return points.sub_(points.mean(dim=1, keepdim=True)).div_(scale[:, None])


def _deviation(points: Tensor, *, dim: int) -> Tensor:
    """The standard deviation along `dim`, and 1 where all values are equal."""
    constant = points.amax(dim) == points.amin(dim)  # rounding can leave a tiny deviation
    return points.std(dim, correction=0).masked_fill_(constant, 1.0)


def _flat(points: np.ndarray) -> np.ndarray:
    """(points, d), also without any points."""
    return points.reshape(len(points), math.prod(points.shape[1:]))


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
