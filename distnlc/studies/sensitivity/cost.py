"""How long units take: two networks are trained here for a moment, and the others take as long for each multiplication.

A unit's cost is in multiplications and what takes as long as them (units.py).
"""

import time
from collections.abc import Sequence

import torch

from distnlc.data.dataset import Dataset
from distnlc.spec import Unit
from distnlc.studies.sensitivity.cells import Cell
from distnlc.studies.sensitivity.networks import initial_network
from distnlc.studies.sensitivity.spec import Spec
from distnlc.studies.sensitivity.trained import fixed_spec
from distnlc.studies.sensitivity.units import Sizes, step_cost
from distnlc.training.fixed_steps import train_fixed
from distnlc.training.start import start_of

TRIED = Cell("relu", 100, 5, 1.0, "true", "none", "momentum", 0.005, 32)
SIZES, STEPS = Sizes(d_in=784, d_out=10, points=1000, tests=0), 300


def seconds(spec: Spec, todo: Sequence[Unit], device: str) -> list[float]:
    """The time of each unit."""
    one = seconds_of_one(device)
    return [unit.cost * one for unit in todo]


def seconds_of_one(device: str) -> float:
    """The time of one multiplication of a training."""
    random = torch.Generator().manual_seed(0)
    d_in, d_out, points, _ = SIZES
    inputs, labels = torch.randn(points, d_in, generator=random), torch.randint(d_out, (points,), generator=random)
    data = Dataset("random", d_out, inputs, labels, inputs[:0], labels[:0], inputs[:0], labels[:0])
    data = data.to(device, torch.float32)
    start = start_of(initial_network(TRIED, d_in, d_out, 0).to(device, torch.float32))
    part = Spec.parse({"kind": "sensitivity", "training": {"steps": STEPS}})
    spec = fixed_spec(part, TRIED, points)
    found = []
    for _ in range(2):  # what is made once is made in the first
        began = time.perf_counter()
        train_fixed(start, data, [0.005], spec)
        found.append(time.perf_counter() - began)
    return min(found) / (STEPS * step_cost(TRIED, SIZES))
