"""A small study for the store's tests; run as a program it kills itself at every write boundary in turn.

`python store_samples.py FOLDER`: for n = 0, 1, ... a child works on FOLDER/n and dies by SIGKILL at the n-th
boundary (`at_boundary`), until one gets to its end. FOLDER/n.returned has a byte per returned commit.
`python store_samples.py create FOLDER`: the same, for the creation of the study and its first commits.
`python store_samples.py denied FOLDER`: tries to go on with that study as somebody who may not write it.
"""

import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distnlc.records import Records
from distnlc.spec import StudySpec
from distnlc.store import Store, StoreError, compaction, read_statuses, read_tables, writing


class SmallSpec(StudySpec):
    kind: str = "small"
    size: int = 3


@dataclass(frozen=True, kw_only=True)
class UnitRow:
    unit_id: str
    part: str
    index: int
    good: bool
    value: float | None = None


@dataclass(frozen=True, kw_only=True)
class StepRow:
    unit_id: str
    step: int
    loss: float


SPEC = SmallSpec()
NOBODY = 65534
TABLES = {"units": UnitRow, "steps": StepRow}
Contents = dict[str, tuple[str, float | None, list[float]]]
"""unit id -> status, value, losses"""


def entry(unit: str, version: float = 1.0, status: str = "ok", steps: int = 3) -> tuple[str, str, Records]:
    """A unit whose rows, all of them, tell the version; `unit` is a letter, its index runs backwards."""
    row = UnitRow(unit_id=unit, part="p", index=ord("z") - ord(unit[0]), good=True, value=version)
    losses = [StepRow(unit_id=unit, step=step, loss=version + step) for step in range(steps)]
    return unit, status, {"units": [row], "steps": losses}


def expected(*entries: tuple[str, str, Records]) -> Contents:
    return {
        unit: (status, records["units"][0].value, [row.loss for row in records["steps"]])
        for unit, status, records in entries
    }


def contents(folder: str | Path) -> Contents:
    """What readers see; raises if a unit is doubled or tables and statuses disagree."""
    statuses, tables = read_statuses(folder), read_tables(folder)
    units, steps = (tables[name].to_pylist() for name in TABLES)
    ids = [row["unit_id"] for row in units]
    if sorted(ids) != sorted(statuses) or not {row["unit_id"] for row in steps} <= set(ids):
        raise AssertionError(f"units {ids}, statuses {statuses}, steps {steps}")
    return {
        row["unit_id"]: (
            statuses[row["unit_id"]],
            row["value"],
            [step["loss"] for step in steps if step["unit_id"] == row["unit_id"]],
        )
        for row in units
    }


BEFORE = [entry("a"), entry("b", status="failed", steps=0)]
FIRST = [entry("c"), entry("b", version=2.0)]
SECOND = [entry("d", steps=0), entry("a", version=3.0)]
BEGUN = [expected(), expected(BEFORE[0]), expected(*BEFORE)]
"""what may be seen after none, one and both of the commits of `begin`"""
STATES = [expected(*BEFORE), expected(*BEFORE, *FIRST), expected(*BEFORE, *FIRST, *SECOND)]
"""what may be seen after none, one and both of the commits of `work`"""

Returned = Callable[[], Any]


def begin(folder: str | Path, returned: Returned = lambda: None) -> None:
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        for unit in BEFORE:
            store.commit([unit])
            returned()


def work(folder: str | Path, returned: Returned = lambda: None) -> None:
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        store.commit(FIRST)
        returned()
        store.commit(SECOND)
        returned()
        store.compact()


def merge_soon(replace: Callable[[Any, str, Any], None] = setattr) -> None:
    """So that `work` merges small chunks when it opens the study and when it commits, and trims the manifest."""
    replace(compaction, "COMPACTED_UNITS", 3)
    replace(writing, "MERGE_ABOVE", 1)
    replace(writing, "TRIM_ABOVE", 1)


def at_boundary(hook: Callable[[str], None], replace: Callable[[Any, str, Any], None] = setattr) -> None:
    """Calls the hook, with the call's name, before every system call that changes files, and amid every write."""

    def wrapped(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def hooked(*arguments: Any, **named: Any) -> Any:
            if name != "open" or arguments[1] & (os.O_WRONLY | os.O_RDWR):
                hook(name)
            return call(*arguments, **named)

        def write(file: int, data: Any) -> int:
            half = hooked(file, data[: len(data) // 2])
            hook("write")
            return half + call(file, data[half:])

        return write if name == "write" else hooked

    for name in ("open", "mkdir", "write", "ftruncate", "fsync", "replace", "unlink"):
        replace(os, name, wrapped(name, getattr(os, name)))


def _die_at(boundary: int, folder: Path, task: Callable[[Path, Returned], None]) -> None:
    passed = 0

    def count(_: str) -> None:
        nonlocal passed
        if passed == boundary:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1

    with folder.with_name(folder.name + ".returned").open("ab", buffering=0) as file:
        at_boundary(count)
        task(folder, lambda: file.write(b"."))


def warm_up() -> None:
    """What is imported late, or made at the first use, is there from now on, for children too."""
    with tempfile.TemporaryDirectory() as other:
        begin(Path(other) / "study")
        work(Path(other) / "study")
    gc.freeze()


def in_child(task: Callable[[], None]) -> int:
    """Its wait status."""
    child = os.fork()
    if child == 0:
        task()
        os._exit(0)
    return os.waitpid(child, 0)[1]


def killed(root: Path, task: Callable[[Path, Returned], None]) -> None:
    setattr(os, "fsync", lambda _: None)  # noqa: B010 (a killed process loses nothing it wrote; disks are slow)
    merge_soon()
    warm_up()
    if task is work:
        begin(root / "template")
    for boundary in range(1000):
        folder = root / str(boundary)
        if task is work:
            shutil.copytree(root / "template", folder)
        if in_child(lambda: _die_at(boundary, folder, task)) == 0:  # noqa: B023
            return
    raise SystemExit("no child came to its end")


def denied(folder: Path) -> None:
    warm_up()
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    for path in (folder, folder / "new"):
        try:
            begin(path)
        except StoreError as error:
            print(error)
    print(contents(folder) == STATES[0])


if __name__ == "__main__":
    *what, last = sys.argv[1:]
    if what == ["denied"]:
        denied(Path(last))
    else:
        killed(Path(last), begin if what == ["create"] else work)
