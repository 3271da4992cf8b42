"""What an operation costs a GPU: the kernels that it starts (by aten/src/ATen/native/cuda), bytes and products."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from tests.gpu.pretended.machine import Work
from tests.gpu.pretended.values import leaves

VIEWS = {
    *("view", "_unsafe_view", "expand", "select", "slice", "transpose", "t", "permute", "unsqueeze", "squeeze"),
    *("detach", "alias", "as_strided", "split", "split_with_sizes", "chunk", "unbind", "diagonal", "unfold"),
    *("lift", "lift_fresh", "_reshape_alias", "movedim", "view_as", "unflatten", "reshape", "narrow", "real", "mT"),
    *("_conj", "view_as_real", "view_as_complex", "is_same_size", "_has_same_storage_numel", "set_", "sym_size"),
}
"""operations that make another view of the same memory, or look at a shape"""
EMPTY = {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "resize_"}
"""those that take memory and write nothing"""
READS = {
    *("_local_scalar_dense", "item", "equal", "is_nonzero", "nonzero", "masked_select", "bincount", "histc"),
    *("_unique2", "unique_dim", "unique_consecutive", "repeat_interleave"),
}
"""those whose result the host must know, the value itself or how much there is of it"""
KERNELS = {"sort": 4, "median": 2, "one_hot": 2, "equal": 2, "nonzero": 3, "randperm": 3, "cumsum": 2}
"""operation -> kernels where they are several"""


def name_of(func: Any) -> str:
    return func._schema.name.removeprefix("aten::")


def work_of(func: Any, args: Sequence[Any], kwargs: dict[str, Any], out: Any, *, writes: bool) -> Work:
    """The operation's cost; `out` is its result, `writes` whether that is one of its arguments."""
    name = name_of(func)
    if name in VIEWS or name in EMPTY:
        return Work()
    outs = bytes_of(leaves(out))
    work = Work(KERNELS.get(name, 1), bytes_of(leaves(args, kwargs)), flops_of(name, args))
    if not writes:
        work.bytes += outs
    if name == "baddbmm" and kwargs.get("out") is not args[0]:  # a copy of what is added, then the product with beta 1
        work.kernels += 1
        work.bytes += 2 * outs
    return work


def bytes_of(values: Iterable[Any]) -> int:
    """The memory behind tensors; what is expanded counts once."""
    total = 0
    for tensor in values:
        if isinstance(tensor, torch.Tensor):
            count = 1
            for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
                count *= size if stride != 0 or size == 0 else 1
            total += count * tensor.element_size()
    return total


def flops_of(name: str, args: Sequence[Any]) -> int:
    """Floating-point operations of a matrix product."""
    if name in {"mm", "bmm"}:
        left, right = args[:2]
    elif name in {"addmm", "addmm_", "baddbmm", "baddbmm_"}:
        left, right = args[1:3]
    else:
        return 0
    return int(2 * left.numel() * right.shape[-1])
