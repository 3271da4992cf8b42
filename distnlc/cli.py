"""The command line, and the only place that wires store, tracking and display to the engine.

Exit codes: 0 all units done, 2 usage, 3 finished with failed units, 130 interrupted. A user's mistake gets one
message and no traceback.
"""

import importlib.util
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console as Terminal
from rich.table import Table
from rich.text import Text

from distnlc.console import Console, duration, read_progress
from distnlc.records import FAILED, OK, Records, View
from distnlc.spec import SpecError, StudySpec, Unit, spec_id, to_yaml
from distnlc.store import Store, StoreError, read_spec_fields, read_statuses, read_tables
from distnlc.store import export as export_tables
from distnlc.studies import StudyKind, from_fields, kind_of, resolve
from distnlc.studies import presets as named_studies

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
terminal = Terminal(highlight=False)

USAGE, WITH_FAILURES, INTERRUPTED = 2, 3, 130
UNIT_HOURS = 24.0

SpecArgument = Annotated[str, typer.Argument(metavar="SPEC", help="a preset's name or a YAML file's path")]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help="change a field of the spec")]
FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="a study folder")]


def main() -> None:
    """Entry point of the `distnlc` command."""
    from distnlc.data import DataError  # noqa: PLC0415 (torch takes a second to import, and `--help` needs none)
    from distnlc.engine.executor import EngineError  # noqa: PLC0415

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        app()
    except (SpecError, StoreError, DataError, EngineError) as error:
        Terminal(stderr=True, highlight=False).print(Text(f"error: {error}"), soft_wrap=True)
        sys.exit(USAGE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


@app.command()
def run(
    spec: SpecArgument,
    out: Annotated[Path | None, typer.Option(help="study folder; default studies/NAME")] = None,
    assignments: SetOption = None,
    workers: Annotated[int | None, typer.Option(min=1, help="default: one per GPU, else one per core")] = None,
    executor: Annotated[Literal["ray", "serial"], typer.Option(help="serial: in this process")] = "ray",
    address: Annotated[str | None, typer.Option(help="of a running Ray cluster, such as auto")] = None,
    tracking_uri: Annotated[str | None, typer.Option(help="of MLflow; default DIR/mlflow.db")] = None,
    unit_hours: Annotated[float, typer.Option(min=0.001, help="a unit that takes longer is retried")] = UNIT_HOURS,
    unit: Annotated[str | None, typer.Option(metavar="ID", help="do this unit alone, done before or not")] = None,
    retry_failed: Annotated[bool, typer.Option(help="do the failed units again")] = False,
) -> None:
    """Runs a study, or continues it where it stopped."""
    study = resolve(spec, assignments or ())
    kind = kind_of(study.kind)
    folder = out or Path("studies") / study.name
    kind.prepare(study)
    units = kind.units(study)
    with ExitStack() as stack:
        store = stack.enter_context(Store.create_or_open(folder, study, kind.TABLES))
        todo = _todo(units, store.statuses(), unit, retry_failed)
        from distnlc.engine.driver import run_units  # noqa: PLC0415

        terminal.print(Text(f"{study.name} ({spec_id(study)}): {len(todo)} of {len(units)} units to do, in {folder}"))
        console = Console(kind, len(units), _rows(kind, folder), folder, terminal)
        mirror = _Mirror(study, kind, folder, tracking_uri, console)
        stack.callback(mirror.close)
        mirror.announce()
        if todo:
            workforce = _executor(executor, study, workers, address)
            with console:
                outcome = run_units(
                    todo,
                    executor=workforce,
                    store=store,
                    kind=kind,
                    spec=study,
                    sinks=[console, mirror],
                    time_limit_s=unit_hours * 3600,
                )
            if outcome.interrupted:
                terminal.print(
                    f"interrupted: {len(console.rows)} of {len(units)} units are kept; run the same command to go on"
                )
                sys.exit(INTERRUPTED)
        store.compact()
        mirror.summarize()
    _write_report(folder)
    _print_summary(folder, units)
    mirror.announce()
    sys.exit(WITH_FAILURES if FAILED in read_statuses(folder).values() else 0)


def _todo(units: Sequence[Unit], statuses: Mapping[str, str], only: str | None, retry_failed: bool) -> list[Unit]:
    if only is not None:
        chosen = [unit for unit in units if unit.unit_id == only]
        if not chosen:
            raise SpecError(f"--unit {only}: this study has no such unit; ids are in the column unit_id")
        return chosen
    repeated = {FAILED} if retry_failed else set()
    return [unit for unit in units if unit.unit_id not in statuses or statuses[unit.unit_id] in repeated]


def _executor(name: str, study: StudySpec, workers: int | None, address: str | None) -> Any:
    from distnlc.engine.executor import SerialExecutor, study_work  # noqa: PLC0415

    if name == "serial":
        return SerialExecutor(study_work(study))
    from distnlc.engine.ray_executor import RayExecutor  # noqa: PLC0415

    return RayExecutor(study_work(study), workers=workers, address=address)


def _rows(kind: StudyKind, folder: Path) -> list[Any]:
    """The first table's rows that are in the store."""
    name, row_type = next(iter(kind.TABLES.items()))
    return [row_type(**fields) for fields in read_tables(folder)[name].to_pylist()]


def _records(kind: StudyKind, folder: Path, wanted: set[str]) -> Iterator[tuple[str, Records]]:
    """The records of some committed units."""
    grouped: dict[str, dict[str, list[Any]]] = {unit_id: {name: [] for name in kind.TABLES} for unit_id in wanted}
    for name, table in read_tables(folder).items():
        row_type = kind.TABLES[name]
        for fields in table.to_pylist():
            if fields["unit_id"] in wanted:
                grouped[fields["unit_id"]][name].append(row_type(**fields))
    yield from grouped.items()


class _Mirror:
    """The MLflow sink; silent where MLflow is not installed."""

    def __init__(self, study: StudySpec, kind: StudyKind, folder: Path, uri: str | None, console: Console) -> None:
        self.kind, self.folder, self.console = kind, folder, console
        self.tracker: Any = None
        if importlib.util.find_spec("mlflow") is not None:
            from distnlc.tracking import Tracker  # noqa: PLC0415

            self.tracker = Tracker(study, folder, self.missing, uri=uri)

    def missing(self, mirrored: Mapping[str, str]) -> Iterator[tuple[str, str, View]]:
        """Committed units whose status is not in the mirror; called in the tracker's thread."""
        statuses = read_statuses(self.folder)
        wanted = {unit_id for unit_id, status in statuses.items() if mirrored.get(unit_id) != status}
        if wanted:
            for unit_id, records in _records(self.kind, self.folder, wanted):
                yield unit_id, statuses[unit_id], self.kind.view(records)

    def committed(self, unit: Unit, records: Records) -> None:
        if self.tracker is not None:
            row = next(iter(records.values()))[0]
            self.tracker.unit(unit.unit_id, FAILED if row.status == FAILED else OK, self.kind.view(records))

    def progress(self, progress: Any) -> None:
        if self.tracker is not None:
            done = len(self.console.rows) - self.console.failed
            self.tracker.progress(
                done=done,
                failed=self.console.failed,
                total=self.console.total,
                units_per_hour=progress.units_per_hour,
                seconds_left=progress.seconds_left,
                headline=self.console.headline(),
            )

    def announce(self) -> None:
        if self.tracker is not None:
            from distnlc.tracking import ui_command  # noqa: PLC0415

            terminal.print(Text(f"watch it live: {ui_command(self.tracker.uri)}"), soft_wrap=True)

    def summarize(self) -> None:
        """The last progress, for the summary run of a finished study."""
        if self.tracker is not None and self.console.last is not None:
            self.progress(self.console.last)

    def close(self) -> None:
        if self.tracker is not None:
            self.tracker.close()


def _write_report(folder: Path) -> None:
    from analysis.report import write_report  # noqa: PLC0415

    terminal.print(Text(f"report: {write_report(folder)}"), soft_wrap=True)


def _print_summary(folder: Path, units: Sequence[Unit]) -> None:
    from analysis.headline import sentences, summary  # noqa: PLC0415

    found = summary(folder)
    terminal.print(Text(f"{found.architectures} architectures ({found.failed} failed), {found.runs} training runs"))
    for part in found.parts:
        for sentence in sentences(part):
            terminal.print(Text(sentence))
    labels = {unit.unit_id: unit.label for unit in units}
    for unit_id, status in read_statuses(folder).items():
        if status == FAILED:
            again = f"distnlc run {folder}/study.yaml --out {folder} --unit {unit_id}"
            terminal.print(Text(f"failed: {labels[unit_id]}; again: {again}"), soft_wrap=True)


def _study_in(folder: Path) -> tuple[StudySpec, StudyKind]:
    study = from_fields(read_spec_fields(folder), where=str(folder / "study.yaml"))
    return study, kind_of(study.kind)


@app.command()
def plan(
    spec: SpecArgument,
    assignments: SetOption = None,
    workers: Annotated[int, typer.Option(min=1, help="workers to estimate the time for")] = 1,
) -> None:
    """Says what a study would do and how long it would take here, after a short calibration; does no unit."""
    study = resolve(spec, assignments or ())
    kind = kind_of(study.kind)
    units = kind.units(study)
    from distnlc.engine.executor import best_device, one_thread  # noqa: PLC0415

    with one_thread():
        seconds_per_cost = kind.calibrate(study, best_device())
    rows, size = kind.volume(study)
    terminal.print(Text(to_yaml(study).rstrip(), style="dim"))
    table = Table("part", "units", f"time, {workers} worker{'s' if workers > 1 else ''}")
    for part in dict.fromkeys(unit.part for unit in units):
        costs = [unit.cost for unit in units if unit.part == part]
        table.add_row(part, str(len(costs)), duration(sum(costs) * seconds_per_cost / workers))
    terminal.print(table)
    total = sum(unit.cost for unit in units) * seconds_per_cost / workers
    expected = ", ".join(f"about {count:,} {name}" for name, count in rows.items())
    terminal.print(f"{len(units)} units on {best_device()}: {duration(total)}; {expected}; about {size / 1e6:.1f} MB")


@app.command()
def status(folder: FolderArgument) -> None:
    """Done, running, failed, rate, time left and best so far; from any shell, also while the study runs."""
    study, kind = _study_in(folder)
    units, statuses, running = kind.units(study), read_statuses(folder), read_progress(folder)
    failed = sum(status == FAILED for status in statuses.values())
    terminal.print(
        f"{study.name} ({spec_id(study)}): {len(statuses) - failed} done, {failed} failed, {len(units)} in all"
    )
    if running:
        left = running["seconds_left"]
        time_left = "time left unknown" if left is None else f"{duration(left)} left"
        where = f"process {running['pid']} on {running['host']}"
        terminal.print(f"{running['running']} running in {where}; {running['units_per_hour']:.0f} units/h, {time_left}")
    elif len(statuses) < len(units):
        terminal.print(f"not running; go on with: distnlc run {folder}/study.yaml --out {folder}", soft_wrap=True)
    for name, value in kind.headline(_rows(kind, folder)).items():
        terminal.print(f"{name.replace('_', ' ')}: {value:.4g}")


@app.command()
def report(folder: FolderArgument) -> None:
    """Writes the HTML report with all figures and tables that the records allow."""
    _write_report(folder)


@app.command()
def export(
    folder: FolderArgument,
    out: Annotated[Path | None, typer.Option(help="where to; default DIR/export")] = None,
    form: Annotated[Literal["parquet", "csv"], typer.Option("--format")] = "parquet",
) -> None:
    """Writes each table as one Parquet or CSV file."""
    for path in export_tables(folder, out or folder / "export", form):
        terminal.print(Text(str(path)), soft_wrap=True)


@app.command()
def presets() -> None:
    """Lists the named studies."""
    table = Table("SPEC", "what it is", box=None)
    for name, summary in named_studies().items():
        table.add_row(name, summary)
    terminal.print(table)
