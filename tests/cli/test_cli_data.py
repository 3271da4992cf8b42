"""A study keeps the data that it was begun with: others are refused and both named, between two runs and within one."""

from pathlib import Path

import pytest

from distnlc.plugins import DataRecord
from distnlc.spec import Unit
from distnlc.store import read_statuses
from distnlc.studies import resolve
from distnlc.studies.nlc import unit as kind
from distnlc.studies.nlc.spec import Spec
from distnlc.studies.nlc.units import units
from tests.helpers.data_files import write_mnist
from tests.helpers.typed import Answer, distnlc, rows

FILE = "train-images-idx3-ubyte.gz"
prepare = kind.prepare


@pytest.fixture
def unit(home: Path) -> Unit:
    """The tiny study on MNIST; the folders A and B hold two of it, with files of the same names."""
    text = (home / "tiny.yaml").read_text()
    (home / "tiny.yaml").write_text(
        text.replace("data: {", "data: {name: mnist, ") + "train_if: init_nlc between 0.1 and 0.2\n"
    )
    for name, points in (("A", 300), ("B", 310)):
        write_mnist(home / name / "mnist", train=points, test=100)
    study = resolve("tiny.yaml")
    assert isinstance(study, Spec)
    return units(study)[1]


def run(root: str, *more: str) -> Answer:
    return distnlc("run", "tiny.yaml", "--out", "study", "--executor", "serial", "--set", f"data.root={root}", *more)


def digests(root: str) -> str:
    files: dict[str, str] = prepare(resolve("tiny.yaml", [f"data.root={root}"]), ["tiny"])["tiny"]["files"]
    return files[FILE]


def test_a_study_that_one_unit_began_goes_on_with_the_same_data_or_not_at_all(home: Path, unit: Unit) -> None:
    assert run("A", "--unit", unit.unit_id).code == 0
    refused = run("B")
    assert refused.code == 2
    assert "part tiny was begun with other data (there -> found now)" in refused.err
    assert f"file {FILE}: {digests('A')} -> {digests('B')}" in refused.err
    before = digests("A")
    write_mnist(home / "A" / "mnist", train=320, test=100)  # in place
    assert f"file {FILE}: {before} -> {digests('A')}" in run("A").err
    assert set(read_statuses("study")) == {unit.unit_id}
    assert len(set(rows(home / "study")["architectures"]["d_in"])) == 1


@pytest.mark.usefixtures("unit")
def test_data_that_change_while_a_study_runs_end_it_and_cost_no_unit(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver has found other files than those that lie there when a unit is worked on."""
    before = digests("A")

    def and_then_they_change(spec: Spec, parts: list[str]) -> DataRecord:
        found = prepare(spec, parts)
        write_mnist(home / "A" / "mnist", train=320, test=100)
        return found

    monkeypatch.setattr(kind, "prepare", and_then_they_change)
    answer = run("A")
    assert answer.code == 2
    assert f"file {FILE}: {before} -> {digests('A')}" in answer.err
    assert "part tiny was begun with other data" in answer.err
    assert "What is done is kept" in answer.err
    assert read_statuses("study") == {}
