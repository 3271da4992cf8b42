"""How long units take: measured here, or by a model of a GPU that is not here."""

import time
from collections.abc import Sequence

import torch

from distnlc.spec import Unit
from distnlc.studies.moments.simulation import simulate
from distnlc.studies.moments.spec import Spec, image_shape
from distnlc.studies.moments.units import GUESS_SHAPE, cost, layers, multiplications, simulations
from distnlc.training.gpu_model import ESTIMATED, H200, Ceilings

MOST = 3e8
"""multiplications of a layer that is tried to see how long one takes"""
FEWEST = 4
"""images that are tried"""


def seconds(spec: Spec, todo: Sequence[Unit], device: str) -> list[float]:
    """The time of each unit, from a few layers of each part, on fewer images where a layer is long."""
    parts = {name: spec.part(name) for name in dict.fromkeys(unit.part for unit in todo)}
    each_s = {name: _simulation_seconds(part, device) for name, part in parts.items()}
    return [len(simulations(parts[unit.part], unit.index)) * each_s[unit.part] for unit in todo]


def _simulation_seconds(part: Spec, device: str) -> float:
    """The time of one simulation: a constant and so much a layer, from one measured step and from three."""
    steps = part.depth // part.measure_every
    share = MOST * layers(part) / cost(part)
    batch = part.batch if device != "cpu" else min(part.batch, max(FEWEST, int(part.batch * share)))
    images = torch.randn(batch, *(image_shape(part.data) or GUESS_SHAPE), generator=torch.Generator().manual_seed(0))

    def taken(steps: int) -> float:
        tried = part.model_copy(update={"batch": batch, "depth": steps * part.measure_every})
        began = time.perf_counter()
        simulate(tried, images, 0, device)
        return time.perf_counter() - began

    taken(1)  # what is made once is made here
    one, three = taken(1), taken(3)
    found = one + max(three - one, 0) / 2 * (steps - 1)
    return found * cost(part) / cost(part.model_copy(update={"batch": batch}))


SHARE = 0.6
"""of a GPU's peak that large convolutions in full single precision reach"""
LAUNCHES = 20
"""kernels of a layer"""
MEASURED_S = 0.01
"""to measure a layer: its moments' kernels, and the ranks' last steps on the CPU"""


def estimate(spec: Spec, todo: Sequence[Unit], gpu: Ceilings = H200) -> tuple[list[float], str]:
    """Seconds of each unit on a GPU, and what is to be said of them: products at a share of the peak, or launches."""
    found = []
    for unit in todo:
        part = spec.part(unit.part)
        layer_s = max(2 * multiplications(part) / (SHARE * gpu.product_flops_s), LAUNCHES * gpu.launch_s)
        simulation_s = layers(part) * layer_s + part.depth // part.measure_every * MEASURED_S
        found.append(len(simulations(part, unit.index)) * simulation_s)
    return found, f"{gpu.name}, {ESTIMATED}; fully-connected parts are as fast on a CPU"
