"""`distnlc measure`: the user's own network is measured as a study's are, and compared; what is refused, and how."""

import json
import re
import shutil
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from distnlc import analysis
from distnlc.analysis.nlc import expectation
from distnlc.analysis.nlc.expectation import find_part
from distnlc.analysis.statistics.prediction import fit
from distnlc.measuring.command import OTHERS
from distnlc.measuring.user import make_network, read_points
from distnlc.metrics.groups import GROUPS
from distnlc.metrics.initial_sensitivity import initial_transitions
from distnlc.metrics.sensitivity import probability_jacobian
from distnlc.metrics.transitions import transitions
from distnlc.networks.architecture import Architecture
from tests.helpers.plugged import modules_in
from tests.helpers.typed import distnlc

NETWORKS = """
import torch
from torch import nn

def mlp():
    return nn.Sequential(nn.Linear(40, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Dropout(0.5), nn.Linear(20, 3))

def images():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10))

def wide():
    return nn.Linear(784, 10)

def number():
    return 7

def divides():
    return 1 / 0

def constant():
    return lambda inputs: 0 * inputs[:, :3]

def huge():
    return lambda inputs: 1e200 * inputs[:, :3]
"""


@pytest.fixture(autouse=True)
def files(home: Path) -> None:
    """The user's own modules and inputs in the current directory."""
    (home / "own_networks.py").write_text(NETWORKS)
    (home / "broken_networks.py").write_text("import nothing_like_it")
    generator = np.random.default_rng(0)
    np.save("inputs.npy", generator.normal(size=(120, 40)))
    np.savez(
        "images.npz", inputs=generator.integers(0, 256, (120, 1, 8, 8), dtype=np.uint8), labels=np.arange(120) % 10
    )
    np.savez("nameless.npz", generator.normal(size=(120, 40)))
    np.savez("objects.npz", inputs=np.array([[object()]]))


def measured(*words: object) -> dict:
    """What the command says to programs."""
    answer = distnlc("measure", *words, "--json")
    assert (answer.code, answer.err) == (0, "")
    found = json.loads(answer.out)
    assert isinstance(found, dict)
    return found


def write_network(file: Path, row: pd.Series) -> None:
    """A module whose `net` makes the network of a row of the table `architectures`."""
    drawn = {field.name: row[field.name] for field in fields(Architecture)}
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in drawn.items()}
    file.write_text(f"from distnlc import Architecture\n\ndef net():\n    return Architecture(**{plain!r}).build()\n")


WALKS = {"init_linear_region", "init_relative_diameter", "init_local_lipschitz"}


def test_an_architecture_of_the_example_study_is_measured_as_the_study_has_it(home: Path) -> None:
    """But for the walks, which take seconds: their number is what a reference's spec says."""
    shutil.copytree(analysis.EXAMPLE, home / "example")
    spec = (home / "example" / "study.yaml").read_text()
    (home / "example" / "study.yaml").write_text(re.sub(r"walk_batches: \d+", "walk_batches: 0", spec))
    rows = find_part(home / "example", dataset="waveform-noise").rows
    row = rows.sort_values(["depth", "index"]).iloc[0]
    write_network(home / "of_the_example.py", row)
    found = measured("of_the_example:net", "--data=waveform-noise", "--reference=example", "--seed", row["seed"])
    metrics = {name: value for name, value in found["metrics"].items() if name not in WALKS}
    assert metrics == pytest.approx({name: row[name] for name in metrics}, rel=1e-6)
    assert (found["parameters"], found["outputs"], found["dtype"]) == (row["parameters"], 3, "float64")

    lower, equal = (rows["init_nlc"] < row["init_nlc"]).mean(), (rows["init_nlc"] == row["init_nlc"]).mean()
    assert found["reference"]["percentiles"]["init_nlc"] == pytest.approx(100 * (lower + equal / 2), abs=0.9)
    columns = ["init_nlc", "init_bias"]
    expected = fit(rows[columns], rows["test_error"], log_x=True).at(row[columns].to_numpy(dtype=float)[None])
    prediction = [found["prediction"][name] for name in ("error", "low", "high")]
    assert prediction == pytest.approx([float(numbers[0]) for numbers in expected], rel=1e-6)


@pytest.mark.slow
def test_metrics_of_a_reference_s_groups_are_compared_with_and_are_those_that_the_study_has(home: Path) -> None:
    groups = f"metrics.groups=[{', '.join(GROUPS)}]"
    assert distnlc("run", "tiny.yaml", "--executor", "serial", "--out", "grouped", "--set", groups).code == 0
    tables = analysis.load("grouped")
    row = tables.architectures.iloc[0]
    write_network(home / "of_the_study.py", row)
    words = "of_the_study:net", "--data=waveform-noise", "--reference=grouped", "--seed", row["seed"]
    found = measured(*words)
    shown = {name: value for group in OTHERS for name, value in found[group].items() if value is not None}
    measurements = tables.measurements
    own = measurements[measurements["unit_id"] == row["unit_id"]].set_index("name")["value"].dropna()
    assert shown == pytest.approx(own.drop("ntk_condition_number", errors="ignore").to_dict(), rel=1e-6)
    for name in ("chi", "gradient_scale", "init_transitions", "scaling_imbalance", "snip"):
        value = shown[name]
        others = measurements.loc[measurements["name"] == name, "value"]
        place = 100 * ((others < value * (1 - 1e-6)).mean() + np.isclose(others, value).mean() / 2)
        assert found["reference"]["percentiles"][name] == pytest.approx(place, abs=100 / len(others) / 2 + 0.1)
    said = distnlc("measure", *words).out
    assert re.search(r"^ *normalized sensitivity +[\d.]+ +\d+ +[\d.]+ *$", said, re.MULTILINE)


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
    assert {name for name, value in found["metrics"].items() if value is None} == WALKS
    assert found["prediction"] is None
    assert "no error is predicted: NLC or bias is not finite, or too few" in found["notes"][-1]


def test_people_are_shown_a_table_the_prediction_and_what_was_done_otherwise(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expectation, "FEWEST", 3)
    answer = distnlc("measure", "own_networks:mlp", "--data", "waveform-noise", "--reference", finished, "--ntk")
    assert (answer.code, answer.err) == (0, "")
    assert "own_networks:mlp: 923 parameters, 40 inputs, 3 outputs" in answer.out
    assert "on 200 points of waveform-noise" in answer.out
    (line,) = (line for line in answer.out.splitlines() if line.strip().startswith("initial NLC "))
    assert len(line.split()) == 2 + 3, "its name, value, percentile, median"
    for proxy in ("SNIP", "SynFlow", "Jacobian covariance", "NTK condition number", "weight layers"):
        (line,) = (line for line in answer.out.splitlines() if line.strip().startswith(f"{proxy} "))
        assert len(line.split()) == len(proxy.split()) + 4, "its name, value, percentile, median, seconds"
    assert "predicted test error: " in answer.out
    sensitivity = "normalized sensitivity", "effective rank of the signal", "effective rank of the noise"
    gradient = "gradient scale at the input", "growth of the gradient scale"
    spread = "spread before the activation", "sign diversity before the activation"
    for shown in (*sensitivity, *gradient, *spread):
        assert re.search(rf"^ *{shown} +[\d.]+ +– +– *$", answer.out, re.MULTILINE)
    assert "(90% interval 0.000 to 1.000), by NLC and bias" in answer.out  # three architectures tell nothing
    assert "note: measured in float64, converted from float32" in answer.out
    assert "note: measured without its dropout" in answer.out


def test_class_probabilities_are_measured_at_initialization_and_as_they_are_on_the_test_part(finished: Path) -> None:
    words = "own_networks:images", "--data", "images.npz", "--reference", finished
    found = measured(*words, "--sensitivity", "--seed", 1)["class_sensitivity"]
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
    plain = measured(*words, "--seed", 1)["class_sensitivity"]
    assert list(plain) == ["init_probability_jacobian", "init_transitions"]
    answer = distnlc("measure", *words, "--sensitivity")
    for label in ("initial probability Jacobian", "initial transitions", "transitions", "probability Jacobian"):
        assert re.search(rf"^ *{label} +[\d.e-]+ +– +– *$", answer.out, re.MULTILINE)


def test_what_a_network_lacks_to_have_these_is_said(finished: Path) -> None:
    """Batch norm in training mode is no function of one point; rows of waveform-noise are no images."""
    found = measured("own_networks:mlp", "--data=waveform-noise", "--reference", finished, "--sensitivity")
    assert "probability_jacobian" not in found["class_sensitivity"]
    assert found["class_sensitivity"]["init_transitions"] > 0
    notes = [note for note in found["notes"] if "no value: " in note]
    assert "the Jacobian of one point is not defined" in notes[0]
    assert notes[1].startswith("transitions: no value: ")


def test_of_other_inputs_no_error_is_predicted_unless_a_part_is_named(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expectation, "FEWEST", 3)
    words = "own_networks:images", "--data", "images.npz", "--reference", finished
    alone, named = measured(*words), measured(*words, "--part", "tiny")
    assert (alone["points"], alone["input_shape"], alone["outputs"]) == (120, [1, 8, 8], 10)
    assert alone["metrics"] == named["metrics"]
    assert alone["prediction"] is None
    assert "the reference is about waveform-noise, not about images.npz" in alone["notes"][-1]
    assert named["prediction"]["of"] == "test_error"


def test_without_labels_the_gradients_are_left_out_and_the_seed_fixes_the_weights(finished: Path) -> None:
    words = "own_networks:mlp", "--data", "inputs.npy", "--reference", finished, "--seed"
    first, again, other = (measured(*words, seed) for seed in (1, 1, 2))
    for each in (first, again, other):
        assert all(seconds >= 0 for seconds in each.pop("zero_cost_seconds").values())
    assert first == again
    assert first["metrics"]["init_bias"] != other["metrics"]["init_bias"]
    assert first["metrics"]["init_gradient_length"] is first["metrics"]["init_gradient_component"] is None
    assert "without labels there are no gradients of the loss and no initial transitions" in first["notes"]
    assert first["sensitivity"]["chi"] > 0
    assert first["sensitivity"]["rank_signal"] >= 1
    assert first["sensitivity"]["rank_noise"] >= 1


def test_what_overflows_is_a_word_in_json_and_predicts_nothing(finished: Path) -> None:
    found = measured("own_networks:huge", "--data", "inputs.npy", "--reference", finished, "--part", "tiny")
    assert (found["metrics"]["init_jacobian_norm"], found["metrics"]["init_nlc"]) == ("inf", "nan")
    assert found["reference"]["percentiles"]["init_nlc"] is found["prediction"] is None


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
        ("own_networks:wide", "waveform-noise", "does not take a batch of 50 points of shape (40,), float32: Runtime"),
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
        assert re.search(r"^ *slope of the weights +\S+ +– +– *$", answer.out, re.MULTILINE)
        assert "note: nothing: no value, it is not defined there (it gave None)" in answer.out
        found = json.loads(distnlc(*words, "--json").out)
    assert found["own_metrics"]["my-slope"] > 0
    assert found["own_metrics"]["my-none"] is None
