"""A study on Ray in a process of its own, which can be killed, and the end of processes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.helpers.servers import wait_for

ROOT = str(Path(__file__).parents[2])
"""from where workers import what tests define"""
STUDY = """
import sys
from functools import partial
from tests.helpers.toys import *
from distnlc.engine import ray_fleet
from distnlc.engine.driver import run_units
from distnlc.engine.executor import EngineError
from distnlc.engine.ray_executor import RayExecutor

ray_fleet.SILENCE_S, ray_fleet.LOOK_S = 1.0, 0.3
kind, folder = sys.argv[1:]
work, store = partial(mishap, kind, False, Path(folder)), MemoryStore()
try:
    run_units(units([1] * 200), executor=RayExecutor(work, workers=2), store=store, kind=KIND, spec=SPEC)
except EngineError as error:
    print(error)
"""


@contextmanager
def study_at_work(kind: str, folder: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """The study above in a process of its own, in a unit with this mishap; killed at the end."""
    without = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    with subprocess.Popen(
        [sys.executable, "-c", STUDY, kind, str(folder)],
        env=without | {"PYTHONPATH": ROOT} | environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            wait_for(lambda: (folder / "u1-0").exists() or process.poll() is not None, "first unit")
            assert process.poll() is None
            yield process
        finally:
            process.kill()


def _runs(pid: str) -> bool:
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until_gone(pid: str) -> None:
    """Waits for the end of a process."""
    wait_for(lambda: not _runs(pid), f"end of process {pid}")
