"""A family of the user's own, as he runs it: one network that changes its output size fails alone, and is told."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from distnlc.analysis import load
from tests.helpers.plugged import forget, modules_in
from tests.helpers.typed import distnlc

MINE = """
from torch import nn
import distnlc

class Described:
    def __init__(self, index, d_in, d_out, width):
        self.properties = {"width": width}
        self.sizes = d_in, width, d_out + (index == 1)

    def build(self):
        d_in, width, d_out = self.sizes
        return nn.Sequential(nn.Linear(d_in, width), nn.Tanh(), nn.Linear(width, d_out))

def draw(index, *, seed, d_in, d_out, shape, width=4):
    return Described(index, d_in, d_out, width)

FAMILY = distnlc.Family(name="mine", draw=draw)
"""
SIZE = "sampling={family: mine, size: {width: 5}, count: 3, parameters: 300}"
PLUGIN = ["--plugin", "my_family"]


@pytest.fixture(autouse=True)
def here(home: Path) -> Iterator[None]:
    with modules_in(home, {"my_family": MINE}):
        yield


def test_a_network_of_other_outputs_is_a_failed_unit_and_the_others_are_done() -> None:
    words = ["run", "tiny.yaml", "--out", "study", "--executor", "serial", "--set", SIZE]
    answer = distnlc(*words, *PLUGIN)
    assert answer.code == 3
    said = (
        "ValueError: family mine, architecture 1: expected outputs of shape (50, 3) and float64, found (50, 4) and fl"
    )
    assert said in answer.out
    tables = load("study")
    architectures, runs, _ = tables
    assert list(architectures["status"]) == ["ok", "failed", "ok"]
    assert list(architectures["activation"]) == ["mine"] * 3
    assert architectures["parameters"].gt(0).all()
    assert runs["unit_id"].nunique() == 2
    assert list(tables.properties["value"]) == [5.0, 5.0]

    forget("my_family")
    assert said in distnlc("status", "study").out
    assert distnlc("report", "study").code == 0
    assert "my_family" not in sys.modules
    go_on = ["run", "study/study.yaml", "--out", "study", "--executor", "serial"]
    answer = distnlc(*go_on)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert answer.err.startswith(
        "error: there is no family 'mine' here; there are: none (the module of another is named"
    )
    assert "nothing to do" in distnlc(*go_on, *PLUGIN).out
    forget("my_family")
    other = distnlc(*[each.replace("width: 5", "width: 6") for each in words], *PLUGIN)
    assert "sampling.size.width: 5 -> 6" in other.err


def test_a_wrong_size_ends_the_study_before_it_begins() -> None:
    words = ["--executor", "serial", "--set", SIZE.replace("width", "wdth"), *PLUGIN]
    answer = distnlc("run", "tiny.yaml", "--out", "study", *words)
    assert answer.code == 2
    assert (
        "family mine, architecture 0: draw raised TypeError: draw() got an unexpected keyword argument 'wdth'"
        in answer.err
    )
    assert not Path("study").exists()
