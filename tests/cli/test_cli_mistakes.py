"""A user's mistake: one clear message, exit code 2, no traceback, and nothing changed."""

import sys
from pathlib import Path

import pytest

from distnlc.store import Store, StoreError, read_statuses
from distnlc.studies import resolve
from distnlc.studies.nlc import KIND
from tests.helpers.typed import Answer, content, distnlc, rows


def assert_refused(answer: Answer, *said: str) -> None:
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.startswith("error: ")
    assert "Traceback" not in answer.err
    for words in said:
        assert words in answer.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("run nothing-like-it", ["no preset named 'nothing-like-it' (presets: ", "waveform-small"]),
        ("run no-such-file.yaml", ["no-such-file.yaml: cannot read the study file: No such file"]),
        ("run tiny.yaml --set foo=1", ["tiny.yaml: unknown field 'foo'; known here: data, dtype"]),
        (
            "run tiny.yaml --set data.points=1",
            ["unknown field 'data.points'; known here: crop, file, first, labels, name"],
        ),
        ("run tiny.yaml --set sampling.count=many", ["'sampling.count'", "integer", "'many'"]),
        ("run tiny.yaml --set sampling.parameters=-5", ["'sampling.parameters'", "100", "-5"]),
        ("run tiny.yaml --set sampling.parameters", ["--set sampling.parameters: expected field=value"]),
        ("run tiny.yaml --set data.train=201", ["data.train", "multiple of training.batch_size = 50", "201"]),
        ("run tiny.yaml --set data.name=mnist", ["mnist: its files are needed", "--set data.root="]),
        ("run tiny.yaml --set data.name=mnist --set data.root=gone", ["mnist: files not found", "gone"]),
        ("run tiny.yaml --unit 0123", ["--unit 0123", "no such unit"]),
        ("run tiny.yaml --out tiny.yaml/study", ["tiny.yaml/study", "Not a directory"]),
        ("run tiny.yaml --part other", ["--part other: this study has no such part; parts: tiny"]),
        ("figure gone", ["gone: not a study folder"]),
        ("plan tiny.yaml --set kind=other", ["unknown study kind 'other'; there are: gradients, moments, nlc"]),
        ("status gone", ["gone: not a study folder"]),
        ("export gone", ["gone: not a study folder"]),
    ],
)
def test_a_wrong_word_is_answered_with_what_would_be_right(home: Path, words: str, said: list[str]) -> None:
    assert_refused(distnlc(*words.split(), *["--executor", "serial"] * words.startswith("run")), *said)
    assert [path.name for path in home.iterdir()] == ["tiny.yaml"]


@pytest.mark.usefixtures("full_report")
def test_there_is_no_report_of_what_is_no_study() -> None:
    assert_refused(distnlc("report", "gone"), "gone: not a study folder")


@pytest.mark.parametrize(
    "words",
    ["run", "walk", "run tiny.yaml --executor magic", "run tiny.yaml --workers 0", "run tiny.yaml --budget 3"],
)
def test_wrong_usage_is_explained(home: Path, words: str) -> None:
    answer = distnlc(*words.split())
    assert answer.code == 2
    assert "Usage: distnlc" in answer.err
    assert "Traceback" not in answer.err
    assert [path.name for path in home.iterdir()] == ["tiny.yaml"]


def test_a_folder_with_another_study_is_left_as_it_is_and_the_difference_shown(finished: Path) -> None:
    before = content(finished)
    changed = ["--set", "seed=5", "--set", "sampling.count=4"]
    answer = distnlc("run", "tiny.yaml", *changed, "--executor", "serial", "--out", finished)
    assert_refused(answer, "holds another study", "seed: (default) -> 5", "sampling.count: 3 -> 4", "study.yaml")
    assert content(finished) == before


def test_a_folder_with_other_things_is_left_alone(home: Path) -> None:
    (home / "letters").mkdir()
    (home / "letters" / "dear.txt").write_text("dear")
    assert_refused(distnlc("run", "tiny.yaml", "--executor", "serial", "--out", "letters"), "not a study folder")
    assert [path.name for path in (home / "letters").iterdir()] == ["dear.txt"]


def test_a_second_writer_is_refused(home: Path) -> None:
    with Store.create_or_open(home / "busy", resolve("tiny.yaml"), KIND.tables):
        assert_refused(
            distnlc("run", "tiny.yaml", "--executor", "serial", "--out", "busy"), "another writer is at work"
        )


def test_a_cache_that_cannot_be_written_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTNLC_CACHE", str(home / "tiny.yaml" / "cache"))
    assert_refused(distnlc("run", "tiny.yaml", "--executor", "serial"), "Not a directory", "DISTNLC_CACHE")


def test_without_ray_the_serial_executor_is_recommended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    answer = distnlc("run", "tiny.yaml", "--out", "study")
    assert answer.code == 2
    assert answer.err == "error: Ray is not installed here: install it, or use the serial executor\n"


def test_a_disk_that_takes_no_more_loses_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = Store.commit

    def commit_once(store: Store, units: list) -> None:
        if store.statuses():
            raise StoreError("No space left on device")
        commit(store, units)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "commit", commit_once)
        answer = distnlc("run", "tiny.yaml", "--out", "study", "--executor", "serial")
    assert (answer.code, answer.err) == (2, "error: No space left on device\n")
    kept = read_statuses(home / "study")
    assert len(kept) == 1
    assert distnlc("run", "tiny.yaml", "--out", "study", "--executor", "serial").code == 0
    assert len(rows(home / "study")["architectures"]) == 3


def test_a_bug_is_not_taken_for_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distnlc.studies.nlc.calibration.seconds", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        distnlc("plan", "tiny.yaml")
