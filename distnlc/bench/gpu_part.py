"""The part `gpu`: what a person with a GPU runs first, in less than ten minutes.

It goes piece by piece, each in a process of its own, so that an error of the device, or a piece that never ends, costs
that piece alone: its entry says why, and the next one begins. A piece's time is its share of what is left; it looks at
the clock between its steps and is ended a little later. What pieces find is yielded after each of their steps.

gpu_size.py    how much is done; jobs and programs
gpu_same.py    rows of the GPU and of the CPU; repeated and resumed; alone and in company
gpu_speed.py   ceilings, steps, one unit by stage, the paper's hours
gpu_limits.py  memory, lack of it, several processes
"""

import multiprocessing
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from distnlc.bench.gpu_limits import memory, out_of_memory, processes
from distnlc.bench.gpu_same import company, equal_to_cpu, same_bits
from distnlc.bench.gpu_size import Piece, Size, Task
from distnlc.bench.gpu_speed import ceilings, hours, steps, unit
from distnlc.sinks.console import say

PIECES: dict[str, tuple[Piece, float]] = {
    "ceilings": (ceilings, 25),
    "equal to cpu": (equal_to_cpu, 80),
    "same bits": (same_bits, 50),
    "steps": (steps, 120),
    "hours": (hours, 20),
    "company": (company, 30),
    "unit": (unit, 90),
    "memory": (memory, 30),
    "out of memory": (out_of_memory, 15),
    "processes": (processes, 70),
}
"""name -> the piece and its part of the whole time, in the order in which they are done: what is needed most first"""
WHOLE_S = 520.0
GRACE_S = 20.0
"""that a piece may take above its time before it is ended"""
LEAST_S = 5.0
"""with less left, nothing is begun"""
STARTS = {"processes"}
"""pieces that do nothing but start processes, and are done in this one"""
WHY, TRACEBACK = 800, 2000
"""characters that are kept of an error"""
Run = Callable[[str, Task], Iterator[dict[str, Any]]]


@dataclass(frozen=True)
class _Failure:
    """What went wrong in a piece's process."""

    why: str
    traceback: str


class PieceError(RuntimeError):
    """A piece's process failed, ended or had to be ended."""


def here(name: str, task: Task) -> Iterator[dict[str, Any]]:
    """The piece, in this process."""
    yield from PIECES[name][0](task)


def apart(name: str, task: Task) -> Iterator[dict[str, Any]]:
    """The piece, in a process of its own. Raises PieceError."""
    if name in STARTS:
        yield from here(name, task)
        return
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(name, task.size, task.left_s, dict(task.found), theirs))
    process.start()
    theirs.close()
    try:
        while ours.poll(max(0.0, task.left_s + GRACE_S)):
            try:
                found = ours.recv()
            except EOFError:
                process.join(GRACE_S)
                if process.exitcode:
                    raise PieceError(f"its process ended with code {process.exitcode}") from None
                return
            if isinstance(found, _Failure):
                raise PieceError(f"{found.why}\n{found.traceback}")
            yield found
        raise PieceError("it took longer than it may and was ended")
    finally:
        process.kill()
        process.join()


def _send(name: str, size: Size, left_s: float, found: dict[str, Any], to: Connection) -> None:
    """The life of a piece's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business, which ends this one
    try:
        for each in here(name, Task(size, time.monotonic() + left_s, found)):
            to.send(each)
    except Exception as error:
        to.send(_Failure(f"{type(error).__name__}: {error}"[:WHY], traceback.format_exc()[-TRACEBACK:]))


def measure(size: Size | None = None, run: Run = apart, whole_s: float = WHOLE_S) -> Iterator[dict[str, Any]]:
    """Does all pieces, and yields what there is after each of their steps."""
    ends, pieces = time.monotonic() + whole_s, dict[str, dict[str, Any]]()
    for name, (_, share) in PIECES.items():
        began, left_s = time.monotonic(), ends - time.monotonic()
        later = sum(each for other, (_, each) in PIECES.items() if other not in pieces)
        if left_s < LEAST_S:
            pieces[name] = {"ok": None, "why": "there was no time left"}
            continue
        task = Task(size or Size(), began + left_s * share / later, dict(pieces))
        pieces[name] = {"ok": None, "why": "at work"}
        found: dict[str, Any] = {}
        try:
            for found in run(name, task):
                pieces[name] = {"ok": None, "why": "at work", **found, "seconds": time.monotonic() - began}
                yield _so_far(pieces)
            wrong = found.get("wrong", [])
            pieces[name] = {"ok": not wrong, "why": "; ".join(wrong)[:WHY], **found}
        except Exception as error:
            why, _, trace = str(error).partition("\n") if isinstance(error, PieceError) else (repr(error), "", "")
            trace = trace or traceback.format_exc()[-TRACEBACK:]
            pieces[name] = {"ok": False, "why": why[:WHY], "traceback": trace, **found}
        pieces[name]["seconds"] = time.monotonic() - began
        say(f"{name}: {_figures(name, pieces[name]) or 'ok'} ({pieces[name]['seconds']:.0f} s)")
        yield _so_far(pieces)
    yield _so_far(pieces)


def _so_far(pieces: dict[str, dict[str, Any]]) -> dict[str, Any]:
    words = {True: "ok", False: "WRONG", None: "not done"}
    summary = {
        name: {"result": words[piece["ok"]], "seconds": piece.get("seconds", 0.0), "figures": _figures(name, piece)}
        for name, piece in pieces.items()
    }
    return {"how": f"{len(pieces)} of {len(PIECES)} pieces", "summary": summary, "pieces": dict(pieces)}


def _figures(name: str, piece: dict[str, Any]) -> str:
    """The piece in one line, for people."""
    if piece["ok"] is not True:
        return str(piece["why"])[:100]
    tell = TELL.get(name)
    return tell(piece) if tell else ""


def _told_steps(piece: dict[str, Any]) -> str:
    means = piece["geometric means"].items()
    return "; ".join(f"{name}: {each['times the eager loop']:.1f} x eager loop" for name, each in means)


def _told_hours(piece: dict[str, Any]) -> str:
    each = piece.get("chosen, from its steps", piece["from ceilings alone"])["hours with MPS"]
    return "the paper, estimated: " + ", ".join(f"{hours:.1f} h with {count}" for count, hours in each.items())


TELL: dict[str, Callable[[dict[str, Any]], str]] = {
    "ceilings": lambda piece: "{:.1f} TFLOP/s, {:.2f} TB/s, {:.1f} us a kernel in a graph".format(
        piece["float64"]["product_flops_s"] / 1e12,
        piece["float64"]["memory_bytes_s"] / 1e12,
        piece["float64"]["kernel_s"] * 1e6,
    ),
    "equal to cpu": lambda piece: f"largest difference {max(piece['largest relative difference'].values()):.0e}",
    "same bits": lambda piece: f"{piece['trainings']} trainings",
    "steps": _told_steps,
    "hours": _told_hours,
    "company": lambda piece: f"{piece['differing']} of {piece['of']} differ from the run alone",
    "unit": lambda piece: ", ".join(f"{name} {taken:.1f} s" for name, taken in piece["stages, s"].items()),
}
"""piece -> its figures in one line"""
