"""The part `engine`: the cost of Ray, the store, MLflow tracking and Optuna together, and the gain of a second worker.

A true small NLC study runs in a temporary folder as `distnlc run` runs it, with one worker and with two in turn. With
T_k the time from a worker's first commit to its last (what comes before is start-up: processes, imports, compilation),
    overhead per unit = (sum over workers of T_k - sum of the units' own seconds) / units, + Optuna's time in a sweep,
over the units after each worker's first; the wait of one worker for the other's last unit is no overhead and left out.
Optuna's time is inside the units, so a sweep whose trainings take no time is timed for it. The units compute on CPU
cores, also where there is a GPU. `scale_part.py` measures the engine with 100,000 units.
"""

import math
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from distnlc.bench import scale_part
from distnlc.bench.display import progress
from distnlc.bench.machine import environment
from distnlc.engine.driver import run_units
from distnlc.engine.executor import EngineError, study_work
from distnlc.engine.ray_executor import RayExecutor
from distnlc.measuring.table import plain_table
from distnlc.plugins import kind_of, loaded
from distnlc.progress import Progress, Tally
from distnlc.records import OK, Records, unit_row
from distnlc.search import SearchSpec, sweep
from distnlc.sinks.checkpoint_cleaner import CheckpointCleaner
from distnlc.sinks.console import Console, terminal
from distnlc.sinks.mirror import Mirror
from distnlc.spec import StudySpec, Unit
from distnlc.store import Store, place_of
from distnlc.studies import resolve

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
WORKERS = (1, 2)
REPETITIONS = 3
STUDY_S = 55.0
"""of one study, on average over one and two workers"""
EXPECTED_S = STUDY_S * len(WORKERS) * REPETITIONS + scale_part.EXPECTED_S
MINUTE_S = 60.0
"""the length of a unit that the overhead is compared with"""


@dataclass
class StudyTimes:
    """One run of the study, as a sink of the driver notes it; times count from when the sink was made."""

    workers: int
    startup_s: float = math.nan
    """until the first unit begins"""
    commits_s: list[float] = field(default_factory=list)
    """of all units, in the order of their commits"""
    units: dict[str, float] = field(default_factory=dict)
    """unit id -> its own seconds, in that order"""
    tracked: bool = False
    """MLflow is installed"""

    def __post_init__(self) -> None:
        self._made = time.perf_counter()

    def committed(self, unit: Unit, records: Records) -> None:
        self.commits_s.append(time.perf_counter() - self._made)
        row = unit_row(records)
        if row.status != OK:
            raise EngineError(f"unit {unit.label} of the measured study failed: {row.reason}")
        self.units[unit.unit_id] = row.seconds

    def progress(self, progress: Progress) -> None:
        if math.isnan(self.startup_s) and progress.running:
            self.startup_s = time.perf_counter() - self._made

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


def run_study(study: StudySpec, folder: Path, workers: int) -> StudyTimes:
    """Does the study with a new Ray, all sinks attached. Raises EngineError if a unit fails or Ray cannot start."""
    kind = kind_of(study.kind)
    units = loaded(kind.units)(study)
    with Store.create_or_open(folder, study, kind.tables) as store:
        checkpoints = CheckpointCleaner(folder, ())
        tally = Tally(kind, len(units), [])
        console = Console(tally, place_of(folder), again=lambda *_: "distnlc bench engine")
        mirror = Mirror(study, kind, str(folder), folder, None, tally)
        times = StudyTimes(workers, tracked=mirror.tracker is not None)
        run_units(
            units,
            executor=RayExecutor(study_work(study, checkpoints.folder), workers=workers),
            store=store,
            kind=kind,
            spec=study,
            sinks=[tally, checkpoints, console, mirror, times],
        )
        mirror.close()
    if len(times.units) < len(units) or math.isnan(times.startup_s):
        raise EngineError(f"the measured study ended with {len(times.units)} of {len(units)} units")
    return times


@dataclass
class _Instant:
    """The result of a training that took no time."""

    error: float
    pruned: bool = False
    diverged: bool = False
    epochs: int = 1


def optuna_s() -> float:
    """Optuna's share of a full grid's sweep."""

    def timed() -> float:
        began = time.perf_counter()
        sweep(SearchSpec(), lambda indices: [_Instant(index / 100) for index in indices])
        return time.perf_counter() - began

    return median([timed() for _ in range(6)][1:])  # the first one imports


def speedup(one: StudyTimes, two: StudyTimes) -> float:
    """Throughput of two workers over that of one, units weighed by their seconds with one."""
    work = sum(one.units[unit_id] for unit_id in two.later()) * two.workers / two.worker_s()
    return work / (sum(one.later().values()) / one.worker_s())


def measure() -> dict[str, Any]:
    """Measures, prints the table, gives everything as plain data."""
    study = resolve("quick", [f"{field}={value}" for field, value in STUDY.items()])
    loaded(kind_of(study.kind).prepare)(study, study.part_names())
    times: list[list[StudyTimes]] = []
    with environment(CUDA_VISIBLE_DEVICES=""), progress("engine", EXPECTED_S) as begin:
        for _ in range(REPETITIONS):
            times.append([])
            for workers in WORKERS:
                begin(f"workers: {workers}", STUDY_S)
                with tempfile.TemporaryDirectory() as folder:
                    times[-1].append(run_study(study, Path(folder, "study"), workers))
        at_scale = scale_part.measure(begin)
    in_sweep_s = optuna_s()
    found = {
        "study": study.model_dump(mode="json"),
        "optuna_s": in_sweep_s,
        "overhead_s": {
            workers: median(repetition[index].overhead_s() for repetition in times) + in_sweep_s
            for index, workers in enumerate(WORKERS)
        },
        "startup_s": median(each.startup_s for repetition in times for each in repetition),
        "unit_s": median(seconds for repetition in times for seconds in repetition[0].units.values()),
        "speedup": median(speedup(*repetition) for repetition in times),
        "repetitions": [
            [asdict(each) | {"overhead_s": each.overhead_s()} for each in repetition] for repetition in times
        ],
        "speedups": [speedup(*repetition) for repetition in times],
        "scale": at_scale,
    }
    terminal.print(_table(found))
    terminal.print(scale_part.table(at_scale))
    return found


def _table(found: dict[str, Any]) -> Table:
    how = (
        f"{STUDY['sampling.count']} units of {found['unit_s']:.1f} s (median); overhead of Ray, store, tracking and "
        f"Optuna ({found['optuna_s']:.3f} s a sweep of 40 rates); start-up, once: {found['startup_s']:.1f} s; "
        f"medians of {REPETITIONS} alternating repetitions"
    )
    if not found["repetitions"][0][0]["tracked"]:
        how += "; without tracking, since MLflow is not installed"
    table = plain_table("Engine: overhead per unit", how, ["workers"], ["overhead s", "of a minute", "throughput"])
    for workers, overhead_s in found["overhead_s"].items():
        throughput = 1.0 if workers == 1 else found["speedup"]
        table.add_row(str(workers), f"{overhead_s:.3f}", f"{overhead_s / MINUTE_S:.2%}", f"{throughput:.2f}")
    return table
