"""Checkpoints: what is on disk at every moment, and what is refused."""

import math
import os
import resource
from pathlib import Path
from typing import Any

import pytest
import torch

from distnlc.plugins import Work
from distnlc.studies.nlc import unit as nlc
from distnlc.studies.nlc.units import units
from distnlc.training import checkpoint
from distnlc.training.checkpoint import EVERY_S, KEPT, Checkpoints, machine_of
from tests.helpers.checkpoints import UNIT, bits
from tests.helpers.small_studies import small_study


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


def assert_loads(folder: Path, number: float) -> None:
    assert bits(load(folder)) == bits(state_of(number))


def save(folder: Path, *numbers: float, identity: dict[str, Any] = UNIT) -> None:
    kept = Checkpoints(folder, identity)
    for number in numbers:
        kept.offer(lambda number=number: state_of(number))


def load(folder: Path, identity: dict[str, Any] = UNIT) -> dict[str, Any] | None:
    return Checkpoints(folder, identity).load("cpu")


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

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", counting)
    save(folder, *range(5))
    assert counts == [0, 1, 1, 2, 1, 2, 1, 2, 1, 2]
    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save(folder, 5)
    assert_loads(folder, 4)
    monkeypatch.undo()
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    (folder / ".00000002.npz.0123").write_bytes(b"half written by a worker that was killed")
    save(folder, 6)
    assert_loads(folder, 6)
    assert len(list(folder.iterdir())) == KEPT


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_of_a_torn_newest_file_the_older_one_is_taken_and_the_torn_one_set_aside(
    folder: Path, share: float, caplog: pytest.LogCaptureFixture
) -> None:
    save(folder, 1, 2)
    newest = folder / "00000002.npz"
    newest.write_bytes(newest.read_bytes()[: int(share * newest.stat().st_size)])
    assert_loads(folder, 1)
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
        found = bits(load(folder))
        assert found in (bits(state_of(1)), bits(state_of(2)))
        refused += found == bits(state_of(1))
    assert refused > len(good) / 7 / 2  # the rest changed a date or the like in the container


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(
    ("other", "differs"),
    [
        ({"part": {"seed": 4, "rates": [1e-3, 0.1]}}, "part"),
        ({"device": "cuda", "unit_id": "u1"}, "device, unit_id"),
        ({"format": 0}, "format"),
    ],
)
def test_a_checkpoint_of_other_work_is_refused(
    folder: Path, other: dict[str, Any], differs: str, caplog: pytest.LogCaptureFixture
) -> None:
    save(folder, 1, identity=UNIT | other)
    assert load(folder) is None
    assert f"it was saved by other work: {differs} differ" in caplog.text
    save(folder, 2)
    assert_loads(folder, 2)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), torch.AcceleratorError("CUDA error")])
def test_a_device_without_room_for_a_checkpoint_is_no_fault_of_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: object) -> None:
        raise error

    save(folder, 1)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "from_numpy", full)
        with pytest.raises(type(error)):
            load(folder)
    assert_loads(folder, 1)


THERE = {"GPU": "NVIDIA A100-SXM4-80GB", "torch": "2.11.0+cu128", "CUDA": "12.8"}


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(
    ("here", "differs"),
    [
        (
            THERE | {"GPU": "NVIDIA H200", "CUDA": "13.0"},
            "GPU NVIDIA A100-SXM4-80GB there, NVIDIA H200 here; CUDA 12.8 there, 13.0 here",
        ),
        (
            {"torch": "2.13.0"},
            "torch 2.11.0+cu128 there, 2.13.0 here; GPU NVIDIA A100-SXM4-80GB there, none here; ",
        ),
    ],
)
def test_a_unit_begins_anew_on_a_machine_that_rounds_otherwise_and_the_difference_is_named(
    folder: Path, here: dict[str, str], differs: str, caplog: pytest.LogCaptureFixture
) -> None:
    save(folder, 1, 2, identity=UNIT | {"machine": THERE})
    assert load(folder, UNIT | {"machine": THERE}) is not None
    assert load(folder, UNIT | {"machine": here}) is None
    assert f"it was saved on another machine: {differs}" in caplog.text
    assert caplog.messages[-1] == f"{folder}: no checkpoint is left, the unit begins anew"
    assert {path.suffix for path in folder.iterdir()} == {".bad"}


def test_what_rounds_otherwise_is_named_by_gpu_torch_and_cuda_and_on_cpus_by_torch_where_it_computes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", {"cuda": "NVIDIA H200"}.__getitem__)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert machine_of("cuda", "cuda") == {"GPU": "NVIDIA H200", "torch": torch.__version__, "CUDA": "13.0"}
    assert machine_of("module cuda", "cuda") == machine_of("cuda", "cuda")
    triton = pytest.importorskip("triton")
    assert machine_of("fused", "cuda") == machine_of("cuda", "cuda") | {"Triton": triton.__version__}
    assert machine_of("native", "cpu") == {}
    assert machine_of("cpu", "cpu") == machine_of("module cpu", "cpu") == {"torch": torch.__version__}


def test_a_unit_names_the_machine_in_its_checkpoints(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = list[Checkpoints]()

    class Stop(Checkpoints):
        def load(self, device: str) -> None:
            kept.append(self)
            raise KeyboardInterrupt

    monkeypatch.setenv("DISTNLC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(nlc, "Checkpoints", Stop)
    spec, programs = small_study("nlc"), ("native", "cpu")
    for name in programs:
        monkeypatch.setattr(nlc, "program_name", lambda *_, name=name: name)
        with pytest.raises(KeyboardInterrupt):
            nlc.run(spec, units(spec)[0], Work(checkpoints=folder))
    found = [each.identity.get("machine") for each in kept]
    assert found == [None, {"torch": torch.__version__}]
    assert [each.identity["program"] for each in kept] == list(programs)


@pytest.mark.usefixtures("always")
def test_where_nothing_can_be_written_it_is_said_once_and_work_goes_on(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(folder, 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        save(folder, 2, 3)
        save(folder.with_name("u1"), 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'checkpoints'}: cannot keep checkpoints here (File too large); training goes on without them"
    ]
    assert_loads(folder, 1)
    save(folder, 4)
    assert_loads(folder, 4)


@pytest.mark.usefixtures("always")
def test_a_machine_that_does_not_share_the_study_folder_gets_no_folder_of_that_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = tmp_path / "study of another machine"
    save(elsewhere / "checkpoints" / "u0", 1)
    assert not elsewhere.exists()
    assert "cannot keep checkpoints here" in caplog.text
    assert Checkpoints(None, UNIT).load("cpu") is None
