"""The command line, and the only place that wires store, tracking and display to the engine.

Exit codes: 0 all units done, 2 usage, 3 finished with failed units, 130 interrupted. A user's mistake gets one
message and no traceback. Whatever is slow to import is imported where it is used.
"""

import math
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import typer

from distnlc.bench.command import bench
from distnlc.engine.driver import run_units
from distnlc.engine.executor import EngineError, Executor, SerialExecutor, best_device, one_thread, study_work
from distnlc.measuring.command import measure
from distnlc.records import FAILED, SKIPPED
from distnlc.sinks.checkpoint_cleaner import CheckpointCleaner
from distnlc.sinks.console import (
    NO_WORKER,
    NOTHING_YET,
    Console,
    duration,
    failure,
    named_numbers,
    pace,
    printable,
    read_progress,
    running,
    say,
)
from distnlc.sinks.mirror import MIRROR_S, Mirror
from distnlc.sinks.ray_metrics import RayMetrics
from distnlc.sinks.session import Session
from distnlc.spec import SpecError, StudySpec, Unit, spec_id, to_yaml
from distnlc.store import Store, StoreError, place_of, read_spec_fields, read_table
from distnlc.store import export as export_tables
from distnlc.studies import StudyKind, from_fields, kind_of, resolve
from distnlc.studies import presets as named_studies
from distnlc.tracking import TrackingError, check_uri, masked

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Which property of a neural network, measured before training, predicts how well it will generalize?",
    epilog="Exit codes: 0 all units done, 2 usage, 3 finished with failed units, 130 interrupted.",
)

USAGE, WITH_FAILURES, INTERRUPTED = 2, 3, 130
UNIT_HOURS = 72.0
FAILURES_SHOWN = 10

app.command()(bench)
app.command()(measure)

SpecArgument = Annotated[str, typer.Argument(metavar="SPEC", help="a preset's name or a YAML file's path")]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help="change a field of the spec")]
FolderArgument = Annotated[str, typer.Argument(metavar="DIR", help="a study folder or s3:// address")]


def main() -> None:
    """Entry point of the `distnlc` command."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: machines are taken away by it
    try:
        app(prog_name="distnlc")
    except Exception as error:
        from distnlc.data.images import DataError

        if not isinstance(error, SpecError | StoreError | DataError | EngineError | TrackingError):
            raise
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(USAGE)


@app.command()
def run(
    spec: SpecArgument,
    out: Annotated[str | None, typer.Option(help="a folder or s3:// address; default studies/NAME")] = None,
    assignments: SetOption = None,
    workers: Annotated[int | None, typer.Option(min=1, help="default: one per GPU, else one per core")] = None,
    executor: Annotated[
        Literal["ray", "serial"],
        typer.Option(help="serial: in this process, without workers; it cannot enforce --unit-hours"),
    ] = "ray",
    address: Annotated[str | None, typer.Option(help="of a running Ray cluster, such as auto")] = None,
    tracking_uri: Annotated[str | None, typer.Option(help="of MLflow; default DIR/mlflow.db")] = None,
    unit_hours: Annotated[
        float, typer.Option(min=0.001, help="a unit that takes longer is stopped and tried once more")
    ] = UNIT_HOURS,
    unit: Annotated[str | None, typer.Option(metavar="ID", help="do this unit alone, done before or not")] = None,
    retry_failed: Annotated[bool, typer.Option(help="do the failed units again")] = False,
) -> None:
    """Runs a study, or continues it where it stopped."""
    if tracking_uri is not None:
        check_uri(tracking_uri)
    study = _study(spec, assignments)
    kind = kind_of(study.kind)
    folder = out or f"studies/{study.name}"
    here = _local_folder(folder, study)
    units = kind.units(study)
    if unit is not None and unit not in {each.unit_id for each in units}:
        raise SpecError(f"--unit {unit}: this study has no such unit; ids are in the column unit_id")
    kind.prepare(study)
    with ExitStack() as stack:
        store = stack.enter_context(Store.create_or_open(folder, study, kind.TABLES))
        statuses = store.statuses()
        checkpoints = CheckpointCleaner(here, statuses)
        todo = _todo(units, statuses, unit, retry_failed)
        what = f"{len(todo)} of {len(units)} units to do" if todo else f"nothing to do, all {len(units)} units are done"
        say(f"{study.name} ({spec_id(study)}) in {folder}: {what}")
        redo = {each.unit_id for each in todo if each.unit_id in statuses}
        console = Console(kind, len(units), _rows(kind, folder), place_of(folder), _same_command, redo)
        mirror = Mirror(study, kind, folder, here, tracking_uri, console)
        stack.callback(mirror.close)
        mirror.announce()
        session = Session(place_of(folder), executor)
        interrupted = bool(todo) and _do(
            todo,
            console,
            session,
            lambda: _executor(executor, study, checkpoints.folder, workers, address),
            store=store,
            kind=kind,
            spec=study,
            sinks=[checkpoints, console, mirror, session, RayMetrics(study)],
            time_limit_s=unit_hours * 3600,
        )
        if interrupted:
            say(f"interrupted: {console.settled} of {len(units)} units are kept; go on: {_same_command()}")
            raise typer.Exit(INTERRUPTED)
        mirror.wait_s = MIRROR_S
        if not todo:
            console.forget_progress()  # that a driver left which was killed after its last commit
            mirror.progress(NOTHING_YET)
            mirror.wait_s = math.inf
        store.compact()
        _conclude(folder, study.kind, mirror)
        _say_failures(_rows(kind, folder), units, _same_command)
    mirror.announce()
    raise typer.Exit(WITH_FAILURES if console.failed else 0)


def _do(
    todo: Sequence[Unit], console: Console, session: Session, executor: Callable[[], Executor], **settings: Any
) -> bool:
    """Does the units with the display on; `settings` as for `run_units`. Whether it was interrupted."""
    try:
        with session, console:
            return run_units(todo, executor=executor(), **settings).interrupted
    except KeyboardInterrupt:  # while the workers were being started
        return True


def _study(spec: str, assignments: Sequence[str] | None) -> StudySpec:
    """The spec of a preset's name or of a YAML file, which may lie in an object store. Raises SpecError."""
    text = None
    if "://" in spec:
        folder, _, name = spec.rpartition("/")
        try:
            text = place_of(folder).read(name).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(f"{spec}: cannot read the study file: {error}") from None
    return resolve(spec, assignments or (), text=text)


def _local_folder(folder: str, study: StudySpec) -> Path:
    """Where the files go that only this machine can hold: mlflow.db and checkpoints. Made if it is not the study's."""
    if "://" not in folder:
        return Path(folder)
    here = Path("studies") / f"{study.name}.local"
    try:
        here.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{here}: cannot be made, for what stays on this machine: {error.strerror}") from None
    return here


def _same_command(*options: str) -> str:
    """What was typed, with more options and without passwords."""
    return masked(shlex.join(["distnlc", *sys.argv[1:], *options]))


def _command(folder: str, *options: str) -> str:
    """What to type to go on with the study in a folder."""
    return shlex.join(["distnlc", "run", place_of(folder).where("study.yaml"), "--out", folder, *options])


def _todo(units: Sequence[Unit], statuses: Mapping[str, str], only: str | None, retry_failed: bool) -> list[Unit]:
    if only is not None:
        return [unit for unit in units if unit.unit_id == only]
    repeated = {FAILED} if retry_failed else set()
    return [unit for unit in units if unit.unit_id not in statuses or statuses[unit.unit_id] in repeated]


def _executor(name: str, study: StudySpec, checkpoints: Path, workers: int | None, address: str | None) -> Executor:
    work = study_work(study, checkpoints)
    if name == "serial":
        return SerialExecutor(work)
    from distnlc.engine.ray_executor import RayExecutor

    say(f"joining Ray at {address}" if address else "starting Ray, which takes some seconds")
    return RayExecutor(work, workers=workers, address=address)


def _rows(kind: StudyKind, folder: str) -> Iterator[Any]:
    """The first table's rows that are in the store, in the columns that the displays look at."""
    columns = ["unit_id", "status", "reason", *kind.Headline.COLUMNS]
    for batch in read_table(folder, next(iter(kind.TABLES)), columns).to_batches(max_chunksize=10_000):
        yield from (SimpleNamespace(**fields) for fields in batch.to_pylist())


def _conclude(folder: str, kind: str, mirror: Mirror) -> None:
    """The study's answers in words, and its report where its kind has one."""
    from distnlc.analysis.rehearsal.report import REPORTED, closing

    for sentence in closing(folder):
        say(sentence)
    if kind in REPORTED:
        _write_report(folder)
        mirror.report()


def _say_failures(rows: Iterable[Any], units: Sequence[Unit], again: Callable[..., str]) -> None:
    """One line for each of the first failed units, and how to do them all again."""
    failed = [row for row in rows if row.status == FAILED]
    named = {row.unit_id for row in failed}
    labels = {unit.unit_id: unit.label for unit in units if unit.unit_id in named}
    for row in failed[:FAILURES_SHOWN]:
        say(failure(labels.get(row.unit_id, row.unit_id), row.reason, again("--unit", row.unit_id)), style="red")
    if len(failed) > 1:
        say(f"all {len(failed)} failed units again: {again('--retry-failed')}", style="red")


def _write_report(folder: str) -> None:
    from distnlc.analysis.report.page import write_report

    say(f"report: {write_report(folder)}")


@app.command()
def plan(
    spec: SpecArgument,
    assignments: SetOption = None,
    workers: Annotated[int | None, typer.Option(min=1, help="default: one per core, or one with a GPU")] = None,
) -> None:
    """Says what a study would do and how long it would take here, after a short calibration; does no unit."""
    study = _study(spec, assignments)
    kind = kind_of(study.kind)
    units, device, by_cost = kind.units(study), best_device(), attrgetter("cost")
    workers = workers or (1 if device == "cuda" else os.cpu_count() or 1)
    say(to_yaml(study).rstrip(), style="dim")
    with one_thread():
        seconds_per_cost = kind.calibrate(study, device)
    for name in dict.fromkeys(unit.part for unit in units):
        part = [unit for unit in units if unit.part == name]
        work_s = sum(map(by_cost, part)) * seconds_per_cost
        say(f"{name}: {len(part)} units, {duration(work_s)} of work, unit by unit")
        for unit in min(part, key=by_cost), max(part, key=by_cost):
            say(f"    {duration(unit.cost * seconds_per_cost)} for {unit.label}")
    rows, size = kind.volume(study)
    say(f"about {', '.join(f'{count:,} {name}' for name, count in rows.items())}; {size / 1e6:.1f} MB on disk")
    study_s = max(*map(by_cost, units), sum(map(by_cost, units)) / workers) * seconds_per_cost
    say(f"about {duration(study_s)} with {workers} worker{'s' if workers > 1 else ''} on {device}")


@app.command()
def status(folder: FolderArgument) -> None:
    """Done, running, failed, rate, time left and best so far; from any shell, also while the study runs."""
    place = place_of(folder)
    study = from_fields(read_spec_fields(folder), where=place.where("study.yaml"))
    kind = kind_of(study.kind)
    units = kind.units(study)
    headline, settled, skipped, failed = kind.Headline(), 0, 0, list[Any]()
    for row in _rows(kind, folder):
        headline.add(row)
        settled += 1
        skipped += row.status == SKIPPED
        if row.status == FAILED:
            failed.append(row)
    at_work = read_progress(place)
    now = f"{running(at_work.progress)}, " if at_work and at_work.progress.workers else ""
    untrained = f"{skipped:,} of them skipped, " if skipped else ""
    counts = f"{settled - len(failed):,} of {len(units):,} units done, {untrained}{now}{len(failed):,} failed"
    say(f"{study.name} ({spec_id(study)}): {counts}")
    for number in named_numbers(headline.numbers()):
        say(number)
    _say_failures(failed, units, partial(_command, folder))
    if at_work:
        so_far = at_work.progress
        pace_now = pace(so_far.units_per_hour, so_far.seconds_left) if so_far.workers else NO_WORKER
        say(f"at work: process {at_work.pid} on {at_work.host}; {pace_now}")
    elif settled < len(units):
        say(f"not at work; go on: {_command(folder)}")
    else:
        page = "report/index.html"
        say(f"finished; {place.where(page)}" if page in place.names("report") else "finished")


@app.command()
def report(folder: FolderArgument) -> None:
    """Writes the HTML report with all figures and tables that the records allow."""
    _write_report(folder)


@app.command()
def export(
    folder: FolderArgument,
    out: Annotated[Path | None, typer.Option(help="a folder; default DIR/export")] = None,
    form: Annotated[Literal["parquet", "csv"], typer.Option("--format", help="of the files")] = "parquet",
) -> None:
    """Writes each table as one Parquet or CSV file."""
    if out is None and "://" in folder:
        raise typer.BadParameter("name a folder of this machine for the tables", param_hint="--out")
    read_spec_fields(folder)  # says best what is wrong with a folder that is no study
    for path in export_tables(folder, out or Path(folder, "export"), form):
        say(str(path))


@app.command()
def presets() -> None:
    """Lists the named studies."""
    for name, summary in named_studies().items():
        say(f"{name:<24} {summary}")
