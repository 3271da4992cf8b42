"""How the fused program lays out parameters: what is stored row by row, with distances that a GPU reads at full width.

Each layer is one matrix (d_out, stride): its weights, its biases as one more column, and zeros up to a multiple of
ALIGNED elements; so the products do the biases' work too, and every row of it begins on a boundary of 128 bytes in
float64.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from distnlc.networks.layered import Layered

ALIGNED = 16
"""elements"""


def aligned(count: int) -> int:
    """The next multiple of ALIGNED."""
    return -(-count // ALIGNED) * ALIGNED


@dataclass(frozen=True)
class Matrix:
    """One layer's place in a row of padded parameters."""

    start: int
    d_out: int
    d_in: int
    biases: int

    @property
    def columns(self) -> int:
        """Those in use: of the weights, and one of the biases where there are any."""
        return self.d_in + (self.biases > 0)

    @property
    def stride(self) -> int:
        return aligned(self.columns)

    @property
    def end(self) -> int:
        return self.start + self.d_out * self.stride

    def of(self, flat: Tensor) -> Tensor:
        """(members, d_out, columns), a view of rows (members, padded)."""
        return flat[:, self.start : self.end].view(len(flat), self.d_out, self.stride)[:, :, : self.columns]


class Layout:
    """The places of all layers of a network."""

    def __init__(self, network: Layered, device: torch.device | None = None) -> None:
        """`device`: of the rows that are laid out."""
        self._device = device
        self.matrices: list[Matrix] = []
        for d_out, d_in, biases in network.sizes:
            start = self.matrices[-1].end if self.matrices else 0
            self.matrices.append(Matrix(start, d_out, d_in, biases))

    @property
    def padded(self) -> int:
        """Elements of a row."""
        return self.matrices[-1].end

    @cached_property
    def _places(self) -> Tensor:
        """Where each parameter of `MLP.parameters()` lies in a padded row, (parameters,)."""
        found = []
        for matrix in self.matrices:
            every = matrix.start + torch.arange(matrix.d_out * matrix.stride).view(matrix.d_out, matrix.stride)
            found += [every[:, : matrix.d_in].flatten(), every[:, matrix.d_in : matrix.columns].flatten()]
        return torch.cat(found).to(self._device)

    def pad(self, rows: Tensor) -> Tensor:
        """(members, parameters) in the order of `MLP.parameters()` -> (members, padded)."""
        padded = rows.new_zeros(len(rows), self.padded)
        padded[:, self._places] = rows
        return padded

    def plain(self, flat: Tensor) -> Tensor:
        """(..., padded) -> (..., parameters)."""
        return flat[..., self._places]
