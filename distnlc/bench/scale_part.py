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

Sample = tuple[float, float, int, float]
"""moment and the command's own elapsed time in s, units done in this call, resident memory of the driver in MB"""


def measure(begin: Callable[[str, float], None], units: int = UNITS, stopped_at: int = STOPPED_AT) -> dict[str, Any]:
    """Runs the study in a temporary folder. Raises EngineError if it does not end as it should."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, "study")
        run = ["run", "rehearsal", "--set", f"count={units}", "--set", "seconds=0", "--workers", str(WORKERS)]
        run += ["--out", str(folder)]
        begin(f"{stopped_at:,} units that do nothing", EXPECTED_S * stopped_at / units)
        with _command(parent, *run, ends=130) as first:
            samples = _watch(first, folder, stopped_at)
            first.send_signal(signal.SIGINT)
        kept = len(read_statuses(folder))
        begin(f"the other {units - kept:,}", EXPECTED_S * (1 - stopped_at / units))
        typed = time.monotonic()
        with _command(parent, *run) as second:
            resumed = _watch(second, folder, 1)
            rest = resumed + _watch(second, folder, units)
        ended = time.monotonic()
        with _command(parent, "status", str(folder)):
            pass
        status_s = time.monotonic() - ended
        files = sum(1 for _ in folder.rglob("*.parquet"))
    return {
        "units": units,
        "kept": kept,
        **speed_and_memory(samples),
        "resume_s": resumed[0][0] - typed,
        "end_s": ended - rest[-1][0],
        "status_s": status_s,
        "files": files,
        "samples": samples,
    }


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
        words_said = said.read_text(errors="replace")[-2000:]
        raise EngineError(f"the measured command ended with code {code}, expected {ends}; it said:\n{words_said}")


def _watch(process: subprocess.Popen[bytes], folder: Path, until_done: int) -> list[Sample]:
    """Samples whenever the progress file is new, until so many units of this call are done or the process ends."""
    samples: list[Sample] = []
    while process.poll() is None:
        at_work, memory_mb = read_progress(place_of(folder)), _resident_mb(process.pid)
        if at_work and at_work.pid == process.pid and at_work.progress.done and memory_mb:
            done = at_work.progress.done
            if not samples or done > samples[-1][2]:
                samples.append((time.monotonic(), at_work.progress.elapsed_s, done, memory_mb))
            if done >= until_done:
                break
        time.sleep(POLL_S)
    return samples


def _resident_mb(pid: int) -> float | None:
    """None once the process is gone."""
    try:
        status = Path("/proc", str(pid), "status").read_text()
    except OSError:
        return None
    _, found, rest = status.partition("VmRSS:")
    return int(rest.split()[0]) / 1024 if found else None


def speed_and_memory(samples: list[Sample]) -> dict[str, Any]:
    """Units per second; memory at the first sample after every STEP units, and its growth per STEP units from the
    second of them to the last (before that, libraries are still being loaded; None where there are fewer than three).
    """
    (_, first_s, first, _), (_, last_s, last, _) = samples[0], samples[-1]
    steps = [next(sample for sample in samples if sample[2] >= step) for step in range(STEP, last + 1, STEP)]
    memory_mb = {done: mb for _, _, done, mb in steps}
    growth_mb = None
    if len(memory_mb) > 2:
        (_, early, *_), (_, before_mb, *_) = memory_mb.keys(), memory_mb.values()
        growth_mb = STEP * (steps[-1][3] - before_mb) / (steps[-1][2] - early)
    return {
        "units_per_s": (last - first) / (last_s - first_s),
        "memory_mb": memory_mb,
        "memory_growth_mb": growth_mb,
    }


def table(found: dict[str, Any]) -> Table:
    """The measurements as people read them."""
    how = (
        f"{found['units']:,} units that do nothing, {WORKERS} workers; interrupted with {found['kept']:,} done, resumed"
    )
    shown = plain_table("Engine: scale", how, ["measured"], ["value"])
    shown.add_row("units per second", f"{found['units_per_s']:.0f}")
    for done, mb in found["memory_mb"].items():
        shown.add_row(f"driver memory at {done:,}, MB", f"{mb:.0f}")
    if found["memory_growth_mb"] is not None:
        shown.add_row(f"its growth per {STEP:,} units, MB", f"{found['memory_growth_mb']:.1f}")
    shown.add_row("resume until the first new unit, s", f"{found['resume_s']:.1f}")
    shown.add_row("end, from the last unit to the prompt, s", f"{found['end_s']:.1f}")
    shown.add_row("distnlc status, s", f"{found['status_s']:.1f}")
    shown.add_row("Parquet files at the end", f"{found['files']:,}")
    return shown
