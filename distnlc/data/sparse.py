"""Labelled points most of whose features are 0, as rows of what is not."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from distnlc.data.preparation import normalize_points


@dataclass(frozen=True)
class SparseSet:
    """Points of a set as rows of what is not zero: row i has values[starts[i] : starts[i + 1]] in those columns."""

    d_in: int
    classes: int
    """of all points that there were before some were chosen"""
    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[np.float64]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def chosen(self, rows: NDArray[np.int64]) -> "SparseSet":
        """These points alone, in this order."""
        sizes = np.diff(self.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        places = np.repeat(self.starts[rows] - starts[:-1], sizes) + np.arange(starts[-1])
        return replace(
            self, starts=starts, columns=self.columns[places], values=self.values[places], labels=self.labels[rows]
        )

    def dense(self) -> NDArray[np.float64]:
        """All points, zeros too: (points, d_in)."""
        found = np.zeros((len(self), self.d_in))
        found[np.repeat(np.arange(len(self)), np.diff(self.starts)), self.columns] = self.values
        return found

    def inputs(self) -> Tensor:
        """All points, each normalized over all its features: (points, d_in) float64."""
        return normalize_points(self.dense())[0]
