"""The kinds of study, one package each, and how a preset's name or a YAML file becomes a checked spec.

A package holds an object `KIND` (see ../plugins.py) and its presets; nothing else in distnlc names a kind.
"""

from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from distnlc.files import at_home
from distnlc.plugged import check_plugins
from distnlc.plugins import kind_of, kinds
from distnlc.spec import SpecError, StudySpec, assign, read_yaml

DATA_PATHS = "root", "file"
"""the fields of a spec's `data` that are paths of this machine"""


def presets() -> dict[str, dict[str, str]]:
    """Kind -> preset -> one line about it, for every named study of every kind."""
    return {
        kind: {
            name: str(read_yaml(file.read_text(encoding="utf-8"), where=f"preset {name}").get("summary", ""))
            for name, file in _preset_files(kind).items()
        }
        for kind in kinds()
    }


def _preset_files(kind: str) -> dict[str, Traversable]:
    package = kind_of(kind).presets
    if package is None:
        return {}
    files = sorted((resources.files(package) / "presets").iterdir(), key=lambda file: file.name)
    return {file.name.removesuffix(".yaml"): file for file in files if file.name.endswith(".yaml")}


def resolve(source: str, assignments: Sequence[str] = (), *, text: str | None = None) -> StudySpec:
    """The checked spec of a preset's name or a YAML file's path, with `field=value` assignments applied.

    `text`: the content of the file, if it is not on this machine. Raises SpecError for an unknown preset, an
    unreadable file, an unknown field or a wrong value, and for a plug-in that is not here.
    """
    path = Path(source)
    if text is not None:
        fields = read_yaml(text, where=source)
    elif path.suffix.lower() in {".yaml", ".yml"}:
        try:
            fields = read_yaml(path.read_text(encoding="utf-8"), where=source)
        except OSError as error:
            raise SpecError(f"{source}: cannot read the study file: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SpecError(f"{source}: cannot read the study file: expected text in UTF-8") from None
    else:
        files = {name: file for kind in kinds() for name, file in _preset_files(kind).items()}
        if source not in files:
            known = ", ".join(files)
            raise SpecError(f"no preset named {source!r} (presets: {known}); a study file's name ends in .yaml")
        fields = read_yaml(files[source].read_text(encoding="utf-8"), where=f"preset {source}")
    fields = {"name": path.stem} | fields
    for assignment in assignments:
        fields = assign(fields, assignment)
    spec = from_fields(_located(fields), where=source)
    check_plugins(spec)
    return spec


def _located(fields: Any) -> Any:
    """The fields with the paths of data written out, the parts' too: a study can be continued from another folder."""
    if not isinstance(fields, Mapping):
        return fields
    located = {name: _located(value) for name, value in fields.items()}
    if isinstance(data := located.get("data"), Mapping):
        paths = {name: data[name] for name in DATA_PATHS if isinstance(data.get(name), str) and data[name]}
        located["data"] = {**data, **{name: str(Path(at_home(path)).absolute()) for name, path in paths.items()}}
    return located


def from_fields(fields: Mapping[str, Any], *, where: str) -> StudySpec:
    """The checked spec of plain data, its type chosen by the field `kind`, for reading what is there: the plug-ins that
    it names may be missing. Raises SpecError."""
    if "kind" not in fields:
        raise SpecError(f"{where}: the field 'kind' is missing; kinds: {', '.join(kinds())}")
    kind = kind_of(str(fields["kind"]))
    spec: StudySpec = kind.spec.parse({"version": kind.version, **fields}, where=where)
    if spec.version != kind.version:
        raise SpecError(
            f"{where}: the study is of version {spec.version} of the kind {kind.name}, and the one here is version "
            f"{kind.version}, which gives other results"
        )
    return spec
