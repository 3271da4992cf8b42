"""Checkpoints: what is on disk at every moment, what is refused, and that training goes on bit by bit as it would."""

import logging
import math
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.utils import parameters_to_vector

from distnlc.data.dataset import Dataset
from distnlc.networks.architecture import Architecture
from distnlc.networks.loss import loss_scale
from distnlc.training import checkpoint
from distnlc.training.checkpoint import EVERY_S, KEPT, Checkpoints
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import Start
from distnlc.training.trainer import PopulationTrainer, RunOutcome, train_population

UNIT = {"unit_id": "u0", "part": {"seed": 3, "rates": [1e-3, 0.1]}, "device": "cpu"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a unit, not made yet, in a study folder that is."""
    return tmp_path / "checkpoints" / "u0"


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every offer is taken."""
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the checkpoints see, to be set by the test."""
    now = [1000.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    return now


def state_of(number: float) -> dict[str, Any]:
    """Everything that a state may hold, with the numbers that are easiest to lose."""
    values = torch.tensor([number, math.nan, -0.0, 5e-324, math.inf], dtype=torch.float64)
    return {
        "number": number / 3,
        "nothing": None,
        "lost": [math.nan, -math.inf],
        "nested": {"rows": [values, values.to(torch.float32)], "empty": torch.empty(0, 3)},
        "columns": torch.arange(6).reshape(2, 3).T,
    }


def assert_same(found: Any, expected: Any) -> None:
    """Bit by bit."""
    if isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        assert found.numpy().tobytes() == expected.numpy().tobytes()
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert repr(found) == repr(expected)


def save(folder: Path, *numbers: float, identity: dict[str, Any] = UNIT) -> None:
    kept = Checkpoints(folder, identity)
    for number in numbers:
        kept.offer(lambda number=number: state_of(number))


def load(folder: Path, identity: dict[str, Any] = UNIT) -> dict[str, Any] | None:
    return Checkpoints(folder, identity).load("cpu")


@pytest.mark.usefixtures("always")
def test_a_state_comes_back_bit_by_bit(folder: Path) -> None:
    save(folder, 7)
    assert_same(load(folder), state_of(7))


def test_a_short_unit_writes_nothing_and_a_long_one_every_two_minutes(
    folder: Path, tmp_path: Path, clock: list[float]
) -> None:
    kept, asked = Checkpoints(folder, UNIT), []

    def state() -> dict[str, Any]:
        asked.append(clock[0])
        return state_of(1)

    for _ in range(4):
        clock[0] += 0.99 * EVERY_S / 4
        kept.offer(state)
    assert asked == []
    assert list(tmp_path.iterdir()) == []
    for _ in range(30):
        clock[0] += 10
        kept.offer(state)
    assert asked == pytest.approx([1000 + 0.99 * EVERY_S + seconds for seconds in (10, 130, 250)])


def test_where_saving_is_slow_it_happens_less_often(folder: Path, clock: list[float]) -> None:
    kept, asked = Checkpoints(folder, UNIT), []

    def slow_state() -> dict[str, Any]:
        asked.append(clock[0])
        clock[0] += 20
        return state_of(1)

    for _ in range(1000):
        clock[0] += 10
        kept.offer(slow_state)
    assert 20 * len(asked) / 10_000 < 0.02


@pytest.mark.usefixtures("always")
def test_there_are_never_more_than_two_and_one_stays_whenever_it_stops(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, counts = os.replace, []

    def counting(source: Path, target: Path) -> None:
        counts.append(len(list(folder.glob("*.npz"))))
        replace(source, target)
        counts.append(len(list(folder.glob("*.npz"))))

    monkeypatch.setattr(os, "replace", counting)
    save(folder, *range(5))
    assert counts == [0, 1, 1, 2, 1, 2, 1, 2, 1, 2]
    assert max(counts) == KEPT
    assert_same(load(folder), state_of(4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            save(folder, 5)
    assert_same(load(folder), state_of(4))
    save(folder, 6)
    assert_same(load(folder), state_of(6))
    assert len(list(folder.iterdir())) == KEPT


def killed(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.usefixtures("always")
def test_what_a_killed_worker_left_half_written_is_cleared_away(folder: Path) -> None:
    save(folder, 1)
    (folder / ".00000002.npz.0123").write_bytes(b"half")
    assert_same(load(folder), state_of(1))
    save(folder, 2)
    assert sorted(path.name for path in folder.iterdir()) == ["00000001.npz", "00000002.npz"]


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_of_a_torn_newest_file_the_older_one_is_taken_and_the_torn_one_set_aside(
    folder: Path, share: float, caplog: pytest.LogCaptureFixture
) -> None:
    save(folder, 1, 2)
    newest = folder / "00000002.npz"
    newest.write_bytes(newest.read_bytes()[: int(share * newest.stat().st_size)])
    with caplog.at_level(logging.WARNING):
        assert_same(load(folder), state_of(1))
    assert f"{newest}: cannot be resumed" in caplog.text
    assert sorted(path.name for path in folder.iterdir()) == ["00000001.npz", "00000002.npz.bad"]


@pytest.mark.usefixtures("always")
def test_no_changed_bit_goes_unnoticed(folder: Path) -> None:
    save(folder, 1, 2)
    newest = folder / "00000002.npz"
    good, refused = newest.read_bytes(), 0
    for position in range(0, len(good), 7):
        changed = bytearray(good)
        changed[position] ^= 1 << position % 8
        newest.write_bytes(changed)
        found = load(folder)
        assert found is not None
        refused += found["number"] == state_of(1)["number"]
        assert_same(found, state_of(1 if found["number"] == state_of(1)["number"] else 2))
        (folder / "00000002.npz.bad").unlink(missing_ok=True)
    assert refused > len(good) / 7 / 2  # the rest changed a date or the like in the container


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(
    ("other", "differs"),
    [
        ({"unit_id": "u1"}, "unit_id"),
        ({"part": {"seed": 4, "rates": [1e-3, 0.1]}}, "part"),
        ({"device": "cuda", "unit_id": "u1"}, "device, unit_id"),
        ({"format": 0}, "format"),
    ],
)
def test_a_checkpoint_of_other_work_is_refused(
    folder: Path, other: dict[str, Any], differs: str, caplog: pytest.LogCaptureFixture
) -> None:
    save(folder, 1, identity=UNIT | other)
    with caplog.at_level(logging.WARNING):
        assert load(folder) is None
    assert f"it was saved by other work: {differs} differ" in caplog.text
    save(folder, 2)
    assert_same(load(folder), state_of(2))


class Mine:
    """Runs code when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.usefixtures("always")
def test_nobodys_checkpoint_can_run_code(folder: Path, tmp_path: Path) -> None:
    save(folder, 1)
    for number, name in ((2, "text"), (3, "tensor0")):
        with np.load(folder / "00000001.npz") as arrays:
            forged = dict(arrays) | {name: np.array([Mine(tmp_path / "trace")], dtype=object)}
        np.savez(folder / f"{number:08d}.npz", allow_pickle=True, **forged)
    assert_same(load(folder), state_of(1))
    assert not (tmp_path / "trace").exists()


@contextmanager
def full_disk() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("always")
def test_where_nothing_can_be_written_it_is_said_once_and_work_goes_on(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(folder, 1)
    with full_disk():
        save(folder, 2, 3)
        save(folder.with_name("u1"), 2)
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'checkpoints'}: cannot keep checkpoints here (File too large); training goes on without them"
    ]
    assert_same(load(folder), state_of(1))
    save(folder, 4)
    assert_same(load(folder), state_of(4))


@pytest.mark.usefixtures("always")
def test_a_machine_that_does_not_share_the_study_folder_gets_no_folder_of_that_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = tmp_path / "study of another machine"
    save(elsewhere / "checkpoints" / "u0", 1)
    assert not elsewhere.exists()
    assert "cannot keep checkpoints here" in caplog.text
    assert Checkpoints(None, UNIT).load("cpu") is None


SPEC = TrainingSpec(batch_size=20, first_patience=3, patience=2, divisions=3, divisor=30.0)
RATES = [1e-4, 0.05, 0.3, 1e60]
"""the last one diverges and ends first"""


@pytest.fixture(scope="module")
def data() -> Dataset:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (140,), generator=generator)
    inputs = torch.randn(140, 6, generator=generator, dtype=torch.float64)
    inputs[:, 0] += labels
    parts = [(inputs[a:b], labels[a:b]) for a, b in ((0, 80), (80, 120), (120, 140))]
    return Dataset("waveform-noise", 3, *[tensor for part in parts for tensor in part])


@pytest.fixture(scope="module")
def start(data: Dataset) -> Start:
    drawn = Architecture(
        index=0,
        seed=7,
        d_in=6,
        d_out=3,
        depth=5,
        width=8,
        activation="square",
        dilation=0.8,
        shift=0.2,
        debiased=True,
        bias_variance=0.05,
        initial_scale=0.9,
        normalization="none",
        skip_strength=0.0,
        skip_start="none",
    )
    network = drawn.build()
    row = parameters_to_vector(network.parameters()).detach()
    return Start(drawn, row, None, loss_scale(network, data.train_inputs, batch_size=20), seed=3)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("criterion", ["validation-error", "training-error"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_population_goes_on_bit_by_bit_from_every_epoch(
    folder: Path, data: Dataset, start: Start, optimizer: str, criterion: str
) -> None:
    """Runs that improve, rewind, diverge and finish before others included."""
    spec = SPEC.model_copy(update={"optimizer": optimizer, "criterion": criterion})
    kept = Checkpoints(folder, UNIT)
    saved: list[dict[str, Any]] = []

    def keep(trainer: PopulationTrainer) -> None:
        kept.offer(trainer.state)
        saved.append(load(folder) or {})

    expected = train_population(start, data, RATES, spec, after_epoch=keep)
    assert {len(state["members"]) for state in saved} >= {3, 4}
    assert len({len(outcome.history) for outcome in expected}) > 1
    for epoch, state in enumerate(saved, start=1):
        more: list[PopulationTrainer] = []
        found = train_population(start, data, RATES, spec, saved=state, after_epoch=more.append)
        assert len(more) == len(saved) - epoch, "what the checkpoint held was trained again"
        assert_same_outcomes(found, expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_population_on_a_gpu_goes_on_bit_by_bit(folder: Path, data: Dataset, start: Start, optimizer: str) -> None:
    spec = SPEC.model_copy(update={"optimizer": optimizer})
    data, start = data.to("cuda", torch.float64), replace(start, row=start.row.cuda())
    kept = Checkpoints(folder, UNIT)

    def keep(trainer: PopulationTrainer) -> None:
        if trainer.schedule.epoch <= 5:
            kept.offer(trainer.state)

    expected = train_population(start, data, RATES, spec, after_epoch=keep)
    found = train_population(start, data, RATES, spec, saved=kept.load("cuda"))
    for one, other in zip(found, expected, strict=True):
        assert repr(one.history) == repr(other.history)
        assert torch.equal(one.row, other.row)


def assert_same_outcomes(found: list[RunOutcome], expected: list[RunOutcome]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert_same(one.state() | {"history": []}, other.state() | {"history": []})
        assert repr(one.history) == repr(other.history)
