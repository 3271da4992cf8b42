"""How long units of an NLC study take on this machine: a short calibration for `distnlc plan`."""

import statistics
import time
from collections.abc import Sequence

import torch
from torch import nn

from distnlc.data.dataset import Dataset
from distnlc.data.sources import dimensions
from distnlc.spec import Unit
from distnlc.studies.nlc import family
from distnlc.studies.nlc.cost import cost_a_point
from distnlc.studies.nlc.gpu_cost import epoch_s, unit_spent
from distnlc.studies.nlc.spec import Spec
from distnlc.studies.nlc.units import family_cost_a_point, family_seed, sampled
from distnlc.training.gpu_ceilings import measured
from distnlc.training.gpu_model import Ceilings
from distnlc.training.start import start_of
from distnlc.training.trainer import PopulationTrainer

CPU_MEMBERS = 4
"""that a calibration trains on a CPU, where the time of a run hardly depends on its company"""
BATCHES = {"cpu": 4, "cuda": 40}
"""device -> training minibatches of an epoch that is timed; a GPU's are short, and what happens once an epoch is not"""
WARM, TIMED = {"cpu": 1, "cuda": 2}, {"cpu": 1, "cuda": 3}
"""epochs before those that count, in which a GPU's graphs are captured; epochs that count"""
PATIENCE = 1000
"""epochs, and no last one, so that nobody leaves while time is taken, however short the study's own runs are"""


def seconds(spec: Spec, units: Sequence[Unit], device: str) -> list[float]:
    """Seconds of each unit on this machine's device, from the speed of one architecture of every part: the median one,
    or a family's first.

    A population of each trains for a few short epochs on random data. On a CPU, and for a family's networks, time is
    taken to grow with the units' cost; on a GPU with the seconds of the model of `gpu_cost.py`, which knows launches,
    bytes and products, for the ceilings that this one is measured to have.
    """
    gpu = measured(getattr(torch, spec.dtype)) if device == "cuda" else None
    found = dict[str, list[float]]()
    for name in dict.fromkeys(unit.part for unit in units):
        part, own = spec.part(name), [unit for unit in units if unit.part == name]
        timed_s, a_point, members = _timed_epoch(part, [unit.index for unit in own], device)
        batches = BATCHES[device]
        if gpu is None or part.sampling.family is not None:
            pace = timed_s / (members * batches * part.training.batch_size * a_point)
            found[name] = [unit.cost * pace for unit in own]
        else:
            found[name] = _by_the_model(part, own, gpu, timed_s)
    taken = {name: iter(each) for name, each in found.items()}
    return [next(taken[unit.part]) for unit in units]


def _by_the_model(part: Spec, units: Sequence[Unit], gpu: Ceilings, timed_s: float) -> list[float]:
    """The model's seconds, times what the part's timed epoch took over what the model gives for that."""
    architecture = sampled(part, _median(part, [unit.index for unit in units]), *dimensions(part.data))
    batches = BATCHES["cuda"]
    modelled_s = epoch_s(architecture.layered, part, part.training.population, (batches, batches // 4), gpu)
    return [unit_spent(part, unit.index, gpu).alone_s * timed_s / modelled_s for unit in units]


def _timed_epoch(part: Spec, numbers: Sequence[int], device: str) -> tuple[float, float, int]:
    """Seconds of a short epoch of the part's network that is timed, the cost of a datapoint that `units` assumes for
    it, and how many members were trained."""
    training, dtype = part.training, getattr(torch, part.dtype)
    d_in, d_out = dimensions(part.data)
    network, a_point = _network(part, numbers, d_in, d_out)
    data = _random_data(d_in, d_out, BATCHES[device] * training.batch_size).to(device, dtype)
    members = training.population if device == "cuda" else min(training.population, CPU_MEMBERS)
    endless = training.model_copy(update={"epochs": None, "first_patience": PATIENCE, "patience": PATIENCE})
    trainer = PopulationTrainer(start_of(network.to(device, dtype)), data, [1e-9] * members, endless)
    for _ in range(WARM[device]):
        trainer.epoch()
    taken = []
    for _ in range(TIMED[device]):
        began = time.perf_counter()
        trainer.epoch()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken), a_point, members


def _median(part: Spec, numbers: Sequence[int]) -> int:
    """The number of the architecture of median depth."""
    d_in, d_out = dimensions(part.data)
    return sorted(numbers, key=lambda number: sampled(part, number, d_in, d_out).depth)[len(numbers) // 2]


def _network(part: Spec, numbers: Sequence[int], d_in: int, d_out: int) -> tuple[nn.Module, float]:
    """The part's network that is timed, and the cost of a datapoint that `units` assumes for it."""
    if part.sampling.family is not None:
        own = part.sampling, numbers[0], family_seed(part, numbers[0])
        return family.build(*own, family.draw(*own, d_in, d_out, (d_in,))), family_cost_a_point(part)
    architecture = sampled(part, _median(part, numbers), d_in, d_out)
    return architecture.build(), cost_a_point(architecture)


def _random_data(d_in: int, d_out: int, points: int) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(points, d_in, dtype=torch.float64, generator=generator)
    labels = torch.randint(d_out, (points,), generator=generator)
    some = inputs[: points // 4], labels[: points // 4]
    return Dataset("random", d_out, inputs, labels, *some, inputs[:0], labels[:0])
