"""The pretended GPU's tensors, and the function through which every torch operation on them comes."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tests.gpu.pretended.costs import EMPTY, READS, VIEWS, name_of, work_of
from tests.gpu.pretended.machine import MACHINE, Work
from tests.gpu.pretended.values import compute, leaves, make_garbage, mapped

GPU = torch.device("cuda:0")
CPU = torch.device("cpu")
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_"}
ON_TWO_DEVICES = "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"


class Cuda(Tensor):
    """A CPU tensor, its `inner`, that says it lies on cuda:0."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor, requires_grad: bool = False) -> "Cuda":
        MACHINE.memory.take(inner.untyped_storage())
        made = Tensor._make_subclass(cls, inner, requires_grad, dispatch_device=True, device_for_backend_keys=GPU)
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __deepcopy__(self, memo: dict[int, Any]) -> "Cuda":
        if id(self) not in memo:
            memo[id(self)] = made = Cuda(self.inner.detach().clone(), self.requires_grad)
            if getattr(self, "_is_param", False):  # by which `nn.Parameter` knows its own
                made._is_param = True
            MACHINE.start("clone", Work(1, 2 * self.nbytes))
        return memo[id(self)]

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"Cuda({self.inner!r})"


def inner_of(value: Any) -> Any:
    """What the CPU computes with in place of the device's tensors, and of the device."""
    if isinstance(value, Cuda):
        return value.inner
    return CPU if isinstance(value, torch.device) and value.type == "cuda" else value


def run(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """An operation of torch that is asked for on any device."""
    if func is torch.ops.prim.device.default:
        return GPU
    flat = list(leaves(args, kwargs))
    if not any(isinstance(value, Cuda) for value in flat) and not _is_gpu(kwargs.get("device")):
        return func(*args, **kwargs)
    MACHINE.check()
    name = name_of(func)
    _check_operands(name, flat)
    crossing = _wait_for_host(func, args, kwargs)
    inner_args, inner_kwargs = mapped(inner_of, args), mapped(inner_of, kwargs)
    written = [i for i, each in enumerate(func._schema.arguments) if each.alias_info and each.alias_info.is_write]
    if MACHINE.capturing is not None and name not in VIEWS:
        out = MACHINE.capturing.note(func, args, kwargs, writes=bool(written), empty=name in EMPTY)
    else:
        out = compute(func, inner_args, inner_kwargs)
        if name in EMPTY and not written:
            make_garbage(out)
    if crossing is None:
        MACHINE.start(name, work_of(func, inner_args, inner_kwargs, out, writes=bool(written)))
    if crossing == "to host":
        return args[0] if written else out
    return _given(func, args, kwargs, out, written)


def _is_gpu(device: Any) -> bool:
    return device is not None and torch.device(device).type == "cuda"


def _check_operands(name: str, flat: Sequence[Any]) -> None:
    """Operands must lie on one device; single numbers, indices and the two sides of a copy need not."""
    here = any(isinstance(each, Cuda) for each in flat)
    there = any(isinstance(each, Tensor) and not isinstance(each, Cuda) and each.dim() for each in flat)
    if here and there and name not in {"copy_", "_to_copy", *INDEXING}:
        raise RuntimeError(f"{ON_TWO_DEVICES} ({name})")
    if here and any(isinstance(each, torch.Generator) for each in flat):
        raise RuntimeError(f"Expected a 'cuda' device type for generator but found 'cpu' ({name})")


def _wait_for_host(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> str | None:
    """Counts what crosses between the devices and the values that the host must know, none of which a capture permits.
    Gives the way of a copy that crosses, which is no kernel."""
    name = name_of(func)
    source = target = None
    if name == "_to_copy":
        source = args[0]
        target = kwargs.get("device") or source.device
    elif name == "copy_":
        source, target = args[1], args[0].device
    to_host = isinstance(source, Cuda) and not _is_gpu(target)
    to_device = source is not None and not isinstance(source, Cuda) and _is_gpu(target)
    index = args[1] if name in INDEXING else ()
    moved = [each for each in leaves(index) if isinstance(each, Tensor) and not isinstance(each, Cuda)]
    reads = name in READS or _has_mask(index, args)
    if to_host or to_device or moved or reads:
        MACHINE.refuse_in_capture(name)
    if to_host or reads:
        MACHINE.read(name)
    if to_host:
        MACHINE.count.copied_to_host_bytes += source.nbytes
    for each in [source] if to_device else moved:
        MACHINE.count.copies_to_device += 1
        MACHINE.count.copied_to_device_bytes += each.nbytes
    return "to host" if to_host else "to device" if to_device else None


def _has_mask(index: Any, args: Sequence[Any]) -> bool:
    """Whether the result's size, or the places that are written, depend on a mask's values. A single number of the host
    is filled in without asking."""
    masks = any(isinstance(each, Tensor) and each.dtype in (torch.bool, torch.uint8) for each in leaves(index))
    return masks and not (len(args) > 2 and not isinstance(args[2], Cuda) and args[2].numel() == 1)


def _given(func: Any, args: Sequence[Any], kwargs: dict[str, Any], out: Any, written: Sequence[int]) -> Any:
    """The operation's result on the device: what it wrote, or what the CPU made."""
    arguments, returns = func._schema.arguments, func._schema.returns
    if written and returns and returns[0].alias_info is not None:
        targets = [args[i] if i < len(args) else kwargs[arguments[i].name] for i in written]
        return targets[0] if len(returns) == 1 else tuple(targets)
    return mapped(lambda each: Cuda(each) if isinstance(each, Tensor) else each, out)
