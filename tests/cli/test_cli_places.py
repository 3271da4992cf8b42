"""Where the commands read and write: home folders, places that cannot be written, the mirror's address."""

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from distnlc.analysis.nlc import report as study_report
from distnlc.cli import run
from distnlc.spec import to_yaml
from distnlc.store import folder as store_folder
from tests.helpers.typed import distnlc

FIGURES = [figure for figure in study_report.REPORT.figures if figure.name == "figure2"]
REHEARSAL = "kind: rehearsal\ncount: 1\nseconds: 0.0\n"


@pytest.fixture
def rehearsal(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with a small study's file."""
    monkeypatch.setenv("HOME", str(home / "ann"))
    (home / "ann").mkdir()
    (home / "ann" / "one.yaml").write_text(REHEARSAL, encoding="utf-8")
    return home / "ann"


def test_the_home_folder_is_meant_behind_an_equals_sign_too(home: Path, rehearsal: Path) -> None:
    words = ["run", "~/one.yaml", "--out=~/study", "--executor=serial", "--tracking-uri=sqlite:///~/m.db"]
    assert distnlc(*words).code == 0
    assert distnlc("export", "~/study", "--out=~/rows").code == 0
    assert {"study", "rows"} <= set(os.listdir(rehearsal))
    assert "~" not in os.listdir(home)
    refused = distnlc("run", "one.yaml", "--out=~nobody-has-it/study")
    said = "error: --out=~nobody-has-it/study: no home folder is known for ~nobody-has-it; write the path out\n"
    assert (refused.code, refused.err) == (2, said)


def test_a_study_keeps_the_full_path_of_its_data(home: Path, rehearsal: Path) -> None:
    """So that it can be continued from another folder; its parts' too."""
    parts = "parts={a: {data: {name: npz, file: a.npz}}, b: {data: {root: ~/b, train: 150}}, c: {data: {train: 50}}}"
    spec = run.study_of("tiny.yaml", ["data.root=../data", parts], None)
    there = run.study_of("tiny.yaml", ["data.root=/elsewhere", parts.replace("a.npz", "/a.npz")], None)
    fields = spec.model_dump()
    assert fields["data"]["root"] == f"{home}/../data"
    assert f"root: {home}/../data\n" in to_yaml(spec)
    assert fields["parts"]["a"]["data"]["file"] == f"{home}/a.npz"
    assert fields["parts"]["b"]["data"]["root"] == f"{rehearsal}/b"
    assert fields["parts"]["c"]["data"] == {"train": 50}
    assert run.spec_id(spec) == run.spec_id(there), "where the data are is in no id"


@pytest.fixture
def read_only(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished study on a file system that takes no writing; root is not kept out by permissions."""
    opened, made = store_folder._open, os.mkdir

    def refuse(path: Path, flags: int) -> int:
        if Path(path).is_relative_to(finished) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return opened(path, flags)

    def refuse_folder(path: Path, *more: Any, **named: Any) -> None:
        if Path(path).is_relative_to(finished):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        made(path, *more, **named)

    monkeypatch.setattr(store_folder, "_open", refuse)
    monkeypatch.setattr(store_folder.os, "mkdir", refuse_folder)
    return finished


@pytest.mark.usefixtures("full_report")
@pytest.mark.slow
def test_a_study_that_cannot_be_written_is_reported_elsewhere(
    read_only: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_report, "REPORT", replace(study_report.REPORT, figures=FIGURES))
    for words, remedy in [
        (
            ["report", read_only],
            "cannot be written: Read-only file system; `distnlc report DIR --out FOLDER` writes it",
        ),
        (["figure", read_only, "figure2"], "cannot be written: Read-only file system; --out names a file"),
        (["export", read_only], "cannot export to this folder (--out names another): Read-only file system"),
        (["run", "tiny.yaml", "--out", read_only, "--executor", "serial"], "Read-only file system"),
    ]:
        answer = distnlc(*words)
        assert (answer.code, answer.out) == (2, "")
        assert remedy in answer.err
    assert distnlc("report", read_only, "--out", home / "page").out == f"report: {home}/page/index.html\n"
    assert {"index.html", "figure2.png", "figure2.svg"} <= set(os.listdir(home / "page"))
    assert distnlc("figure", read_only, "figure2", "--out", "f.svg").code == 0
    printed = distnlc("table", read_only, "table1").out
    assert distnlc("table", read_only, "table1", "--out", "t.txt").out == "written: t.txt\n"
    assert Path("t.txt").read_text(encoding="utf-8") == printed
    assert distnlc("status", read_only).code == 0


@pytest.mark.usefixtures("rehearsal")
def test_the_variable_of_mlflow_names_the_mirror_as_the_option_does(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []

    class Seen(run.Mirror):
        def __init__(self, *arguments: Any) -> None:
            seen.append(arguments[4])
            super().__init__(*arguments)

    monkeypatch.setattr(run, "Mirror", Seen)
    words = ["run", "~/one.yaml", "--out", "study", "--executor", "serial"]
    for named, option in (
        ("http://env:5000", []),
        ("http://env:5000", ["--tracking-uri=http://option:5000"]),
        ("", []),
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", named)
        assert distnlc(*words, *option).code == 0
    assert seen == ["http://env:5000", "http://option:5000", None]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "file:///mlruns")
    answer = distnlc(*words)
    assert answer.code == 2
    assert answer.err.startswith(
        "error: MLFLOW_TRACKING_URI (unset it, or name another by --tracking-uri) file:///mlruns"
    )


@pytest.mark.parametrize("command", ["report", "plan"])
def test_an_interrupted_command_ends_with_its_code_and_no_traceback(
    command: str, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("distnlc.analysis.report.study.write_report", interrupt)
    monkeypatch.setattr("distnlc.cli.plan.study_of", interrupt)
    answer = distnlc(command, finished)
    assert (answer.code, answer.out, answer.err) == (130, "interrupted\n", "")
