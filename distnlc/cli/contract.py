"""What every kind of study must keep, as checks on a small study of it: for `distnlc kinds --check` and the tests.

In: a small study. Out: nothing, or a `BrokenPromise` that says what was expected and what was found. Rows are compared
but for their columns of time and place (the groups `cost` and `status`, of which status and reason are compared).
"""

import functools
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distnlc.engine.driver import run_units
from distnlc.engine.executor import Executor, SerialExecutor, study_work
from distnlc.plugins import DataRecord, Kind, kind_of, loaded
from distnlc.records import FAILED, OK, check_unit_row, columns_of, quantities
from distnlc.spec import SpecError, StudySpec, Unit, spec_id, to_yaml
from distnlc.store import Store, export, keep_data_record, place_of, read_statuses, read_tables
from distnlc.studies import from_fields

OLDER = {"nlc", "rehearsal"}
"""kinds from before the kind was part of every id"""

Rows = dict[str, list[dict[str, Any]]]


class BrokenPromise(SpecError):
    """A kind does not keep what every kind must."""


def expect(holds: bool, what: str) -> None:
    """Raises BrokenPromise unless it holds."""
    if not holds:
        raise BrokenPromise(what)


@dataclass(frozen=True)
class Trial:
    """A small study of the kind, and the folder that gets its study folders."""

    study: StudySpec
    folder: Path

    @property
    def kind(self) -> Kind[Any]:
        return kind_of(self.study.kind)

    @functools.cached_property
    def units(self) -> list[Unit]:
        found: list[Unit] = loaded(self.kind.units)(self.study)
        return found

    @functools.cached_property
    def data(self) -> DataRecord:
        found: DataRecord = loaded(self.kind.prepare)(self.study, self.study.part_names())
        return found

    @functools.cached_property
    def serial(self) -> Path:
        """The study folder that one process fills at one go."""
        return self.do("serial", self.units)

    def do(self, name: str, units: Sequence[Unit], executor: Executor | None = None) -> Path:
        """Does units in the study folder of that name."""
        folder = self.folder / name
        with Store.create_or_open(folder, self.study, self.kind.tables) as store:
            keep_data_record(place_of(folder), self.data)
            executor = executor or SerialExecutor(study_work(self.study, data=self.data))
            settings: dict[str, Any] = {"kind": self.kind, "spec": self.study, "data": self.data}
            run_units(units, executor=executor, store=store, **settings)
            store.compact()
        return folder

    def rows(self, folder: Path) -> Rows:
        """The rows of all tables, without time and place."""
        found = {}
        for table, rows in read_tables(folder).items():
            named = quantities(self.kind.tables[table])
            kept = [
                name
                for name in rows.schema.names
                if name in {"status", "reason"} or name not in named or named[name].group not in {"status", "cost"}
            ]
            found[table] = rows.select(kept).to_pylist()
        return found


def declares_its_rows_and_its_name(trial: Trial) -> None:
    """Tables have unit ids, the first one the columns of a unit's row; the kind is part of every id."""
    try:
        check_unit_row(trial.kind.row)
    except TypeError as error:
        raise BrokenPromise(str(error)) from None
    for table, row_type in trial.kind.tables.items():
        expect(columns_of(row_type).get("unit_id") == "str", f"table {table}: expected a column unit_id of type str")
    own = trial.kind.spec.model_fields["kind"]
    expect(
        own.is_required() or trial.kind.name in OLDER,
        f'{trial.kind.spec.__name__}: expected `kind: Literal["{trial.kind.name}"]` without a default, so that it is '
        "part of every id",
    )
    again = from_fields(trial.study.model_dump(mode="json"), where=trial.kind.name)
    expect(spec_id(again) == spec_id(trial.study), "a spec that is written out and read again has another id")


def lists_its_units_alike_every_time(trial: Trial) -> None:
    """Ids are unique and do not change; costs are positive; parts are the spec's."""
    ids = [unit.unit_id for unit in trial.units]
    expect(len(ids) > 0, "a study has at least one unit")
    expect(len(set(ids)) == len(ids), f"unit ids must differ, but of {len(ids)} only {len(set(ids))} do")
    expect(loaded(trial.kind.units)(trial.study) == trial.units, "two calls of `units` give different units")
    expect(all(unit.cost > 0 for unit in trial.units), "every unit's cost must be positive")
    parts = {unit.part for unit in trial.units}
    expect(parts <= set(trial.study.part_names()), f"units name the parts {sorted(parts)}, which the spec does not")
    if trial.kind.name not in OLDER:
        expect(all(unit[0].isalpha() for unit in ids), "unit ids must begin with a letter; `spec.unit_id` makes them")


def gives_the_rows_that_it_declares(trial: Trial) -> None:
    """Every unit ends ok (or skipped) with rows that the store takes."""
    statuses = read_statuses(trial.serial)
    expect(statuses.keys() == {unit.unit_id for unit in trial.units}, "not all units were committed")
    reasons = [row["reason"] for row in trial.rows(trial.serial)[trial.kind.first] if row["status"] == FAILED]
    expect(not reasons, f"{len(reasons)} units of the small study failed: {reasons[:1]}")


def gives_the_same_rows_when_it_is_resumed(trial: Trial) -> None:
    """A study that stopped half-way and is continued is the study that was done at one go."""
    half = len(trial.units) // 2
    trial.do("resumed", trial.units[half:])
    resumed = trial.do("resumed", trial.units[:half])
    expect(trial.rows(resumed) == trial.rows(trial.serial), "a resumed study has other rows than one done at one go")


def gives_the_same_rows_on_two_workers(trial: Trial) -> None:
    """Placement cannot matter: two Ray workers give the rows of one process."""
    from distnlc.engine.ray_executor import RayExecutor

    executor = RayExecutor(study_work(trial.study, data=trial.data), workers=2)
    expect(
        trial.rows(trial.do("two-workers", trial.units, executor)) == trial.rows(trial.serial),
        "two workers give other rows than one process",
    )


def records_a_failed_unit_and_does_the_rest(trial: Trial) -> None:
    """A unit that raises is a row with its reason; the others' rows are as ever."""
    poisoned, work = trial.units[0].unit_id, study_work(trial.study)

    def poison(unit: Unit, device: str) -> Any:
        if unit.unit_id == poisoned:
            raise ValueError("poisoned for the check")
        return work(unit, device)

    folder = trial.do("poisoned", trial.units, SerialExecutor(poison))
    rows = {row["unit_id"]: row for row in trial.rows(folder)[trial.kind.first]}
    found = rows.pop(poisoned)
    expect((found["status"], found["reason"]) == (FAILED, "ValueError: poisoned for the check"), f"found {found}")
    expected = {row["unit_id"]: row for row in trial.rows(trial.serial)[trial.kind.first]}
    drawn = [name for name, quantity in quantities(trial.kind.row).items() if quantity.group in {"identity", "drawn"}]
    same = all(found[name] == expected[poisoned][name] for name in drawn if name in found)
    expect(same, f"a failed unit's columns of identity and of what was drawn are those of the unit: {drawn}")
    del expected[poisoned]
    expect(rows == expected, "other units' rows changed when one failed")


def can_be_planned_watched_reported_and_exported(trial: Trial) -> None:
    """`plan`, `status`, `report`, `figure`, `table` and `export` work on it."""
    from distnlc.analysis import load
    from distnlc.analysis.drawing.missing import MissingRecordsError
    from distnlc.analysis.report import study as shown
    from distnlc.cli.plan import plan
    from distnlc.cli.status import status

    folder = str(trial.serial)
    path = trial.folder / "study.yaml"
    path.write_text(to_yaml(trial.study))
    said = io.StringIO()
    with redirect_stdout(said):
        plan(str(path), workers=1)
        status(folder)
    done = f"{len(trial.units):,} of {len(trial.units):,} units done"
    expect(done in said.getvalue(), f"status does not say `{done}`")
    page = Path(shown.write_report(folder)).read_text()
    expect("<html" in page, "the report is no HTML page")
    expect(len(shown.closing(load(folder))) > 0, "the study has nothing to say at its end")
    report = shown.report_of(trial.kind.name)
    for figure in report.figures:
        with suppress(MissingRecordsError):  # it says which presets give the records
            expect(len(shown.write_figure(folder, figure.name, None)) > 1, f"figure {figure.name} says nothing")
    for table in report.tables:
        with suppress(MissingRecordsError):
            expect(len(shown.table_lines(folder, table.name)) > 1, f"table {table.name} says nothing")
    files = export(folder, trial.folder / "export", "csv")
    expect(len(files) == len(trial.kind.tables), f"exported {len(files)} of {len(trial.kind.tables)} tables")


PROMISES: tuple[Callable[[Trial], None], ...] = (
    declares_its_rows_and_its_name,
    lists_its_units_alike_every_time,
    gives_the_rows_that_it_declares,
    gives_the_same_rows_when_it_is_resumed,
    records_a_failed_unit_and_does_the_rest,
    can_be_planned_watched_reported_and_exported,
    gives_the_same_rows_on_two_workers,
)


def check_kind(study: StudySpec, folder: Path) -> Iterator[str]:
    """One line for each promise that holds. Raises BrokenPromise at the first that does not."""
    trial = Trial(study, folder)
    for promise in PROMISES:
        name = promise.__name__.replace("_", " ")
        try:
            promise(trial)
        except BrokenPromise as error:
            raise BrokenPromise(f"kind {study.kind}: broken: {name}: {error}") from None
        yield f"{OK}: {name}"
