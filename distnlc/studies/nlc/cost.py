"""The cost of units of an NLC study, to start the longest first, and how many rows there will be; without torch."""

from distnlc.data.sources import part_sizes
from distnlc.data.spec import DataSpec
from distnlc.metrics.groups import measured_by
from distnlc.networks.architecture import Architecture
from distnlc.records import INITIAL, MEASUREMENTS, TRAINED
from distnlc.search import SearchSpec, wave_sizes
from distnlc.studies.nlc.spec import Spec
from distnlc.training.spec import TrainingSpec

EPOCHS_PER_RUN = 85
"""on average (76 to 90 in the parts of the example study about test error): 60 if it never improves, 100 and more if it
learns"""


def cost(data: DataSpec, training: TrainingSpec, search: SearchSpec, a_point: float) -> float:
    """Cost of a whole sweep, in floating-point operations or their equivalent in time, from that of a datapoint."""
    points, _, _ = part_sizes(data)
    return float(sweep_epochs(search, training.population) * points * a_point)


def sweep_epochs(search: SearchSpec, population: int) -> int:
    """The epochs of all runs of a sweep together, about; half of each population leaves at each rung."""
    epochs = 0
    for wave in wave_sizes(search):
        for first in range(0, wave, population):
            members, trained = min(population, wave - first), 0
            for rung in (rung for rung in search.rungs if rung < EPOCHS_PER_RUN):
                epochs += members * (rung - trained)
                members, trained = (members + 1) // 2, rung
            epochs += members * (EPOCHS_PER_RUN - trained)
    return epochs


def cost_a_point(architecture: Architecture) -> float:
    """Cost of one datapoint forward and backward: six operations per parameter, and the element-wise work of
    normalization and activation, which on a CPU takes the time of some 130 per neuron."""
    return 6 * architecture.parameters + 130 * architecture.depth * architecture.width


def rows(spec: Spec) -> dict[str, int]:
    """Table -> its rows, about."""
    found = {"architectures": 0, "runs": 0, "epochs": 0}
    measurements = 0
    for part in map(spec.part, spec.part_names()):
        count = part.sampling.count * part.sampling.initializations
        found["architectures"] += count
        found["runs"] += count * sum(wave_sizes(part.search))
        found["epochs"] += count * sweep_epochs(part.search, part.training.population)
        own = len(part.metrics.extra) * len((INITIAL, TRAINED))
        measurements += count * (own + len(measured_by(part.metrics.groups)))
    return found | ({MEASUREMENTS: measurements} if measurements else {})
