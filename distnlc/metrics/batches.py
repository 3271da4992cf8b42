"""The common ground of all metrics: batches, stacks of them, and random numbers.

In: any torch module or callable (batch, d_in...) -> (batch, d_out) and a tensor of inputs (points,
d_in...). Out: row numbers of batches, Gaussian tensors, and whether the datapoints of a batch influence
each other (section G: networks with batch statistics are functions of whole batches). Every random
number comes from a generator on the CPU that the caller seeds, so that a seed means the same numbers on
every device. A GPU propagates several batches at a time, as a stack, each still by itself, and captures
work that is the same many times (networks/stacks.py and training/captured.py say why).
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import torch

from distnlc.metrics.measurable import Measurable, Network, measurable
from distnlc.networks.device_errors import of_device
from distnlc.networks.stacks import batches_together, stacking
from distnlc.training import captured


def ordered_batches(inputs: torch.Tensor, batch_size: int) -> Iterator[torch.Tensor]:
    """Yield the row numbers of consecutive batches, one pass.

    With fewer rows than `batch_size` there is one batch of all. Otherwise a ragged last batch is
    dropped: the batch statistics of a small remainder would make it another function. Raises
    ValueError, see `checked_batch_size`.
    """
    size = checked_batch_size(inputs, batch_size)
    for start in range(0, len(inputs) - size + 1, size):
        yield torch.arange(start, start + size, device=inputs.device)


def random_batches(
    inputs: torch.Tensor, batch_size: int, batches: int, generator: torch.Generator
) -> Iterator[torch.Tensor]:
    """Yield the row numbers of `batches` random batches: a shuffled pass, shuffled anew when it is used up.

    Small and ragged numbers of rows as in `ordered_batches`. Raises ValueError if `batches` is not
    positive.
    """
    size = checked_batch_size(inputs, batch_size)
    if batches < 1:
        raise ValueError(f"metrics: batches must be at least 1, found {batches}")
    full = len(inputs) // size
    for batch in range(batches):
        if batch % full == 0:
            rows = torch.randperm(len(inputs), generator=generator).to(inputs.device)
        start = batch % full * size
        yield rows[start : start + size]


def stack_size(inputs: torch.Tensor, batch_size: int, *, copies: int = 1) -> int:
    """The number of batches, each in so many copies, to treat at a time; at least 1."""
    return batches_together(inputs.device, copies * checked_batch_size(inputs, batch_size))


def stacks(items: Iterable[tuple[torch.Tensor, ...]], size: int) -> Iterator[tuple[torch.Tensor, ...]]:
    """Yield `size` items at a time (at the end what is left): their first tensors stacked, their second, ..."""
    items = iter(items)
    while together := list(islice(items, size)):
        columns = zip(*together, strict=True)
        yield tuple(tensors[0][None] if len(tensors) == 1 else torch.stack(tensors) for tensors in columns)


def ordered_stacks(inputs: torch.Tensor, batch_size: int) -> Iterator[torch.Tensor]:
    """Yield consecutive batches as `ordered_batches` does, in stacks (stack, batch, d_in...)."""
    batches = ((inputs[rows],) for rows in ordered_batches(inputs, batch_size))
    for (stack,) in stacks(batches, stack_size(inputs, batch_size)):
        yield stack


def in_one_piece(network: Network, batches: torch.Tensor) -> bool:
    """Whether the device propagates a stack of this network's batches by one call, which can be captured, too."""
    takes_stacks = isinstance(network, Measurable) and network.takes_stacks
    return takes_stacks and batches.ndim == 3 and stacking(batches.device)


def repeated(network: Network, batches: torch.Tensor) -> Callable[[captured.Work], None]:
    """A caller of one piece of work with this network, which is always the same: captured on a GPU if it can be."""
    return captured.repeated(batches.device if in_one_piece(network, batches) else torch.device("cpu"))


def apart(network: Network, batches: torch.Tensor) -> torch.Tensor:
    """Propagate every batch of a stack (stack, batch, d_in...) by itself; returns (stack, batch, d_out).

    A network that `vmap` refuses, such as one that branches on its values, goes batch by batch on every device. Raises
    the errors of the device itself, such as torch.OutOfMemoryError.
    """
    if isinstance(network, Measurable) and in_one_piece(network, batches):
        return network.of_stack(batches)
    if stacking(batches.device) and len(batches) > 1:
        try:
            return torch.vmap(network, randomness="different")(batches)
        except RuntimeError as error:
            if of_device(error):
                raise
    return torch.stack([network(batch) for batch in batches])


def passed(network: Network, batches: torch.Tensor) -> torch.Tensor:
    """The same for the exact passes. A single batch's outputs, and its gradients, keep the layout in memory that the
    network gives them, in whose order sums over them round."""
    return network(batches.squeeze(0)).unsqueeze(0) if len(batches) == 1 else apart(network, batches)


@torch.no_grad()
def example_outputs(network: Network, inputs: torch.Tensor, batch_size: int) -> torch.Tensor:
    """The outputs of one batch, where only their shape and kind matter."""
    return network(inputs[: checked_batch_size(inputs, batch_size)])


def checked_batch_size(inputs: torch.Tensor, batch_size: int) -> int:
    """Return the size of every batch. Raises ValueError for inputs or a batch size of no use."""
    if inputs.ndim < 2 or len(inputs) == 0 or not inputs.is_floating_point():
        raise ValueError(
            "metrics: inputs must be a floating-point tensor of shape (points, d_in...), points at least 1, "
            f"found {inputs.dtype} of shape {tuple(inputs.shape)}"
        )
    if batch_size < 1:
        raise ValueError(f"metrics: batch_size must be at least 1, found {batch_size}")
    return min(batch_size, len(inputs))


def gaussian(shape: torch.Size, generator: torch.Generator, like: torch.Tensor) -> torch.Tensor:
    """Unit Gaussian numbers of that shape, with the dtype and device of `like`."""
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(like)


@torch.no_grad()
def couples(network: Network, inputs: torch.Tensor) -> bool:
    """Return whether the datapoints of this batch influence each other's outputs (batch statistics).

    Found by trial: the first row is moved far away, and the outputs of the other rows are compared bit
    by bit.
    """
    network = measurable(network)
    moved = inputs.clone()
    moved[0] += 1 + 10 * inputs.abs().max()
    return not torch.equal(network(inputs)[1:], network(moved)[1:])
