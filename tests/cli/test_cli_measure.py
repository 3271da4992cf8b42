"""`distnlc measure`: the user's own network is measured as a study's are, and compared; what is refused, and how."""

import json
import re
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from distnlc import analysis
from distnlc.analysis.nlc import expectation
from distnlc.analysis.nlc.expectation import find_part
from distnlc.analysis.sensitivity import neighbours as neighbours_of
from distnlc.analysis.statistics.prediction import fit
from distnlc.measuring.tested import JACOBIAN, TRANSITIONS
from distnlc.measuring.user import make_network, read_points
from distnlc.metrics.groups import GROUPS
from distnlc.metrics.initial_sensitivity import initial_transitions
from distnlc.metrics.sensitivity import probability_jacobian
from distnlc.metrics.transitions import transitions
from distnlc.networks.architecture import Architecture
from tests.helpers.own_networks import write_own
from tests.helpers.plugged import modules_in
from tests.helpers.typed import distnlc

pytestmark = pytest.mark.slow  # beside a study that is run first


@pytest.fixture(autouse=True)
def files(home: Path) -> None:
    write_own(home)


def measured(*words: object) -> dict:
    """What the command says to programs."""
    answer = distnlc("measure", *words, "--json")
    assert (answer.code, answer.err) == (0, "")
    found = json.loads(answer.out)
    assert isinstance(found, dict)
    return found


def values(found: dict) -> dict[str, float]:
    """Metric -> value of those that have one."""
    return {row["name"]: row["value"] for row in found["rows"] if row["value"] is not None}


def row_of(found: dict, name: str) -> dict:
    (row,) = (row for row in found["rows"] if row["name"] == name)
    return dict(row)


def write_network(file: Path, row: pd.Series) -> None:
    """A module whose `net` makes the network of a row of the table `architectures`."""
    drawn = {field.name: row[field.name] for field in fields(Architecture)}
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in drawn.items()}
    file.write_text(f"from distnlc import Architecture\n\ndef net():\n    return Architecture(**{plain!r}).build()\n")


WALKS = {"init_linear_region", "init_relative_diameter", "init_local_lipschitz"}


def test_an_architecture_of_the_example_study_is_measured_as_the_study_has_it(home: Path) -> None:
    part = find_part(analysis.EXAMPLE, dataset="waveform-noise")
    rows = part.rows
    row = rows.sort_values(["depth", "index"]).iloc[0]
    architectures = analysis.load(analysis.EXAMPLE, ["architectures"]).architectures
    write_network(home / "of_the_example.py", architectures.set_index("unit_id").loc[row["unit_id"]])
    found = measured("of_the_example:net", "--data=waveform-noise", "--seed", row["seed"])
    metrics = {name: value for name, value in values(found).items() if name in rows and name not in WALKS}
    assert len(metrics) >= 11
    assert metrics == pytest.approx({name: row[name] for name in metrics}, rel=1e-6)
    assert (found["parameters"], found["outputs"], found["dtype"]) == (row["parameters"], 3, "float64")

    lower, equal = (rows["init_nlc"] < row["init_nlc"]).mean(), (rows["init_nlc"] == row["init_nlc"]).mean()
    nlc = row_of(found, "init_nlc")
    assert nlc["percentile"] == pytest.approx(100 * (lower + equal / 2), abs=0.9)
    assert (nlc["median"], nlc["count"]) == (rows["init_nlc"].median(), len(rows))
    alone = fit(rows["init_nlc"], rows["test_error"], log_x=True).at([row["init_nlc"]])
    assert nlc["alone"] == pytest.approx(float(alone[0][0]), rel=1e-6)
    prediction = found["prediction"]
    assert prediction["n"] + sum(prediction["left_out"].values()) == len(rows)
    assert {each["name"] for each in prediction["alone"]} <= metrics.keys()
    assert prediction["low"] <= prediction["error"] <= prediction["high"]
    assert abs(prediction["error"] - row["test_error"]) < 0.1, "it was learned from this network, too"


@pytest.mark.slow
def test_metrics_of_a_reference_s_groups_are_compared_with_and_are_those_that_the_study_has(home: Path) -> None:
    groups = f"metrics.groups=[{', '.join(GROUPS)}]"
    assert distnlc("run", "tiny.yaml", "--executor", "serial", "--out", "grouped", "--set", groups).code == 0
    tables = analysis.load("grouped")
    row = tables.architectures.iloc[0]
    write_network(home / "of_the_study.py", row)
    words = "of_the_study:net", "--data=waveform-noise", "--reference=grouped", "--seed", row["seed"]
    found = measured(*words)
    measurements = tables.measurements
    own = measurements[measurements["unit_id"] == row["unit_id"]].set_index("name")["value"].dropna()
    shown = {name: value for name, value in values(found).items() if name in own}
    assert shown == pytest.approx(own.drop("ntk_condition_number", errors="ignore").to_dict(), rel=1e-6)
    for name in ("chi", "gradient_scale", "init_transitions", "scaling_imbalance", "snip"):
        value = shown[name]
        others = measurements.loc[measurements["name"] == name, "value"]
        place = 100 * ((others < value * (1 - 1e-6)).mean() + np.isclose(others, value).mean() / 2)
        assert row_of(found, name)["percentile"] == pytest.approx(place, abs=100 / len(others) / 2 + 0.1)
    said = distnlc("measure", *words).out
    assert re.search(r"^normalized sensitivity +[\d.]+ +[\d.]+ +[\d.]+ +- +[\d.]+$", said, re.MULTILINE)


def test_the_user_s_own_package_may_be_called_analysis(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours is `distnlc.analysis`: the user's module finds its own, beside it."""
    (home / "analysis").mkdir()
    (home / "analysis" / "__init__.py").write_text("")
    (home / "analysis" / "util.py").write_text("WIDTH = 7\n")
    network = "from analysis.util import WIDTH\nfrom torch import nn\n\ndef net():\n    return nn.Sequential("
    (home / "with_analysis.py").write_text(network + "nn.Linear(40, WIDTH), nn.Tanh(), nn.Linear(WIDTH, 3))\n")
    for name in ("analysis", "analysis.util", "with_analysis"):
        monkeypatch.setitem(sys.modules, name, sys)  # so that it is forgotten afterwards
        del sys.modules[name]
    monkeypatch.setattr(sys, "path", list(sys.path))
    found = measured("with_analysis:net", "--data", "inputs.npy")
    assert found["parameters"] == 40 * 7 + 7 + 7 * 3 + 3


def test_the_reference_fixes_points_batch_size_and_effort(finished: Path) -> None:
    """200 points, batches of 50, no walks; and of three architectures nothing can be learned."""
    found = measured("own_networks:mlp", "--data", "waveform-noise", "--reference", finished)
    assert (found["points"], found["batch_size"]) == (200, 50)
    assert {row["name"] for row in found["rows"] if row["value"] is None} == WALKS
    assert found["prediction"] is None
    assert "no error is predicted: too few architectures of the reference were trained" in found["notes"][-1]


def test_people_are_shown_a_table_the_prediction_and_what_was_done_otherwise(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expectation, "FEWEST", 3)
    answer = distnlc("measure", "own_networks:mlp", "--data", "waveform-noise", "--reference", finished, "--ntk")
    assert (answer.code, answer.err) == (0, "")
    assert "own_networks:mlp on waveform-noise: 923 parameters, 40 inputs, 3 outputs; on 200 points" in answer.out
    lines = answer.out.splitlines()
    for label in ("initial NLC", "initial output bias", "Jacobian norm"):
        (line,) = (line for line in lines if line.startswith(f"{label} "))
        assert len(line.split()) == len(label.split()) + 5, "its value, place, median, what it expects, seconds"
    for label in ("SNIP", "Jacobian covariance", "NTK condition number", "gradient scale at the input"):
        assert re.search(rf"^{label}( +-?[\d.e+-]+){{5}}$", answer.out, re.MULTILINE), label
    assert "predicted test error: " in answer.out
    assert "(90% interval 0.000 to 1.000), by ridge regression on " in answer.out  # three architectures tell nothing
    assert "disagree" in answer.out
    assert "note: measured in float64, converted from float32" in answer.out
    assert "note: measured without its dropout" in answer.out


def test_class_probabilities_are_measured_at_initialization_and_as_they_are_on_the_test_part(finished: Path) -> None:
    words = "own_networks:images", "--data", "images.npz", "--reference", finished
    found = values(measured(*words, "--sensitivity", "--seed", 1))
    network = make_network("own_networks:images", seed=1).double()
    points = read_points(Path("images.npz"))
    assert points.labels is not None
    jacobian, changes = probability_jacobian(network, points.inputs), transitions(network, points.inputs[:20])
    assert found["probability_jacobian"] == pytest.approx(jacobian.norm)
    assert found["probability_jacobian_sem"] == pytest.approx(jacobian.standard_error)
    assert found["probability_jacobian_points"] == pytest.approx(jacobian.effective_points)
    assert (found["transitions"], found["transitions_sem"]) == pytest.approx((changes.mean, changes.standard_error))
    initial = initial_transitions(network, points.inputs, points.labels, batch_size=50, seed=1)
    assert found["init_transitions"] == pytest.approx(initial)
    assert found["init_probability_jacobian"] > 0
    assert found.keys() - values(measured(*words, "--seed", 1)).keys() == {*JACOBIAN, *TRANSITIONS}


def test_on_a_dataset_of_the_example_trained_networks_stand_beside(
    monkeypatch: pytest.MonkeyPatch, finished: Path
) -> None:
    """The user's file stands for MNIST's, which nobody has here."""
    words = "own_networks:images", "--data", "images.npz", "--reference", finished, "--sensitivity"
    assert measured(*words)["neighbours"] == []
    everything = neighbours_of.fitted_networks
    monkeypatch.setattr(neighbours_of, "fitted_networks", lambda _: everything("mnist"))
    found = measured(*words)
    others = everything("mnist")["probability_jacobian"]
    row = row_of(found, "probability_jacobian")
    assert (row["median"], row["count"]) == (pytest.approx(others.median()), len(others))
    assert row["percentile"] == pytest.approx(100 * (others < row["value"]).mean())
    assert row_of(found, "probability_jacobian_points")["percentile"] is None
    assert [set(each) >= {"test_accuracy", "gap", "width"} for each in found["neighbours"]] == [True] * 5
    assert any("the norm of a Jacobian goes with the inputs' scale" in note for note in found["notes"])
    said = distnlc("measure", *words).out
    assert "trained networks of the sensitivity example that are about as sensitive:\nactivation  width  depth" in said


def test_what_a_network_lacks_to_have_these_is_said(finished: Path) -> None:
    """Batch norm in training mode is no function of one point; rows of waveform-noise are no images."""
    found = measured("own_networks:mlp", "--data=waveform-noise", "--reference", finished, "--sensitivity")
    assert values(found)["init_transitions"] > 0
    assert "the Jacobian of one point is not defined" in row_of(found, "probability_jacobian")["reason"]
    assert row_of(found, "transitions")["reason"].startswith("is not defined: ")
    assert found["neighbours"] == []


def test_of_other_inputs_no_error_is_predicted_unless_a_part_is_named(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expectation, "FEWEST", 3)
    words = "own_networks:images", "--data", "images.npz", "--reference", finished
    alone, named = measured(*words), measured(*words, "--part", "tiny")
    assert (alone["points"], alone["input_shape"], alone["outputs"]) == (120, [1, 8, 8], 10)
    assert values(alone) == values(named)
    assert alone["prediction"] is None
    assert "the reference is about waveform-noise, not about images.npz" in alone["notes"][-1]
    assert named["prediction"]["of"] == "test_error"


def test_without_labels_the_gradients_are_left_out_and_the_seed_fixes_the_weights(finished: Path) -> None:
    words = "own_networks:mlp", "--data", "inputs.npy", "--reference", finished, "--seed"
    first, again, other = (measured(*words, seed) for seed in (1, 1, 2))
    for each in (first, again, other):
        assert all(row.pop("seconds", 0) is None or row["name"] for row in each["rows"])
    assert first == again
    assert values(first)["init_bias"] != values(other)["init_bias"]
    for name in ("init_gradient_length", "init_gradient_component", "init_transitions", "snip"):
        assert row_of(first, name)["reason"] == "is not defined: it needs labels"
    assert values(first)["chi"] > 0


def test_what_overflows_is_a_word_in_json_and_predicts_nothing(finished: Path) -> None:
    found = measured("own_networks:huge", "--data", "inputs.npy", "--reference", finished, "--part", "tiny")
    assert values(found)["init_jacobian_norm"] == "inf"
    nlc = row_of(found, "init_nlc")
    assert (nlc["value"], nlc["percentile"]) == (None, None)
    assert "overflow" in nlc["reason"]
    assert found["prediction"] is None


@pytest.mark.parametrize(
    ("factory", "data", "said"),
    [
        ("own_networks", "waveform-noise", "own_networks: expected MODULE:FUNCTION"),
        ("own-networks:mlp", "waveform-noise", "expected MODULE:FUNCTION"),
        ("nothing_here:net", "waveform-noise", "there is no module 'nothing_here' in "),
        ("own_networks:rnn", "waveform-noise", "the module has no 'rnn'; it has: mlp, images, wide"),
        ("broken_networks:net", "waveform-noise", "cannot be imported: ModuleNotFoundError: No module named"),
        ("own_networks:number", "waveform-noise", "own_networks:number: returned int; expected"),
        ("own_networks:divides", "waveform-noise", "ZeroDivisionError: division by zero (own_networks.py, line 18)"),
        ("own_networks:wide", "waveform-noise", "does not take a batch of 24 points of shape (40,), float32: Runtime"),
        ("own_networks:constant", "inputs.npy", "constant with inputs.npy: the network gives the same outputs"),
        ("own_networks:mlp", "iris", "--data iris: expected waveform-noise, waveform-uci, mnist, "),
        ("own_networks:mlp", "mnist", "mnist: its files are needed and no folder is named."),
        ("own_networks:mlp", "gone.npy", "gone.npy: cannot be read: No such file"),
        ("own_networks:mlp", "nameless.npz", "nameless.npz: holds arr_0; expected a .npz file with inputs"),
        ("own_networks:mlp", "objects.npz", "objects.npz: does not hold arrays of plain numbers"),
    ],
)
def test_a_mistake_is_answered_in_one_message(finished: Path, factory: str, data: str, said: str) -> None:
    answer = distnlc("measure", factory, "--data", data, "--reference", finished)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: ")
    assert said in answer.err
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--reference gone", "gone: not a study folder"),
        ("--reference {} --part mnist", "no part 'mnist'; its parts: tiny"),
        ("--reference rehearsal", "--reference rehearsal: expected a study of the kind nlc, found 'rehearsal'"),
    ],
)
def test_a_reference_that_cannot_be_compared_with_is_named(finished: Path, words: str, said: str) -> None:
    assert distnlc("run", "rehearsal", "--set", "count=1", "--out=rehearsal", "--executor=serial").code == 0
    answer = distnlc("measure", "own_networks:mlp", "--data", "inputs.npy", *words.format(finished).split())
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


METRICS = """
import torch
import distnlc

def slope(network, inputs, labels, effort):
    loss = network(inputs).square().mean()
    return torch.autograd.grad(loss, [next(iter(network.parameters()))])[0].norm()

SLOPE = distnlc.Metric(name="my-slope", label="slope of the weights", measure=slope)
NONE = distnlc.Metric(name="my-none", label="nothing", measure=lambda *_: None)
"""


def test_metrics_of_the_user_s_own_are_measured_too(tmp_path: Path) -> None:
    words = ["measure", "own_networks:mlp", "--data", "waveform-noise", "--plugin", "my_metrics"]
    with modules_in(tmp_path, {"my_metrics": METRICS}):
        answer = distnlc(*words)
        assert answer.code == 0, answer.err
        assert re.search(r"^slope of the weights +\S+ +- +- +- +\S+$", answer.out, re.MULTILINE)
        assert "no value, it is not defined there (it gave None): nothing" in answer.out
        found = json.loads(distnlc(*words, "--json").out)
    assert row_of(found, "my-slope")["group"] == row_of(found, "my-none")["group"] == "own"
    assert values(found)["my-slope"] > 0
