"""The state of the pretended GPU: what was counted, the memory that is taken, the graph that is being captured, the
error after which the device is lost, and the generator of its random numbers."""

import weakref
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import torch

if TYPE_CHECKING:
    from tests.gpu.pretended.graph import Graph

MEMORY_BYTES = 140 * 2**30


@dataclass
class Count:
    """What was done since the counting began."""

    eager_kernels: int = 0
    graph_kernels: int = 0
    """in replays"""
    replays: int = 0
    captures: int = 0
    host_reads: int = 0
    """times that the host waited for a value, or for memory copied to it"""
    synchronizations: int = 0
    """other times that the host waited for the device"""
    copies_to_device: int = 0
    copied_to_device_bytes: int = 0
    copied_to_host_bytes: int = 0
    bytes: int = 0
    """that the kernels read and wrote, each element once"""
    flops: int = 0
    """of matrix products"""
    eager: Counter[str] = field(default_factory=Counter)
    """operation or Triton kernel -> kernels outside graphs"""
    reads: Counter[str] = field(default_factory=Counter)
    """operation -> `host_reads`"""

    @property
    def kernels(self) -> int:
        return self.eager_kernels + self.graph_kernels

    @property
    def launches(self) -> int:
        """Calls by which the host starts work: kernels outside graphs, and graphs."""
        return self.eager_kernels + self.replays


@dataclass
class Work:
    """What operations cost the device."""

    kernels: int = 0
    bytes: int = 0
    flops: int = 0

    def add(self, other: "Work") -> None:
        self.kernels += other.kernels
        self.bytes += other.bytes
        self.flops += other.flops


class Memory:
    """The live memory of the device, by storages."""

    def __init__(self) -> None:
        self.limit_bytes = MEMORY_BYTES
        self.allocated_bytes = self.peak_bytes = 0
        self._live: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def take(self, storage: torch.UntypedStorage) -> None:
        """Counts a storage until it is freed. Raises torch.OutOfMemoryError."""
        key, size = id(storage), storage.nbytes()
        known = self._live.get(key)
        if known is not None and known() is storage:
            return
        if self.allocated_bytes + size > self.limit_bytes:
            free = self.limit_bytes - self.allocated_bytes
            raise torch.OutOfMemoryError(
                f"CUDA out of memory. Tried to allocate {size} bytes. The pretended GPU has a total capacity of "
                f"{self.limit_bytes} bytes of which {free} bytes are free."
            )
        self._live[key] = weakref.ref(storage, lambda _: self._give(key, size))
        self.allocated_bytes += size
        self.peak_bytes = max(self.peak_bytes, self.allocated_bytes)

    def _give(self, key: int, size: int) -> None:
        del self._live[key]
        self.allocated_bytes -= size


class Machine:
    """The device."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.capturing: Graph | None = None
        self.begin()

    def begin(self) -> None:
        """Counts anew, on a whole device with all its memory."""
        self.count = Count()
        self.memory.limit_bytes = MEMORY_BYTES
        self.memory.peak_bytes = self.memory.allocated_bytes
        self.lost: str | None = None
        self.random_state = torch.Generator().manual_seed(0).get_state()

    def start(self, name: str, work: Work) -> None:
        """Counts an operation: now, or in each replay of the graph that is being captured."""
        if self.capturing is not None:
            self.capturing.work.add(work)
            self.capturing.names[name] += work.kernels
            return
        self.count.eager_kernels += work.kernels
        self.count.eager[name] += work.kernels
        self.count.bytes += work.bytes
        self.count.flops += work.flops

    def read(self, what: str) -> None:
        """The host waits for a value."""
        self.count.host_reads += 1
        self.count.reads[what] += 1

    def wait(self) -> None:
        """The host waits for all work."""
        self.check()
        self.count.synchronizations += 1

    def check(self) -> None:
        """Raises torch.AcceleratorError once the device is lost, as every call of CUDA does then."""
        if self.lost is not None:
            raise torch.AcceleratorError(f"CUDA error: {self.lost}")

    def refuse_in_capture(self, what: str) -> None:
        """Raises torch.AcceleratorError for what a graph cannot repeat, while one is captured."""
        if self.capturing is not None:
            raise torch.AcceleratorError(f"CUDA error: operation not permitted when stream is capturing ({what})")

    def lose(self, error: str) -> NoReturn:
        """An error that no later call of this process survives. Raises it."""
        self.lost = error
        raise torch.AcceleratorError(f"CUDA error: {error}")


MACHINE = Machine()
"""the one that `pretended()` gives to this process"""
