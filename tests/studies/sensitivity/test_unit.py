"""One unit of the kind sensitivity: its training against a plain loop, its measurements, its rows."""

import base64
import math
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from distnlc.data import dataset as datasets
from distnlc.metrics.sensitivity import probability_jacobian
from distnlc.metrics.transitions import transitions
from distnlc.networks.mlp import MLP
from distnlc.records import Records
from distnlc.spec import derive_seed
from distnlc.studies.sensitivity import anchors, trained
from distnlc.studies.sensitivity.anchors import drawn_anchors
from distnlc.studies.sensitivity.networks import VARIANCES, initial_network
from distnlc.studies.sensitivity.records import RegionRow
from distnlc.studies.sensitivity.spec import Spec
from distnlc.studies.sensitivity.unit import data_of
from distnlc.studies.sensitivity.units import check_steps, network_of, seed_of, steps_of
from distnlc.training import checkpoint
from distnlc.training.fixed_steps import FixedOutcome, Look
from distnlc.training.spec import StepSpec
from tests.helpers.plain_steps import PlainRun, loss_of
from tests.helpers.sensitivity_units import network_row, run_unit, tiny


def plain(records: Records) -> dict[str, list[dict[str, Any]]]:
    """All rows but for the time they took."""
    return {
        name: [{key: value for key, value in asdict(row).items() if not key.endswith("seconds")} for row in rows]
        for name, rows in records.items()
    }


def start(spec: Spec) -> tuple[MLP, int]:
    """The untrained network of the study's first unit, float64, and its seed."""
    cell, _, number = network_of(spec, "study", 0)
    seed = seed_of(spec, cell, number)
    return initial_network(cell, 64, 10, seed), seed


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "rmsprop"])
@pytest.mark.parametrize("loss", ["cross-entropy", "l2"])
def test_a_network_is_trained_as_the_plain_loop_does_without_biases(optimizer: str, loss: str) -> None:
    """Minibatches of 8 of 60 points straddle epochs; the rate falls at update 15, two epochs being 15 minibatches."""
    rate, training = 0.01, {"optimizers": {optimizer: [0.01]}, "decay_epochs": 2, "decay": 0.5, "loss": loss}
    spec = tiny(training=training | {"steps": 22})
    network, seed = start(spec)
    assert all(linear.bias is None for linear in network.linears)
    data = datasets.load(spec.data_spec, 0)
    step = StepSpec(optimizer=trained.OPTIMIZERS[optimizer], loss=trained.LOSSES[loss], batch_size=8)  # type: ignore[arg-type]
    run = PlainRun(network, step)
    order = np.concatenate(
        [np.random.default_rng(derive_seed("shuffle", derive_seed("order", seed), e)).permutation(60) for e in range(4)]
    )
    for update in range(22):
        rows = torch.from_numpy(order[8 * update : 8 * update + 8])
        run.train(data.train_inputs, data.train_labels, rows, [rate * 0.5 ** (update >= 15)])
    row = network_row(run_unit(spec))
    outputs, tests = (run.network(inputs).detach() for inputs in (data.train_inputs, data.test_inputs))
    assert row.train_accuracy == pytest.approx(float((outputs.argmax(1) == data.train_labels).double().mean()))
    assert row.test_accuracy == pytest.approx(float((tests.argmax(1) == data.test_labels).double().mean()))
    assert row.train_loss == pytest.approx(float(loss_of(step.loss, outputs, data.train_labels, 1.0)), rel=1e-4)
    assert row.test_loss == pytest.approx(float(loss_of(step.loss, tests, data.test_labels, 1.0)), rel=1e-4)
    assert row.gap == pytest.approx((row.train_accuracy or 0) - (row.test_accuracy or 0))
    found = probability_jacobian(run.network, data.test_inputs[:30])
    assert row.jacobian_norm == pytest.approx(found.norm, rel=1e-3)
    assert (row.stop, row.steps, row.epochs, row.fitted) == ("steps", 22, pytest.approx(22 * 8 / 60), False)


def test_weights_have_the_variance_of_their_activation_function_and_scale() -> None:
    for activation, variance in VARIANCES.items():
        spec = tiny(networks={"activations": [activation], "widths": [300], "scales": [2.0]})
        network, _ = start(spec)
        for linear, fan_in in zip(network.linears, (64, 300, 300), strict=True):
            share = float(linear.weight.detach().square().mean()) * fan_in / (4 * variance)
            assert share == pytest.approx(1, abs=4 * math.sqrt(2 / linear.weight.numel()))  # type: ignore[operator]


def test_both_metrics_are_measured_before_and_after_training() -> None:
    spec = tiny(networks={"activations": ["relu6"]})
    records, (network, _) = run_unit(spec), start(spec)
    row, data = network_row(records), datasets.load(spec.data_spec, 0)
    before = probability_jacobian(network, data.test_inputs[:30])
    counts = transitions(network, data.test_inputs[:3], image_shape=(1, 8, 8))
    assert row.initial_jacobian_norm == pytest.approx(before.norm, rel=1e-4)
    assert row.initial_transitions == pytest.approx(counts.mean, abs=1)
    assert (row.jacobian_points, row.trajectories, row.transitions_method) == (30, 3, "exact")
    assert row.transitions_sem is not None
    assert row.transitions != row.initial_transitions
    layers = [(each.state, each.layer, each.neurons) for each in records["layers"]]
    assert layers == [(state, layer, 7) for state in ("initial", "trained") for layer in (1, 2)]
    assert sum(each.transitions for each in records["layers"][2:]) == pytest.approx(row.transitions)
    without = network_row(run_unit(tiny(measure={"initial": False, "trajectories": 0})))
    assert (without.initial_jacobian_norm, without.transitions, without.trajectories) == (None, None, None)


def test_tanh_is_sampled_where_it_is_no_last_hidden_layer() -> None:
    methods = [
        network_row(run_unit(tiny(networks={"activations": ["tanh"], "depths": [depth]}))).transitions_method
        for depth in (2, 3)
    ]
    assert methods == ["exact", "sampled"]


def test_a_network_stops_at_the_look_that_finds_it_fitted_by_accuracy_and_loss() -> None:
    training = {"steps": 1000, "stop": "fitted", "optimizers": {"adam": [0.01]}, "check_epochs": 2}
    networks = {"widths": [40]}
    by_accuracy = network_row(run_unit(tiny(networks=networks, training=training)))
    both = run_unit(tiny(networks=networks, training=training | {"fit_loss": 0.001}))
    row = network_row(both)
    assert (by_accuracy.stop, row.stop, by_accuracy.fitted, row.fitted) == ("fitted", "fitted", True, True)
    assert row.train_accuracy == 1
    assert (row.train_loss or 1) <= 0.001 < (by_accuracy.train_loss or 0)
    assert [check.step for check in both["checks"]] == [15 * look for look in range(1, len(both["checks"]) + 1)]
    assert both["checks"][-1].train_accuracy == 1
    never = network_row(run_unit(tiny(training=training | {"steps": 5})))
    assert (never.stop, never.fitted, never.status) == ("steps", False, "ok")
    assert never.jacobian_norm is not None


def test_random_labels_are_each_seeds_own_and_test_labels_stay_true() -> None:
    spec = tiny(networks={"seeds": 2, "twins": ["labels"]})
    cell, _, _ = network_of(spec, "study", 2)
    assert cell.labels == "random"
    true, first, second = (
        data_of(spec, labels, seed, "cpu") for labels, seed in (("true", 1), ("random", 1), ("random", 2))
    )
    assert torch.equal(true.test_labels, first.test_labels)
    agreement = (true.train_labels == first.train_labels).double().mean()
    assert agreement < 0.4
    assert not torch.equal(first.train_labels, second.train_labels)
    assert torch.equal(first.train_labels, data_of(spec, "random", 1, "cpu").train_labels)
    row = network_row(run_unit(spec, 2))
    assert (row.labels, row.seed) == ("random", 1)


def test_an_augmented_twin_has_all_its_updates_and_its_accuracy_is_of_the_images_as_they_are() -> None:
    training = {"steps": 100, "stop": "fitted", "fit_accuracy": 0.2}
    spec = tiny(networks={"twins": ["augmentation"]}, training=training)
    twin, other = network_row(run_unit(spec, 0)), network_row(run_unit(spec, 1))
    assert (twin.augmentation, twin.stop, twin.pair_augmentation) == ("none", "fitted", other.pair_augmentation)
    assert (other.augmentation, other.stop, other.steps) == ("shift-flip", "steps", 100)


def test_lbfgs_trains_on_all_points_until_it_is_fitted() -> None:
    training = {"optimizers": {"lbfgs": []}, "stop": "fitted", "iterations": 400}
    records = run_unit(tiny(training=training))
    row = network_row(records)
    assert (row.stop, row.fitted, row.train_accuracy) == ("fitted", True, 1)
    assert (row.batch, row.rate, row.epochs) == (60, None, row.steps)
    assert [check.rate for check in records["checks"]] == [None] * len(records["checks"])
    short = network_row(run_unit(tiny(training=training | {"iterations": 3})))
    assert (short.stop, short.steps) == ("steps", 3)


def test_a_network_that_diverges_is_a_result_without_metrics() -> None:
    records = run_unit(
        tiny(training={"optimizers": {"sgd": [1e30]}}, measure={"points": 5, "ellipses": 1, "planes": 1, "grid": 32})
    )
    row = network_row(records)
    assert (row.status, row.stop, row.fitted) == ("ok", "diverged", False)
    assert (row.jacobian_norm, row.transitions, row.gap, row.train_accuracy) == (None,) * 4
    assert row.initial_jacobian_norm is not None
    assert [len(records[name]) for name in ("curves", "points", "regions")] == [0, 0, 1]


def test_single_points_have_their_loss_their_norms_and_their_place_in_the_file() -> None:
    records = run_unit(tiny(measure={"points": 40, "jacobian_points": 10}, training={"loss": "l2"}))
    data = datasets.load(tiny().data_spec, 0)
    rows = records["points"]
    assert [row.point for row in rows] == data.test_rows.tolist()
    assert [row.label for row in rows] == data.test_labels.tolist()
    row = network_row(records)
    assert row.jacobian_norm == pytest.approx(np.mean([each.jacobian_norm for each in rows[:10]]), rel=1e-6)
    assert row.test_loss == pytest.approx(np.mean([each.loss for each in rows]), rel=1e-5)
    right = np.mean([each.predicted == each.label for each in rows])
    assert row.test_accuracy == pytest.approx(right)
    assert all(each.probability + each.complement == pytest.approx(1) for each in rows)
    assert all(0 <= each.class_jacobian_norm <= each.jacobian_norm * (1 + 1e-9) for each in rows)
    assert np.mean([each.class_jacobian_norm > 0 for each in rows]) > 0.5


def test_ellipses_pass_through_points_of_three_classes_or_of_one() -> None:
    spec = tiny(measure={"ellipses": 2, "ellipse_bins": 12, "ellipse_samples": 8})
    records, data = run_unit(spec), datasets.load(tiny().data_spec, 0)
    rows = records["curves"]
    assert [(row.kind, row.ellipse, row.bin) for row in rows] == [
        (kind, ellipse, bin) for kind in ("random", "different", "same") for ellipse in range(2) for bin in range(12)
    ]
    for row in rows:
        assert row.angle == pytest.approx(row.bin * math.pi / 6)
        assert row.transitions >= row.transitions_last >= 0
        if row.kind == "random":
            assert row.anchors == ""
            continue
        points = [int(each) for each in row.anchors.split(",")]
        classes = set(data.train_labels[points].tolist())
        assert len(classes) == (3 if row.kind == "different" else 1)
        if row.bin in {2, 6, 10}:  # there the ellipse is at an anchor
            assert row.norm == pytest.approx(8, rel=1e-4)  # on the sphere of radius sqrt(64)
    assert all(sum(row.transitions for row in rows[12 * part : 12 * part + 12]) % 2 == 0 for part in range(6))


def test_anchors_on_one_line_are_drawn_again_and_small_classes_are_skipped() -> None:
    data = datasets.load(tiny().data_spec, 0)
    labels = torch.tensor([0, 0] + [1] * 4 + [2] * 54)
    drawn = [drawn_anchors(_with(data, labels), "same", seed)[0] for seed in range(60)]
    assert {int(labels[points[0]]) for points in drawn} == {1, 2}
    flat = data.train_inputs.clone()
    flat[2:6] = torch.arange(4)[:, None] * flat[0]  # the four points of class 1
    on_lines = [drawn_anchors(_with(data, labels, flat), "same", seed)[0] for seed in range(20)]
    assert {int(labels[points[0]]) for points in on_lines} == {2}
    flat[:] = torch.arange(60)[:, None] * flat[10]
    with pytest.raises(ValueError, match="three points that are not on one line"):
        drawn_anchors(_with(data, labels, flat), "same", 0)


def _with(data: Any, labels: Any, inputs: Any = None) -> Any:
    return datasets.Dataset(
        "any", 10, data.train_inputs if inputs is None else inputs, labels, *[data.test_inputs, data.test_labels] * 2
    )


def test_planes_are_mapped_before_and_after_training_and_the_first_map_is_kept() -> None:
    records = run_unit(tiny(measure={"planes": 2, "grid": 40}))
    rows: list[RegionRow] = list(records["regions"])
    assert [(row.state, row.plane) for row in rows] == [("initial", 0), ("initial", 1), ("trained", 0), ("trained", 1)]
    assert [row.anchors for row in rows[:2]] == [row.anchors for row in rows[2:]]
    assert [row.boundaries is not None for row in rows] == [True, False, True, False]
    for row in rows:
        if row.boundaries is not None:
            pixels = np.frombuffer(zlib.decompress(base64.b64decode(row.boundaries)), dtype=np.uint8).reshape(40, 40)
            across, along = np.meshgrid(np.linspace(-1, 1, 40)[:-1], np.linspace(-1, 1, 40)[:-1])
            disc = across**2 + along**2 <= 0.12**2
            assert row.centre == pytest.approx(pixels[:-1, :-1][disc].mean())
    assert anchors.ANCHORS == 3


def test_looks_are_a_hundred_or_every_few_epochs_and_limits_hold() -> None:
    spec = tiny(training={"steps": 5000, "epochs": 20})
    cell = next(iter(spec.cells("study")))
    assert (steps_of(spec, cell, 60), check_steps(spec, cell, 60)) == (150, 2)
    long = tiny(training={"steps": 100_000, "stop": "fitted", "check_epochs": 1, "fit_loss": 1e-9})
    looks = [Look(step, step / 7.5, 0.1, 0.0, 0.5, 1.0) for step in range(8, 8008, 8)]
    kept = trained._looks(FixedOutcome(0.1, looks))
    assert len(kept) == 200
    assert kept[-1].step == 8000
    assert check_steps(long, cell, 60) == 8


@pytest.mark.parametrize("twin", [0, 1], ids=["plain", "augmented"])
def test_a_unit_goes_on_from_its_checkpoint_to_the_same_rows(
    twin: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tiny(networks={"twins": ["augmentation"]}, training={"steps": 60})
    whole = plain(run_unit(spec, twin))
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    saves: list[int] = []
    save = checkpoint.Checkpoints._save

    def save_and_die(self: checkpoint.Checkpoints, folder: Path, state: dict[str, Any]) -> None:
        save(self, folder, state)
        saves.append(state["trainer"]["steps"])
        if len(saves) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.Checkpoints, "_save", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        run_unit(spec, twin, tmp_path / "checkpoints" / "unit")
    assert plain(run_unit(spec, twin, tmp_path / "checkpoints" / "unit")) == whole
    assert saves[3] > saves[2]  # it went on from there


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_a_softmax_that_is_saturated_everywhere_has_a_norm_all_the_same(scale: float) -> None:
    row = network_row(
        run_unit(tiny(networks={"scales": [scale], "depths": [6], "widths": [60]}, training={"steps": 1}))
    )
    assert row.initial_jacobian_norm is not None
    assert row.initial_jacobian_norm >= 0
    assert (row.initial_jacobian_norm == 0) is (scale == 100.0)
