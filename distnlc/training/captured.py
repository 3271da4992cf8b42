"""Work on a GPU that is captured once as a CUDA graph and then replayed, since starting its many small kernels one by
one would take longer than they run.

Captured work reads and writes tensors that stay where they are, and asks the host for nothing.
"""

from collections.abc import Callable
from functools import cache

import torch

Work = Callable[[], None]


def repeated(device: torch.device) -> Callable[[Work], None]:
    """A caller of one piece of work, which is always the same: captured on a GPU, plain elsewhere. It does not hold the
    work, since a cycle would keep the memory of whoever owns both."""
    return Captured() if device.type == "cuda" else _plainly


def _plainly(work: Work) -> None:
    work()


class Captured:
    """The first call does the work plainly, as warm-up, with its full effect; later ones replay its graph."""

    def __init__(self) -> None:
        self._warm = False
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, work: Work) -> None:
        if not self._warm:
            beside = _side_stream(torch.cuda.current_device())
            beside.wait_stream(torch.cuda.current_stream())
            try:
                with torch.cuda.stream(beside):
                    work()
            finally:  # after an error too: what was begun there may still use memory that is freed now
                torch.cuda.current_stream().wait_stream(beside)
            self._warm = True
            return
        if self._graph is None:
            graph = torch.cuda.CUDAGraph()
            # a capture that has failed would leave its own stream as the present one
            with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph):
                work()
            self._graph = graph  # a whole one: what an error has cut short is never replayed
        self._graph.replay()


@cache
def _side_stream(device: int) -> torch.cuda.Stream:
    """One stream for all warm-ups, which must not come first on the stream that is captured: each stream of its own
    would keep workspaces of cuBLAS as long as the process lives."""
    return torch.cuda.Stream(device)
