"""Means and variances over a dataset, in one exact pass of batches (section G of the NLC study).

In: inputs (points, d_in...) or a network and inputs. Out: `Moments` per feature or per output, in
float64, and from them the study's scalars: spread Q_j S_x f(x,j), size Q_{j,x} f(x,j) and bias, their
ratio. With batch statistics the variance is over all outputs seen while the dataset goes through once,
in batches.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch

from distnlc.metrics.batches import ordered_stacks, passed
from distnlc.metrics.measurable import Network, measurable


class Moments(NamedTuple):
    """Mean and variance over the datapoints of each of d quantities: two float64 tensors of shape (d,)."""

    mean: torch.Tensor
    variance: torch.Tensor

    @property
    def spread(self) -> torch.Tensor:
        """The quadratic mean over the quantities of their standard deviations, 0-dimensional."""
        return self.variance.mean().sqrt()

    @property
    def size(self) -> torch.Tensor:
        """The quadratic mean over quantities and datapoints, 0-dimensional."""
        return (self.mean.square() + self.variance).mean().sqrt()

    @property
    def bias(self) -> torch.Tensor:
        """size / spread, 0-dimensional; inf or nan if nothing varies."""
        return self.size / self.spread


def input_moments(inputs: torch.Tensor, *, batch_size: int = 250) -> Moments:
    """Moments of the features of `inputs` (points, d_in...), on the rows that `output_moments` sees."""
    return moments(stack.flatten(0, 1).flatten(1) for stack in ordered_stacks(inputs, batch_size))


@torch.no_grad()
def output_moments(network: Network, inputs: torch.Tensor, *, batch_size: int = 250) -> Moments:
    """Moments of the network's outputs over `inputs`, propagated in consecutive batches.

    A ragged last batch is left out when there is at least one full one (see `ordered_batches`).
    """
    network = measurable(network)
    return moments(passed(network, stack).flatten(0, 1) for stack in ordered_stacks(inputs, batch_size))


def moments(batches: Iterable[torch.Tensor]) -> Moments:
    """Moments over all rows of the batches, each of shape (batch, d); at least one batch.

    Survives means of 1e15 times the spread: the first row is taken off, which is exact for numbers so
    close to one another, and the batches' centered moments are merged by the rule of Chan, Golub and
    LeVeque.
    """
    count = 0
    for batch in batches:
        values = batch.double()
        if count == 0:
            origin, mean, squares = values[0], torch.zeros_like(values[0]), torch.zeros_like(values[0])
        values = values - origin
        total = count + len(values)
        center = values.mean(0)
        step = center - mean
        squares += (values - center).square().sum(0) + step.square() * (count * len(values) / total)
        mean += step * (len(values) / total)
        count = total
    return Moments(mean=origin + mean, variance=squares / count)
