"""The time that units take on this machine: a small set-up is measured and a network trained for a moment, and units
are taken to be as much slower or faster than their cost (cost.py) says."""

import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from distnlc.spec import Unit
from distnlc.studies.scaling.cost import cost, training_cost
from distnlc.studies.scaling.ratio import ratio_unit
from distnlc.studies.scaling.spec import TRAINED, Spec
from distnlc.studies.scaling.units import Task

SETUP = Spec.parse({"kind": "scaling", "experiment": "ratio", "ratio": {"samples": 64}})
WIDTHS, RUNS, BATCH, STEPS = (64, 384, 64, 10), 12, 128, 20
"""of the network that is tried"""


def seconds(spec: Spec, todo: Sequence[Unit], device: str) -> list[float]:
    """The time of each unit: measurements on a core, trainings on the device."""
    kinds = {name: spec.part(name).experiment in TRAINED for name in dict.fromkeys(unit.part for unit in todo)}
    found = dict[bool, float]()
    if False in kinds.values():
        found[False] = _shortest(_measure) / cost(SETUP, None)
    if True in kinds.values():
        train, tried = _training(device), training_cost(WIDTHS, RUNS, BATCH, BATCH * STEPS, 1)
        found[True] = _shortest(train) / tried
    return [unit.cost * found[kinds[unit.part]] for unit in todo]


def _measure() -> None:
    ratio_unit(SETUP, Task(number=0, init="geometric"), 0)


def _training(device: str) -> Callable[[], None]:
    """A plain loop of batched products, which takes about as long as the trainer."""
    random = torch.Generator().manual_seed(0)
    weights = [
        (torch.randn(RUNS, before, after, generator=random) / before).to(device).requires_grad_()
        for before, after in pairwise(WIDTHS)
    ]
    inputs = torch.randn(RUNS, BATCH, WIDTHS[0], generator=random).to(device)

    def train() -> None:
        for _ in range(STEPS):
            signal: Tensor = inputs
            for weight in weights:
                signal = (signal @ weight).relu()
            for weight, gradient in zip(weights, torch.autograd.grad(signal.square().mean(), weights), strict=True):
                weight.data.sub_(gradient, alpha=1e-3)
        if inputs.is_cuda:
            torch.cuda.synchronize()

    return train


def _shortest(work: Callable[[], None]) -> float:
    """The shortest of three times: what is made only once is made in the first."""
    found = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)
