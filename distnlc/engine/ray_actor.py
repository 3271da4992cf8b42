"""The part of a worker that runs in a process of its own, as a Ray actor.

In: the work, and whether Ray has given it a part of a GPU. Out: where it is and what code it has, then the results of
units. On a GPU it computes there or not at all: one whose CUDA does not start says why, and is given no unit.
"""

import signal
import socket
from collections.abc import Sequence

from distnlc.engine.executor import Finished, StudyWork, UnitWork, attempt, gpu_fault
from distnlc.spec import Unit
from distnlc.versions import Code, code_of


def environment(on_gpu: bool) -> dict[str, str]:
    """Variables of a worker's process."""
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return threads if on_gpu else threads | {"CUDA_VISIBLE_DEVICES": ""}


class Actor:
    """One worker of a study."""

    def __init__(self, work: UnitWork, on_gpu: bool) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's business
        if isinstance(work, StudyWork):
            work.load()  # here, so that a missing plug-in is reported once, not by every unit
        self._work = work
        self._device = "cuda" if on_gpu else "cpu"

    def whereabouts(self, packages: Sequence[str]) -> tuple[str, str, str, list[Code]]:
        """The id of the node and its name, why the GPU cannot be used ('' if it can), the code of these packages."""
        import ray

        fault = gpu_fault() if self._device == "cuda" else ""
        code = [code_of(name) for name in packages]
        return ray.get_runtime_context().get_node_id(), socket.gethostname(), fault, code

    def run(self, unit: Unit) -> Finished:
        return attempt(self._work, unit, self._device)
