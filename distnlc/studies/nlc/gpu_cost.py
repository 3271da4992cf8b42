"""The time of units of an NLC study on a GPU, by the model of `training/gpu_model.py`. It is an estimate.

In: the spec of a part, an architecture, a GPU's ceilings. Out: the seconds of the unit, and how much of them other
processes on the same GPU could use. The runs of one wave of the search share a program; they leave it one by one, which
is where a GPU is least busy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distnlc.data.sources import dimensions, part_sizes
from distnlc.metrics.spec import MetricsSpec
from distnlc.networks.architecture import Architecture
from distnlc.networks.layered import Layered
from distnlc.search import SearchSpec, wave_sizes
from distnlc.spec import SpecError, Unit
from distnlc.studies.nlc.spec import Spec
from distnlc.studies.nlc.units import sampled
from distnlc.training.gpu_model import ESTIMATED, H200, Ceilings, Taken, count_step, step_seconds, together, train_step
from distnlc.training.spec import TrainingSpec

LAST_EPOCHS = (
    *(50, 50, 50, 50, 50, 50, 52, 53, 54, 55, 55, 57, 59, 62, 64, 66, 68, 70, 71, 72),
    *(73, 74, 76, 76, 78, 78, 79, 80, 81, 83, 83, 85, 87, 90, 93, 107, 128, 141, 177, 209),
)
"""after which the runs of a sweep of 40 leave, in order: means over ten architectures of 6,000 parameters on waveform
data, trained on a CPU by section E.2's schedule. The epochs of larger networks and other data are not known"""
LEAST = TrainingSpec().first_patience + TrainingSpec().divisions * TrainingSpec().patience
"""epochs of a run that never improves, by that schedule"""
ON_TRAINING_ERROR = 114 / 78
"""how much longer runs train that follow their training error, as in the example study"""
HOST_EPOCH_S = 2e-3
"""between two epochs: orders, rates, two reads, decisions"""
CAPTURE_S, CAPTURED_KERNEL_S = 15e-3, 14.5e-6
"""of the capture that follows when runs leave, and of each kernel in it"""
UNIT_S = 0.5
"""on the host: initialization, rows, and what a process does between units"""
METRIC_LAUNCHES = 2000
"""outside graphs, for each layer and unit: 100,000 at depth 49"""
WALK_STEPS = 180
SIGNAL_PASSES = 10
"""over the memory, of each layer's signals when the network is computed in torch operations"""
SHARING = (1, 2, 4, 8)
"""processes on one GPU that are looked at"""
WORTH = 0.05
"""of the time, that twice as many processes must save to be recommended"""


@dataclass(frozen=True)
class Spent:
    """Seconds of a unit that has the GPU for itself."""

    host_s: float
    """in which the GPU waits, or nearly"""
    graph_s: float
    """in captured graphs"""
    busy_s: float
    """of these, in which the work would fill the whole GPU"""

    @property
    def alone_s(self) -> float:
        return self.host_s + self.graph_s

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.host_s + other.host_s, self.graph_s + other.graph_s, self.busy_s + other.busy_s)


def estimate(spec: Spec, units: Sequence[Unit], gpu: Ceilings = H200) -> tuple[list[float], str]:
    """Seconds of each unit, and what is to be said of them. Raises SpecError for networks that the model does not
    know."""
    every = [unit_spent(spec.part(unit.part), unit.index, gpu) for unit in units]
    whole = sum(every, Spent(0, 0, 0))
    lines = [f"{gpu.name}, {ESTIMATED}"]
    shared = {mps: sharing(whole, mps=mps) for mps in (True, False)}
    for mps, hours in shared.items():
        told = ", ".join(f"{count} workers {seconds / 3600:.1f} h" for count, seconds in hours.items() if count > 1)
        lines.append(f"on one such GPU {'with' if mps else 'without'} MPS: {told}; best {recommended(hours)}")
    return [each.alone_s for each in every], "\n".join(lines)


def sharing(whole: Spent, *, mps: bool) -> dict[int, float]:
    """Processes on one GPU -> seconds of the whole study."""
    filling_s = whole.busy_s if mps else whole.graph_s
    return {count: together(count, alone_s=whole.alone_s, filling_s=filling_s) for count in SHARING}


def recommended(seconds: dict[int, float]) -> int:
    """The number of processes behind which more are not worth their memory."""
    best = min(seconds)
    for count in sorted(seconds):
        if seconds[count] < (1 - WORTH) * seconds[best]:
            best = count
    return best


def unit_spent(part: Spec, number: int, gpu: Ceilings) -> Spent:
    """One unit, measured, trained and measured again."""
    if part.sampling.family is not None:
        raise SpecError(
            f"there is no model of a GPU for networks of the family {part.sampling.family.name}; plan on the machine "
            "that will run it"
        )
    architecture = sampled(part, number, *dimensions(part.data))
    batches = [points // part.training.batch_size for points in part_sizes(part.data)]
    spent = metrics_spent(architecture, part.metrics, part.training.batch_size, batches[0], gpu)
    for wave in wave_sizes(part.search):
        spent += wave_spent(architecture.layered, part, wave, batches, gpu)
    return spent


def wave_spent(network: Layered, part: Spec, runs: int, batches: Sequence[int], gpu: Ceilings) -> Spent:
    """The runs of one wave, trained together; `batches`: minibatches of the three parts of the data."""
    training = part.training
    stops = np.array([0, *last_epochs(training, part.search, runs)])
    epochs = np.diff(stops)
    followed = batches[0] if training.criterion == "training-error" else batches[1]
    train, count = steps_taken(network, part, range(runs, 0, -1), gpu)
    trained_s, counted_s, leaves = batches[0], followed, len(np.unique(stops)) - 1
    again = followed + sum(batches)  # before training, and of all parts at its end
    capture_s = CAPTURE_S + CAPTURED_KERNEL_S * (train.launches + count.launches)
    return Spent(
        host_s=float(stops[-1]) * HOST_EPOCH_S + leaves * capture_s,
        graph_s=float(epochs @ (trained_s * train.graph_s + counted_s * count.graph_s) + again * count.graph_s[0]),
        busy_s=float(epochs @ (trained_s * train.busy_s + counted_s * count.busy_s) + again * count.busy_s[0]),
    )


def epoch_s(network: Layered, part: Spec, runs: int, batches: tuple[int, int], gpu: Ceilings) -> float:
    """One epoch of runs that stay together, of so many minibatches that are trained and others that are counted."""
    train, count = steps_taken(network, part, [runs], gpu)
    return float(batches[0] * train.graph_s[0] + batches[1] * count.graph_s[0]) + HOST_EPOCH_S


def steps_taken(network: Layered, part: Spec, members: Sequence[int], gpu: Ceilings) -> tuple[Taken, Taken]:
    """A training step and a counting step, for each number of members."""
    number_bytes = 4 if part.dtype == "float32" else 8
    train, count = train_step(network, part.training), count_step(network, part.training)
    return step_seconds(train, members, gpu, number_bytes), step_seconds(count, members, gpu, number_bytes)


def last_epochs(training: TrainingSpec, search: SearchSpec, runs: int) -> list[int]:
    """The epochs after which the runs of a wave leave, in order."""
    stretched = (training.first_patience + training.divisions * training.patience) / LEAST
    if training.criterion == "training-error":
        stretched *= ON_TRAINING_ERROR
    places = (np.arange(runs) + 0.5) / runs * len(LAST_EPOCHS) - 0.5
    found = [float(each) * stretched for each in np.interp(places, np.arange(len(LAST_EPOCHS)), LAST_EPOCHS)]
    groups = [found[first :: -(-runs // training.population)] for first in range(-(-runs // training.population))]
    stops = [stop for group in groups for stop in _pruned(group, search.rungs)]
    return sorted(max(1, round(min(stop, training.epochs or stop))) for stop in stops)


def _pruned(stops: list[float], rungs: Sequence[int]) -> list[float]:
    """At a rung every second one leaves of the runs that a population still trains."""
    for rung in rungs:
        left = [index for index, stop in enumerate(stops) if stop > rung]
        for index in left[1::2]:
            stops[index] = rung
    return stops


def metrics_spent(
    architecture: Architecture, metrics: MetricsSpec, batch_size: int, train_batches: int, gpu: Ceilings
) -> Spent:
    """What is measured before and after training, in torch operations: counted in passes of a minibatch."""
    walked = 3 * metrics.walk_batches * metrics.walk_inputs * WALK_STEPS
    passes = 8 * train_batches + 2 * metrics.nlc_batches * (1 + architecture.d_out) + walked
    flops_s = 2 * architecture.parameters * batch_size / (gpu.product_flops_s * gpu.share)
    signals_s = 8 * SIGNAL_PASSES * sum(architecture.widths) * batch_size / gpu.memory_bytes_s
    busy_s = passes * (flops_s + signals_s)
    return Spent(UNIT_S + METRIC_LAUNCHES * architecture.depth * gpu.launch_s, busy_s, busy_s)
