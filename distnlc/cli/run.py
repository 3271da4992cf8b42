"""`distnlc run`: does the units of a study that are still to do, then says what came out and writes the report."""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from distnlc.cli.codes import INTERRUPTED, WITH_FAILURES
from distnlc.cli.words import (
    PartOption,
    PluginOption,
    SetOption,
    SpecArgument,
    rows_of,
    same_command,
    say_failures,
    say_missing,
    study_of,
    units_of,
)
from distnlc.engine.driver import run_units
from distnlc.engine.executor import Executor, SerialExecutor, StudyWork, study_work
from distnlc.engine.signals import interrupt_by_signals
from distnlc.plugins import kind_of, loaded
from distnlc.progress import NOTHING_YET, Tally
from distnlc.records import FAILED
from distnlc.sinks.checkpoint_cleaner import CheckpointCleaner
from distnlc.sinks.console import Console, say
from distnlc.sinks.mirror import MIRROR_S, Mirror
from distnlc.sinks.ray_metrics import RayMetrics
from distnlc.sinks.session import Session
from distnlc.spec import SpecError, StudySpec, Unit, spec_id
from distnlc.store import StoreError, keep_data_record, place_of
from distnlc.tracking import checked_uri

UNIT_HOURS = 72.0
TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"


def run(
    spec: SpecArgument,
    out: Annotated[str | None, typer.Option(help="a folder or s3:// address; default studies/NAME")] = None,
    assignments: SetOption = None,
    workers: Annotated[int | None, typer.Option(min=1, help="default: two per GPU, else one per core")] = None,
    executor: Annotated[
        Literal["ray", "serial"],
        typer.Option(help="serial: in this process, without workers; it cannot enforce --unit-hours"),
    ] = "ray",
    address: Annotated[str | None, typer.Option(help="address of a running Ray cluster, such as auto")] = None,
    tracking_uri: Annotated[
        str | None, typer.Option(help="address of MLflow; default MLFLOW_TRACKING_URI, else DIR/mlflow.db")
    ] = None,
    unit_hours: Annotated[
        float, typer.Option(min=0.001, help="a unit that takes longer is stopped and tried once more")
    ] = UNIT_HOURS,
    part: PartOption = None,
    unit: Annotated[str | None, typer.Option(metavar="ID", help="do this unit alone, done before or not")] = None,
    retry_failed: Annotated[bool, typer.Option(help="do the failed units again")] = False,
    plugin: PluginOption = None,
) -> None:
    """Runs a study, or continues it where it stopped."""
    uri = _tracking_uri(tracking_uri)
    study = study_of(spec, assignments, plugin)
    kind = kind_of(study.kind)
    folder = out or f"studies/{study.name}"
    here = _local_folder(folder, study)
    units = units_of(kind, study)
    wanted = _wanted(units, study, part, unit)
    data = loaded(kind.prepare)(study, list(dict.fromkeys(each.part for each in wanted)))
    from distnlc.store import Store

    with ExitStack() as stack:
        store = stack.enter_context(Store.create_or_open(folder, study, kind.tables))
        place = place_of(folder)
        data = keep_data_record(place, data)
        statuses = store.statuses()
        checkpoints = CheckpointCleaner(here, statuses)
        todo = wanted if unit else _todo(wanted, statuses, retry_failed)
        nothing = f"nothing to do, all {len(wanted)} units are done"
        what = f"{len(todo)} of {len(units)} units to do" if todo else nothing
        say(f"{study.name} ({spec_id(study)}) in {folder}: {what}")
        redo = {each.unit_id for each in todo if each.unit_id in statuses}
        tally = Tally(kind, len(units), rows_of(kind, folder), redo)
        console = Console(tally, place, same_command)
        mirror = Mirror(study, kind, folder, here, uri, tally)
        stack.callback(mirror.close)
        mirror.announce()
        session = Session(place, executor)
        interrupted = bool(todo) and _do(
            todo,
            console,
            session,
            lambda: _executor(executor, study_work(study, checkpoints.folder, data), workers, address),
            store=store,
            kind=kind,
            spec=study,
            data=data,
            sinks=[tally, checkpoints, console, mirror, session, RayMetrics(study)],
            time_limit_s=unit_hours * 3600,
        )
        if interrupted:
            say(f"interrupted: {tally.settled} of {len(units)} units are kept; go on: {same_command()}")
            raise typer.Exit(INTERRUPTED)
        mirror.wait_s = MIRROR_S
        if not todo:
            console.forget_progress()  # that a driver left which was killed after its last commit
            mirror.progress(NOTHING_YET)
            mirror.wait_s = math.inf
        with _interruptible():
            store.compact()
            _conclude(folder, mirror)
            say_missing(folder)
            say_failures(rows_of(kind, folder) if tally.failed else (), units, same_command)
    mirror.announce()
    raise typer.Exit(WITH_FAILURES if tally.failed else 0)


def _do(
    todo: Sequence[Unit], console: Console, session: Session, executor: Callable[[], Executor], **settings: Any
) -> bool:
    """Does the units with the display on; `settings` as for `run_units`. Whether it was interrupted."""
    try:
        with session, console:
            return run_units(todo, executor=executor(), **settings).interrupted
    except KeyboardInterrupt:  # while the workers were being started
        return True


def _tracking_uri(named: str | None) -> str | None:
    """The address of --tracking-uri, else of MLFLOW_TRACKING_URI, else None. Raises TrackingError if it cannot work."""
    if named is not None:
        return checked_uri(named)
    if here := os.environ.get(TRACKING_VARIABLE):
        return checked_uri(here, named_by=f"{TRACKING_VARIABLE} (unset it, or name another by --tracking-uri)")
    return None


def _local_folder(folder: str, study: StudySpec) -> Path:
    """The folder of what only this machine can hold: mlflow.db and checkpoints. Made if it is not the study's."""
    if "://" not in folder:
        return Path(folder)
    here = Path("studies") / f"{study.name}.local"
    try:
        here.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{here}: cannot be made, for what stays on this machine: {error.strerror}") from None
    return here


def _wanted(units: Sequence[Unit], study: StudySpec, parts: Sequence[str] | None, unit_id: str | None) -> list[Unit]:
    """The units that --part and --unit leave. Raises SpecError for a part or a unit that the study does not have."""
    if unknown := set(parts or ()) - set(study.part_names()):
        raise SpecError(f"--part {min(unknown)}: this study has no such part; parts: {', '.join(study.part_names())}")
    wanted = [unit for unit in units if not parts or unit.part in parts]
    if unit_id is None:
        return wanted
    wanted = [unit for unit in wanted if unit.unit_id == unit_id]
    if not wanted:
        raise SpecError(f"--unit {unit_id}: this study has no such unit; ids are in the column unit_id")
    return wanted


def _todo(units: Sequence[Unit], statuses: Mapping[str, str], retry_failed: bool) -> list[Unit]:
    repeated = {FAILED} if retry_failed else set()
    return [unit for unit in units if unit.unit_id not in statuses or statuses[unit.unit_id] in repeated]


def _executor(name: str, work: StudyWork, workers: int | None, address: str | None) -> Executor:
    if name == "serial":
        return SerialExecutor(work)
    from distnlc.engine.ray_executor import RayExecutor

    say(f"joining Ray at {address}" if address else "starting Ray, which takes some seconds")
    return RayExecutor(work, workers=workers, address=address)


@contextmanager
def _interruptible() -> Iterator[None]:
    """The end of a study, which all signals interrupt alike, and which the same command can do once more."""
    interrupt_by_signals()
    try:
        yield
    except KeyboardInterrupt:
        say(f"interrupted while it concluded: all units are kept; once more: {same_command()}")
        raise typer.Exit(INTERRUPTED) from None


def _conclude(folder: str, mirror: Mirror) -> None:
    """The study's answers in words and its report, from one reading of all rows."""
    from distnlc.analysis import load
    from distnlc.analysis.report import study

    tables = load(folder)
    for sentence in study.closing(tables):
        say(sentence)
    if study.has_report(tables):
        say(f"report: {study.write_report(folder, tables)}")
        mirror.report()
