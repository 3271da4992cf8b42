"""A study of any kind, named by its folder, gives its closing words, its report, each figure and each table."""

from pathlib import Path

import pytest

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.report import study
from distnlc.analysis.tables import load
from distnlc.spec import SpecError, StudySpec
from distnlc.store import Store, StoreError
from distnlc.studies.rehearsal import RehearsalRow
from tests.helpers.synthetic import architecture_row, failed_row, invented, paper_rows, write_study


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Five architectures of an NLC study, and one that failed."""
    rows = [architecture_row(i, init_nlc=1.0 + i, init_bias=1.0 + i, test_error=0.1 * i) for i in range(5)]
    return str(write_study(tmp_path_factory.mktemp("five") / "study", [*rows, failed_row(5)]))


def units_of(folder: Path, kind: str) -> str:
    """A study of some kind with the rows of a rehearsal: three units, the last of them failed."""
    with Store.create_or_open(folder, StudySpec(kind=kind), {"units": RehearsalRow}) as store:
        for index, status in enumerate(("ok", "ok", "failed")):
            row = invented(RehearsalRow, unit_id=f"u{index}", part="a", index=index, status=status, host=f"h{index}")
            store.commit([(row.unit_id, status, {"units": [row]})])
    return str(folder)


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_a_figure_is_written_as_its_name_says_and_its_numbers_are_said(
    five: str, tmp_path: Path, kind: str, start: bytes
) -> None:
    out = tmp_path / "folder" / f"figure.{kind}"
    title, numbers, *_, written = study.write_figure(five, "figure2", out)
    assert out.read_bytes().startswith(start)
    assert title == "Figure 2: initial NLC and test error"
    assert "n = 5 of 6, left out: 1 (unit failed)" in numbers
    assert written == f"written: {out}"


def test_without_a_name_for_the_file_it_goes_into_the_report(five: str) -> None:
    assert study.write_figure(five, "figure3a", None)[-1] == f"written: {five}/report/figure3a.png"
    assert Path(five, "report", "figure3a.png").exists()


def test_figures_and_tables_are_listed_by_name_and_title(five: str) -> None:
    names = [" ".join(line.split()) for line in study.figure_names(five)]
    assert "figure3e Figure 3E: NLC after training and the perturbation that keeps the error" in names
    assert {"redundancy Which metrics say the same?", "saving_by_metric What each metric saves"} < set(names)
    assert "best_metric  Which initial metric predicts best?" in study.table_names(five)
    assert study.table_lines(five, "table2")[0].startswith("Table 2: ")


def test_mistakes_are_explained(five: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no figure 'figure6' of a study of kind nlc; there are: figure1, figure2, "):
        study.write_figure(five, "figure6", None)
    with pytest.raises(SpecError, match=r"no table 'x' .*there are: table1, "):
        study.table_lines(five, "x")
    with pytest.raises(SpecError, match=r"expected a name that ends in \.png, \.svg, \.pdf"):
        study.write_figure(five, "figure2", tmp_path / "figure.gif")
    with pytest.raises(StoreError, match="cannot be written"):
        study.write_figure(five, "figure2", Path(five, "manifest", "figure2.png"))
    with pytest.raises(StoreError, match="not a study folder"):
        study.figure_names(str(tmp_path))
    with pytest.raises(StoreError, match="not a study folder"):
        study.write_report(str(tmp_path))


def test_missing_records_are_said_with_the_presets_that_give_them(tmp_path: Path) -> None:
    folder = str(write_study(tmp_path / "study", [failed_row(0), failed_row(1)]))
    with pytest.raises(
        MissingRecordsError, match=r"^Figure 2: .*no architecture has both .*2 \(unit failed\)"
    ) as caught:
        study.write_figure(folder, "figure2", None)
    assert str(caught.value).endswith("; the presets paper-small and paper give them")
    with pytest.raises(MissingRecordsError, match=r"^Which initial metric predicts best"):
        study.table_lines(folder, "best_metric")


def test_a_study_ends_with_its_work_and_each_parts_answers(five: str, tmp_path: Path) -> None:
    work, first, *_ = study.closing(load(five))
    assert work == "6 architectures (1 failed), 15 training runs, 5 of them diverged; 15 epochs."
    assert first.startswith("5 of 6 architectures finished, 1 failed")
    several = study.closing(load(write_study(tmp_path / "paper", paper_rows(4))))
    assert "MNIST (SGD):" in several


@pytest.mark.parametrize("kind", ["rehearsal", "not-installed"])
def test_a_kind_without_figures_still_has_words_and_a_page(tmp_path: Path, kind: str) -> None:
    folder = units_of(tmp_path / "study", kind)
    tables = load(folder)
    said = study.closing(tables)
    assert said[0] == "3 units (1 failed)"
    assert len(said) == (3 if kind == "rehearsal" else 1)  # a rehearsal says what each machine did
    assert not study.has_report(tables)
    assert study.figure_names(folder) == [f"studies of kind {kind} have no figures"]
    assert study.table_names(folder) == [f"studies of kind {kind} have no tables"]
    with pytest.raises(SpecError, match="there are: none"):
        study.write_figure(folder, "figure2", None)
    text = Path(study.write_report(folder)).read_text()
    for words in ("3 units (1 failed)", "<td>a</td>", "Failed units", "Columns of units: 3 rows", "<td>host</td>"):
        assert words in text
    assert ("the machine that did the unit" in text) == (kind == "rehearsal")
