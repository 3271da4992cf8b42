"""`distnlc bench`: what is chosen, what is written, and what is refused before anything is measured."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from distnlc import plugins
from distnlc.bench import engine_part as engine
from distnlc.bench import metrics_part as metrics
from distnlc.bench import training_part as training
from tests.helpers.typed import distnlc


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was measured, in order; nothing is, in truth."""
    calls: list[Any] = []

    def record(name: str, *arguments: Any) -> dict[str, Any]:
        calls.append((name, *arguments))
        return {"how": name}

    monkeypatch.setattr(training, "measure", lambda cells, device: record("training", len(cells), device))
    monkeypatch.setattr(metrics, "measure", lambda device: record("metrics", device))
    monkeypatch.setattr(engine, "measure", lambda: record("engine"))
    return calls


def test_without_words_everything_is_measured_and_the_time_is_said_up_front(measured: list[Any]) -> None:
    answer = distnlc("bench")
    assert answer.code == 0
    assert [name for name, *_ in measured] == ["training", "metrics", "engine"]
    assert measured[0][1] == 54
    assert re.search(
        r"^training, metrics, engine; about \S+ min; leave the machine in peace$", answer.out, re.MULTILINE
    )
    assert ", torch 2" in answer.out


def test_parts_and_cells_can_be_chosen(measured: list[Any]) -> None:
    words = "bench engine training --depth 3 --depth 49 --parameters 20000"
    assert distnlc(*words.split()).code == 0
    assert [call[:2] for call in measured] == [("engine",), ("training", 12)]


def test_the_file_holds_the_machine_and_every_part(home: Path) -> None:
    assert distnlc("bench", "metrics", "engine", "--json", "bench.json").code == 0
    found = json.loads((home / "bench.json").read_text())
    assert {"cpu", "cores", "gpu", "torch", "torch_blas", "numpy_blas"} <= found["machine"].keys()
    assert found["machine"]["native_program"].startswith("OpenBLAS's ")
    assert found["device"] in {"cpu", "cuda"}
    assert found["metrics"]["how"] == "metrics"
    assert found["engine"]["seconds"] >= 0
    assert "training" not in found


def test_what_was_measured_before_an_interruption_is_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "measure", interrupt)
    assert distnlc("bench", "metrics", "engine", "--json", "bench.json").code == 130
    assert json.loads((home / "bench.json").read_text()).keys() == {"machine", "device", "metrics"}


MINE = """
from dataclasses import replace
from distnlc import StudySpec
from distnlc.studies import rehearsal

class Spec(StudySpec):
    kind: str = "mine"

def measures():
    return {"units a second": 123.456, "layers": {"linear": 1.5, "which": "all"}}

MINE = replace(rehearsal.KIND, name="mine", spec=Spec, bench="my_kind:measures")
"""


def test_a_kind_that_says_what_to_measure_is_a_part(
    home: Path, measured: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "_named", {})
    monkeypatch.setattr(plugins, "_modules", [])
    monkeypatch.syspath_prepend(home)
    (home / "my_kind.py").write_text(MINE)
    answer = distnlc("bench", "mine", "metrics", "--plugin", "my_kind", "--json", "bench.json")
    assert (answer.code, answer.err) == (0, "")
    assert "mine, metrics; leave the machine in peace" in answer.out, "nobody knows how long it takes"
    shown = [line.split() for line in answer.out.splitlines()]
    assert ["units", "a", "second", "123.5"] in shown
    assert ["layers", "linear", "1.5"] in shown
    found = json.loads((home / "bench.json").read_text())
    assert found["mine"].pop("seconds") >= 0
    assert found["mine"] == {"units a second": 123.456, "layers": {"linear": 1.5, "which": "all"}}
    assert [name for name, *_ in measured] == ["metrics"]
    refused = distnlc("bench", "rehearsal")
    assert "there is no rehearsal; there are training, metrics, engine, mine" in plain(refused.err)


def plain(message: str) -> str:
    """Without the frame that is drawn around it."""
    return " ".join(message.replace("│", " ").split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("bench speed", "there is no speed; there are training, metrics, engine"),
        ("bench --depth 7", "there is no 7; there are 3, 15, 49"),
        ("bench training --parameters 1", "there is no 1; there are 20000, 100000, 1000000"),
        ("bench metrics --depth 3", "chooses cells of the part training, which is not measured"),
        ("bench metrics --json missing/bench.json", "missing/bench.json: cannot be written: No such file"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_measured(measured: list[Any], words: str, said: str) -> None:
    answer = distnlc(*words.split())
    assert answer.code == 2
    assert said in plain(answer.err)
    assert measured == []
