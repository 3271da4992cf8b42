"""The scale in the part `engine`: a study of 100,000 units that do nothing, by the command itself, stopped and resumed.

`distnlc run rehearsal` with two workers runs in a process of its own, tracking included, until 90,000 units are done;
there it is interrupted, and the same command finishes. From its progress file and its memory, read from outside:
    units per second    from the first progress to the interruption
    driver memory       resident, after every 10,000 units; its growth is the slope from 20,000 on
    resume              from typing the command to the first new unit, Ray's start included
    end                 from the last unit to the prompt: compaction, the mirror, the closing words
    status              the whole command `distnlc status`, with all units done
Units that do nothing make the engine the bottleneck: in a true study a unit takes seconds to hours.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.table import Table

from distnlc.engine.executor import EngineError
from distnlc.measuring.table import plain_table
from distnlc.sinks.console import read_progress
from distnlc.store import place_of, read_statuses

UNITS, STOPPED_AT, STEP = 100_000, 90_000, 10_000
WORKERS = 2
EXPECTED_S = 130.0
POLL_S = 0.1
COMMAND = "from distnlc.cli import main; main()"


def measure(begin: Callable[[str, float], None], units: int = UNITS, stopped_at: int = STOPPED_AT) -> dict[str, Any]:
    """Runs the study in a temporary folder. Raises EngineError if it does not end as it should."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "study")
        settings = ["--set", f"count={units}", "--set", "seconds=0", "--workers", str(WORKERS), "--out", str(folder)]
        begin(f"{stopped_at:,} units that do nothing", EXPECTED_S * stopped_at / units)
        with _command(parent, "run", "rehearsal", *settings) as first:
            samples = _watch(first, folder, stopped_at)
            first.send_signal(signal.SIGINT)
            _expect(first, 130, parent)
        kept = len(read_statuses(folder))
        begin(f"the other {units - kept:,}", EXPECTED_S * (1 - stopped_at / units))
        typed = time.monotonic()
        with _command(parent, "run", "rehearsal", *settings) as second:
            resumed = _watch(second, folder, 1)
            rest = resumed + _watch(second, folder, units)
            _expect(second, 0, parent)
            ended = time.monotonic()
        asked = time.monotonic()
        with _command(parent, "status", str(folder)) as status:
            _expect(status, 0, parent)
        status_s = time.monotonic() - asked
        files = sum(1 for path in folder.rglob("*.parquet"))
    return {
        "units": units,
        "kept": kept,
        "units_per_s": _rate(samples),
        "memory_mb": {done: mb for _, _, done, mb in _each_step(samples)},
        "memory_growth_mb": _growth(_each_step(samples)),
        "resume_s": resumed[0][0] - typed,
        "end_s": ended - rest[-1][0],
        "status_s": status_s,
        "files": files,
        "samples": samples,
    }


Sample = tuple[float, float, int, float]
"""moment and the command's own elapsed time in s, units done in this call, resident memory of the driver in MB"""


@contextmanager
def _command(parent: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command in its own process group, so that a Ctrl-C meant for one is not felt by the other.

    It does not outlive the measurement, whatever ends that.
    """
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONUNBUFFERED": "1"}
    with Path(parent, "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *words],
            cwd=parent, env=environment, stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _watch(process: subprocess.Popen[bytes], folder: Path, until_done: int) -> list[Sample]:
    """Samples whenever the progress file is new, until so many units of this call are done or the process ends."""
    samples: list[Sample] = []
    while process.poll() is None:
        at_work, memory = read_progress(place_of(folder)), _resident_mb(process.pid)
        if at_work and at_work.pid == process.pid and at_work.progress.done and memory:
            done = at_work.progress.done
            if not samples or done > samples[-1][2]:
                samples.append((time.monotonic(), at_work.progress.elapsed_s, done, memory))
            if done >= until_done:
                return samples
        time.sleep(POLL_S)
    return samples


def _resident_mb(pid: int) -> float | None:
    """None once the process is gone."""
    try:
        lines = Path("/proc", str(pid), "status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), None)


def _expect(process: subprocess.Popen[bytes], code: int, parent: str) -> None:
    found = process.wait()
    if found != code:
        said = Path(parent, "said").read_text(errors="replace")[-2000:]
        raise EngineError(f"the measured command ended with code {found}, expected {code}; it said:\n{said}")


def _rate(samples: list[Sample]) -> float:
    (_, first_s, first, _), (_, last_s, last, _) = samples[0], samples[-1]
    return (last - first) / (last_s - first_s)


def _each_step(samples: list[Sample]) -> list[Sample]:
    """The first sample after every STEP units, each once."""
    steps = range(STEP, samples[-1][2] + 1, STEP)
    return list(dict.fromkeys(next(sample for sample in samples if sample[2] >= step) for step in steps))


def _growth(samples: list[Sample]) -> float | None:
    """MB per STEP units, between the second step and the last: before that, libraries are still being loaded."""
    if len(samples) < 3:
        return None
    (_, _, first, before), (_, _, last, after) = samples[1], samples[-1]
    return STEP * (after - before) / (last - first)


def table(found: dict[str, Any]) -> Table:
    """The measurements as people read them."""
    how = (
        f"{found['units']:,} units that do nothing, {WORKERS} workers; interrupted with {found['kept']:,} done, resumed"
    )
    shown = plain_table("Engine: scale", how, ["measured"], ["value"])
    rows = {"units per second": f"{found['units_per_s']:.0f}"}
    rows |= {f"driver memory at {done:,}, MB": f"{mb:.0f}" for done, mb in found["memory_mb"].items()}
    if found["memory_growth_mb"] is not None:
        rows[f"its growth per {STEP:,} units, MB"] = f"{found['memory_growth_mb']:.1f}"
    rows |= {
        "resume until the first new unit, s": f"{found['resume_s']:.1f}",
        "end, from the last unit to the prompt, s": f"{found['end_s']:.1f}",
        "distnlc status, s": f"{found['status_s']:.1f}",
        "Parquet files at the end": f"{found['files']:,}",
    }
    for name, value in rows.items():
        shown.add_row(name, value)
    return shown
