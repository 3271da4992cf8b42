"""A pretended GPU: the CUDA path of a torch program with its values, on a machine that has no GPU.

    from tests.gpu.pretended import pretended      # before torch is imported
    with pretended() as gpu:
        ...                                        # torch.cuda.is_available() is True, device="cuda" works
        gpu.count.replays                          # what was counted

A tensor on this GPU is a CPU tensor that says it lies on cuda:0 (`tensor.py`). All operations on such tensors come
through one function there, and launches of Triton kernels through another (`kernels.py`). Both compute on the CPU, and
meanwhile
    - refuse what a GPU refuses: operands on different devices, `.numpy()` of a device tensor, a kernel's host tensor;
    - while a CUDA graph is captured (`graph.py`) refuse what a capture refuses: reading a value, copies across devices,
      results whose size depends on values. Nothing is computed then, what is made is full of nan, and the operations
      are noted, so that a replay repeats exactly these on exactly these memories. Memory from outside the capture is
      held weakly: a replay that would use freed memory is an illegal memory access, after which the device is lost;
    - count kernels, launches, replays, reads by the host, copies, bytes and live memory (`machine.py`, `costs.py`),
      which may be limited, so that the device runs out of it.

Not pretended: the kernels' own arithmetic (products round as the CPU's do), streams that run beside each other and
their races, the allocator's rounding and reuse within a graph's pool, the driver, time.
"""

from tests.gpu import guard

guard.load()

from tests.gpu.pretended.cuda import pretended  # noqa: E402
from tests.gpu.pretended.machine import MACHINE, Count, Machine  # noqa: E402

__all__ = ["MACHINE", "Count", "Machine", "pretended"]
