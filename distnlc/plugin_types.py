"""What a plug-in is: a kind of study, a metric, a source of data, a preparation of data, or a family of architectures.

Plain data with functions in it, checked when it is found (plugins.py). A callable can be given as a `Ref`, so that what
needs torch is imported where it is first used.
"""

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from distnlc.records import Records
from distnlc.spec import StudySpec, Unit

if TYPE_CHECKING:
    from torch import nn

S = TypeVar("S", bound=StudySpec)
Ref = str
"""`package.module:name`, imported where it is first needed, so that a kind costs nothing until it is used"""
DataRecord = Mapping[str, Mapping[str, Any]]
"""part -> what its data were (digests of source files, counts, dimensions), in plain data; empty without data"""


class Headline(Protocol):
    """A few finite numbers over a study's units so far, for progress displays; its size does not grow with them."""

    COLUMNS: Sequence[str]
    """of the first table, besides `unit_id`, `status` and `reason`: what `add` looks at"""

    def add(self, row: Any) -> None:
        """Takes in one more unit: its row of the first table, or whatever has these columns as attributes."""

    def numbers(self) -> dict[str, float]:
        """Name -> number; none that is not defined yet."""


class Counts:
    """The headline of a kind that has no numbers to show beyond the counts of its units."""

    COLUMNS: Sequence[str] = ()

    def add(self, row: Any) -> None:
        """Nothing to do."""

    def numbers(self) -> dict[str, float]:
        return {}


@dataclass(frozen=True)
class Curves:
    """The curves of one unit that the mirror shows beside its row."""

    points: Mapping[str, Sequence[tuple[int, float | None]]] = field(default_factory=dict)
    """name -> (step, value); values that are not finite are gaps. Names that share the part before a slash are shown
    together"""
    note: str = ""
    """what the curves are, in Markdown"""


@dataclass(frozen=True)
class Work:
    """Where a unit is done. The result must not depend on it."""

    device: str = "cpu"
    """of torch"""
    checkpoints: Path | None = None
    """A folder of the unit's own, whose parent may be missing too. A long unit may keep its state there and go on from
    what a lost worker left; it must do without (None, or a folder that cannot be made) just as well."""


def data_differences(kept: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """One line `fact: kept -> found` for each fact about a part's data that differs; files each have their own."""
    before, after = _flat(kept), _flat(found)
    return [
        f"{key}: {before.get(key, '(none)')} -> {after.get(key, '(none)')}"
        for key in sorted(before.keys() | after.keys())
        if _text(before.get(key)) != _text(after.get(key))
    ]


def _text(value: Any) -> str:
    """JSON, in which the record is kept: there a tuple is a list."""
    return json.dumps(value, sort_keys=True, default=str)


def _flat(facts: Mapping[str, Any]) -> dict[str, Any]:
    files = facts.get("files")
    named = {f"file {name}": digest for name, digest in files.items()} if isinstance(files, Mapping) else {}
    return {name: value for name, value in facts.items() if name != "files"} | named


def nothing(spec: Any, parts: Sequence[str]) -> DataRecord:
    """The `prepare` of a kind that needs no data."""
    return {}


def nothing_known(spec: Any, unit: Unit, data: DataRecord) -> dict[str, Any]:
    """The `known` of a kind whose failed units have nothing to say."""
    return {}


def no_curves(records: Records) -> Curves:
    """The `curves` of a kind without any."""
    return Curves()


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[S]):
    """A kind of study: the only thing that engine, store, mirror and command line know of it.

    A callable can be given as a `Ref`. The modules that this object's own module imports must not need torch.
    """

    name: str
    spec: type[S]
    """new kinds declare `kind: Literal[name]` without a default, so that it is part of every id"""
    tables: Mapping[str, type]
    """table -> row dataclass; the first has one row per unit, with the columns of `records.UNIT_COLUMNS`"""
    units: Callable[[S], list[Unit]] | Ref
    """all units of the study, in index order within each part; `spec.unit_id(part, index)` gives their ids"""
    run: Callable[[S, Unit, Work], Records] | Ref
    """does one unit's work; the result depends on (spec, unit) alone"""
    version: str = "1"
    """to be raised when the same spec gives other results; it enters the ids"""
    prepare: Callable[[S, Sequence[str]], DataRecord] | Ref = nothing
    """finds and caches the data of some parts, and says what they are. Called by the driver before any unit, where it
    raises on a user's mistake, and before each unit by whoever does that: where the data are not those that the driver
    found, the unit is done elsewhere. Quick, therefore, for data that are in the cache"""
    known: Callable[[S, Unit, DataRecord], dict[str, Any]] | Ref = nothing_known
    """columns that the row of a failed unit has all the same"""
    seconds: Callable[[S, Sequence[Unit], str], list[float]] | Ref | None = None
    """of each unit on a torch device of this machine; None: `plan` does the cheapest unit once"""
    estimate: Callable[[S, Sequence[Unit]], tuple[list[float], str]] | Ref | None = None
    """seconds of each unit on a GPU that this machine need not have, by a model, and what `plan` says of that; None:
    `plan --device cuda` needs a GPU"""
    rows: Callable[[S], dict[str, int]] | Ref | None = None
    """about how many rows each table will have; None: one per unit in the first"""
    bench: Callable[[], Mapping[str, Any]] | Ref | None = None
    """measures what `distnlc bench NAME` shows: plain data, names (perhaps nested) and numbers or text"""
    headline: type[Headline] = Counts
    curves: Callable[[Records], Curves] | Ref = no_curves
    report: Ref | None = None
    """`package.module:REPORT`, a distnlc.analysis.report.Report; None: a report shows counts and columns alone"""
    presets: str | None = None
    """the package that holds presets/*.yaml"""

    @property
    def first(self) -> str:
        """The name of the table that has one row per unit."""
        return next(iter(self.tables))

    @property
    def row(self) -> type:
        """The row dataclass of that table."""
        return self.tables[self.first]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A quantity of any network, measured on every architecture of a study and ranked beside the built-in ones."""

    name: str
    label: str
    """what people call it"""
    measure: Callable[..., float] | Ref
    """(network, inputs, labels, effort) -> a number. The network is a torch module (batch, d_in) -> (batch, d_out), a
    copy without dropout; inputs (points, d_in), labels (points,) are the training part; effort is the spec's section
    `metrics`. None, nan or an infinity: not defined for this network, which is a missing value and no failure"""
    log: bool = False
    """it is shown in log scale, and correlated by its logarithm"""
    version: str = "1"
    """to be raised when the same network gives another number; it enters the ids"""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the points of a dataset come from."""

    name: str
    read: Callable[..., tuple[Any, ...]] | Ref
    """(root) -> arrays inputs (points, ...) and labels (points,), of which the study draws its three parts; or four
    arrays, the last two of them the inputs and labels that the test part must be drawn from. `root` is the user's data
    folder, None where he named none"""
    files: Callable[..., Sequence[Path]] | Ref | None = None
    """(root) -> the files that `read` reads, whose content then belongs to the study; None: it reads none"""
    version: str = "1"
    """to be raised when the same files give other points; it enters the ids"""


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How raw points become a network's inputs."""

    name: str
    fit_and_apply: Callable[..., Sequence[Any]] | Ref
    """(train, *others, seed=...) -> the same parts as arrays (points, ...), float64: what is estimated is estimated on
    `train` alone. All parts come as arrays of the source's shape and dtype"""
    version: str = "1"
    """to be raised when the same points come out otherwise; it enters the ids"""


class Description(Protocol):
    """One architecture of a `Family`, the seed of its initial weights included."""

    @property
    def properties(self) -> Mapping[str, float | int | str | bool]:
        """What was drawn, for the table `properties`."""

    def build(self) -> "nn.Module":
        """The network at initialization, (batch, d_in) -> (batch, d_out). The global generators of torch, NumPy and
        Python are seeded before; what draws numbers otherwise must give the same ones every time."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Architectures of one's own, drawn from a seed."""

    name: str
    draw: Callable[..., Description] | Ref
    """(index, *, seed, d_in, d_out, shape, **size) -> a Description. `shape` is that of one point before it was
    flattened to d_in numbers; `size` holds the fields of the spec's section `sampling.size`"""
    version: str = "1"
    """to be raised when the same index and seed give another network; it enters the ids"""


def loaded(reference: Callable[..., Any] | Ref) -> Any:
    """The callable or object that a `Ref` names; anything else is given back as it is."""
    if not isinstance(reference, str):
        return reference
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)
