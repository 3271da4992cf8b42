"""A study in an object store, by the commands as they are typed, against a real S3 server on loopback."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs

from distnlc import analysis
from distnlc.studies import rehearsal
from tests.helpers.typed import assert_same_rows, content, distnlc, rows, without_seconds

pytestmark = pytest.mark.slow
BUCKET = "results"
STUDY = f"s3://{BUCKET}/team/study"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server that answers like S3."""
    from moto.server import ThreadedMotoServer

    serving = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    serving.start()
    host, port = serving.get_host_and_port()
    yield f"http://{host}:{port}"
    serving.stop()


@pytest.fixture(autouse=True)
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> fs.FileSystem:
    """An empty bucket; the environment says where, as users say it."""
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    files = fs.S3FileSystem(endpoint_override=server, allow_bucket_creation=True)
    files.create_dir(BUCKET)
    files.delete_dir_contents(BUCKET)
    return files


def objects(files: fs.FileSystem) -> set[str]:
    found = files.get_file_info(fs.FileSelector(f"{BUCKET}/team", recursive=True))
    return {each.path.removeprefix(f"{BUCKET}/team/study/") for each in found if each.is_file}


@pytest.mark.usefixtures("full_report")
def test_a_study_in_an_object_store_is_that_of_a_folder(home: Path, finished: Path, bucket: fs.FileSystem) -> None:
    answer = distnlc("run", "tiny.yaml", "--out", STUDY, "--executor", "serial")
    assert answer.code == 0, answer.err
    assert f"report: {STUDY}/report/index.html" in answer.out
    assert {"study.yaml", "report/index.html", "report/figure2.png", "report/figure2.svg"} <= objects(bucket)
    assert "progress.json" not in objects(bucket)
    assert content(home).keys() == {home / "tiny.yaml"}, "only an empty folder for what stays here"
    page = bucket.open_input_stream(f"{BUCKET}/team/study/report/index.html").read().decode()
    assert "correlation of log initial NLC" in page

    status = distnlc("status", STUDY)
    assert "3 of 3 units done, 0 failed" in status.out
    assert status.out.endswith(f"finished; {STUDY}/report/index.html\n")
    assert distnlc("export", STUDY).code == 2
    assert distnlc("export", STUDY, "--out", home / "tables").code == 0
    assert distnlc("export", finished, "--out", home / "expected").code == 0
    assert {path.name for path in (home / "tables").iterdir()} == {path.name for path in (home / "expected").iterdir()}
    found, expected = analysis.load(STUDY), analysis.load(finished)
    assert_same_rows(
        {name: without_seconds(table) for name, table in found._asdict().items()},
        {name: without_seconds(table) for name, table in expected._asdict().items()},
    )


def test_an_interrupted_study_goes_on_by_the_command_that_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    do_unit, begun = rehearsal.run, list[str]()

    def run(spec: Any, unit: Any, device: str, folder: Path) -> Any:
        begun.append(unit.unit_id)
        if len(begun) == 8:
            raise KeyboardInterrupt
        return do_unit(spec, unit, device, folder)

    monkeypatch.setattr(rehearsal, "run", run)
    words = ("run", "rehearsal", "--set", "count=20", "--set", "seconds=0", "--executor", "serial", "--out", STUDY)
    answer = distnlc(*words)
    assert answer.code == 130
    assert "interrupted: 7 of 20 units are kept" in answer.out
    status = distnlc("status", STUDY).out
    assert "7 of 20 units done" in status
    assert f"not at work; go on: distnlc run {STUDY}/study.yaml --out {STUDY}" in status
    again = distnlc("run", f"{STUDY}/study.yaml", "--out", STUDY, "--executor", "serial")
    assert again.code == 0, again.err
    assert "13 of 20 units to do" in again.out
    assert len(begun) == 8 + 13
    table = rows(STUDY)["units"]  # type: ignore[arg-type]
    assert sorted(table["index"]) == list(range(20))


@pytest.mark.parametrize("words", [["status"], ["export", "--out", "here"], ["run", "tiny.yaml", "--out"]])
def test_a_bucket_that_is_not_there_is_one_message(words: list[str]) -> None:
    answer = distnlc(*words, "s3://nowhere/study")
    assert answer.code == 2
    assert "s3://nowhere/study" in answer.err
    assert "Traceback" not in answer.err
