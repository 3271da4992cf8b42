"""Tables 1 and 2 put measured values beside the stated ones."""

import json
import math
from pathlib import Path

import pytest

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing import table as tables
from distnlc.analysis.drawing.table import MeasuredError, read_measured, written
from distnlc.analysis.nlc_initial.table1 import ACTIVATIONS, LABELS, STATED, table1, tabulate
from distnlc.analysis.nlc_initial.table2 import STATED as STATED2
from distnlc.analysis.nlc_initial.table2 import table2
from tests.helpers.synthetic import architecture_row, write_study


def test_table1_of_the_stated_values_has_ratio_one() -> None:
    frame = table1({"table1": {row: list(STATED[row]) for row in "ABDE"}})
    for row in "ABDE":
        assert frame.loc[(LABELS[row], "ratio")].tolist() == pytest.approx([1.0] * 8)
        assert tuple(frame.loc[(LABELS[row], "paper")]) == STATED[row]
    assert tuple(frame.columns) == ACTIVATIONS


def test_row_c_is_the_48th_power_of_row_a() -> None:
    frame = table1({"table1": {"A": [1.211, 1, 2, 1, 1, 1, math.sqrt(2), 1]}})
    measured = frame.loc[(LABELS["C"], "measured")]
    assert measured["tanh"] == 2.0**48
    assert measured["square"] == pytest.approx(2.0**24)
    # the stated powers come from unrounded row A, so they agree to the digits that row A shows
    assert frame.loc[(LABELS["C"], "ratio"), "ReLU"] == pytest.approx(1, abs=0.02)


def test_rows_not_measured_are_empty() -> None:
    frame = table1({"table1": {"B": None, "A": [1.2, None, 1, 1, 1, 1, 1, 1]}})
    assert frame.loc[(LABELS["B"], "measured")].isna().all()
    assert frame.loc[(LABELS["D"], "ratio")].isna().all()
    assert frame[frame.columns[1]].loc[(LABELS["C"], "measured")] != 0
    assert written(frame).loc[(LABELS["C"], "measured"), "SELU"] == "–"


def test_a_row_of_wrong_length_is_refused() -> None:
    with pytest.raises(MeasuredError, match=r"row B: .*expected 8 values \(ReLU, .*got 3"):
        table1({"table1": {"B": [1, 2, 3]}})


def test_table2_has_one_column_per_depth() -> None:
    frame = table2({"table2": {depth: 2 * value for depth, value in STATED2.items() if depth != "50"}})
    assert list(frame.columns) == [f"depth {depth}" for depth in (2, 5, 10, 15, 20, 25, 50)]
    assert frame.loc[("NLC", "ratio")].tolist()[:-1] == pytest.approx([2.0] * 6)
    assert math.isnan(frame.loc[("NLC", "measured")].iloc[-1])


def test_the_file_of_measured_values_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    with pytest.raises(MeasuredError, match="not measured yet"):
        read_measured(path)
    for said, complaint in (("{", "not readable as JSON"), ("[]", "expected a mapping"), ("{}", "'table1'")):
        path.write_text(said)
        with pytest.raises(MeasuredError, match=complaint):
            read_measured(path)
    good = {"table1": {}, "table2": {"2": 1.2}, "settings": {"width": 100}}
    path.write_text(json.dumps(good))
    assert read_measured(path) == good


def test_a_table_runs_alone_on_any_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tables.main(tabulate, [str(write_study(tmp_path / "study", [architecture_row(0)]))]) == 0
    said = capsys.readouterr().out
    assert "9793" in said
    assert "odd square" in said
    assert tables.main(tabulate, [str(tmp_path)]) == 2
    assert "not a study folder" in capsys.readouterr().err


def test_a_table_without_measured_values_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("analysis.tables.table1.read_measured", lambda: read_measured(Path("nowhere.json")))
    assert tables.main(tabulate, []) == 1
    assert "not measured yet" in capsys.readouterr().err


def test_table1_says_why_two_rows_differ() -> None:
    measured = read_measured()
    first, second = tabulate(None).remarks
    ratios = [value / alone for value, alone in zip(measured["table1"]["B"], measured["table1"]["A"], strict=True)]
    assert f"{min(ratios):.2f} to {max(ratios):.2f} times row A" in first
    for low, high in measured["ranges"]["D"][-2:]:
        assert f"{text.number(low, 2)} to {text.number(high, 2)} over the initializations" in second
    # isotropic inputs explain row B only if they give row A, and nearly the paper's row B
    for isotropic, alone, stated in zip(
        measured["checks"]["isotropic B"], measured["table1"]["A"], STATED["B"], strict=True
    ):
        assert isotropic == pytest.approx(alone, rel=0.01)
        assert isotropic == pytest.approx(stated, rel=0.05)
    # and the number of batches explains row D only if it, and not the width, makes orders of magnitude
    for name, median in zip(("square", "odd-square"), measured["table1"]["D"][-2:], strict=True):
        few = measured["checks"]["D by width"][name].values()
        assert max(few) < 5 * min(few) < median
