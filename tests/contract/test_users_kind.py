"""A kind of the user's own: one file, named by --plugin; where it is not installed its studies can still be counted."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from distnlc import plugins
from distnlc.cli.contract import (
    PROMISES,
    BrokenPromise,
    Trial,
    gives_the_same_rows_on_two_workers,
    lists_its_units_alike_every_time,
)
from distnlc.sinks import mirror
from distnlc.spec import SpecError
from distnlc.store import place_of
from distnlc.store.reading import read_manifest
from distnlc.studies import resolve, template
from tests.helpers.plugged import forget, installed, modules_in
from tests.helpers.typed import Answer, distnlc, no_mlflow

MINE = Path(template.__file__).read_text()
PROMISES_WITHOUT_RAY = tuple(each for each in PROMISES if each is not gives_the_same_rows_on_two_workers)
STUDY = "kind: mine\nparts: {a: {}, b: {shift: 0.5, count: 2}}\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the plug-in and a study of it; at the end the plug-in is forgotten."""
    monkeypatch.setattr(mirror, "find_spec", no_mlflow)
    (tmp_path / "mine.yaml").write_text(STUDY)
    with modules_in(tmp_path, {"my_study": MINE}):
        yield tmp_path


def run_mine(*words: str) -> Answer:
    return distnlc("run", "mine.yaml", "--out", "study", "--executor", "serial", *words)


@pytest.mark.usefixtures("home")
def test_a_kind_in_one_file_is_run_reported_and_exported() -> None:
    answer = run_mine("--plugin", "my_study")
    assert answer.code == 0, answer.err
    assert "5 of 5 units to do" in answer.out
    assert distnlc("status", "study", "--plugin", "my_study").out.startswith("mine ")
    assert distnlc("report", "study", "--plugin", "my_study").code == 0
    assert distnlc("export", "study", "--format", "csv").code == 0
    rows = pd.read_csv("study/export/squares.csv")
    assert list(rows["square"]) == [0, 1, 4, 0.25, 2.25]
    assert rows["unit_id"].str.match("u[0-9a-f]{16}").all()


@pytest.mark.usefixtures("home")
def test_some_parts_are_done_alone_and_the_same_command_does_the_rest() -> None:
    assert run_mine("--plugin", "my_study", "--part", "b").code == 0
    assert "2 of 5 units done" in distnlc("status", "study", "--plugin", "my_study").out
    assert "no such part; parts: a, b" in run_mine("--plugin", "my_study", "--part", "c").err
    answer = run_mine("--plugin", "my_study")
    assert "3 of 5 units to do" in answer.out
    assert "5 of 5 units done" in distnlc("status", "study", "--plugin", "my_study").out


def test_an_installed_kind_needs_no_option(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(home, mine="my_study:KIND")
    monkeypatch.syspath_prepend(home)
    assert run_mine().code == 0
    assert "5 of 5 units done" in distnlc("status", "study").out
    assert "mine" in distnlc("kinds").out


def test_an_installed_kind_that_cannot_be_used_is_told_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "bare.py").write_text(MINE.replace("    device: str | None = column(DEVICE)\n", ""))
    installed(home, mine="bare:KIND")
    monkeypatch.syspath_prepend(home)
    with pytest.raises(
        SpecError, match=r"entry point mine \(bare:KIND\): kind mine: Row: a first table has a column device"
    ):
        plugins.kind_of("mine")


def test_a_study_of_another_version_of_its_kind_is_another_study_and_is_not_continued(home: Path) -> None:
    assert run_mine("--plugin", "my_study").code == 0
    first = read_manifest(place_of("study")).study_id
    forget("my_study")
    (home / "my_study.py").write_text(MINE.replace('name="mine", ', 'name="mine", version="2", '))
    answer = distnlc("run", "study/study.yaml", "--out", "study", "--executor", "serial", "--plugin", "my_study")
    assert answer.code == 2
    assert "the study is of version 1 of the kind mine, and the one here is version 2" in answer.err
    assert run_mine("--plugin", "my_study", "--out", "again").code == 0
    assert read_manifest(place_of("again")).study_id != first


@pytest.mark.usefixtures("home")
def test_a_study_whose_kind_is_not_installed_is_listed_counted_and_exported_but_not_run() -> None:
    assert run_mine("--plugin", "my_study").code == 0
    forget("my_study")
    said = distnlc("status", "study")
    assert said.code == 0
    assert "mine: units 5 ok" in said.out
    assert "its kind 'mine' is not installed here" in said.out
    assert distnlc("export", "study", "--out", "rows").code == 0
    assert len(pd.read_parquet("rows/squares.parquet")) == 5
    answer = run_mine()
    assert answer.code == 2
    assert "unknown study kind 'mine'" in answer.err
    assert "my_study" not in sys.modules, "a name in a study folder must never be imported"


@pytest.mark.usefixtures("home")
@pytest.mark.slow
def test_the_check_of_a_kind_says_what_it_keeps_and_what_it_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTNLC_PLUGINS", "my_study")
    monkeypatch.setattr("distnlc.cli.contract.PROMISES", PROMISES_WITHOUT_RAY)
    answer = distnlc("kinds", "--check", "mine.yaml")
    assert answer.code == 0, answer.err
    assert answer.out.count("ok: ") == len(PROMISES_WITHOUT_RAY)
    assert "mine" in distnlc("kinds").out
    forget("my_study")
    Path("my_study.py").write_text(MINE.replace("(unit.index + spec", "(id(object()) + spec"))
    answer = distnlc("kinds", "--check", "mine.yaml")
    assert answer.code == 2
    assert "broken: gives the same rows when it is resumed" in answer.err


@pytest.mark.usefixtures("home")
def test_a_kind_whose_unit_ids_could_be_numbers_is_told_what_makes_them(tmp_path: Path) -> None:
    """A spreadsheet reads 12345e7 as a number; the older kinds keep such ids."""
    ids = "spec.unit_id(part, index)"
    assert ids in MINE
    (tmp_path / "my_study.py").write_text(MINE.replace(ids, f"{ids}[1:]"))
    plugins.use_plugins(["my_study"])
    trial = Trial(resolve("mine.yaml"), tmp_path)
    with pytest.raises(BrokenPromise, match=r"must begin with a letter; `spec\.unit_id` makes them"):
        lists_its_units_alike_every_time(trial)


def test_a_plugin_that_cannot_be_used_is_told_so(home: Path) -> None:
    with pytest.raises(SpecError, match="plug-in none_such: cannot be imported on this machine"):
        plugins.use_plugins(["none_such"])
    (home / "empty_study.py").write_text("")
    with pytest.raises(SpecError, match=r"plug-in empty_study: expected a module with an object of type distnlc\.Kind"):
        plugins.use_plugins(["empty_study"])
    (home / "twice.py").write_text(MINE.replace('name="mine"', 'name="nlc"'))
    with pytest.raises(SpecError, match="there is a kind 'nlc' already"):
        plugins.use_plugins(["twice"])
    (home / "bare.py").write_text(MINE.replace("    device: str | None = column(DEVICE)\n", ""))
    with pytest.raises(
        SpecError, match=r"plug-in bare: kind mine: Row: a first table has a column device of type str\?"
    ):
        plugins.use_plugins(["bare"])
