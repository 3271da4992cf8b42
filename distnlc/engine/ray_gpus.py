"""The GPUs that a study holds in a Ray cluster, and how many workers belong on each.

In: the ray module, connected, and again and again the cluster's nodes. Out: the GPUs held, the number of workers for
each, and what an actor on one of them asks Ray for.

A GPU is reserved whole, by a placement group of its own, and the workers on it take small parts of that. If they asked
for parts of any GPU, Ray would fill one before it begins the next: five workers with a half each leave one of four GPUs
idle; and parts of different size do not fit any more once workers are replaced in another order. It also means that one
more worker on a GPU leaves those alone that are there.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distnlc.engine.ray_cluster import head_answers

WORKERS_PER_GPU = 2
"""unless their number is given. The last runs of a sweep, the metrics and the host leave gaps on a GPU, which the
sweep of another fills: of the paper's time on an H200 two spare a fifth with MPS, and more hardly more (estimated, see
`studies/nlc/gpu_cost.py`; nobody has measured it)"""
PART = 0.001
"""what a worker takes of its GPU in Ray's books"""
HOLD_S = 2.0
"""how long new GPUs are waited for, so that no worker has to move to them at once; others may be using them"""


@dataclass(eq=False)
class Gpu:
    """A GPU that was asked for, held as soon as its node is known."""

    group: Any
    """the placement group"""
    node: str = ""
    """id of the machine, '' while Ray has none to give, and after the machine's death"""
    room: int = 1
    """the number of workers on it where their number is not given"""


class Gpus:
    """The GPUs of one study."""

    def __init__(self, ray: Any, number: int | None) -> None:
        """`number`: of workers, if it is given; no more GPUs than that are held."""
        self._ray = ray
        self._number = number
        self._asked: list[Gpu] = []

    @property
    def held(self) -> list[Gpu]:
        return [gpu for gpu in self._asked if gpu.node]

    def follow(self, nodes: Mapping[str, Mapping[str, float]]) -> None:
        """Asks for GPUs that have joined, and no longer for those that are gone. `nodes`: id -> resources."""
        total = sum(int(node.get("GPU", 0)) for node in nodes.values())
        wanted = min(total, self._number or total)
        self._look(nodes)
        gone = [gpu for gpu in self._asked if not gpu.node][: max(0, len(self._asked) - wanted)]
        for gpu in gone:
            self._ray.util.remove_placement_group(gpu.group)
            self._asked.remove(gpu)
        new = [Gpu(self._ray.util.placement_group([{"GPU": 1}])) for _ in range(wanted - len(self._asked))]
        self._asked += new
        deadline = time.monotonic() + HOLD_S
        while not all(gpu.node for gpu in new):
            self._look(nodes)
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)

    def _look(self, nodes: Mapping[str, Mapping[str, float]]) -> None:
        """Finds out where the GPUs are."""
        table = self._ray.util.placement_group_table() if self._asked else {}
        for gpu in self._asked:
            found = table.get(gpu.group.id.hex(), {}).get("bundles_to_node_id", {}).get(0, "")
            gpu.node = found if found in nodes else ""
            if gpu.node:
                node = nodes[gpu.node]
                gpu.room = max(1, min(WORKERS_PER_GPU, int(node.get("CPU", 0) // node["GPU"])))

    def wanted(self, placed: Mapping[Gpu | None, int]) -> dict[Gpu, int]:
        """The number of workers for each GPU: as equal as can be, and the larger numbers where more are `placed`
        already; if no number was given, as many as each has room for."""
        held = self.held
        if self._number is None or not held:
            return {gpu: gpu.room for gpu in held}
        each, more = divmod(self._number, len(held))
        fullest_first = sorted(held, key=lambda gpu: -placed.get(gpu, 0))
        return {gpu: each + (rank < more) for rank, gpu in enumerate(fullest_first)}

    def close(self) -> None:
        """Gives all back, for those who use this Ray after us."""
        if self._asked and head_answers(self._ray):
            for gpu in self._asked:
                self._ray.util.remove_placement_group(gpu.group)
        self._asked = []


def options_on(gpu: Gpu) -> dict[str, Any]:
    """What an actor on this GPU asks Ray for."""
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    place = PlacementGroupSchedulingStrategy(gpu.group, placement_group_bundle_index=0)
    return {"num_cpus": 0, "num_gpus": PART, "scheduling_strategy": place}
