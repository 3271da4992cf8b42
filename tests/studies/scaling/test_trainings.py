"""Trainings of the kind scaling: beside a plain loop, what initializations share (A7), what cannot be trained."""

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from distnlc.data.folders import DataError
from distnlc.plugins import Work
from distnlc.records import DIVERGED, OK, Records
from distnlc.spec import SpecError, derive_seed
from distnlc.studies.scaling import training_data, trainings
from distnlc.studies.scaling.spec import Spec
from distnlc.studies.scaling.trained_networks import alexnet, mlp
from distnlc.studies.scaling.training_data import set_points
from distnlc.studies.scaling.unit import prepare, run
from distnlc.studies.scaling.units import seed_of, tasks, units
from distnlc.training import checkpoint
from tests.helpers.data_files import write_batches

INITS = ["geometric", "fan-in", "fan-out", "arithmetic"]
POINTS, FEATURES = 45, 5


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder; the cache is this machine's, which holds the compiled program."""
    monkeypatch.setenv("DISTNLC_DATA", str(tmp_path))
    random = np.random.default_rng(0)
    write(tmp_path, "toy.scale", [(int(np.argmax(row[:3])), row) for row in random.normal(size=(POINTS, FEATURES))])
    training_data._set.cache_clear()
    training_data._images.cache_clear()
    return tmp_path


def write(root: Path, name: str, points: list[tuple[int, Any]]) -> None:
    (root / "libsvm").mkdir(exist_ok=True)
    lines = [f"{label} " + " ".join(f"{i}:{x:.17g}" for i, x in enumerate(row, 1)) + "\n" for label, row in points]
    (root / "libsvm" / name).write_text("".join(lines))


def study(experiment: str = "libsvm", *, base: dict[str, Any] | None = None, **group: Any) -> Spec:
    own: dict[str, Any] = {"epochs": 3, "rates": [-3, 1], "seeds": 1}
    if experiment == "libsvm":
        own |= {"sets": ["toy"], "hidden": [7, 4], "batch_size": 20}
    fields = {"kind": "scaling", "dtype": "float64", "parts": {"p": {"experiment": experiment}}} | (base or {})
    return Spec.parse(fields | {experiment: own | group})


def units_of(spec: Spec, checkpoints: Path | None = None) -> list[Records]:
    return [run(spec, unit, Work(checkpoints=checkpoints)) for unit in units(spec)]


def losses(records: Records) -> list[float]:
    return [row.train_loss for row in records["runs"]]


def plain(records: Records) -> dict[str, list[dict[str, Any]]]:
    """All rows but for the time they took."""
    return {name: [asdict(row) | {"seconds": 0} for row in rows] for name, rows in records.items()}


def test_a_unit_is_the_plain_loop_at_each_of_its_rates() -> None:
    spec = study(weight_decay=0.01)
    records = units_of(spec)[1]
    part, task = spec.part("p"), tasks(spec.part("p"))[1]
    seed = seed_of(part, "p", task)
    points, classes = set_points(part, "toy", "cpu")
    inputs, labels = points.rows(torch.arange(POINTS)), points.labels
    order = derive_seed("order", seed)
    orders = [np.random.default_rng(derive_seed("shuffle", order, epoch)).permutation(POINTS) for epoch in range(3)]
    for row in records["runs"]:
        network = mlp(part, FEATURES, classes, "fan-in", derive_seed("weights", seed)).network
        with torch.no_grad():
            factor = 0.05 / network(inputs[orders[0][:20]]).std(correction=0)
        optimizer = torch.optim.SGD(network.parameters(), row.rate, weight_decay=0.01)
        for epoch in range(3):
            each = []
            for batch in torch.from_numpy(orders[epoch]).split(20):
                loss = nn.functional.cross_entropy(network(inputs[batch]) * factor, labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                each.append(float(loss.detach()))
            (found,) = (one.train_loss for one in records["epochs"] if (one.run, one.epoch) == (row.run, epoch + 1))
            assert found == pytest.approx(sum(each) / len(each), rel=1e-9)
        with torch.no_grad():
            logits = network(inputs) * factor
        assert row.epoch_loss == pytest.approx(sum(each) / len(each), rel=1e-9)
        assert row.train_loss == pytest.approx(float(nn.functional.cross_entropy(logits, labels)), rel=1e-9)
        assert row.train_error == pytest.approx(float((logits.argmax(1) != labels).double().mean()))
        assert row.rate == 2.0**row.exponent
    (unit,) = records["units"]
    best = min(records["runs"], key=lambda row: row.train_loss)
    assert (unit.runs, unit.best_run, unit.best_rate, unit.best_loss) == (5, best.run, best.rate, best.train_loss)
    assert unit.at_edge == (best.run in (0, 4))
    assert (unit.points, unit.d_in, unit.classes) == (POINTS, FEATURES, 3)


def images(folder: Path) -> None:
    """Ten images of CIFAR's form."""
    (folder / "cifar10").mkdir()
    write_batches(folder / "cifar10")


SMALL = {"divisor": 64, "points": 10, "batch_size": 6, "epochs": 1, "augment": False, "rates": [-4, -3], "drops": []}


@pytest.mark.parametrize("experiment", ["libsvm", "alexnet"])
def test_all_initializations_of_a_seed_begin_as_one_function_and_part_ways_in_training(experiment, folders) -> None:
    """A7 (iii): W_l = a_l Z_l with one Z_l, in a homogeneous network whose logits get one standard deviation."""
    group: dict[str, Any] = {}
    if experiment == "alexnet":
        images(folders)
        group = SMALL
    found = units_of(study(experiment, **group))
    assert [records["units"][0].init for records in found] == INITS
    starts = [records["units"][0].initial_loss for records in found]
    assert starts == pytest.approx([starts[0]] * 4, rel=1e-12)
    ends = {round(losses(records)[-1], 9) for records in found}
    assert len(ends) == 4
    imbalances = [records["units"][0].offline_imbalance for records in found]
    assert imbalances[0] == pytest.approx(1.0)
    assert min(imbalances[1:]) > 1.01


def test_without_biases_and_decay_the_numerator_only_renames_the_rates() -> None:
    """A7 (iv): c = 2 at rate r is c = 4 at rate 2 r."""
    fields = {"biases": False, "weight_decay": 0.0}
    two = units_of(study(**fields, rates=[-3, 1], base={"numerator": 2.0}))[0]
    four = units_of(study(**fields, rates=[-2, 2], base={"numerator": 4.0}))[0]
    assert losses(four) == pytest.approx(losses(two), rel=1e-9)
    epochs = [[row.train_loss for row in records["epochs"]] for records in (two, four)]
    assert epochs[1] == pytest.approx(epochs[0], rel=1e-9)
    other = units_of(study(**fields, rates=[-2, 2], base={"numerator": 2.0}))[0]
    assert losses(other)[0] != pytest.approx(losses(two)[0], rel=1e-5)


@pytest.mark.parametrize(
    "build", [lambda init: alexnet(64, 2.0, init, 3), lambda init: mlp(study().part("p"), 6, 3, init, 3)]
)
def test_the_weights_of_all_initializations_are_multiples_of_one_another(build: Callable[[str], Any]) -> None:
    first, *others = [build(init) for init in INITS]
    names = [row.name for row in first.plan.rows]
    for other in others:
        for name in names:
            one, two = (each.network.get_submodule(name) for each in (first, other))
            ratio = two.weight / one.weight
            assert torch.allclose(ratio, ratio.flatten()[0].expand_as(ratio), rtol=1e-12)
            assert not two.bias.any()


def test_alexnet_has_the_maps_multipliers_and_balance_of_the_additions() -> None:
    network, plan, _ = alexnet(1, 2.0, "geometric", 0)
    signal, sides = torch.randn(2, 3072, dtype=torch.float64), []
    for name, module in network.named_children():
        signal = module(signal)
        if name.startswith("conv"):
            sides.append(signal.shape[-1])
    assert (sides, signal.shape) == ([4, 2, 2, 2, 1], (2, 10))
    factors = [float(module.value) for name, module in network.named_children() if name.startswith("multiplier")]
    assert factors == pytest.approx([math.sqrt(3 / 11), math.sqrt(3 / 5), math.sqrt(3)])
    assert [row.variance * math.sqrt(row.N) for row in plan.rows] == pytest.approx([2 / 3] * 6)
    spreads = {init: alexnet(8, 2.0, init, 0).plan.imbalance for init in INITS}
    assert {init: round(value) for init, value in spreads.items()} == {
        "geometric": 1,
        "fan-in": 14,
        "fan-out": 1033,
        "arithmetic": 111,
    }


def test_runs_that_diverge_have_a_status_and_no_losses() -> None:
    (records, *_) = units_of(study(rates=[-2, 40], momentum=0.9, base={"dtype": "float32"}))
    (unit,), rows = records["units"], records["runs"]
    wild = [row for row in rows if row.status == DIVERGED]
    assert 0 < unit.diverged_runs == len(wild) < unit.runs == 43
    for row in wild:
        assert (row.train_loss, row.epoch_loss, row.train_error) == (None, None, None)
        assert len([one for one in records["epochs"] if one.run == row.run]) == row.diverged_epoch - 1
    assert all(math.isfinite(row.train_loss) for row in rows if row.status == OK)
    (records, *_) = units_of(study(rates=[40, 40], momentum=0.9, base={"dtype": "float32"}))
    (unit,) = records["units"]
    assert (unit.status, unit.best_run, unit.best_loss, unit.at_edge) == (OK, None, None, None)


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_unit_goes_on_from_its_checkpoint_to_the_same_rows(after, tmp_path, monkeypatch) -> None:
    spec = study(momentum=0.9, base={"inits": ["fan-out"]})
    whole = plain(units_of(spec)[0])
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    saves, save = list[int](), checkpoint.Checkpoints._save

    def save_and_die(self: checkpoint.Checkpoints, folder: Path, state: dict[str, Any]) -> None:
        save(self, folder, state)
        saves.append(1)
        if len(saves) == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.Checkpoints, "_save", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        units_of(spec, tmp_path / "checkpoints" / "unit")
    assert plain(units_of(spec, tmp_path / "checkpoints" / "unit")[0]) == whole
    assert len(saves) == 3


def test_points_that_become_dense_minibatch_by_minibatch_give_the_same_rows(monkeypatch) -> None:
    spec = study()
    dense = plain(units_of(spec)[0])
    training_data._set.cache_clear()
    monkeypatch.setattr(training_data, "MOST_DENSE_BYTES", 0)
    assert isinstance(set_points(spec.part("p"), "toy", "cpu")[0], training_data.SparsePoints)
    assert plain(units_of(spec)[0]) == dense


def test_at_most_so_many_points_are_drawn_once_for_all_seeds() -> None:
    part = study(points=20, seeds=2).part("p")
    drawn, _ = set_points(part, "toy", "cpu")
    whole, _ = set_points(study().part("p"), "toy", "cpu")
    every = [tuple(row.tolist()) for row in whole.rows(torch.arange(POINTS))]
    some = [tuple(row.tolist()) for row in drawn.rows(torch.arange(20))]
    assert len(set(some)) == 20
    assert set(some) < set(every)
    assert some != every[:20]
    found = units_of(study(points=20, seeds=2, base={"inits": ["fan-in"]}))
    assert [records["units"][0].points for records in found] == [20, 20]
    assert prepare(study(points=1000), ["p"])["p"]["sets"]["toy"]["train"] == POINTS


def test_logits_that_do_not_vary_fail_the_unit_with_set_and_seed(folders) -> None:
    write(folders, "flat", [(number % 2, [3.0, 3.0, 3.0]) for number in range(8)])
    spec = study(sets=["flat"])
    with pytest.raises(ValueError, match=r"the initial logits of flat, seed 0, do not vary: nothing to scale"):
        units_of(spec)
    for logits in ([math.inf, 0.0], [math.nan, 1.0], [2.0, 2.0]):
        with pytest.raises(ValueError, match="initial logits of toy, seed 3, do not vary"):
            trainings.factor_of(torch.tensor([logits]), 0.05, "toy, seed 3")


def test_a_sample_of_one_class_is_trained_and_noted(folders) -> None:
    write(folders, "rare", [(int(number == 0), [number, 1.0, -1.0]) for number in range(40)])
    found = units_of(study(sets=["rare"], points=2, base={"inits": ["fan-in"]}))
    assert found[0]["units"][0].reason == "all points of the sample have one class"
    assert units_of(study())[0]["units"][0].reason is None


def test_data_that_cannot_be_trained_on_stop_the_study_before_any_work() -> None:
    with pytest.raises(SpecError, match=r"part p: libsvm\.points = 2 are fewer than the 3 classes of toy"):
        prepare(study(points=2), ["p"])
    with pytest.raises(DataError, match=r"sets not found: letter, news20\.(?s:.*)libsvm\.sets=\[toy\]"):
        prepare(study(sets=["letter", "toy", "news20"]), ["p"])
    with pytest.raises(DataError, match="cifar10"):
        prepare(study("alexnet"), ["p"])


def test_the_layers_of_an_initial_network_are_measured() -> None:
    for records, init in zip(units_of(study(epochs=1, rates=[0, 0])), INITS, strict=True):
        weights = [row for row in records["layers"] if row.kind != "bias"]
        assert [row.name for row in weights] == ["linears.0", "linears.1", "linears.2"]
        assert [row.N for row in weights] == [35, 28, 12]
        for row in weights:
            assert row.gamma == pytest.approx(row.s_in / (row.N * row.variance**2))
            assert row.ratio > 0
        biases = [row for row in records["layers"] if row.kind == "bias"]
        assert [(row.layer, row.N) for row in biases] == [(0, 7), (1, 4), (2, 3)]
        if init == "geometric":
            assert [row.offline_gamma for row in weights] == pytest.approx([weights[0].offline_gamma] * 3)


@pytest.mark.slow
def test_residual_networks_train_with_scaled_blocks_and_without(folders) -> None:
    images(folders)
    small = {"width": 4, "inner": 2, "blocks": 3, "points": 10, "batch_size": 6, "epochs": 1, "drops": []}
    fields = {"kind": "scaling", "dtype": "float32", "parts": {"p": {"experiment": "resnet"}}}
    spec = Spec.parse(fields | {"resnet": {**small, "seeds": 1}})
    scaled, unscaled = units_of(spec)
    for records in (scaled, unscaled):
        (run_row,) = records["runs"]
        assert (run_row.exponent, run_row.rate, run_row.status) == (None, 0.1, OK)
        places = [row.place for row in records["layers"]]
        assert {"outside", "main", "shortcut"} == set(places)
    assert scaled["units"][0].ratio_imbalance < unscaled["units"][0].ratio_imbalance
    assert scaled["units"][0].initial_loss != unscaled["units"][0].initial_loss
