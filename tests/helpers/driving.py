"""For the chaos tests: the command as users type it, in a process of its own; its processes; what a study holds.

In: the words after `distnlc`. Out: a running process to be disturbed, the folder and the journal it leaves. Every
random moment comes from a generator whose seed is said when a test begins; CHAOS_SEED=... repeats it, as far as the
timing of processes can be repeated. CHAOS=full asks for the greater number of faults.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest

from distnlc.engine.ray_executor import IN_FLIGHT, QUEUE_S
from distnlc.store import read_tables
from tests.helpers.typed import assert_same_rows, distnlc

FULL = os.environ.get("CHAOS") == "full"
TIMEOUT_S = 7200 if FULL else 600
"""of a test; the machine may be busy with other things"""
UNITS, SECONDS, WORKERS = 200, 0.05, 2
ON_RAY = "--workers", str(WORKERS)
WHERE_AND_WHEN = re.compile("host|process|device|(.*_)?seconds")
"""columns that differ from one run of a study to the next"""
START_SHARE, END_SHARE = 0.2, 0.2
"""shares of the random moments in a command's start and after it began its last unit"""
START_S, END_S = 8.0, 1.0
"""how long that takes, about"""
WITHOUT_MLFLOW = "import sys; sys.modules['mlflow'] = None; "
"""MLflow takes seconds to start: left out where the mirror is not the point"""
WORKERS_END_S, ALL_END_S = 100.0, 300.0
"""generous: on a quiet machine a second; and the minute for which Ray's agents look for a Ray that was killed"""
WORKING = "ray::Actor", "/raylet/raylet ", "/gcs/gcs_server ", "distnlc.cli"
"""names by which the driver, its Ray and its workers are known; not those of Ray's agents, and of what a killed Ray was
about to start, which look for it for a minute before they end"""
DISTNLC = "from distnlc.cli import main; main()"
HELD = """
import os, time
from distnlc.cli import run
from distnlc.engine.executor import StudyWork, study_work

class Held(StudyWork):  # goes to the workers by value, since it is this script's
    def load(self):
        from distnlc.engine import ray_actor
        ray_actor.gpu_fault = str  # the nodes' GPUs are not there, and none is used
        super().load()

    def __call__(self, unit, device):
        records = super().__call__(unit, device)
        while unit.index >= {free} and not os.path.exists({released!r}):
            time.sleep(0.02)
        return records

run.study_work = lambda *given: Held(**vars(study_work(*given)))
"""
"""a prelude: but for the first units none ends before there is that file, so that the study cannot be over before all
has happened to it. A GPU that is not there will do for the units, which only wait"""


def number_of(fault: str, in_ci: int, in_full: int) -> int:
    """How many faults of a kind a test asks for: `CHAOS_<FAULT>` if it is set."""
    return int(os.environ.get(f"CHAOS_{fault.upper()}", in_full if FULL else in_ci))


def seeded(test: str) -> random.Random:
    """The generator of a test's random moments."""
    seed = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(10**6)))
    tell(f"{test}: CHAOS_SEED={seed}")
    return random.Random(f"{test} {seed}")


def tell(text: str) -> None:
    """Progress, for those who watch; shown after a failure, too."""
    print(f"[chaos {time.strftime('%H:%M:%S')}] {text}", flush=True)


@dataclass
class Result:
    """A line of the summary."""

    fault: str
    faults: int = 0
    commands: int = 0
    studies: int = 0
    redone: int = 0
    """units begun more than once, counted by attempts"""
    redone_at_most: int = 0
    """what was in flight when the faults happened"""
    until: str = ""
    """what the seconds are counted to that follow"""
    recoveries_s: list[float] = field(default_factory=list)

    def add(self, study: "Study", redone_at_most: int, recoveries_s: Sequence[float] = ()) -> None:
        """Counts a finished study."""
        self.studies += 1
        self.redone += study.redone()
        self.redone_at_most += redone_at_most
        self.recoveries_s += recoveries_s


RESULTS: list[Result] = []
SESSIONS: list[int] = []
"""of all commands that were started: a session is named by its driver's process"""


@dataclass(frozen=True)
class Study:
    """A study folder, its journal, and the words that start or continue it."""

    folder: Path
    words: tuple[str, ...]

    @property
    def journal(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}-journal")

    @property
    def said(self) -> Path:
        """What all its commands said, one after the other."""
        return self.folder.with_name(f"{self.folder.name}-said.txt")

    def start(self, *more: str, prelude: str = WITHOUT_MLFLOW) -> subprocess.Popen[bytes]:
        """Types `distnlc run ...`."""
        return self.type_in(["run", *self.words, "--out", str(self.folder), *more], prelude)

    def type_in(self, words: Sequence[str], prelude: str = WITHOUT_MLFLOW) -> subprocess.Popen[bytes]:
        """Types `distnlc WORDS` in a session of its own, as a terminal would; `prelude` is run before."""
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        with self.said.open("ab") as said:
            process = subprocess.Popen(
                [sys.executable, "-c", prelude + DISTNLC, *words],
                env=environment | {"OMP_NUM_THREADS": "1"},
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        SESSIONS.append(process.pid)
        return process

    def finish(self, *more: str, prelude: str = WITHOUT_MLFLOW) -> int:
        """Types the command and waits for its end; its exit code."""
        return self.start(*more, prelude=prelude).wait(TIMEOUT_S)

    def has_said(self, words: str) -> bool:
        return self.said.exists() and words in self.said.read_text()

    def last_words(self) -> str:
        return self.said.read_text()[-3000:] if self.said.exists() else ""

    def tables(self) -> dict[str, pd.DataFrame]:
        """Its rows, but for where and when they were made."""
        frames = {name: table.to_pandas() for name, table in read_tables(self.folder).items()}
        return {
            name: frame.drop(columns=[column for column in frame if WHERE_AND_WHEN.fullmatch(column)])
            for name, frame in frames.items()
        }

    def seconds(self) -> dict[int, float]:
        """That each unit took, by index."""
        rows = read_tables(self.folder)["units"].to_pylist()
        return {row["index"]: row["seconds"] for row in rows}

    def attempts(self) -> list["Attempt"]:
        """By the journal, in the order in which they began."""
        found = [path.name.split("-") for path in self.journal.iterdir()]
        parsed = [Attempt(int(unit), int(pid), int(ns) / 1e9) for unit, *_, pid, ns in found]
        return sorted(parsed, key=lambda attempt: attempt.began_s)

    def redone(self) -> int:
        """Attempts beyond the first of each unit."""
        return sum(count - 1 for count in Counter(attempt.unit for attempt in self.attempts()).values())


@dataclass(frozen=True)
class Attempt:
    """A unit that was begun: its index, the process, and when, in seconds since 1970."""

    unit: int
    pid: int
    began_s: float


def rehearsal(folder: Path, *more: str, seconds: float = SECONDS) -> Study:
    """A study of 200 units that only wait, each attempt in its journal."""
    study = Study(folder, ())
    study.journal.mkdir()
    fields = {"seconds": str(seconds), "journal": str(study.journal), "count": str(UNITS)}
    return Study(folder, ("rehearsal", *(f"--set={name}={value}" for name, value in fields.items()), *more))


def at_most_in_flight(workers: int, seconds: float) -> int:
    """How many units that wait so long can have been begun and not be committed."""
    return workers * max(IN_FLIGHT, int(QUEUE_S / seconds))


def assert_finished(study: Study, undisturbed: Mapping[str, pd.DataFrame], redone_at_most: int) -> None:
    """Every unit once, the same table, nothing left lying about, and no more work done twice than that."""
    assert_same_rows(study.tables(), undisturbed)
    assert_left_tidy(study)
    assert "finished" in status(study)
    assert {attempt.unit for attempt in study.attempts()} == set(range(UNITS))
    assert study.redone() <= redone_at_most


def assert_left_tidy(study: Study) -> None:
    """Nothing half-written, set aside or forgotten in the folder of a finished study."""
    names = [str(path.relative_to(study.folder)) for path in study.folder.rglob("*")]
    assert [name for name in names if name.endswith((".aside", ".bad")) or "progress.json" in name] == []
    checkpoints = study.folder / "checkpoints"
    assert not checkpoints.exists() or list(checkpoints.iterdir()) == []


def status(study: Study) -> str:
    """What `distnlc status` says, typed in this process; '' before there is anything to read."""
    if not (study.folder / "manifest").exists():
        return ""
    answer = distnlc("status", study.folder)
    assert answer.code == 0, answer.err
    return answer.out


def processes_of(session: int) -> dict[int, str]:
    """Process id -> command line of the living processes that a command has started, itself included.

    Ray's processes and workers stay in the session of the driver, also when their parents are gone.
    """
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, its_session, *_ = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(its_session) == session and state not in "ZX":
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ").strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def comes_to_a_moment(random: random.Random, study: Study, process: subprocess.Popen[bytes]) -> bool:
    """Waits for a random moment: in the command's start, amid its units, or after the last one was begun.

    By what has been done, since a slow machine takes three times as long. False if the command ends before.
    """
    begun, part = len({attempt.unit for attempt in study.attempts()}), random.random()
    if part < START_SHARE:
        return survives(process, random.uniform(0, START_S))
    wanted = random.uniform(begun, UNITS) if part < 1 - END_SHARE else UNITS
    while len({attempt.unit for attempt in study.attempts()}) < wanted:
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    return part < 1 - END_SHARE or survives(process, random.uniform(0, END_S))


def survives(process: subprocess.Popen[bytes], moment_s: float) -> bool:
    """Whether the command is still at work at that moment of its life."""
    try:
        process.wait(moment_s)
    except subprocess.TimeoutExpired:
        return True
    return False


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the driver alone."""
    process.send_signal(signal.SIGKILL)
    process.wait()


def assert_gone(session: int, within_s: float, names: Sequence[str] = ("",)) -> float:
    """Waits until no process of the session with such a name is left; the seconds that it took."""
    began = time.monotonic()
    while left := [line for line in processes_of(session).values() if any(name in line for name in names)]:
        if time.monotonic() - began > within_s:
            pytest.fail(f"left behind {within_s:.0f} s after the driver's end: {left}")
        time.sleep(0.05)
    return time.monotonic() - began


def assert_nothing_works_on(session: int) -> float:
    """After a driver's end: its Ray and all workers end at once. The seconds that it took.

    Those are workers of the driver's own Ray, and of the clusters in the session of these tests.
    """
    return max(assert_gone(session, WORKERS_END_S, WORKING), assert_gone(os.getsid(0), WORKERS_END_S, WORKING[:1]))
