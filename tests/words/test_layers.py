"""The walls of the house: which room may import which, where each library is confined, what must run without it."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from distnlc.analysis import load

ROOT = Path(__file__).parent.parent
FILES = [
    path.relative_to(ROOT).as_posix()
    for room in ("distnlc", "analysis")
    for path in sorted(ROOT.glob(f"{room}/**/*.py"))
]

WORDS = {"spec", "records", "versions"}
MATTER = {"data", "networks"}
SCIENCE = {"metrics", "training"}
EDGES = {"store", "tracking"}
ALL = (
    WORDS
    | MATTER
    | SCIENCE
    | EDGES
    | {*("search", "studies", "engine", "console", "mirror", "sessions", "analysis", "bench", "measuring")}
)
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),  # a contents page: everything is imported when it is first used
    **{room: set() for room in WORDS},
    **dict.fromkeys(MATTER, WORDS),
    **dict.fromkeys(SCIENCE, WORDS | MATTER),
    "search": WORDS,
    "studies": WORDS | MATTER | SCIENCE | {"search"},
    **dict.fromkeys(EDGES, WORDS),
    "engine": WORDS | {"studies"},
    "console": ALL,
    "mirror": ALL,
    "sessions": ALL,
    "cli": ALL,
    "bench": ALL | {"cli"},  # the engine is measured with the sinks that `run` gives it
    "measuring": ALL,  # the user's network comes in at the door, and is measured as a study's
    "analysis": {"records", "store"},
}
"""room -> the other rooms that it may import, at any place in its files"""

CONFINED: dict[str, list[str]] = {
    "pydantic": ["distnlc/spec.py"],
    "torch": ["distnlc/data", "distnlc/networks", "distnlc/metrics", "distnlc/training"],
    "numpy": ["distnlc/data", "distnlc/networks"],
    "optuna": ["distnlc/search.py"],
    "pyarrow": ["distnlc/store", "distnlc/data/images.py"],
    "mlflow": ["distnlc/tracking"],
    "ray": ["distnlc/engine"],
    "typer": ["distnlc/cli.py", "distnlc/console.py", "distnlc/bench", "distnlc/measuring/command.py"],
    "rich": ["distnlc/cli.py", "distnlc/console.py", "distnlc/bench"],
    "pandas": ["analysis"],
    "scipy": ["analysis"],
    "matplotlib": ["analysis"],
    "plotly": ["analysis"],
    "jinja2": ["analysis"],
}
"""library -> the files and folders it is confined to"""

EXCEPTIONS: dict[tuple[str, str], str] = {
    ("yaml", "distnlc/spec.py"): "study files are YAML, and the spec reads and writes them",
    ("PIL", "distnlc/data/images.py"): "the hub's CIFAR10 holds encoded images",
    ("numpy", "analysis"): "correlations and figures work on arrays",
    ("numpy", "distnlc/bench"): "what the fast program is measured against",
    ("torch", "distnlc/bench"): "what the fast program is measured against",
    ("numpy", "distnlc/studies/nlc_view.py"): "the running correlation that is shown while a study runs",
    ("numpy", "distnlc/training/checkpoint.py"): "plain arrays in a file that cannot run code",
    ("numpy", "distnlc/training/population.py"): "reproducible shuffles, and the arrays of the schedule",
    ("numpy", "distnlc/training/schedule.py"): "the schedule decides on the host, once an epoch",
    ("torch", "distnlc/studies/nlc.py"): "a unit carries tensors from room to room",
    ("torch", "distnlc/studies/nlc_cost.py"): "the calibration times a population",
    ("torch", "distnlc/studies/nlc_tables.py"): "tables 1 and 2 measure networks",
    ("numpy", "distnlc/studies/nlc_tables.py"): "the Gaussian initialization of table 2's networks",
    ("torch", "distnlc/measuring"): "the user's network is a torch module",
    ("numpy", "distnlc/measuring/own.py"): "the user's inputs are in files of numpy's",
    ("torch", "distnlc/studies/nlc_changes.py"): "weights and inputs are changed by hand",
    ("torch", "distnlc/studies/nlc_confounders.py"): "networks with a sine for an activation function",
    ("torch", "distnlc/studies/nlc_pictures.py"): "the pictures of table 2 show networks",
    ("numpy", "distnlc/studies/nlc_pictures.py"): "pictures are arrays",
    ("PIL", "distnlc/studies/nlc_pictures.py"): "and become a PNG file",
    ("sqlalchemy", "distnlc/tracking/address.py"): "what a database's address says; MLflow goes through it",
    ("torch", "distnlc/engine/executor.py"): "the device and one thread per unit; imported when first used",
}
"""(library, file or folder) -> why it stands there too"""


def room_of(file: str) -> str:
    first, *rest = file.removesuffix(".py").split("/")
    return "analysis" if first == "analysis" else rest[0]


def inside(file: str, place: str) -> bool:
    return file == place or file.startswith(place + "/")


def imports(file: str) -> Iterator[tuple[str, bool]]:
    """Every module that the file imports at any place, and whether that happens as soon as the file is imported.

    What only the type checker reads (`if TYPE_CHECKING:`) is left out.
    """
    package = list(Path(file).parent.parts)
    todo: list[tuple[ast.AST, bool]] = [(ast.parse((ROOT / file).read_text()), True)]
    while todo:
        node, at_once = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            rooms = module in {"distnlc", "analysis"}  # `from distnlc import store` imports a room
            yield from ((f"{module}.{alias.name}" if rooms else module, at_once) for alias in node.names)
        later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        todo += [(child, at_once and not later) for child in ast.iter_child_nodes(node)]


def third_party(file: str) -> set[str]:
    return {name.split(".")[0] for name, _ in imports(file)} - sys.stdlib_module_names - {"distnlc", "analysis"}


def test_every_room_has_its_place_in_the_table() -> None:
    assert {room_of(file) for file in FILES} <= MAY_IMPORT.keys()


@pytest.mark.parametrize("file", FILES)
def test_a_file_imports_only_the_rooms_that_it_may(file: str) -> None:
    ours = [name.split(".") for name, _ in imports(file) if name.split(".")[0] in {"distnlc", "analysis"}]
    rooms = {"analysis" if name[0] == "analysis" else name[1] for name in ours}
    assert rooms - {room_of(file)} <= MAY_IMPORT[room_of(file)]


@pytest.mark.parametrize("file", FILES)
def test_a_library_stands_only_where_it_is_confined(file: str) -> None:
    for library in third_party(file):
        confined = any(inside(file, place) for place in CONFINED.get(library, []))
        excepted = any(library == other and inside(file, place) for other, place in EXCEPTIONS)
        assert confined or excepted, f"{file} imports {library}"


def test_every_exception_is_still_needed() -> None:
    unused = [
        (library, place)
        for library, place in EXCEPTIONS
        if not any(inside(file, place) and library in third_party(file) for file in FILES)
    ]
    assert unused == []


@pytest.mark.parametrize(
    ("library", "file"),
    [("ray", "engine/ray_executor.py"), ("torch", "engine/executor.py"), ("mlflow", "tracking/address.py")],
)
def test_slow_or_optional_libraries_are_imported_when_they_are_first_used(library: str, file: str) -> None:
    found = [at_once for name, at_once in imports(f"distnlc/{file}") if name.split(".")[0] == library]
    assert found
    assert not any(found)


def python(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("module", ["distnlc", "distnlc.spec", "distnlc.records", "distnlc.studies"])
def test_importing_the_words_does_no_work(module: str) -> None:
    done = python(f"import sys, json, {module}; print(json.dumps(sorted(sys.modules)))")
    assert done.returncode == 0, done.stderr
    heavy = {"torch", "numpy", "ray", "mlflow", "optuna", "pyarrow", "pandas", "typer"}
    assert heavy & set(json.loads(done.stdout)) == set()


WITHOUT_RAY_AND_MLFLOW = """
import sys
sys.modules["ray"] = sys.modules["mlflow"] = None  # importing them now fails as if they were not installed
from distnlc.cli import main
main()
"""
TINY = {
    "data.train": 500,
    "data.validation": 250,
    "data.test": 250,
    "sampling.count": 2,
    "sampling.parameters": 300,
    "sampling.depth_max": 9,
    "training.divisions": 2,
    "training.first_patience": 3,
    "training.patience": 2,
    "search.coarse": 2,
    "search.wave": 1,
    "search.waves": 1,
    "metrics.nlc_batches": 2,
    "metrics.walk_batches": 0,
}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_study_runs_serially_where_ray_and_mlflow_are_not_installed(tmp_path: Path) -> None:
    folder, assignments = tmp_path / "study", [f"--set={field}={value}" for field, value in TINY.items()]
    arguments = ["run", "quick", "--executor", "serial", "--out", str(folder), *assignments]
    environment = {"DISTNLC_CACHE": str(tmp_path / "cache"), "MPLCONFIGDIR": str(tmp_path / "matplotlib")}
    done = python(WITHOUT_RAY_AND_MLFLOW, *arguments, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    tables = load(folder)
    assert list(tables.architectures["status"]) == ["ok", "ok"]
    assert len(tables.runs) == 2 * 3
    assert not (folder / "mlflow.db").exists()
