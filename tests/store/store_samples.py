"""A small study for the store's tests; run as a program it kills itself at every write boundary in turn.

`python store_samples.py FOLDER`: for n = 0, 1, ... a child works on FOLDER/n and dies by SIGKILL at the n-th
call of fsync, replace or unlink, until one gets to its end. FOLDER/n.returned has a byte per returned commit.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distnlc.records import Records
from distnlc.spec import StudySpec
from distnlc.store import Store, read_statuses, read_tables


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


def contents(folder: Path) -> Contents:
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
STATES = [expected(*BEFORE), expected(*BEFORE, *FIRST), expected(*BEFORE, *FIRST, *SECOND)]
"""what may be seen after none, one and both of the commits of `work`"""


def begin(folder: Path) -> None:
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        for unit in BEFORE:
            store.commit([unit])


def work(folder: Path, returned: Callable[[], Any] = lambda: None) -> None:
    with Store.create_or_open(folder, SPEC, TABLES) as store:
        store.commit(FIRST)
        returned()
        store.compact()
        store.commit(SECOND)
        returned()
        store.compact()


def at_boundary(hook: Callable[[], None], replace: Callable[[Any, str, Any], None] = setattr) -> None:
    """Calls the hook before every system call that makes a write permanent or removes a file."""

    def wrapped(call: Callable[..., Any]) -> Callable[..., Any]:
        def hooked(*arguments: Any, **named: Any) -> Any:
            hook()
            return call(*arguments, **named)

        return hooked

    for name in ("fsync", "replace", "unlink"):
        replace(os, name, wrapped(getattr(os, name)))


def _die_at(boundary: int, folder: Path) -> None:
    passed = 0

    def count() -> None:
        nonlocal passed
        if passed == boundary:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1

    at_boundary(count)
    with folder.with_name(folder.name + ".returned").open("ab", buffering=0) as file:
        work(folder, lambda: file.write(b"."))


def main(root: Path) -> None:
    setattr(os, "fsync", lambda _: None)  # noqa: B010 (a killed process loses nothing it wrote; disks are slow)
    child = os.fork()  # the parent stays free of threads
    if child == 0:
        begin(root / "template")
        os._exit(0)
    os.waitpid(child, 0)
    for boundary in range(1000):
        shutil.copytree(root / "template", root / str(boundary))
        child = os.fork()
        if child == 0:
            _die_at(boundary, root / str(boundary))
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            return
    raise SystemExit("no child came to its end")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
