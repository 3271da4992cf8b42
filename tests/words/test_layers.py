"""The walls of the house: which room may import which, where each library is confined, what must run without it."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from distnlc.analysis import load
from distnlc.plugins import LIBRARIES
from tests.helpers.small_studies import TINY_NLC

ROOT = Path(__file__).parents[2]
FILES = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("distnlc/**/*.py"))]

WORDS = {"spec", "plain_yaml", "records", "progress", "files", "plugins", "plugin_types", "plugged", "versions"}
MATTER = {"data", "networks"}
SCIENCE = {"metrics", "training"}
EDGES = {"store", "tracking"}
DOOR = {"cli", "measuring", "bench"}
STUDIES = WORDS | MATTER | SCIENCE | {"search", "studies"}
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),  # a contents page: everything is imported when it is first used
    "__main__": {"cli"},
    **dict.fromkeys(WORDS, WORDS),
    **dict.fromkeys(MATTER, WORDS | MATTER),
    **dict.fromkeys(SCIENCE, WORDS | MATTER | SCIENCE),
    "search": WORDS,
    "studies": STUDIES,
    **dict.fromkeys(EDGES, WORDS),
    "engine": WORDS | {"studies"} | EDGES,
    "sinks": WORDS | {"studies", "engine"} | EDGES,
    **dict.fromkeys(DOOR, STUDIES | EDGES | DOOR | {"engine", "sinks", "analysis"}),
    "analysis": WORDS | {"store", "studies", "metrics"},
}
"""room -> the other rooms that it may import, at any place in its files"""
PARTS_OF_STUDIES = {"distnlc.studies", "records", "spec"}
"""what the analysis may import of studies, and of metrics the catalog alone: nothing that needs torch"""

CONFINED: dict[str, list[str]] = {
    "pydantic": ["spec.py", "plugged.py", "search.py", "/spec.py", "studies"],
    "yaml": ["plain_yaml.py"],
    "torch": ["data", "networks", "metrics", "training", "studies", "measuring", "bench", "engine/executor.py"],
    "numpy": ["data", "networks", "metrics", "training", "studies", "measuring", "bench", "analysis"],
    "PIL": ["data/images.py"],
    "joblib": ["versions.py"],
    "sklearn": ["data/libsvm.py"],
    "optuna": ["search.py"],
    "pyarrow": ["store", "data/images.py"],
    "mlflow": ["tracking"],
    "sqlalchemy": ["tracking"],
    "ray": ["engine/ray_", "sinks/ray_metrics.py"],
    "typer": ["cli", "measuring/command.py", "measuring/scaling_command.py", "bench"],
    "rich": ["cli", "sinks/console.py", "measuring", "bench"],
    "scipy": ["analysis", "training/full_batch.py"],
    "triton": ["training/fused_"],
    **{library: ["analysis"] for library in ("pandas", "matplotlib", "plotly", "jinja2")},
}
"""library -> where it may be imported: the beginnings of paths in distnlc/, or with a slash the ends"""


def room_of(file: str) -> str:
    return file.removeprefix("distnlc/").removesuffix(".py").split("/")[0]


@cache
def imports(file: str) -> list[tuple[str, bool]]:
    """Every module that the file imports at any place, and whether that happens as soon as the file is imported.

    What only the type checker reads (`if TYPE_CHECKING:`) is left out.
    """
    return list(_imports(file))


def _imports(file: str) -> Iterator[tuple[str, bool]]:
    todo: list[tuple[ast.AST, bool]] = [(ast.parse((ROOT / file).read_text()), True)]
    while todo:
        node, at_once = todo.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{file}: a relative import"
            for alias in node.names:  # `from distnlc.data import dataset` imports a module, `import name` its module
                inner = f"{node.module}.{alias.name}"
                yield (inner if is_module(inner) else node.module), at_once
        later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        children = (child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr))
        todo += [(child, at_once and not later) for child in children]


def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def test_a_room_imports_only_the_rooms_that_it_may() -> None:
    wrong = [
        f"{file} imports {name}"
        for file in FILES
        for name, _ in imports(file)
        if name.startswith("distnlc.") and name.split(".")[1] not in MAY_IMPORT[room_of(file)] | {room_of(file)}
    ]
    assert wrong == []


def test_the_analysis_takes_words_and_columns_of_a_kind_and_no_more() -> None:
    ours = [(file, name) for file in FILES if room_of(file) == "analysis" for name, _ in imports(file)]
    wrong = [
        f"{file} imports {name}"
        for file, name in ours
        if (name.startswith("distnlc.studies.") and name.split(".")[-1] not in PARTS_OF_STUDIES)
        or (name.startswith("distnlc.metrics") and name != "distnlc.metrics.catalog")
    ]
    assert wrong == []


def test_a_library_stands_only_where_it_is_confined() -> None:
    wrong = []
    for file in FILES:
        libraries = {name.split(".")[0] for name, _ in imports(file)} - sys.stdlib_module_names - {"distnlc"}
        inside = file.removeprefix("distnlc/")
        for library in libraries:
            places = CONFINED.get(library, [])
            if not any(inside.endswith(each) if each.startswith("/") else inside.startswith(each) for each in places):
                wrong.append(f"{file} imports {library}")
    assert wrong == []


def test_the_libraries_that_no_plugin_s_folder_may_hide_are_those_that_are_imported() -> None:
    assert set(LIBRARIES) == CONFINED.keys()


def test_no_file_needs_itself_to_be_imported() -> None:
    """Imports within functions count too: a circle is a circle. A package's contents page counts as what it names."""
    names = {file.removesuffix(".py").removesuffix("/__init__").replace("/", "."): file for file in FILES}
    graph = {name: {other for other, _ in imports(file) if other in names} - {name} for name, file in names.items()}
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


@pytest.mark.parametrize(
    ("library", "file"),
    [("ray", "engine/ray_executor.py"), ("torch", "engine/executor.py"), ("mlflow", "tracking/address.py")],
)
def test_slow_or_optional_libraries_are_imported_when_they_are_first_used(library: str, file: str) -> None:
    found = [at_once for name, at_once in imports(f"distnlc/{file}") if name.split(".")[0] == library]
    assert found
    assert not any(found)


def python(program: str, *arguments: str, **environment: str) -> str:
    command, environment = [sys.executable, "-c", program, *arguments], {"OMP_NUM_THREADS": "1"} | environment
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("module", ["distnlc", "distnlc.analysis", "distnlc.studies"])
def test_importing_a_contents_page_does_no_work(module: str) -> None:
    imported = python(f"import sys, json, {module}; print(json.dumps(sorted(sys.modules)))")
    heavy = {"torch", "numpy", "ray", "mlflow", "optuna", "pyarrow", "pandas", "typer"}
    assert heavy & set(json.loads(imported)) == set()


WITHOUT_RAY_AND_MLFLOW = """
import sys
sys.modules["ray"] = sys.modules["mlflow"] = None  # importing them now fails as if they were not installed
from distnlc.cli import main
main()
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_study_runs_serially_where_ray_and_mlflow_are_not_installed(tmp_path: Path) -> None:
    folder, assignments = tmp_path / "study", [f"--set={each}" for each in TINY_NLC]
    arguments = ["run", "quick", "--executor", "serial", "--out", str(folder), *assignments]
    environment = {"DISTNLC_CACHE": str(tmp_path / "cache"), "MPLCONFIGDIR": str(tmp_path / "matplotlib")}
    python(WITHOUT_RAY_AND_MLFLOW, *arguments, **environment)
    tables = load(folder)
    assert list(tables.architectures["status"]) == ["ok"] * 3
    assert len(tables.runs) == 3 * (3 + 1)
    assert not (folder / "mlflow.db").exists()
