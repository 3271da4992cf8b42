"""What units of the NLC study cost: to start the longest first, and to say how long a study takes before it runs."""

import time
from collections.abc import Sequence

import torch
from torch.nn.utils import parameters_to_vector

from distnlc.data import Dataset
from distnlc.networks.sampling import Architecture
from distnlc.search import wave_sizes
from distnlc.spec import DataSpec, SearchSpec, TrainingSpec
from distnlc.training.population import PopulationTrainer
from distnlc.training.program import Start

EPOCHS_PER_RUN = 85
"""on average (82 in the example study): 60 if it never improves, 100 and more if it learns"""
BYTES_A_ROW = {"architectures": 460, "runs": 20, "epochs": 11}
"""in compacted Parquet files; those of the example study"""
CPU_MEMBERS = 4
"""that a calibration trains on a CPU, where the time of a run hardly depends on its company"""
TRAIN_POINTS = {"waveform-noise": 3_000, "mnist": 50_000, "cifar10": 40_000}


def cost(data: DataSpec, training: TrainingSpec, search: SearchSpec, architecture: Architecture) -> float:
    """Of a whole sweep, in floating-point operations or as much time as they take."""
    points = data.train or TRAIN_POINTS[data.name]
    return float(sweep_epochs(search, training.population) * points * _cost_a_point(architecture))


def sweep_epochs(search: SearchSpec, population: int) -> int:
    """About how many epochs all runs of a sweep take together; half of each population leaves at each rung."""
    epochs = 0
    for wave in wave_sizes(search):
        for first in range(0, wave, population):
            members, trained = min(population, wave - first), 0
            for rung in (rung for rung in search.rungs if rung < EPOCHS_PER_RUN):
                epochs += members * (rung - trained)
                members, trained = (members + 1) // 2, rung
            epochs += members * (EPOCHS_PER_RUN - trained)
    return epochs


def _cost_a_point(architecture: Architecture) -> float:
    """One datapoint forward and backward: six operations per parameter, and the element-wise work of normalization
    and activation, which on a CPU takes the time of some 130 per neuron."""
    return 6 * architecture.parameters + 130 * architecture.depth * architecture.width


def seconds_per_cost(examples: Sequence[tuple[TrainingSpec, Architecture]], device: str, dtype: torch.dtype) -> float:
    """Trains a population of each example for two short epochs of random data, and times the second."""
    seconds, spent = 0.0, 0.0
    for training, architecture in examples:
        data = _random_data(architecture, 4 * training.batch_size).to(device, dtype)
        network = architecture.build().to(device, dtype)
        row = parameters_to_vector(network.parameters()).detach()
        start = Start(architecture, row, network.projection, loss_scale=1.0, seed=0)
        members = training.population if device == "cuda" else min(training.population, CPU_MEMBERS)
        trainer = PopulationTrainer(start, data, [1e-9] * members, training)
        trainer.epoch()
        began = time.perf_counter()
        trainer.epoch()
        seconds += time.perf_counter() - began
        spent += members * len(data.train_inputs) * _cost_a_point(architecture)
    return seconds / spent


def _random_data(architecture: Architecture, points: int) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(points, architecture.d_in, dtype=torch.float64, generator=generator)
    labels = torch.randint(architecture.d_out, (points,), generator=generator)
    name = "waveform-noise" if architecture.d_out == 3 else "mnist"
    return Dataset(name, inputs, labels, inputs[: points // 4], labels[: points // 4], inputs[:0], labels[:0])


def table_sizes(parts: Sequence[tuple[int, TrainingSpec, SearchSpec]]) -> tuple[dict[str, int], float]:
    """(architectures, training, search) of each part -> rows by table, bytes on disk."""
    rows = {
        "architectures": sum(count for count, _, _ in parts),
        "runs": sum(count * sum(wave_sizes(search)) for count, _, search in parts),
        "epochs": sum(count * sweep_epochs(search, training.population) for count, training, search in parts),
    }
    return rows, float(sum(count * BYTES_A_ROW[name] for name, count in rows.items()))
