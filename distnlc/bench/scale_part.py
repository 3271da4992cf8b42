"""The part `scale`: a study of 100,000 units that do nothing, by the command itself, stopped and resumed.

`distnlc run rehearsal` with two workers runs in a process of its own, tracking included, until 90,000 units are done;
there it is interrupted, and the same command finishes. From its progress file and its memory, read from outside:
    units per second    from the first progress to the interruption
    memory growth       of the driver, resident, per 10,000 units: from the first quarter of the progress on, since
                        before that libraries are still being loaded
    resume              from typing the command to the first new unit, Ray's start included
    status              the whole command `distnlc status`, with all units done
Units that do nothing make the engine the bottleneck: in a true study a unit takes seconds to hours.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from distnlc.engine.executor import EngineError
from distnlc.sinks.console import at_work_on
from distnlc.store import place_of, read_statuses

UNITS, STOPPED_AT = 100_000, 90_000
WORKERS = 2
POLL_S = 0.1
COMMAND = "from distnlc.cli import main; main()"


class Sample(NamedTuple):
    """How far the command is."""

    elapsed_s: float
    """by the command's own clock"""
    done: int
    """units of this call"""
    memory_mb: float
    """resident, of the driver"""


def measure(units: int = UNITS, stopped_at: int = STOPPED_AT) -> Iterator[dict[str, Any]]:
    """Runs the study in a temporary folder, and yields what there is after each command. Raises EngineError if it does
    not end as it should."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "study")
        run = ["run", "rehearsal", "--set", f"count={units}", "--set", "seconds=0", "--workers", str(WORKERS)]
        run += ["--out", str(folder)]
        with _command(parent, *run, ends=130) as first:
            samples = _watch(first, folder, stopped_at)
            first.send_signal(signal.SIGINT)
        kept, values = len(read_statuses(folder)), speed_and_memory(samples)
        how = f"{units:,} units that do nothing, {WORKERS} workers; interrupted with {kept:,} done, resumed"
        yield _told(how, values, samples)
        typed = time.monotonic()
        with _command(parent, *run) as second:
            _watch(second, folder, 1)
            values["resume until the first new unit, s"] = time.monotonic() - typed
        yield _told(how, values, samples)
        asked = time.monotonic()
        with _command(parent, "status", str(folder)):
            pass
        values["distnlc status, s"] = time.monotonic() - asked
    yield _told(how, values, samples)


def _told(how: str, values: dict[str, float], samples: list[Sample]) -> dict[str, Any]:
    return {"how": how, "summary": {name: {"value": value} for name, value in values.items()}, "samples": samples}


@contextmanager
def _command(parent: str, *words: str, ends: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """The command in its own process group, so that a Ctrl-C meant for one is not felt by the other.

    At the end waits for it. Raises EngineError if it does not end with that code; it does not outlive the measurement,
    whatever ends that.
    """
    said = Path(parent, "said")
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONUNBUFFERED": "1"}
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *words],
            cwd=parent, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
        code = process.wait()
    finally:
        process.kill()
        process.wait()
    if code != ends:
        words_said = said.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise EngineError(f"the measured command ended with code {code}, expected {ends}; it said:\n{words_said}")


def _watch(process: subprocess.Popen[bytes], folder: Path, until_done: int) -> list[Sample]:
    """Samples whenever the progress file is new, until so many units of this call are done or the process ends."""
    samples: list[Sample] = []
    while process.poll() is None:
        at_work, memory_mb = at_work_on(place_of(folder)), _resident_mb(process.pid)
        if at_work and at_work.progress and at_work.progress.done and memory_mb:
            done = at_work.progress.done
            if not samples or done > samples[-1].done:
                samples.append(Sample(at_work.progress.elapsed_s, done, memory_mb))
            if done >= until_done:
                break
        time.sleep(POLL_S)
    return samples


def _resident_mb(pid: int) -> float:
    """0 once the process is gone."""
    with suppress(OSError):
        _, found, rest = Path("/proc", str(pid), "status").read_text(encoding="utf-8").partition("VmRSS:")
        return int(rest.split()[0]) / 1024 if found else 0.0
    return 0.0


def speed_and_memory(samples: list[Sample]) -> dict[str, float]:
    """What two samples or more tell."""
    first, early, last = samples[0], samples[len(samples) // 4], samples[-1]
    return {
        "units per second": (last.done - first.done) / (last.elapsed_s - first.elapsed_s),
        "driver memory per 10,000 units, MB": (last.memory_mb - early.memory_mb) / (last.done - early.done) * 10_000,
    }
