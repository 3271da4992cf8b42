"""A study in an object store, by the commands as they are typed, against a real S3 server on loopback."""

from pathlib import Path

import pytest

from distnlc.sinks import mirror
from distnlc.store import place_of
from distnlc.studies import rehearsal
from tests.helpers.s3_server import BUCKET, S3Server
from tests.helpers.typed import assert_same_rows, distnlc, no_mlflow, rows

RUN = "run", "rehearsal", "--set", "count=20", "--set", "seconds=0", "--executor", "serial", "--out"


@pytest.fixture
def study(address: str, server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An address in an empty bucket; the environment says which server, as users say it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mirror, "find_spec", no_mlflow)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
    return address.partition("?")[0]


def test_a_study_in_an_object_store_is_that_of_a_folder(study: str, tmp_path: Path) -> None:
    for folder in (study, "local"):
        answer = distnlc(*RUN, folder)
        assert answer.code == 0, answer.err
    assert {"study.yaml", "manifest", "units", "sessions"} <= place_of(study).names().keys()
    assert "progress.json" not in place_of(study).names()
    assert {path.name for path in tmp_path.iterdir()} <= {"local", "studies"}
    assert [path for path in (tmp_path / "studies").rglob("*") if path.is_file()] == [], (
        "only an empty folder stays here"
    )
    assert distnlc("report", study).code == 0
    assert "report/index.html" in place_of(study).names("report")
    status = distnlc("status", study).out
    assert "20 of 20 units done, 0 failed" in status
    assert "finished" in status
    assert distnlc("export", study).code == 2
    assert distnlc("export", study, "--out", tmp_path / "tables").code == 0
    assert [path.name for path in (tmp_path / "tables").iterdir()] == ["units.parquet"]
    assert_same_rows(rows(study), rows(Path("local")))  # type: ignore[arg-type]


def test_an_interrupted_study_goes_on_by_the_command_that_is_shown(study: str, monkeypatch: pytest.MonkeyPatch) -> None:
    derive_seed, begun = rehearsal.derive_seed, list[int]()

    def interrupted_once(*of: str | int) -> int:
        begun.append(1)
        if len(begun) == 8:
            raise KeyboardInterrupt
        return derive_seed(*of)

    monkeypatch.setattr(rehearsal, "derive_seed", interrupted_once)
    answer = distnlc(*RUN, study)
    assert answer.code == 130
    assert "interrupted: 7 of 20 units are kept" in answer.out
    status = distnlc("status", study).out
    assert "7 of 20 units done" in status
    assert f"not at work; go on: distnlc run {study}/study.yaml --out {study}" in status
    again = distnlc("run", f"{study}/study.yaml", "--out", study, "--executor", "serial")
    assert again.code == 0, again.err
    assert "13 of 20 units to do" in again.out
    assert len(begun) == 8 + 13
    assert sorted(rows(study)["units"]["index"]) == list(range(20))  # type: ignore[arg-type]


@pytest.mark.parametrize("words", [["status"], ["export", "--out", "here"], [*RUN]])
def test_a_bucket_that_is_not_there_is_one_message(study: str, words: list[str]) -> None:
    answer = distnlc(*words, study.replace(BUCKET, "nowhere"))
    assert answer.code == 2
    assert "s3://nowhere/study" in answer.err
    assert "Traceback" not in answer.err
