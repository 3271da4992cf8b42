"""Trainings of the kind gradients: the watched run, its rows, and how a unit goes on from a checkpoint."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from distnlc.plugins import Work
from distnlc.records import Records
from distnlc.spec import SpecError
from distnlc.studies.gradients import protocols, training_unit
from distnlc.studies.gradients.spec import Spec
from distnlc.studies.gradients.training_spec import Training
from distnlc.studies.gradients.trials import columns
from distnlc.studies.gradients.units import units
from distnlc.studies.gradients.watch import Watch
from distnlc.studies.gradients.watched import WatchedTrainer
from distnlc.training import checkpoint
from distnlc.training.trainer import train_population
from tests.helpers.gradient_trainings import search_of, tiny


def run(spec: Spec, folder: Path | None = None) -> Records:
    return training_unit.run(spec, units(spec)[0], Work(device="cpu", checkpoints=folder))


def plain(records: Records) -> dict[str, list[dict[str, Any]]]:
    """All rows but for the time they took."""
    return {name: [asdict(row) | {"seconds": 0} for row in rows] for name, rows in records.items()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_watched_run_is_the_same_training_as_the_populations(dtype: str) -> None:
    spec = tiny({"dtype": dtype, "epochs": 4})
    search = search_of(spec)
    plan = protocols.schedule(spec.training, search.batch)
    outcomes = train_population(search.start, search.data, [0.01, 0.1], plan)
    watch = Watch(search.network, search.start.rows[0], search.start.buffers[0], full_batch=False)
    (alone,) = WatchedTrainer(search.start, search.data, 0.1, plan, watch).complete()
    assert [each.train_error for each in alone.history] == [each.train_error for each in outcomes[1].history]
    assert alone.row is not None
    assert outcomes[1].row is not None
    torch.testing.assert_close(alone.row, outcomes[1].row)
    assert len(watch.measures) == 4


def test_the_first_update_by_one_point_is_as_long_as_its_bound() -> None:
    """With one point and no residuals there is one term, whose length is the product of two vectors'."""
    search = search_of(tiny())
    watch = Watch(search.network, search.start.rows[0], search.start.buffers[0], full_batch=False)
    trainer = WatchedTrainer(search.start, search.data, 0.1, protocols.schedule(Training(), 1), watch)
    trainer.train(0, 1, np.array([0.1]))
    moved = trainer.program.flat[0] - search.start.rows[0]
    lengths = torch.stack([moved[part].norm() for part in columns(search.network)])
    torch.testing.assert_close(watch.lineages[0].depth.sums[:, 0], lengths)
    assert not watch.lineages[0].depth.sums[:, 1:].any()


def test_running_averages_are_of_the_minibatches_before_their_updates() -> None:
    spec = tiny({"epochs": 1})
    search = search_of(spec)
    watch = Watch(search.network, search.start.rows[0], search.start.buffers[0], full_batch=False)
    taken = []
    update = watch.update
    watch.update = lambda row, inputs, *rest: (taken.append(inputs), update(row, inputs, *rest))[1]  # type: ignore[method-assign]
    WatchedTrainer(search.start, search.data, 0.01, protocols.schedule(spec.training, 20), watch).complete()
    mean = taken[0].square().sum(1).mean()
    for inputs in taken[1:]:
        mean = 0.9 * mean + 0.1 * inputs.square().sum(1).mean()
    torch.testing.assert_close(watch.averages["input"], mean)


@pytest.mark.slow
@pytest.mark.parametrize("skip", ["none", "identity"])
def test_a_custom_training_has_the_rows_of_every_phase(skip: str) -> None:
    spec = tiny(protocol="custom", skip=skip)
    records = plain(run(spec))
    (network,) = records["networks"]
    epochs = records["epochs"]
    before = sum(row["phase"] == "pretraining" for row in epochs)
    assert [row["epoch"] for row in epochs] == list(range(1, network["epochs"] + 1))
    assert all(row["measured"] and row["step"] == network["best_step"] for row in epochs)
    assert all(row["effective_depth_after_pretraining"] is None for row in epochs[:before])
    assert epochs[-1]["effective_depth_1e6"] == network["effective_depth"] >= epochs[0]["effective_depth_1e6"]
    by_epoch = {
        epoch: [row for row in records["layers"] if row["epoch"] == epoch] for epoch in (0, before, network["epochs"])
    }
    linear = {epoch: [row for row in rows if row["kind"] == "linear"] for epoch, rows in by_epoch.items()}
    assert [row["linear_layer"] for row in linear[before]] == [7, 6, 5, 4, 3, 2, 1]
    assert all(0 < row["relative_update"] < 0.1 for row in linear[before])
    assert all(row["residual_norm"] > 0 for row in linear[network["epochs"]])
    assert by_epoch[0][-1]["gsc"] == network["gsc_input"]
    assert by_epoch[0][-1]["layer"] == 7 + 7 + 6 + 2  # all operations, the softmax, and the input itself
    scales = [row["linear_layer"] for row in by_epoch[0] if row["gsc"] is not None and row["kind"] == "linear"]
    assert scales == ([7, 5, 3, 1] if skip == "identity" else [7, 6, 5, 4, 3, 2, 1])
    assert [row["compositional_depth"] for row in records["taylor"]] == [7, 6, 5, 4, 3, 2]


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["single", "custom"])
def test_a_training_goes_on_from_every_checkpoint_bit_for_bit(
    protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tiny({"epochs": 3, "selection_every": 3, "dtype": "float32"}, protocol=protocol)
    whole = plain(run(spec))
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    offer, left = checkpoint.Checkpoints.offer, [0]

    def interrupted(self: checkpoint.Checkpoints, state: Callable[[], Any]) -> None:
        offer(self, state)
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.Checkpoints, "offer", interrupted)
    for attempt in range(1, 30):
        left[0] = 3
        try:
            assert plain(run(spec, tmp_path / "unit")) == whole
        except KeyboardInterrupt:
            continue
        assert attempt > 2
        return
    raise AssertionError("the unit never came to its end")


def test_a_training_that_is_not_finite_is_a_row_that_says_so() -> None:
    spec = tiny({"steps": [1e30], "dtype": "float32"}, nonlinearity="relu", normalization="none")
    records = plain(run(spec))
    (network,) = records["networks"]
    assert (network["status"], network["train_error"]) == ("ok", 0.9)
    assert network["reason"] == "the training is not finite at any step size"
    assert network["gsc_input"] > 0
    assert records["taylor"] == []
    assert [row["train_error"] for row in records["epochs"] if row["measured"]] == [None]


def test_data_that_does_not_split_into_minibatches_is_refused_with_a_number_that_does() -> None:
    with pytest.raises(SpecError, match=r"data\.train must be a multiple of training\.batch = 30.* data\.train=90"):
        training_unit.prepare(tiny({"batch": 30}))


def test_networks_that_the_data_does_not_allow_are_refused() -> None:
    with pytest.raises(SpecError, match="looks-linear matrices need ReLU layers of even width"):
        training_unit.prepare(tiny(nonlinearity="relu", normalization="none", matrices="looks-linear", width="13"))


def test_an_empty_grid_and_batch_norm_on_one_point_are_refused() -> None:
    with pytest.raises(SpecError, match=r"training\.steps"):
        tiny({"steps": []})
    with pytest.raises(SpecError, match="batch norm needs at least two datapoints"):
        tiny({"batch": 1}, normalization="batch")


def test_the_data_are_the_training_part_alone_without_constant_features() -> None:
    found = training_unit.data_of(tiny(data={"name": "mnist", "train": 2000}))
    assert (found.preparation, found.validation, found.test) == ("varying-features", 0, 0)
    assert training_unit.data_of(tiny(data={"name": "mnist", "preparation": "raw"})).preparation == "raw"
