"""`distnlc bench`: what is chosen, shown and written, and what is refused before anything is measured."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from distnlc import plugins
from distnlc.bench import (
    command,
    engine_part,
    gpu_part,
    machine,
    metrics_part,
    networks_part,
    scale_part,
    training_part,
)
from tests.helpers.typed import distnlc

FOUND = {"how": "with care", "summary": {"all": {"speed": {"mean": 1234.5, "lowest": 0.12345}, "units": 7}}}


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was measured, in order; nothing is, in truth."""
    calls: list[Any] = []

    def record(name: str, *_: str) -> Iterator[dict[str, Any]]:
        calls.append(name)
        yield FOUND

    for part in gpu_part, engine_part, metrics_part, networks_part, scale_part, training_part:
        monkeypatch.setattr(part, "measure", partial(record, part.__name__.split(".")[-1].removesuffix("_part")))
    return calls


def test_without_words_everything_is_measured_and_the_time_is_said_up_front(
    measured: list[Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "best_device", lambda: "cpu")
    answer = distnlc("bench", "--json", "bench.json")
    assert answer.code == 0
    assert measured == ["training", "networks", "metrics", "engine", "scale"]
    assert "training, networks, metrics, engine, scale; about 27 min; the machine should do nothing else" in answer.out
    assert ["all", "1234", "(0.123)", "7"] in [line.split() for line in answer.out.splitlines()]
    found = json.loads((home / "bench.json").read_text())
    assert {"device", "processor", "cores", "python", "torch", "numpy"} <= found.pop("machine").keys()
    assert found == dict.fromkeys(measured, FOUND)


def test_where_there_is_a_gpu_its_own_part_comes_first(measured: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "best_device", lambda: "cuda")
    monkeypatch.setattr(machine, "describe", lambda device: {"device": device})
    answer = distnlc("bench")
    assert answer.code == 0
    assert measured == ["gpu", "training", "networks", "metrics", "engine", "scale"]


def test_what_was_measured_before_an_interruption_is_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts that are done, and of the one in work the steps that are; all is shown, too."""

    def interrupt() -> Iterator[dict[str, Any]]:
        yield {"how": "1 of 3 so far", "summary": {"first": {"speed": 1.0}}}
        yield {"how": "2 of 3 so far", "summary": {"second": {"speed": 2.5}}}
        raise KeyboardInterrupt

    monkeypatch.setattr(engine_part, "measure", interrupt)
    answer = distnlc("bench", "metrics", "engine", "scale", "--json", "bench.json")
    assert answer.code == 130
    found = json.loads((home / "bench.json").read_text())
    assert found.keys() == {"machine", "metrics", "engine"}
    assert found["engine"] == {"how": "2 of 3 so far", "summary": {"second": {"speed": 2.5}}}
    assert ["second", "2.5"] in [line.split() for line in answer.out.splitlines()]
    assert "2 of 3 so far" in answer.out


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


def test_a_kind_that_says_what_to_measure_is_a_part(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_named", {})
    monkeypatch.setattr(plugins, "_modules", [])
    monkeypatch.syspath_prepend(home)
    (home / "my_kind.py").write_text(MINE)
    answer = distnlc("bench", "mine", "metrics", "--plugin", "my_kind", "--json", "bench.json")
    assert (answer.code, answer.err) == (0, "")
    assert "mine, metrics; the machine should do nothing else" in answer.out, "nobody knows how long it takes"
    assert ["units", "a", "second", "123"] in [line.split() for line in answer.out.splitlines()]
    found = json.loads((home / "bench.json").read_text())["mine"]["summary"]
    assert found == {
        "units a second": {"value": 123.456},
        "layers linear": {"value": 1.5},
        "layers which": {"value": "all"},
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("bench speed", "there is no speed; there are gpu, training, networks, metrics, engine, scale"),
        ("bench gpu", "gpu needs a GPU that torch can use, and this machine has none"),
        ("bench metrics --json missing/bench.json", "missing/bench.json: cannot be written: No such file"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_measured(
    measured: list[Any], words: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "best_device", lambda: "cpu")
    answer = distnlc(*words.split())
    assert answer.code == 2
    assert said in " ".join(answer.err.replace("│", " ").split()), "without the frame that is drawn around it"
    assert measured == []
