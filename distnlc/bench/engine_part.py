"""The part `engine`: the cost of Ray, the store, MLflow tracking and Optuna together, and the gain of a second worker.

A true small NLC study runs in a temporary folder as `distnlc run` runs it, with one worker and with two in turn. With
T_k the time from a worker's first commit to its last (what comes before is start-up: processes, imports, compilation),
    overhead per unit = (sum over workers of T_k - sum of the units' own seconds) / units, + Optuna's time in a sweep,
over the units after each worker's first; the wait of one worker for the other's last unit is no overhead and left out.
Optuna's time is inside the units, so a sweep whose trainings take no time is timed for it. The units compute on CPU
cores, also where there is a GPU.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from distnlc.bench.machine import environment, seconds
from distnlc.bench.steps import so_far
from distnlc.engine.driver import run_units
from distnlc.engine.executor import EngineError, study_work
from distnlc.engine.ray_executor import RayExecutor
from distnlc.plugins import kind_of, loaded
from distnlc.progress import Progress, Tally
from distnlc.records import OK, Records, unit_row
from distnlc.search import SearchSpec, sweep
from distnlc.sinks.checkpoint_cleaner import CheckpointCleaner
from distnlc.sinks.console import Console
from distnlc.sinks.mirror import Mirror
from distnlc.spec import StudySpec, Unit
from distnlc.store import Store, place_of
from distnlc.studies import resolve
from distnlc.training.trainer import RunOutcome
from distnlc.versions import versions

STUDY = {
    "data.name": "waveform-noise",
    "sampling.count": 10,
    "sampling.parameters": 50_000,
    "sampling.depth_min": 15,
    "sampling.depth_max": 15,
    "search.coarse": 8,
    "metrics.walk_batches": 0,
}
"""differences from the preset `quick`: units of equal size, of a few seconds"""
REPETITIONS = 3


@dataclass
class StudyTimes:
    """One run of the study, as a sink of the driver notes it."""

    workers: int
    commits_s: list[float] = field(default_factory=list)
    """of all units, in their order, by a clock that began at any time"""
    units: dict[str, float] = field(default_factory=dict)
    """unit id -> its own seconds, in that order"""

    def committed(self, unit: Unit, records: Records) -> None:
        self.commits_s.append(time.perf_counter())
        row = unit_row(records)
        if row.status != OK:
            raise EngineError(f"unit {unit.label} of the measured study failed: {row.reason}")
        self.units[unit.unit_id] = row.seconds

    def progress(self, progress: Progress) -> None:
        """Nothing to do."""

    def later(self) -> dict[str, float]:
        """The units after each worker's first."""
        return dict(list(self.units.items())[self.workers :])

    def worker_s(self) -> float:
        """Sum over the workers of the time from the first commit to the last."""
        return sum(self.commits_s[-self.workers :]) - sum(self.commits_s[: self.workers])

    def overhead_s(self) -> float:
        """Overhead per unit, without Optuna."""
        later = self.later()
        return (self.worker_s() - sum(later.values())) / len(later)


def run_study(study: StudySpec, workers: int) -> StudyTimes:
    """Does the study with a new Ray, all sinks attached. Raises EngineError if a unit fails or Ray cannot start."""
    kind, times = kind_of(study.kind), StudyTimes(workers)
    units = loaded(kind.units)(study)
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "study")
        with Store.create_or_open(folder, study, kind.tables) as store:
            checkpoints, tally = CheckpointCleaner(folder, ()), Tally(kind, len(units), [])
            console = Console(tally, place_of(folder), again=lambda *_: "distnlc bench engine")
            mirror = Mirror(study, kind, str(folder), folder, None, tally)
            run_units(
                units,
                executor=RayExecutor(study_work(study, checkpoints.folder), workers=workers),
                store=store,
                kind=kind,
                spec=study,
                sinks=[tally, checkpoints, console, mirror, times],
            )
            mirror.close()
    if len(times.units) < len(units):
        raise EngineError(f"the measured study ended with {len(times.units)} of {len(units)} units")
    return times


def optuna_s() -> float:
    """Optuna's share of a full grid's sweep."""

    def one_sweep() -> None:
        sweep(SearchSpec(), lambda indices: [RunOutcome(start_rate=1.0) for _ in indices])  # runs without an epoch

    return median([seconds(one_sweep, "cpu") for _ in range(6)][1:])  # the first one imports


def speedup(one: StudyTimes, two: StudyTimes) -> float:
    """Throughput of two workers over that of one, units weighed by their seconds with one."""
    work = sum(one.units[unit_id] for unit_id in two.later()) * two.workers / two.worker_s()
    return work / (sum(one.later().values()) / one.worker_s())


def measure() -> Iterator[dict[str, Any]]:
    """Measures in a temporary folder, and yields what there is after each repetition."""
    study = resolve("quick", [f"{name}={value}" for name, value in STUDY.items()])
    loaded(kind_of(study.kind).prepare)(study, study.part_names())
    in_sweep_s, times = optuna_s(), list[tuple[StudyTimes, StudyTimes]]()
    for _ in range(REPETITIONS):
        with environment(CUDA_VISIBLE_DEVICES=""):
            times.append((run_study(study, workers=1), run_study(study, workers=2)))
        yield _told(times, in_sweep_s)


def _told(times: list[tuple[StudyTimes, StudyTimes]], in_sweep_s: float) -> dict[str, Any]:
    one_s, two_s = (median(each.overhead_s() for each in runs) + in_sweep_s for runs in zip(*times, strict=True))
    unit_s = median(each for one, _ in times for each in one.units.values())
    how = (
        f"{so_far(len(times), REPETITIONS)}{len(times[0][0].units)} units of {unit_s:.1f} s (median); overhead per "
        f"unit of Ray, store, {'tracking ' if 'mlflow' in versions() else '(no MLflow here) '}and Optuna "
        f"({in_sweep_s:.3f} s a sweep of 40 rates); throughput beside one worker's; "
        f"medians of {REPETITIONS} alternating repetitions"
    )
    return {
        "how": how,
        "summary": {
            "1 worker": {"overhead s": one_s, "throughput": 1.0},
            "2 workers": {"overhead s": two_s, "throughput": median(speedup(*pair) for pair in times)},
        },
        "repetitions": [[asdict(each) for each in pair] for pair in times],
    }
