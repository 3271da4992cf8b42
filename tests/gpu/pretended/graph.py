"""CUDA graphs on the pretended GPU: operations are noted while a graph is captured, and repeated by its replays."""

import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from tests.gpu.pretended.machine import MACHINE, Work
from tests.gpu.pretended.tensor import Cuda, inner_of
from tests.gpu.pretended.values import compute, leaves, make_garbage, mapped


@dataclass
class _Outside:
    """A view of memory that was there before the capture, as a graph knows it: an address."""

    storage: "weakref.ref[torch.UntypedStorage]"
    dtype: torch.dtype
    shape: torch.Size
    stride: tuple[int, ...]
    offset: int

    def tensor(self) -> Tensor:
        """Raises torch.AcceleratorError if the memory was freed."""
        storage = self.storage()
        if storage is None:
            MACHINE.lose("an illegal memory access was encountered (a replay uses memory that was freed)")
        return torch.empty(0, dtype=self.dtype).set_(storage, self.offset, self.shape, self.stride)


@dataclass
class _Note:
    func: Any
    args: Any
    kwargs: Any
    results: list[Tensor]
    """where the results go; an operation that writes its arguments has none"""


class Graph:
    """In place of torch.cuda.CUDAGraph."""

    def __init__(self, keep_graph: bool = False) -> None:
        self.reset()

    def reset(self) -> None:
        self.work, self.names = Work(), Counter[str]()
        self._notes: list[_Note] = []
        self._pool: list[Tensor] = []
        """memory that was taken during the capture, which the graph keeps"""
        self._own: set[int] = set()
        self._ended = False

    def capture_begin(self, *_: Any, **__: Any) -> None:
        if self._ended:
            raise RuntimeError("This CUDAGraph instance already owns a captured graph.")
        MACHINE.refuse_in_capture("another capture")
        MACHINE.count.captures += 1
        MACHINE.capturing = self

    def capture_end(self) -> None:
        MACHINE.capturing = None
        make_garbage(self._pool)
        self._ended = True

    def note(self, func: Any, args: Sequence[Any], kwargs: dict[str, Any], *, writes: bool, empty: bool) -> Any:
        """An operation of the capture, which is not done. What it would make is made, for its shape."""
        if writes:
            self._notes.append(_Note(func, self._held(args), self._held(kwargs), []))
            return None
        of_device = MACHINE.random_state
        out = compute(func, mapped(inner_of, args), mapped(inner_of, kwargs))
        MACHINE.random_state = of_device
        made = [each for each in leaves(out) if isinstance(each, Tensor)]
        self._pool += made
        self._own |= {id(each.untyped_storage()) for each in made}
        if made and not empty:
            self._notes.append(_Note(func, self._held(args), self._held(kwargs), made))
        return out

    def note_launch(self, launch: Callable[..., None], arguments: dict[str, Any]) -> None:
        """A kernel that writes its arguments."""
        self._notes.append(_Note(launch, (), self._held(arguments), []))

    def _held(self, tree: Any) -> Any:
        def held(value: Any) -> Any:
            if not isinstance(value, Cuda):  # a single number of the host is passed as it is now
                return value.clone() if isinstance(value, Tensor) else inner_of(value)
            inner = value.inner
            if id(inner.untyped_storage()) in self._own:
                return inner
            storage = weakref.ref(inner.untyped_storage())
            return _Outside(storage, inner.dtype, inner.shape, inner.stride(), inner.storage_offset())

        return mapped(held, tree)

    def replay(self) -> None:
        MACHINE.check()
        if not self._ended:
            raise RuntimeError("Called CUDAGraph::replay without a preceding successful capture.")
        MACHINE.refuse_in_capture("replay of a graph")
        count = MACHINE.count
        count.replays += 1
        count.graph_kernels += self.work.kernels
        count.bytes += self.work.bytes
        count.flops += self.work.flops
        with _disable_current_modes(), torch._C.DisableTorchFunction():
            for note in self._notes:
                out = compute(note.func, mapped(_found, note.args), mapped(_found, note.kwargs))
                if note.results:
                    made = [each for each in leaves(out) if isinstance(each, Tensor)]
                    for place, new in zip(note.results, made, strict=True):
                        place.copy_(new)

    def pool(self) -> Any:
        return 0, id(self)


def _found(value: Any) -> Any:
    return value.tensor() if isinstance(value, _Outside) else value


class Capture:
    """In place of torch.cuda.graph."""

    def __init__(self, graph: Graph, *_: Any, **__: Any) -> None:
        self.graph = graph

    def __enter__(self) -> None:
        MACHINE.wait()
        self.graph.capture_begin()

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self.graph.capture_end()
        if error is not None:  # the capture is not valid
            self.graph.reset()
