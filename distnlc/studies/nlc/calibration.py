"""How long units of an NLC study take on this machine: a short calibration for `distnlc plan`."""

import time
from collections.abc import Sequence

import torch

from distnlc.data.dataset import Dataset
from distnlc.data.sources import dimensions
from distnlc.networks.architecture import Architecture
from distnlc.spec import Unit
from distnlc.studies.nlc.cost import cost_a_point
from distnlc.studies.nlc.spec import Spec
from distnlc.studies.nlc.units import sampled
from distnlc.training.start import start_of
from distnlc.training.trainer import PopulationTrainer

CPU_MEMBERS = 4
"""that a calibration trains on a CPU, where the time of a run hardly depends on its company"""


def seconds(spec: Spec, units: Sequence[Unit], device: str) -> list[float]:
    """Seconds of each unit on this machine's device, from the speed of the median architecture of every part.

    A population of each trains for two short epochs on random data, and the second is timed.
    """
    spent_s, spent = 0.0, 0.0
    for name in dict.fromkeys(unit.part for unit in units):
        part = spec.part(name)
        numbers = [unit.index for unit in units if unit.part == name]
        every = [sampled(part, number, *dimensions(part.data)) for number in numbers]
        architecture = sorted(every, key=lambda each: each.depth)[len(every) // 2]
        training = part.training
        data = _random_data(architecture, 4 * training.batch_size).to(device, getattr(torch, spec.dtype))
        start = start_of(architecture.build().to(device, getattr(torch, spec.dtype)))
        members = training.population if device == "cuda" else min(training.population, CPU_MEMBERS)
        trainer = PopulationTrainer(start, data, [1e-9] * members, training)
        trainer.epoch()
        began = time.perf_counter()
        trainer.epoch()
        spent_s += time.perf_counter() - began
        spent += members * len(data.train_inputs) * cost_a_point(architecture)
    return [unit.cost * spent_s / spent for unit in units]


def _random_data(architecture: Architecture, points: int) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(points, architecture.d_in, dtype=torch.float64, generator=generator)
    labels = torch.randint(architecture.d_out, (points,), generator=generator)
    some = inputs[: points // 4], labels[: points // 4]
    return Dataset("random", architecture.d_out, inputs, labels, *some, inputs[:0], labels[:0])
