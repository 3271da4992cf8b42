"""Largest singular values of matrices that change slowly, such as what training adds to a network's weights.

In: a list of matrices, again and again. Out: their operator norms, by a few power iterations from where the last call
ended, or exactly. Matrices of one shape are done together, in float64.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

NormsOf = Callable[[tuple[int, int], Tensor], Tensor]
"""matrices (matrices, rows, columns) of one shape -> (matrices,)"""


class OperatorNorms:
    """The norms of so many matrices, of these shapes, through a training.

    Three iterations a call follow it to about a percent, from below; `renew` sets the vectors to the true ones, and is
    to be called now and then, such as once an epoch.
    """

    ITERATIONS = 3

    def __init__(self, shapes: Sequence[tuple[int, int]], *, device: torch.device | str = "cpu", seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.count = len(shapes)
        self.groups = {
            shape: [number for number, each in enumerate(shapes) if each == shape] for shape in dict.fromkeys(shapes)
        }
        self.vectors = {
            shape: torch.randn(len(numbers), shape[1], 1, dtype=torch.float64, generator=generator).to(device)
            for shape, numbers in self.groups.items()
        }
        """(matrices, columns, 1) of each shape"""

    def __call__(self, matrices: Sequence[Tensor]) -> Tensor:
        """(matrices,) float64: lower bounds, close to the norms; 0 for a matrix of zeros."""
        return self._each(matrices, self._iterate)

    def renew(self, matrices: Sequence[Tensor]) -> Tensor:
        """(matrices,) float64: the norms by SVD. The next call goes on from their singular vectors."""
        return self._each(matrices, self._decompose)

    def _each(self, matrices: Sequence[Tensor], norms_of: NormsOf) -> Tensor:
        found = matrices[0].new_empty(self.count, dtype=torch.float64)
        for shape, numbers in self.groups.items():
            found[numbers] = norms_of(shape, torch.stack([matrices[number] for number in numbers]).double())
        return found

    def _iterate(self, shape: tuple[int, int], stacked: Tensor) -> Tensor:
        vectors = self.vectors[shape]
        for _ in range(self.ITERATIONS):
            moved = stacked.mT @ (stacked @ vectors)
            length = torch.linalg.vector_norm(moved, dim=1, keepdim=True)
            vectors = torch.where(length > 0, moved / length, vectors)
        self.vectors[shape] = vectors = vectors / torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
        return torch.linalg.vector_norm(stacked @ vectors, dim=(1, 2))

    def _decompose(self, shape: tuple[int, int], stacked: Tensor) -> Tensor:
        _, values, right = torch.linalg.svd(stacked, full_matrices=False)
        zero = values[:, :1, None] == 0
        self.vectors[shape] = torch.where(zero, self.vectors[shape], right[:, :1].mT)
        return values[:, 0]
