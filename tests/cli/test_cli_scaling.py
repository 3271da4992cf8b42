"""`distnlc scaling`: plan and measurement side by side; one message and exit code 2 for a mistake."""

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.typed import distnlc

NETWORKS = """
from torch import nn

def net():
    return nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10))

def on_meta():
    return net().to("meta")

class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(40, 30), nn.Linear(30, 10)
    def forward(self, x):
        return self.b(self.a(x).relu())

def pooled():
    return nn.Sequential(nn.Conv2d(3, 8, 5), nn.MaxPool2d(2))
"""


@pytest.fixture(autouse=True)
def files(home: Path) -> None:
    (home / "scaled_networks.py").write_text(NETWORKS)
    np.save("inputs.npy", np.random.default_rng(0).normal(size=(12, 3, 9, 9)))


def test_plan_and_measurement_stand_side_by_side() -> None:
    answer = distnlc("scaling", "scaled_networks:net", "--shape", "3,9,9", "--data", "inputs.npy", "--init", "fan-in")
    assert (answer.code, answer.err) == (0, "")
    assert "the plan: fan-in" in answer.out
    assert "12 datapoints, 4 losses each" in answer.out
    assert "gamma by the geometric mean  planned  measured" in answer.out


def test_what_has_no_weights_gets_the_plan_and_what_has_no_plan_is_measured() -> None:
    planned = distnlc("scaling", "scaled_networks:on_meta", "--shape", "3,9,9")
    assert planned.code == 0
    assert "max/min of gamma 1," in planned.out
    assert "datapoints" not in planned.out
    measured = distnlc("scaling", "scaled_networks:Own", "--shape", "40")
    assert measured.code == 0
    assert "no plan: the network (Own): its forward is unknown: give LayerShapes" in measured.out
    assert "64 datapoints, 4 losses each" in measured.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("net", "--shape", "3,9"),
            "layer 0 (Conv2d) takes an input of 3 channels and 2 sizes, found the shape (3, 9)",
        ),
        (("net", "--shape", "3,4,4"), "layer 0: a kernel of 5 does not fit an input of 4 with padding 0"),
        (("net", "--shape", "3,99999,99999"), "expected at most 4,194,304 numbers a datapoint"),
        (("net", "--shape", "3,0,9"), "expected the sizes of one datapoint, such as 3,32,32"),
        (("net", "--shape", "3,8,8", "--data", "inputs.npy"), "its datapoints have the shape (3, 9, 9), not (3, 8, 8)"),
        (("net", "--shape", "3,9,9", "--data", "nothing.npz"), "nothing.npz: cannot be read"),
        (("net", "--shape", "3,9,9", "--init", "xavier"), "--init xavier: expected one of geometric"),
        (("pooled", "--shape", "3,9,9"), "max pooling does not keep s; a stride does"),
        (("nothing", "--shape", "3,9,9"), "the module has no 'nothing'"),
    ],
)
def test_a_mistake_gets_one_message(words: tuple[str, ...], said: str) -> None:
    answer = distnlc("scaling", f"scaled_networks:{words[0]}", *words[1:])
    assert answer.code == 2
    assert said in answer.err
    assert "Traceback" not in answer.err
