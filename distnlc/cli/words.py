"""What the commands share: arguments, exit codes, and how a study is found from what was typed."""

import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Annotated, Any

import typer

from distnlc.plugins import Kind, loaded, use_plugins
from distnlc.progress import tallied
from distnlc.records import FAILED, MEASUREMENTS, MeasurementRow, columns_of, missing_values
from distnlc.sinks.console import failure, say
from distnlc.spec import SpecError, StudySpec, Unit
from distnlc.store import place_of, read_columns
from distnlc.studies import resolve
from distnlc.tracking import masked

FAILURES_SHOWN = 10

SpecArgument = Annotated[str, typer.Argument(metavar="SPEC", help="a preset's name or a YAML file's path")]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="A.B=C", help="change a field of the spec")]
FolderArgument = Annotated[str, typer.Argument(metavar="DIR", help="a study folder or s3:// address")]
PartOption = Annotated[
    list[str] | None, typer.Option("--part", metavar="NAME", help="these parts alone; the same command does the rest")
]
PluginOption = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        metavar="MODULE",
        help="a module with kinds, metrics, data or families of your own; also DISTNLC_PLUGINS",
    ),
]


def study_of(spec: str, assignments: Sequence[str] | None, plugins: Sequence[str] | None) -> StudySpec:
    """The spec of a preset's name or of a YAML file, which may lie in an object store. Raises SpecError."""
    use_plugins(plugins or ())
    text = None
    if "://" in spec:
        folder, _, name = spec.rpartition("/")
        try:
            text = place_of(folder).read(name).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(f"{spec}: cannot read the study file: {error}") from None
    return resolve(spec, assignments or (), text=text)


def units_of(kind: Kind[Any], study: StudySpec) -> list[Unit]:
    """All units of the study, in its own order."""
    units: list[Unit] = loaded(kind.units)(study)
    return units


def rows_of(kind: Kind[Any], folder: str) -> Iterator[Any]:
    """The first table's rows that are in the store, in the columns that the displays look at."""
    from distnlc.store import read_table

    held = read_columns(folder)[kind.first]
    columns = [name for name in tallied(kind) if name in held]
    absent = dict.fromkeys(set(tallied(kind)) - set(columns))
    for batch in read_table(folder, kind.first, columns).to_batches(max_chunksize=10_000):
        yield from (SimpleNamespace(**absent, **fields) for fields in batch.to_pylist())


def say_missing(folder: str) -> None:
    """One line for each metric of the user's own that has no value for some networks."""
    from distnlc.store import read_table

    if read_columns(folder).get(MEASUREMENTS) == columns_of(MeasurementRow):
        batches = read_table(folder, MEASUREMENTS, ["name", "value", "reason"]).to_batches(max_chunksize=10_000)
        rows = (SimpleNamespace(**fields) for batch in batches for fields in batch.to_pylist())
        for line in missing_values(rows):
            say(f"warning: {line}", style="yellow")


def same_command(*options: str) -> str:
    """What was typed, with more options and without passwords."""
    return masked(shlex.join(["distnlc", *sys.argv[1:], *options]))


def continuing_command(folder: str, *options: str) -> str:
    """What to type to go on with the study in a folder."""
    return shlex.join(["distnlc", "run", place_of(folder).where("study.yaml"), "--out", folder, *options])


def say_failures(rows: Iterable[Any], units: Sequence[Unit], again: Callable[..., str]) -> None:
    """One line for each of the first failed units, and how to do them all again."""
    failed = [row for row in rows if row.status == FAILED]
    named = {row.unit_id for row in failed}
    labels = {unit.unit_id: unit.label for unit in units if unit.unit_id in named}
    for row in failed[:FAILURES_SHOWN]:
        say(failure(labels.get(row.unit_id, row.unit_id), row.reason, again("--unit", row.unit_id)), style="red")
    if len(failed) > 1:
        say(f"all {len(failed)} failed units again: {again('--retry-failed')}", style="red")
