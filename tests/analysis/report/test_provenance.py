"""How a study was run: counted, timed, and honest about sessions that were killed or written by others."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from distnlc.analysis.nlc.answers import answers
from distnlc.analysis.report import provenance
from distnlc.analysis.tables import Tables, load
from distnlc.records import SKIPPED
from tests.helpers.synthetic import architecture_row, failed_row, write_study

SESSION = {
    "started": "2026-03-01T10:20:30+00:00",
    "seconds": 90.0,
    "units": 5,
    "platform": "Linux",
    "cores": 8,
    "cpu": "EPYC",
    "executor": "ray",
    "versions": {"python": "3.11.9", "distnlc": "0.1", "torch": "2.6"},
}


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    rows = [
        *(architecture_row(i, device="EPYC (CPU)", seconds=10.0) for i in range(3)),
        architecture_row(3, device="H200", attempts=2, seconds=30.0),
        architecture_row(4, status=SKIPPED, reason="init_nlc 9 is not between 1 and 5", runs=None, seconds=1.0),
        failed_row(5, seconds=9.0),
    ]
    return load(write_study(tmp_path / "study", rows))


def frames(tables: Tables, sessions: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    return dict(provenance.frames(tables, answers(tables), sessions))


def test_units_runs_and_time_are_counted(tables: Tables) -> None:
    said = " ".join(provenance.sentences(tables, answers(tables), [SESSION, SESSION | {"seconds": 40.0}]))
    for expected in (
        "6 units of work",
        "1 failed, 1 skipped, 1 done after more than one attempt",
        "12 training runs, 4 of them diverged",
        "12 epochs",
        "All units one after the other take 70 s",
        "10 of them were done in 2 recorded sessions of 2.2 min together",
    ):
        assert expected in said
    assert "session" not in " ".join(provenance.sentences(tables, answers(tables), []))


def test_each_table_has_its_rows(tables: Tables) -> None:
    found = frames(tables, [SESSION])
    assert found["Hardware that did the units"].to_numpy().tolist() == [
        ["EPYC (CPU)", "3", "30 s"],
        ["H200", "1", "30 s"],
    ]
    (failed,) = found["Failed units"].to_dict("records")
    assert (failed["index"], failed["attempts"]) == ("5", "3")
    assert failed["reason"].startswith("out of memory")
    (skipped,) = found["Skipped units"].to_dict("records")
    assert skipped["reason"] == "init_nlc 9 is not between 1 and 5"
    (again,) = found["Units done after more than one attempt"].to_dict("records")
    assert (again["index"], again["seconds"]) == ("3", "30 s")
    (session,) = found["Sessions"].to_dict("records")
    assert session == {
        "started (UTC)": "2026-03-01 10:20",
        "wall time": "90 s",
        "units": "5",
        "machine": "8 cores, EPYC, Linux",
        "executor": "ray",
        "versions": "python 3.11.9, distnlc 0.1, torch 2.6",
    }


def test_killed_and_odd_sessions_are_shown_as_they_are(tables: Tables) -> None:
    odd = [{"started": "x", "seconds": "long", "versions": 3}, {"started": SESSION["started"]}]
    found = frames(tables, odd)["Sessions"]
    assert found["wall time"].to_list() == ["no end recorded", "no end recorded"]
    assert found["machine"].to_list()[1] == "– cores, –, –"


def test_long_lists_are_cut_and_counted(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "MOST_ROWS", 2)
    found = frames(tables, [SESSION] * 5)["Sessions"]
    assert len(found) == 3
    assert found.iloc[-1, 0] == "and 3 more"


def test_a_study_without_any_of_it_has_only_its_parts(tmp_path: Path) -> None:
    assert list(frames(load(write_study(tmp_path / "study", [architecture_row(0)])), [])) == ["Parts"]
