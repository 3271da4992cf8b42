"""The study kinds, the named studies (presets), and how a name or a YAML file becomes a checked spec.

A study kind is one module of this package that offers what `StudyKind` lists; to add one, write the module and add
its name to KINDS. The engine, the store and the command line know kinds only through this protocol.
"""

import importlib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Protocol, cast

from distnlc.records import Records, View
from distnlc.spec import SpecError, StudySpec, Unit, assign, read_yaml

KINDS = ("nlc", "rehearsal")


class Headline(Protocol):
    """A few finite numbers over a study's units so far, for progress displays; its size does not grow with them."""

    COLUMNS: Sequence[str]
    """of the first table, besides `unit_id`, `status` and `reason`: what `add` looks at"""

    def add(self, row: Any) -> None:
        """Takes in one more unit: its row of the first table, or whatever has these columns as attributes."""

    def numbers(self) -> dict[str, float]:
        """Name -> number; none that is not defined yet."""


class StudyKind(Protocol):
    """What a module of this package offers. `spec` is always an instance of its `Spec`."""

    Spec: type[StudySpec]
    TABLES: Mapping[str, type]
    """table name -> row dataclass; the first table holds one row per unit, with `unit_id`, `status`, `reason`"""
    Headline: type[Headline]

    def prepare(self, spec: Any) -> None:
        """Once, in the driver, before any unit: data found and cached on this machine. Raises on a user's mistake."""

    def units(self, spec: Any) -> list[Unit]:
        """All units of the study, in index order."""

    def run(self, spec: Any, unit: Unit, device: str, checkpoint_folder: Path | None = None) -> Records:
        """Does one unit's work on a torch device; the result depends on (spec, unit) alone.

        A long unit may keep its state in a folder of its own, whose parent may be missing too, and go on from what
        a lost worker left there. It must do without (None, or a folder that cannot be made) just as well.
        """

    def failed(self, spec: Any, unit: Unit, reason: str, seconds: float, attempts: int) -> Records:
        """The rows that stand for a unit which was given up: one row of the first table, status `failed`."""

    def calibrate(self, spec: Any, device: str) -> float:
        """Seconds that one unit of `Unit.cost` takes one worker on this machine, measured in a few seconds."""

    def volume(self, spec: Any) -> tuple[dict[str, int], float]:
        """About how many rows each table will have, and the bytes that they take on disk."""

    def view(self, records: Records) -> View:
        """What the tracking mirror shows of one unit."""


def kind_of(name: str) -> StudyKind:
    """The study kind of that name. Raises SpecError if there is none."""
    if name not in KINDS:
        raise SpecError(f"unknown study kind {name!r}; there are: {', '.join(KINDS)}")
    return cast(StudyKind, importlib.import_module(f"distnlc.studies.{name}"))


def presets() -> dict[str, str]:
    """Name -> one line about it, for every named study that ships with the package."""
    folder = resources.files("distnlc.studies") / "presets"
    found = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yaml"):
            name = file.name.removesuffix(".yaml")
            found[name] = str(read_yaml(file.read_text(), where=f"preset {name}").get("summary", ""))
    return found


def resolve(source: str, assignments: Sequence[str] = (), *, text: str | None = None) -> StudySpec:
    """The checked spec of a preset's name or a YAML file's path, with `field=value` assignments applied.

    `text`: what stands in the file, if it is not on this machine. Raises SpecError for an unknown preset, an
    unreadable file, an unknown field or a wrong value.
    """
    path = Path(source)
    if text is not None:
        fields = read_yaml(text, where=source)
    elif path.suffix in {".yaml", ".yml"}:
        try:
            fields = read_yaml(path.read_text(encoding="utf-8"), where=source)
        except OSError as error:
            raise SpecError(f"{source}: cannot read the study file: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SpecError(f"{source}: cannot read the study file: expected text in UTF-8") from None
    else:
        named = resources.files("distnlc.studies") / "presets" / f"{source}.yaml"
        if source not in presets():
            known = ", ".join(presets())
            raise SpecError(f"no preset named {source!r} (presets: {known}); a study file's name ends in .yaml")
        fields = read_yaml(named.read_text(), where=f"preset {source}")
    fields = {"name": path.stem} | fields
    for assignment in assignments:
        fields = assign(fields, assignment)
    return from_fields(fields, where=source)


def from_fields(fields: Mapping[str, Any], *, where: str) -> StudySpec:
    """The checked spec of plain data, its type chosen by the field `kind`. Raises SpecError."""
    if "kind" not in fields:
        raise SpecError(f"{where}: the field 'kind' is missing; kinds: {', '.join(KINDS)}")
    return kind_of(str(fields["kind"])).Spec.parse(fields, where=where)
