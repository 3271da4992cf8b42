"""The Triton kernels at the ends of a step: the minibatch in, the loss or the errors out, the optimizer's update.

`step` is a counter on the device, so that one captured graph takes a population through a whole epoch: update number
`step` takes its minibatch from column `step * batch` of `orders`, whose rows are one for all members or one for each.
"""

import triton
import triton.language as tl

from distnlc.training import optimizers

BETA1, BETA2, EPSILON = map(tl.constexpr, (optimizers.BETA1, optimizers.BETA2, optimizers.EPSILON))
RMS_DECAY, RMS_EPSILON = tl.constexpr(optimizers.RMS_DECAY), tl.constexpr(optimizers.RMS_EPSILON)


@triton.jit
def advance(step):
    """Moves the counter on. Grid (1)."""
    tl.store(step, tl.load(step) + 1)


@triton.jit(do_not_specialize=["d_in", "batch", "order_row"])
def gather(
    inputs, orders, step, place, d_in, batch, order_row, place_row,
    STRIDE: tl.constexpr, FEATURES: tl.constexpr, POINTS: tl.constexpr,
):  # fmt: skip
    """Puts a minibatch of the points (points, d_in) into `place` (orders, d_in + 1, STRIDE), transposed. Grid (blocks
    of POINTS, blocks of FEATURES, orders)."""
    row = tl.program_id(2).to(tl.int64)
    columns = tl.program_id(0) * POINTS + tl.arange(0, POINTS)
    features = tl.program_id(1) * FEATURES + tl.arange(0, FEATURES)
    order = orders + row * order_row + tl.load(step) * batch
    points = tl.load(order + columns, mask=columns < batch, other=0)
    mask = (features[:, None] < d_in) & (columns[None, :] < batch)
    found = tl.load(inputs + points[None, :] * d_in + features[:, None], mask=mask, other=0.0)
    tl.store(place + row * place_row + features[:, None] * STRIDE + columns[None, :], found, mask=mask)


@triton.jit
def labels_of(labels, orders, step, member, columns, batch, order_row):
    """The labels of these columns of the member's minibatch."""
    order = orders + member * order_row + tl.load(step) * batch
    points = tl.load(order + columns, mask=columns < batch, other=0)
    return tl.load(labels + points)


@triton.jit(do_not_specialize=["classes", "batch", "order_row"])
def loss_and_delta(
    value, losses, labels, orders, step, loss_scale, rates, classes, batch, order_row, value_member,
    LOSS: tl.constexpr, RATED: tl.constexpr, STRIDE: tl.constexpr, CLASSES: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Adds each member's mean loss to `losses`; its outputs in `value` become the derivative by them, times the
    member's rate if RATED. Grid (members); as `networks/loss.py:losses_and_delta`."""
    member = tl.program_id(0).to(tl.int64)
    classes_of_tile = tl.arange(0, CLASSES)
    scale = tl.load(loss_scale + member)
    factor = 1 / (batch * scale)
    if RATED:
        factor *= tl.load(rates + member)
    total = tl.zeros((COLUMNS,), dtype=value.dtype.element_ty)
    for first in range(0, batch, COLUMNS):
        columns = first + tl.arange(0, COLUMNS)
        mask = (classes_of_tile[:, None] < classes) & (columns[None, :] < batch)
        place = value + member * value_member + classes_of_tile[:, None] * STRIDE + columns[None, :]
        z = tl.load(place, mask=mask, other=0.0) / scale
        z = tl.where(classes_of_tile[:, None] < classes, z, -float("inf"))
        z -= tl.max(z, 0)[None, :]
        z -= tl.log(tl.sum(tl.exp(z), 0))[None, :]
        p = tl.exp(z)
        label = labels_of(labels, orders, step, member, columns, batch, order_row)
        own = classes_of_tile[:, None] == label[None, :]
        if LOSS == "cross-entropy":
            total -= tl.where(columns < batch, tl.sum(tl.where(own, z, 0.0), 0), 0.0)
            delta = (p - tl.where(own, 1.0, 0.0)) * factor
        else:
            wrong = tl.where(mask, p - tl.where(own, 1.0, 0.0), 0.0)
            total += tl.sum(wrong * wrong, 0)
            wrong *= 2
            delta = (wrong - tl.sum(wrong * p, 0)[None, :]) * p * factor
        tl.store(place, delta, mask=mask)
    tl.store(losses + member, tl.load(losses + member) + tl.sum(total, 0) / batch)


@triton.jit(do_not_specialize=["classes", "batch", "order_row"])
def count_errors(
    value, wrong, not_finite, labels, orders, step, classes, batch, order_row, value_member,
    STRIDE: tl.constexpr, CLASSES: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Adds each member's wrong answers to `wrong`, and its outputs that are not finite to `not_finite`. Grid (members).
    The answer is the first of the largest outputs, and the first that is not a number where there is one."""
    member = tl.program_id(0).to(tl.int64)
    classes_of_tile = tl.arange(0, CLASSES)
    errors = tl.zeros((COLUMNS,), dtype=tl.int64)
    others = tl.zeros((COLUMNS,), dtype=tl.int64)
    for first in range(0, batch, COLUMNS):
        columns = first + tl.arange(0, COLUMNS)
        inside = classes_of_tile[:, None] < classes
        mask = inside & (columns[None, :] < batch)
        place = value + member * value_member + classes_of_tile[:, None] * STRIDE + columns[None, :]
        z = tl.load(place, mask=mask, other=0.0)
        no_number = (z != z) & mask
        largest = tl.max(tl.where(inside & (z == z), z, -float("inf")), 0)
        some = tl.max(no_number.to(tl.int32), 0)[None, :] > 0
        candidate = tl.where(some, no_number, (z == largest[None, :]) & inside)
        answer = tl.min(tl.where(candidate, classes_of_tile[:, None], CLASSES), 0)
        label = labels_of(labels, orders, step, member, columns, batch, order_row)
        errors += tl.where((answer != label) & (columns < batch), 1, 0)
        others += tl.sum(tl.where((tl.abs(z) < float("inf")) | (mask == 0), 0, 1), 0)
    tl.store(wrong + member, tl.load(wrong + member) + tl.sum(errors, 0))
    tl.store(not_finite + member, tl.load(not_finite + member) + tl.sum(others, 0))


@triton.jit(do_not_specialize=["rate_row"])
def update(
    flat, gradients, first, second, steps, rates, parameters, rate_row,
    OPTIMIZER: tl.constexpr, MOMENTUM: tl.constexpr, DECAY: tl.constexpr, BY_LAYER: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Moves all parameters by their gradients, as `optimizers.py` says; `steps` counts this update already. Grid
    (blocks of BLOCK parameters, members). A rate of 0 freezes, also where a gradient is not finite."""
    member = tl.program_id(1).to(tl.int64)
    columns = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = columns < parameters
    place = member * parameters + columns
    w, g = tl.load(flat + place, mask=mask, other=0.0), tl.load(gradients + place, mask=mask, other=0.0)
    if DECAY != 0:
        g += DECAY * w
    moved = g
    if OPTIMIZER == "momentum":
        moved = MOMENTUM * tl.load(first + place, mask=mask, other=0.0) + g
        tl.store(first + place, moved, mask=mask)
    elif OPTIMIZER == "rmsprop-tf1":
        v = tl.load(second + place, mask=mask, other=0.0)
        v = RMS_DECAY * v + (1 - RMS_DECAY) * (g * g)
        tl.store(second + place, v, mask=mask)
        moved = g / tl.sqrt(v + RMS_EPSILON)
    elif OPTIMIZER == "adam" or OPTIMIZER == "adam-tf1":
        m, v = tl.load(first + place, mask=mask, other=0.0), tl.load(second + place, mask=mask, other=0.0)
        m += (1 - BETA1) * (g - m)
        v = BETA2 * v + (1 - BETA2) * (g * g)
        tl.store(first + place, m, mask=mask)
        tl.store(second + place, v, mask=mask)
        t = tl.load(steps + member)
        one = 1 - tl.exp(t * tl.log(t * 0 + BETA1))
        other = 1 - tl.exp(t * tl.log(t * 0 + BETA2))
        if OPTIMIZER == "adam":
            moved = (m / one) / (tl.sqrt(v / other) + EPSILON)
        else:
            moved = m / (tl.sqrt(v) + EPSILON) * (tl.sqrt(other) / one)
    else:
        tl.static_assert(OPTIMIZER == "sgd")
    if BY_LAYER:
        rate = tl.load(rates + member * rate_row + columns, mask=mask, other=0.0)
    else:
        rate = tl.load(rates + member * rate_row + columns * 0, mask=mask, other=0.0)
    tl.store(flat + place, w - tl.where(rate == 0, 0.0, moved * rate), mask=mask)
