"""How long units of an NLC study take on this machine: a short calibration for `distnlc plan`."""

import time
from collections.abc import Sequence

import torch
from torch import nn

from distnlc.data.dataset import Dataset
from distnlc.data.sources import dimensions
from distnlc.spec import Unit
from distnlc.studies.nlc import family
from distnlc.studies.nlc.cost import cost_a_point
from distnlc.studies.nlc.spec import Spec
from distnlc.studies.nlc.units import family_cost_a_point, family_seed, sampled
from distnlc.training.start import start_of
from distnlc.training.trainer import PopulationTrainer

CPU_MEMBERS = 4
"""that a calibration trains on a CPU, where the time of a run hardly depends on its company"""


def seconds(spec: Spec, units: Sequence[Unit], device: str) -> list[float]:
    """Seconds of each unit on this machine's device, from the speed of one architecture of every part: the median one,
    or a family's first.

    A population of each trains for two short epochs on random data, and the second is timed.
    """
    pace = dict[str, float]()
    for name in dict.fromkeys(unit.part for unit in units):
        part = spec.part(name)
        training, dtype = part.training, getattr(torch, spec.dtype)
        d_in, d_out = dimensions(part.data)
        network, a_point = _network(part, [unit.index for unit in units if unit.part == name], d_in, d_out)
        data = _random_data(d_in, d_out, 4 * training.batch_size).to(device, dtype)
        members = training.population if device == "cuda" else min(training.population, CPU_MEMBERS)
        trainer = PopulationTrainer(start_of(network.to(device, dtype)), data, [1e-9] * members, training)
        trainer.epoch()
        began = time.perf_counter()
        trainer.epoch()
        pace[name] = (time.perf_counter() - began) / (members * len(data.train_inputs) * a_point)
    return [unit.cost * pace[unit.part] for unit in units]


def _network(part: Spec, numbers: Sequence[int], d_in: int, d_out: int) -> tuple[nn.Module, float]:
    """The part's network that is timed, and the cost of a datapoint that `units` assumes for it."""
    if part.sampling.family is not None:
        own = part.sampling, numbers[0], family_seed(part, numbers[0])
        return family.build(*own, family.draw(*own, d_in, d_out, (d_in,))), family_cost_a_point(part)
    every = [sampled(part, number, d_in, d_out) for number in numbers]
    architecture = sorted(every, key=lambda each: each.depth)[len(every) // 2]
    return architecture.build(), cost_a_point(architecture)


def _random_data(d_in: int, d_out: int, points: int) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(points, d_in, dtype=torch.float64, generator=generator)
    labels = torch.randint(d_out, (points,), generator=generator)
    some = inputs[: points // 4], labels[: points // 4]
    return Dataset("random", d_out, inputs, labels, *some, inputs[:0], labels[:0])
