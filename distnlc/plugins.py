"""How plug-ins are found: kinds of study, metrics, sources, preparations and families of architectures.

What each of them is stands in plugin_types.py. Built-in kinds are packages of `distnlc.studies` with an object `KIND`.
Somebody else's object is one of a module that the option `--plugin` or the variable DISTNLC_PLUGINS names, or the one
that an entry point of the group `distnlc` names, which has the object's name and is loaded when that is asked for. A
name in a study file is looked up among these and never imported: a study folder may come from anybody.
"""

import importlib
import logging
import os
import pkgutil
import sys
import sysconfig
from collections.abc import Collection, Iterable, Mapping
from importlib import metadata
from importlib.machinery import PathFinder
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

from distnlc.plugin_types import (
    Counts,
    Curves,
    DataRecord,
    Description,
    Family,
    Headline,
    Kind,
    Metric,
    Preparation,
    Ref,
    Source,
    Work,
    data_differences,
    loaded,
)
from distnlc.records import PLAIN_NAME, check_unit_row
from distnlc.spec import SpecError

__all__ = [
    "Counts",
    "Curves",
    "DataRecord",
    "Description",
    "Family",
    "Headline",
    "Kind",
    "Metric",
    "Preparation",
    "Ref",
    "Source",
    "Work",
    "built_in",
    "data_differences",
    "kind_named",
    "kind_of",
    "kinds",
    "loaded",
    "packages_in_use",
    "plugin_named",
    "plugin_names",
    "plugin_required",
    "plugins_in_use",
    "search_path",
    "use_plugins",
    "word_for",
]

PLUGINS_VARIABLE = "DISTNLC_PLUGINS"
ENTRY_POINTS = "distnlc"
BUILT_IN = "distnlc.studies"
BUILT_IN_NAMES: Mapping[type, Ref] = {
    Source: "distnlc.data.catalog:DATASETS",
    Preparation: "distnlc.data.catalog:PREPARATIONS",
}
"""where the names of those that come with distnlc stand, besides the kinds'"""
PARTS_OF_STUDIES = (Metric, Source, Preparation, Family)
TYPES = (Kind, *PARTS_OF_STUDIES)
EXPECTED = "an object of type distnlc.Kind, Metric, Source, Preparation or Family"
BY_PLUGIN = f"the module of another is named by --plugin or {PLUGINS_VARIABLE}"

LIBRARIES = (
    *("PIL", "jinja2", "joblib", "matplotlib", "mlflow", "numpy", "optuna", "pandas", "plotly", "pyarrow", "pydantic"),
    *("ray", "rich", "scipy", "sklearn", "sqlalchemy", "torch", "triton", "typer", "yaml"),
)
"""that the product imports"""

Plugin = Kind[Any] | Metric | Source | Preparation | Family
T = TypeVar("T", Kind[Any], Metric, Source, Preparation, Family)

log = logging.getLogger(__name__)

_named: dict[tuple[type, str], tuple[Plugin, str]] = {}
"""(type, name) -> an object of a module that was named, and where it comes from"""
_modules: list[str] = []
_entries: set[str] = set()
"""modules of the entry points that were asked for"""
_folders: list[str] = []
"""in front of the search path because plug-ins were looked for there"""


def use_plugins(modules: Iterable[str] = (), folder: Path | None = None) -> None:
    """Imports plug-in modules, those of DISTNLC_PLUGINS too, a folder's first: by default the current one's.

    Raises SpecError.
    """
    variable = os.environ.get(PLUGINS_VARIABLE, "").replace(",", " ").split()
    here = str(folder or Path.cwd())
    for name in dict.fromkeys([*variable, *modules]):
        if name in _modules:
            continue
        where = f"plug-in {name}"
        _search_first(here, where)
        try:
            module = importlib.import_module(name)
        except (Exception, SystemExit) as error:
            raise SpecError(
                f"{where}: cannot be imported on this machine ({_reason(error)}); looked in {here}"
            ) from None
        found = [each for each in vars(module).values() if isinstance(each, TYPES)]
        if not found:
            raise SpecError(f"{where}: expected a module with {EXPECTED}, but found none")
        for plugin in found:
            _checked(plugin, where)
            key = type(plugin), plugin.name
            if _named.get(key, (plugin,))[0] is not plugin:
                raise _taken(plugin, where)
            _named[key] = plugin, where
        _modules.append(name)


def _search_first(folder: str, where: str) -> None:
    """Puts a folder in front of the search path, as Python does with a script's. Raises SpecError if that hides a
    library that the product itself needs, whose fault would show far from its cause."""
    if folder in sys.path:
        return
    hidden = [found.origin for name in LIBRARIES if (found := PathFinder.find_spec(name, [folder])) and found.origin]
    if hidden:
        raise SpecError(f"{where}: {hidden[0]} would hide the installed library of that name; give it another name")
    sys.path.insert(0, folder)
    _folders.append(folder)


def plugins_in_use() -> list[str]:
    """The modules that `use_plugins` has imported; a worker needs them too."""
    return list(_modules)


def packages_in_use() -> list[str]:
    """The top-level packages and modules of these and of the installed plug-ins that were asked for."""
    return list(dict.fromkeys(name.partition(".")[0] for name in [*_modules, *sorted(_entries)]))


def search_path() -> list[str]:
    """What this process searches for modules before Python's own library, without the folders of plug-ins.

    Those are the folders of a script or of the variable PYTHONPATH; for `python -c` and `-m` the current folder.
    """
    library = sysconfig.get_path("stdlib")
    own = takewhile(lambda folder: folder != library, sys.path)
    return [os.path.abspath(folder) for folder in own if folder not in _folders]


def plugin_named(kind: type[T], name: str) -> T | None:
    """The user's object of that type and name, None if there is none.

    Raises SpecError if there are two, or if an entry point of that name cannot be used.
    """
    found = [_named[kind, name]] if (kind, name) in _named else []
    for entry in metadata.entry_points(group=ENTRY_POINTS, name=name):
        where = f"entry point {name} ({entry.value})"
        plugin = _of_entry_point(entry, where)
        _entries.add(entry.module)
        if isinstance(plugin, kind) and all(plugin is not other for other, _ in found):
            found.append((plugin, where))
    if len(found) > 1:
        sources = " and ".join(where for _, where in found)
        raise SpecError(f"there are two of the name {name!r}, a {word_for(kind)} each: {sources}; keep one of them")
    return found[0][0] if found else None  # type: ignore[return-value]  # mypy does not follow `isinstance(_, kind)`


def plugin_names(kind: type) -> list[str]:
    """The names of all the user's objects of that type; an entry point that cannot be used is left out and logged."""
    names = [name for type_, name in _named if type_ is kind]
    for entry in metadata.entry_points(group=ENTRY_POINTS):
        try:
            plugin = _of_entry_point(entry, f"entry point {entry.name} ({entry.value})")
        except SpecError as error:
            log.warning("%s", error)
        else:
            names += [entry.name] * isinstance(plugin, kind)
    return [*dict.fromkeys(names)]


def plugin_required(kind: type[T], name: str) -> T:
    """The user's object of that type and name. Raises SpecError, which names those there are, if there is none."""
    plugin = plugin_named(kind, name)
    if plugin is None:
        there_are = ", ".join(plugin_names(kind)) or "none"
        raise SpecError(f"there is no {word_for(kind)} {name!r} here; there are: {there_are} ({BY_PLUGIN})")
    return plugin


def built_in() -> list[str]:
    """The names of the kinds that come with distnlc."""
    packages = pkgutil.iter_modules(importlib.import_module(BUILT_IN).__path__)
    return [package.name.replace("_", "-") for package in packages if package.ispkg]


def kinds() -> list[str]:
    """The names of all kinds there are: built in, named, installed."""
    return [*built_in(), *plugin_names(Kind)]


def kind_named(name: str) -> Kind[Any] | None:
    """The kind of that name, None if there is none."""
    if name in built_in():
        kind: Kind[Any] = importlib.import_module(f"{BUILT_IN}.{name.replace('-', '_')}").KIND
        return kind
    return plugin_named(Kind, name)


def kind_of(name: str) -> Kind[Any]:
    """The kind of that name. Raises SpecError if there is none."""
    kind = kind_named(name)
    if kind is None:
        raise SpecError(f"unknown study kind {name!r}; there are: {', '.join(kinds())} ({BY_PLUGIN})")
    return kind


def _of_entry_point(entry: metadata.EntryPoint, where: str) -> Plugin:
    try:
        plugin = _checked(entry.load(), where)
    except SpecError:
        raise
    except (Exception, SystemExit) as error:
        raise SpecError(f"{where}: cannot be imported on this machine ({_reason(error)})") from None
    if plugin.name != entry.name:
        raise SpecError(f"{where}: the object is called {plugin.name!r}; an entry point has its object's name")
    return plugin


def _checked(plugin: Any, where: str) -> Plugin:
    """The plug-in, if the others can use it. Raises SpecError that names where it comes from."""
    if not isinstance(plugin, TYPES):
        raise SpecError(f"{where}: expected {EXPECTED}, found {type(plugin).__name__}")
    named = f"{where}: {word_for(type(plugin))} {plugin.name}"
    if not (isinstance(plugin.name, str) and PLAIN_NAME.fullmatch(plugin.name)):
        raise SpecError(f"{where}: expected a name of letters, digits and _ . / + -, found {plugin.name!r}")
    if not isinstance(plugin.version, str):
        raise SpecError(f'{named}: expected a version of text, such as "1", found {plugin.version!r}')
    if plugin.name in _built_in_of(type(plugin)):
        raise _taken(plugin, where)
    if isinstance(plugin, Kind):
        try:
            check_unit_row(plugin.row)
        except TypeError as error:
            raise SpecError(f"{named}: {error}") from None
    return plugin


def _built_in_of(kind: type) -> Collection[str]:
    if kind is Kind:
        return built_in()
    names: Collection[str] = loaded(BUILT_IN_NAMES[kind]) if kind in BUILT_IN_NAMES else ()
    return names


def _taken(plugin: Plugin, where: str) -> SpecError:
    return SpecError(f"{where}: there is a {word_for(type(plugin))} {plugin.name!r} already; give yours another name")


def word_for(kind: type, number: int = 1) -> str:
    """`metric` for Metric, and so on; the plural for another number."""
    word = kind.__name__.lower()
    return word if number == 1 else f"{word.removesuffix('y')}ies" if word.endswith("y") else f"{word}s"


def _reason(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
