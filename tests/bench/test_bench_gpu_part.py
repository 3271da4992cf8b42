"""The part `gpu` around its pieces: their time, their failures, their processes, and the few libraries it needs. What
the pieces measure is tested on the pretended GPU (tests/gpu)."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from distnlc.bench import gpu_part
from distnlc.bench.gpu_part import PIECES, PieceError, apart, here, measure
from distnlc.bench.gpu_size import Size, Task


def only(monkeypatch: pytest.MonkeyPatch, **pieces: tuple[Any, float]) -> None:
    monkeypatch.setattr(gpu_part, "PIECES", pieces)


def good(_: Task) -> Iterator[dict[str, Any]]:
    yield {"number": 1}
    yield {"number": 2}


def broken(_: Task) -> Iterator[dict[str, Any]]:
    yield {"so far": 1}
    raise RuntimeError("CUDA error: an illegal memory access was encountered")


def faulty(_: Task) -> Iterator[dict[str, Any]]:
    yield {"wrong": ["one differs", "two differ"]}


def test_what_fails_says_why_and_the_next_piece_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, broken=(broken, 1.0), faulty=(faulty, 1.0), good=(good, 1.0))
    every = list(measure(run=here))
    pieces = every[-1]["pieces"]
    assert [pieces[name]["ok"] for name in pieces] == [False, False, True]
    assert pieces["broken"]["so far"] == 1
    assert "illegal memory access" in pieces["broken"]["why"]
    assert "in broken" in pieces["broken"]["traceback"]
    assert pieces["faulty"]["why"] == "one differs; two differ"
    assert pieces["good"]["number"] == 2
    results = [row["result"] for row in every[-1]["summary"].values()]
    assert results == ["WRONG", "WRONG", "ok"]


def test_what_there_is_after_each_step_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, first=(good, 1.0), second=(good, 1.0))
    told = [{name: piece.get("number") for name, piece in found["pieces"].items()} for found in measure(run=here)]
    assert told[0] == {"first": 1}
    assert {"first": 2, "second": 1} in told
    assert told[-1] == {"first": 2, "second": 2}


def test_each_piece_gets_its_share_of_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = list[float]()

    def quick(task: Task) -> Iterator[dict[str, Any]]:
        shares.append(task.left_s)
        yield {}

    def slow(task: Task) -> Iterator[dict[str, Any]]:
        shares.append(task.left_s)
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 98.0)
        yield {}

    only(monkeypatch, quick=(quick, 25.0), slow=(slow, 50.0), late=(quick, 25.0))
    *_, found = measure(run=here, whole_s=100.0)
    assert shares == [pytest.approx(25, abs=0.5), pytest.approx(100 * 2 / 3, abs=0.5)], "an early end is a gain of all"
    assert found["pieces"]["late"] == {"ok": None, "why": "there was no time left"}


def test_the_whole_takes_less_than_ten_minutes() -> None:
    assert gpu_part.WHOLE_S + gpu_part.GRACE_S < 600
    assert sum(share for _, share in PIECES.values()) < gpu_part.WHOLE_S + 60


@pytest.mark.slow
def test_a_piece_s_process_sends_its_error() -> None:
    """The piece `hours` needs what `ceilings` found."""
    with pytest.raises(PieceError, match=r"KeyError: 'ceilings'\nTraceback"):
        list(apart("hours", Task(Size(), time.monotonic() + 60, {})))


def test_a_piece_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_part, "GRACE_S", 0.0)
    with pytest.raises(PieceError, match="it took longer than it may and was ended"):
        list(apart("hours", Task(Size(), time.monotonic(), {})))


FEW = """
import sys
for name in sys.argv.pop(1).split():
    sys.modules[name] = None  # importing it now fails as if it were not installed
import runpy
import distnlc.bench.gpu_part, distnlc.bench.machine
runpy.run_module("distnlc", run_name="__main__")
"""
NOT_NEEDED = (
    "ray mlflow optuna pyarrow pandas matplotlib plotly jinja2 sklearn scipy PIL sqlalchemy scipy_openblas32 triton"
)


@pytest.mark.slow
def test_the_command_comes_to_the_gpu_with_few_libraries() -> None:
    """The pieces themselves, which import nothing later, are done without these on the pretended GPU."""
    command = [sys.executable, "-c", FEW, NOT_NEEDED, "bench", "gpu"]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 2, done.stderr
    assert "gpu needs a GPU that torch can use" in done.stderr
