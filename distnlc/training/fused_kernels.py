"""The Triton kernels between the products of a layer: one pass over a signal forward, one backward.

    forward     what a skip connection brings is added, the signal that a skip connection takes along is kept, then
                normalization and activation function
    backward    the activation function's slope, what a skip connection brings back, the normalization

Biases are part of the products (`fused_population.py`). Each has two forms: `rows` where neurons are apart (batch norm
or no normalization), whose programs take some neurons with the whole minibatch, and `columns` where datapoints are
(layer and length normalization), whose programs take some datapoints and go through the neurons. The activation
function is computed anew in the backward pass: its arithmetic takes less time than its slope would take to be written
and read.

Numbers that are not whole come in a tensor, `constants`: as arguments, Triton would make them float32. Widths are no
`constexpr`, so that each kernel is compiled once for all architectures. All tensors are (members, rows, stride) with
the minibatch along the last dimension, and columns behind it that are computed like the others, so that memory is read
and written in whole vectors, but enter no sum. A program finds its tile by the member's distance `*_member`.
"""

import triton
import triton.language as tl

from distnlc.training.fused_activations import activated, through_activation

NO_SPECIALIZATION = ["width", "batch"]


@triton.jit
def summed(signal, arriving, place, mask, constants, ENDS: tl.constexpr):
    """The layer's linear operation, with what a skip connection that ends here brings."""
    s = tl.load(signal + place, mask=mask, other=0.0)
    if ENDS:
        s += tl.load(constants + 4) * tl.load(arriving + place, mask=mask, other=0.0)
    return s


@triton.jit(do_not_specialize=NO_SPECIALIZATION)
def forward_rows(
    signal, value, arriving, kept, inverse_std, constants,
    width, batch, signal_member, value_member,
    NORM: tl.constexpr, KIND: tl.constexpr, ENDS: tl.constexpr, BEGINS: tl.constexpr, TRAINING: tl.constexpr,
    STRIDE: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Grid (blocks of ROWS neurons, members); COLUMNS holds the whole minibatch."""
    member = tl.program_id(1).to(tl.int64)
    rows, columns = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, COLUMNS)
    tile = rows[:, None] * STRIDE + columns[None, :]
    mask = (rows[:, None] < width) & (columns[None, :] < STRIDE)
    place = member * signal_member + tile
    s = summed(signal, arriving, place, mask, constants, ENDS)
    if BEGINS == "linear":
        tl.store(kept + place, s, mask=mask)
    if NORM == "batch":
        point = columns[None, :] < batch
        mean = tl.sum(tl.where(point, s, 0.0), 1) / batch
        s = tl.where(point, s - mean[:, None], 0.0)
        inverse = 1 / tl.sqrt(tl.sum(s * s, 1) / batch + tl.load(constants + 5))
        s = s * inverse[:, None]
        if TRAINING:
            tl.store(inverse_std + member * width + rows, inverse, mask=rows < width)
    if BEGINS == "normalization":
        tl.store(kept + place, s, mask=mask)
    if TRAINING and (ENDS or NORM == "batch"):
        tl.store(signal + place, s, mask=mask)
    tl.store(value + member * value_member + tile, activated(s, constants, KIND), mask=mask)


@triton.jit(do_not_specialize=NO_SPECIALIZATION)
def forward_columns(
    signal, value, arriving, kept, inverse_std, constants,
    width, batch, signal_member, value_member,
    NORM: tl.constexpr, KIND: tl.constexpr, ENDS: tl.constexpr, BEGINS: tl.constexpr, TRAINING: tl.constexpr,
    STRIDE: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Grid (blocks of COLUMNS datapoints, members). The signal is read three times, for its mean, its variance and its
    value: a program never reads what it has written, which other threads of it might not see."""
    member = tl.program_id(1).to(tl.int64)
    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    base = member * signal_member
    total = tl.zeros((COLUMNS,), dtype=signal.dtype.element_ty)
    if NORM == "layer":
        for first in range(0, width, ROWS):
            rows = first + tl.arange(0, ROWS)
            mask = rows[:, None] < width
            place = base + rows[:, None] * STRIDE + columns[None, :]
            total += tl.sum(summed(signal, arriving, place, mask, constants, ENDS), 0)
    mean = total / width
    squares = tl.zeros((COLUMNS,), dtype=signal.dtype.element_ty)
    for first in range(0, width, ROWS):
        rows = first + tl.arange(0, ROWS)
        mask = rows[:, None] < width
        place = base + rows[:, None] * STRIDE + columns[None, :]
        s = tl.where(mask, summed(signal, arriving, place, mask, constants, ENDS) - mean[None, :], 0.0)
        squares += tl.sum(s * s, 0)
    inverse = 1 / tl.sqrt(squares / width + tl.load(constants + 5))
    if TRAINING:
        tl.store(inverse_std + member * STRIDE + columns, inverse)
    tl.debug_barrier()  # no thread writes what another has still to read
    for first in range(0, width, ROWS):
        rows = first + tl.arange(0, ROWS)
        mask = rows[:, None] < width
        tile = rows[:, None] * STRIDE + columns[None, :]
        s = summed(signal, arriving, base + tile, mask, constants, ENDS)
        if BEGINS == "linear":
            tl.store(kept + base + tile, s, mask=mask)
        s = (s - mean[None, :]) * inverse[None, :]
        if BEGINS == "normalization":
            tl.store(kept + base + tile, s, mask=mask)
        if TRAINING:
            tl.store(signal + base + tile, s, mask=mask)
        tl.store(value + member * value_member + tile, activated(s, constants, KIND), mask=mask)


@triton.jit
def at_signal(delta, delta_place, signal, place, carried, mask, constants, KIND: tl.constexpr, BEGINS: tl.constexpr):
    """The normalized signal, and the loss's derivative by it."""
    s = tl.load(signal + place, mask=mask, other=0.0)
    d = through_activation(tl.load(delta + delta_place, mask=mask, other=0.0), s, constants, KIND)
    if BEGINS == "normalization":
        d += tl.load(carried + place, mask=mask, other=0.0)
    return s, d


@triton.jit
def put(d, delta, delta_place, carried, leaving, place, mask, constants, ENDS: tl.constexpr, BEGINS: tl.constexpr):
    """Writes the derivative by the linear operation, and what a skip connection that ends here takes back."""
    if BEGINS == "linear":
        d += tl.load(carried + place, mask=mask, other=0.0)
    tl.store(delta + delta_place, d, mask=mask)
    if ENDS:
        tl.store(leaving + place, tl.load(constants + 4) * d, mask=mask)


@triton.jit(do_not_specialize=NO_SPECIALIZATION)
def backward_rows(
    delta, signal, carried, leaving, inverse_std, constants,
    width, batch, signal_member, value_member,
    NORM: tl.constexpr, KIND: tl.constexpr, ENDS: tl.constexpr, BEGINS: tl.constexpr,
    STRIDE: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """The derivative by the layer's value becomes, in place, that by its linear operation. Grid as `forward_rows`;
    `value_member` is the distance of `delta`'s members."""
    member = tl.program_id(1).to(tl.int64)
    rows, columns = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, COLUMNS)
    tile = rows[:, None] * STRIDE + columns[None, :]
    mask = (rows[:, None] < width) & (columns[None, :] < STRIDE)
    place, delta_place = member * signal_member + tile, member * value_member + tile
    s, d = at_signal(delta, delta_place, signal, place, carried, mask, constants, KIND, BEGINS)
    if NORM == "batch":
        d = tl.where(columns[None, :] < batch, d, 0.0)
        along, mean = tl.sum(d * s, 1) / batch, tl.sum(d, 1) / batch
        inverse = tl.load(inverse_std + member * width + rows, mask=rows < width, other=0.0)
        d = (d - mean[:, None] - s * along[:, None]) * inverse[:, None]
    put(d, delta, delta_place, carried, leaving, place, mask, constants, ENDS, BEGINS)


@triton.jit(do_not_specialize=NO_SPECIALIZATION)
def backward_columns(
    delta, signal, carried, leaving, inverse_std, constants,
    width, batch, signal_member, value_member,
    NORM: tl.constexpr, KIND: tl.constexpr, ENDS: tl.constexpr, BEGINS: tl.constexpr,
    STRIDE: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """The same through a normalization of datapoints. Grid as `forward_columns`."""
    member = tl.program_id(1).to(tl.int64)
    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    along = tl.zeros((COLUMNS,), dtype=signal.dtype.element_ty)
    total = tl.zeros((COLUMNS,), dtype=signal.dtype.element_ty)
    for first in range(0, width, ROWS):
        rows = first + tl.arange(0, ROWS)
        mask = rows[:, None] < width
        tile = rows[:, None] * STRIDE + columns[None, :]
        place, delta_place = member * signal_member + tile, member * value_member + tile
        s, d = at_signal(delta, delta_place, signal, place, carried, mask, constants, KIND, BEGINS)
        d = tl.where(mask, d, 0.0)
        along += tl.sum(d * s, 0)
        if NORM == "layer":
            total += tl.sum(d, 0)
    along, mean = along / width, total / width
    inverse = tl.load(inverse_std + member * STRIDE + columns)
    tl.debug_barrier()  # no thread writes what another has still to read
    for first in range(0, width, ROWS):
        rows = first + tl.arange(0, ROWS)
        mask = rows[:, None] < width
        tile = rows[:, None] * STRIDE + columns[None, :]
        place, delta_place = member * signal_member + tile, member * value_member + tile
        s, d = at_signal(delta, delta_place, signal, place, carried, mask, constants, KIND, BEGINS)
        d = (d - mean[None, :] - s * along[None, :]) * inverse[None, :]
        put(d, delta, delta_place, carried, leaving, place, mask, constants, ENDS, BEGINS)
