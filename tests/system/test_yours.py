"""The examples of the user's own, run as a user runs them: copied out of the repository, named by --plugin or installed
by pip, in processes of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from distnlc.analysis import load
from distnlc.engine.executor import EngineError, StudyWork, study_work
from distnlc.engine.ray_executor import RayExecutor
from tests.helpers.small_studies import TINY_NLC, small_study
from tests.helpers.typed import assert_same_rows, rows

YOURS = Path(__file__).parents[2] / "analysis" / "yours"
DISTNLC = Path(sys.executable).parent / "distnlc"
TINY = [f"--set={each}" for each in (*TINY_NLC, "search.smallest_update=0.001", "sampling.count=9")]
"""a study that is done soon, with as many architectures as a ranking needs"""
SERIAL = ["--executor", "serial"]

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder outside the repository with a copy of the examples, and a package that has a name of ours."""
    shutil.copytree(YOURS, tmp_path / "mine")
    (tmp_path / "mine" / "analysis").mkdir()
    (tmp_path / "mine" / "analysis" / "__init__.py").write_text("raise RuntimeError('the analysis of somebody else')\n")
    return tmp_path / "mine"


def typed(home: Path, cache: Path, *words: str, **environment: str) -> str:
    """What `distnlc WORDS` says, in a shell of its own that stands in that folder."""
    without = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "RAY_ADDRESS"}}
    own = {"DISTNLC_CACHE": str(cache), "MPLCONFIGDIR": str(cache), "OMP_NUM_THREADS": "1"} | environment
    done = subprocess.run(
        [DISTNLC, *words], cwd=home, env=without | own, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_metric_is_measured_on_every_architecture_and_ranked(home: Path, cache: Path) -> None:
    named = ["--plugin", "my_metric", "--set", "metrics.extra=[my-agreement]"]
    typed(home, cache, "run", "quick", *TINY, *named, *SERIAL, "--out", "study", PYTHONPATH=".")
    measured = load(home / "study").measurements
    assert len(measured) == 2 * 9
    assert measured["value"].between(0, 1).all()
    table = typed(home, cache, "table", "study", "best_metric")
    assert "share of the most frequent answer" in table


def test_the_family_is_trained_beside_the_study_s_own_architectures(home: Path, cache: Path) -> None:
    small = [f"--set={each}" for each in (*TINY_NLC, "sampling.count=2", "search.smallest_update=0.001")]
    typed(home, cache, "run", "my_family.yaml", *small, "--plugin", "my_family", *SERIAL, "--out", "study")
    tables = load(home / "study")
    assert set(tables.architectures["status"]) == {"ok"}
    assert set(tables.architectures.query("part == 'residual'")["activation"]) == {"my-residual"}
    assert set(tables.properties["name"]) == {"activation", "blocks"}
    assert "waveform-noise, my-residual (SGD)" in (home / "study" / "report" / "index.html").read_text()


def test_a_study_is_about_the_source_s_points_as_the_preparation_makes_them(home: Path, cache: Path) -> None:
    small = [f"--set={each}" for each in (*TINY_NLC, "sampling.count=2", "search.smallest_update=0.001")]
    typed(home, cache, "run", "my_source.yaml", *small, "--plugin", "my_source", *SERIAL, "--out", "study")
    architectures = load(home / "study").architectures
    assert list(architectures["status"]) == ["ok", "ok"]
    assert list(architectures["dataset"]) == ["my-spirals"] * 2
    assert set(architectures["d_in"]) == {4}, "two numbers a point, and their squares"
    assert "units 2 ok" in typed(home, cache, "status", "study")
    assert "2 of 2 units done" in typed(home, cache, "status", "study", "--plugin", "my_source")


def test_the_study_keeps_what_every_kind_must(home: Path, cache: Path) -> None:
    said = typed(home, cache, "kinds", "--check", "my_study.yaml", "--plugin", "my_study")
    assert said.count("ok: ") == 7
    typed(home, cache, "run", "my_study.yaml", "--plugin", "my_study", *SERIAL, "--out", "study")
    assert load(home / "study").pairs["distance"].gt(0).all()
    assert len((home / "my_study.py").read_text().splitlines()) < 80


def test_an_installed_package_needs_no_option(home: Path, cache: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", home / "site", home / "package"], check=True, timeout=200)
    installed = {"PYTHONPATH": str(home / "site")}
    assert "metric of your own: my-size" in typed(home, cache, "kinds", **installed)
    words = ["run", "quick", *TINY, "--set", "sampling.count=2", "--set", "metrics.extra=[my-size]", "--out", "study"]
    typed(home, cache, *words, *SERIAL, **installed)
    assert load(home / "study").measurements["value"].gt(0).all()
    assert "2 of 2 units done" in typed(home, cache, "status", "study")


def test_workers_find_the_plugins_and_give_the_rows_of_one_process(home: Path, cache: Path) -> None:
    """Metric and family in one study, both named on the command line, on two Ray workers. The folder holds another
    checkout of the product, which is nobody's business: neither the driver nor its workers import it."""
    (home / "distnlc").mkdir()
    (home / "distnlc" / "__init__.py").write_text("raise ImportError('another checkout')")
    small = [f"--set={each}" for each in (*TINY_NLC, "sampling.count=2", "search.smallest_update=0.001")]
    named = ["--plugin", "my_family", "--plugin", "my_metric", "--set", "metrics.extra=[my-agreement]"]
    words = ["run", "my_family.yaml", *small, *named]
    typed(home, cache, *words, *SERIAL, "--out", "serial")
    typed(home, cache, *words, "--workers", "2", "--out", "workers")
    assert_same_rows(rows(home / "workers"), rows(home / "serial"))


@pytest.mark.parametrize(
    ("fields", "plugins", "said"),
    [
        ({}, ["none_such"], r"plug-in none_such: cannot be imported on this machine \(ModuleNotFoundError: No module"),
        (
            {"metrics": {"extra": [{"name": "mine", "version": "1"}]}},
            [],
            "there is no metric 'mine' here; there are: ",
        ),
    ],
)
def test_a_worker_that_lacks_a_plugin_says_which_and_on_which_machine(
    fields: dict[str, object], plugins: list[str], said: str
) -> None:
    study = small_study("nlc")
    work = StudyWork({**study_work(study).fields, **fields}, plugins=plugins)
    executor = RayExecutor(work, workers=1)
    try:
        with pytest.raises(EngineError, match=f"no Ray worker can be started, .*SpecError: on machine .*: {said}"):
            until_it_gives_up(executor)
    finally:
        executor.close()


def until_it_gives_up(executor: RayExecutor) -> None:
    for _ in range(100):
        executor.wait(3.0)
