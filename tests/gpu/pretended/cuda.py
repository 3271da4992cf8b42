"""`torch.cuda` with the pretended GPU: what stands in place of its functions, and the context in which it does."""

import contextlib
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from triton.runtime.jit import JITFunction

from tests.gpu.pretended import kernels
from tests.gpu.pretended.graph import Capture, Graph
from tests.gpu.pretended.machine import MACHINE, Machine
from tests.gpu.pretended.tensor import GPU, Cuda, run

NAME = "pretended GPU"


class Stream:
    """All streams are one, in the order of the calls."""

    def __init__(self, device: Any = None, priority: int = 0, **_: Any) -> None:
        self.device = GPU

    def wait_stream(self, other: "Stream") -> None: ...

    def wait_event(self, event: "Event") -> None: ...

    def record_event(self, event: "Event | None" = None) -> "Event":
        event = event or Event()
        event.record()
        return event

    def synchronize(self) -> None:
        synchronize()

    def query(self) -> bool:
        return True


class Event:
    """Its times are those of the CPU."""

    def __init__(self, enable_timing: bool = False, **_: Any) -> None:
        self._at = 0.0

    def record(self, stream: Stream | None = None) -> None:
        self._at = time.perf_counter()

    def elapsed_time(self, end: "Event") -> float:
        """Milliseconds."""
        return 1e3 * (end._at - self._at)

    def wait(self, stream: Stream | None = None) -> None: ...

    def synchronize(self) -> None:
        synchronize()

    def query(self) -> bool:
        return True


_streams = [Stream()]


@contextlib.contextmanager
def _on(stream: Stream | None) -> Iterator[None]:
    _streams.append(stream or _streams[-1])
    try:
        yield
    finally:
        _streams.pop()


def synchronize(_device: Any = None) -> None:
    MACHINE.refuse_in_capture("synchronize")
    MACHINE.wait()


def _properties(_device: Any = None) -> SimpleNamespace:
    total = MACHINE.memory.limit_bytes
    size = {"total_memory": total, "L2_cache_size": 50 * 2**20, "multi_processor_count": 132, "warp_size": 32}
    return SimpleNamespace(name=NAME, major=9, minor=0, **size)


def _memory_info(_device: Any = None) -> tuple[int, int]:
    memory = MACHINE.memory
    return memory.limit_bytes - memory.allocated_bytes, memory.limit_bytes


def _forget_peak(_device: Any = None) -> None:
    MACHINE.memory.peak_bytes = MACHINE.memory.allocated_bytes


def _set_random_state(state: Tensor, _device: Any = None) -> None:
    MACHINE.random_state = state.clone()


def _seed(seed: int) -> None:
    MACHINE.random_state = torch.Generator().manual_seed(seed).get_state()


IN_PLACE: dict[str, Any] = {
    "is_available": lambda: True,
    "is_initialized": lambda: True,
    "init": lambda: None,
    "_lazy_init": lambda: None,
    "device_count": lambda: 1,
    "current_device": lambda: 0,
    "set_device": lambda _: None,
    "device": lambda _: contextlib.nullcontext(),
    "get_device_name": lambda *_: NAME,
    "get_device_capability": lambda *_: (9, 0),
    "get_device_properties": _properties,
    "Stream": Stream,
    "Event": Event,
    "stream": _on,
    "current_stream": lambda *_: _streams[-1],
    "default_stream": lambda *_: _streams[0],
    "synchronize": synchronize,
    "CUDAGraph": Graph,
    "graph": Capture,
    "is_current_stream_capturing": lambda: MACHINE.capturing is not None,
    "empty_cache": lambda: None,
    "memory_allocated": lambda *_: MACHINE.memory.allocated_bytes,
    "memory_reserved": lambda *_: MACHINE.memory.allocated_bytes,
    "max_memory_allocated": lambda *_: MACHINE.memory.peak_bytes,
    "max_memory_reserved": lambda *_: MACHINE.memory.peak_bytes,
    "reset_peak_memory_stats": _forget_peak,
    "mem_get_info": _memory_info,
    "get_rng_state": lambda *_: MACHINE.random_state.clone(),
    "set_rng_state": _set_random_state,
    "manual_seed": _seed,
    "manual_seed_all": _seed,
}
"""function of torch.cuda -> what it is here"""


class _MadeOnTheDevice(TorchDispatchMode):
    """Sees `device="cuda"` where no tensor is an argument."""

    _mode_key = torch._C._TorchDispatchModeKey.FAKE  # with a mode of this key torch does not try to start CUDA

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})


class _Named(TorchFunctionMode):
    """`cuda` means cuda:0, where torch would ask the driver; and what never comes to the dispatcher."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = {name: _indexed(value) for name, value in (kwargs or {}).items()}
        if func is Tensor.cuda:
            return args[0].to(GPU)
        if func == Tensor.data.__set__ and isinstance(args[0], Cuda):
            args[0].inner = args[1].inner  # the tensor that the parameter is now a view of
        if func is Tensor.numpy and isinstance(args[0], Cuda):
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")
        if func is Tensor.tolist and isinstance(args[0], Cuda):
            return args[0].cpu().tolist()
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") == GPU:
            del kwargs["device"]  # torch would copy below the place where modes are asked
            return func(*args, **kwargs).to(GPU)
        return func(*[_indexed(value) for value in args], **kwargs)


def _indexed(value: Any) -> Any:
    plain = (isinstance(value, str) and value == "cuda") or (isinstance(value, torch.device) and value.type == "cuda")
    return GPU if plain else value


@contextlib.contextmanager
def pretended() -> Iterator[Machine]:
    """Within, this thread has a GPU."""
    places = [(torch.cuda, name, made) for name, made in IN_PLACE.items()]
    places += [(torch.version, "cuda", "pretended"), (JITFunction, "run", kernels.run)]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in places]
    overwrites = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    for owner, name, made in places:
        setattr(owner, name, made)
    MACHINE.begin()
    try:
        with _Named(), _MadeOnTheDevice():
            yield MACHINE
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(overwrites)
        for owner, name, real in before:
            setattr(owner, name, real)
