"""Whole units of an NLC study on the GPU: the rows are the CPU's, whatever is normalized and skipped, go on bit by bit
from every epoch, and an error of one unit leaves the next one well."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distnlc.data.sources import dimensions
from distnlc.engine.executor import attempt
from distnlc.plugins import Work
from distnlc.records import Records
from distnlc.spec import Unit
from distnlc.studies import resolve
from distnlc.studies.nlc import unit as nlc
from distnlc.studies.nlc.spec import Spec
from distnlc.studies.nlc.units import sampled, units
from distnlc.training import checkpoint, programs
from distnlc.training.captured import Captured
from distnlc.training.native_library import NoLibrary
from tests.gpu.pretended import Machine

SIZE = (
    "sampling={count: 60, parameters: 600, depth_max: 5}",
    "search={method: grid, rates: 3, factor: 30, smallest_update: 0.00001, rungs: []}",
    "data={train: 200, validation: 100, test: 100}",
    "metrics={nlc_batches: 2, walk_batches: 0, walk_inputs: 1, walk_outputs: 1}",
)
TRAINING = {"population": 2, "first_patience": 1, "patience": 1, "divisions": 1, "epochs": 3, "batch_size": 50}
"""few epochs at rates without chaos, which would make rounding differences as large as anything"""
CHANGES_WITH_TIME = ("seconds", "device")
"""ends of the names of columns that no two rows share"""
FORMS = [
    ("none", "none"),
    *((normalization, skips) for normalization in ("batch", "layer") for skips in ("none", "linear", "normalization")),
]
"""normalization and start of the skip connections: those that section C draws"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTNLC_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def study(*changes: str, **training: Any) -> Spec:
    own = [f"training.{name}={value}" for name, value in (TRAINING | training).items()]
    found = resolve("quick", [*SIZE, *own, *changes])
    assert isinstance(found, Spec)
    nlc.prepare(found, found.part_names())
    return found


def unit_with(spec: Spec, normalization: str, skips: str) -> Unit:
    """The first unit of such an architecture."""
    for unit in units(spec):
        part = spec.part(unit.part)
        architecture = sampled(part, unit.index, *dimensions(part.data))
        if (architecture.normalization, architecture.skip_start) == (normalization, skips):
            return unit
    raise ValueError(f"no unit with {normalization} normalization and {skips} skips")


def rows(records: Records) -> dict[str, list[dict[str, Any]]]:
    """The columns that the same work gives again."""
    return {
        table: [{k: v for k, v in vars(row).items() if not k.endswith(CHANGES_WITH_TIME)} for row in found]
        for table, found in records.items()
    }


@pytest.fixture
def plain_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU trains by the plain program, the readable one."""

    def none(_: object) -> None:
        raise NoLibrary("not in this test")

    monkeypatch.setattr(programs, "library", none)


def assert_same(spec: Spec, unit: Unit) -> None:
    expected, found = (rows(nlc.run(spec, unit, Work(device))) for device in ("cpu", "cuda"))
    for table, rtol in {"runs": 1e-9, "epochs": 1e-9, "architectures": 1e-8}.items():
        assert len(found[table]) == len(expected[table]) > 0
        for one, other in zip(found[table], expected[table], strict=True):
            numbers = {name: value for name, value in other.items() if isinstance(value, float)}
            assert {name: one[name] for name in numbers} == pytest.approx(numbers, rel=rtol, abs=1e-14, nan_ok=True)
            assert one | numbers == other | numbers


@pytest.mark.usefixtures("plain_cpu")
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize(("normalization", "skips"), FORMS)
def test_a_unit_s_rows_are_those_of_the_cpu(optimizer: str, normalization: str, skips: str) -> None:
    spec = study(optimizer=optimizer)
    assert_same(spec, unit_with(spec, normalization, skips))


@pytest.mark.usefixtures("plain_cpu")
@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_and_so_are_the_metrics_that_walk(normalization: str) -> None:
    spec = study("metrics.walk_batches=1", "search.rates=2", epochs=1)
    assert_same(spec, unit_with(spec, normalization, "none"))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_unit_goes_on_bit_by_bit_from_every_epoch(
    optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    spec = study(optimizer=optimizer, first_patience=5, epochs=5)
    unit, kept = unit_with(spec, "batch", "linear"), []
    save = checkpoint.Checkpoints._save

    def save_and_copy(self: checkpoint.Checkpoints, folder: Path, state: dict[str, Any]) -> None:
        save(self, folder, state)
        kept.append(shutil.copytree(folder, tmp_path / f"after {len(kept)}" / unit.unit_id))

    monkeypatch.setattr(checkpoint.Checkpoints, "_save", save_and_copy)
    expected = nlc.run(spec, unit, Work("cuda", tmp_path / "study" / unit.unit_id))
    monkeypatch.setattr(checkpoint.Checkpoints, "_save", lambda *_: None)
    assert len(kept) == 4, "after all epochs but the last of the wave, whose populations share a program"
    for folder in kept:
        assert repr(rows(nlc.run(spec, unit, Work("cuda", folder)))) == repr(rows(expected))


def when_a_step_is_started(number: int, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Something happens in front of the captured step of that number."""
    steps = iter(range(1_000_000))
    call = Captured.__call__

    def called(self: Captured, work: Callable[[], None]) -> None:
        if next(steps) == number:
            happens()
        call(self, work)

    monkeypatch.setattr(Captured, "__call__", called)


def test_out_of_memory_in_a_step_is_an_error_of_the_unit_and_the_next_unit_works(
    gpu: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = study()
    unit = unit_with(spec, "batch", "none")

    def work(unit: Unit, device: str) -> Records:
        return nlc.run(spec, unit, Work(device))

    with monkeypatch.context() as patch:
        when_a_step_is_started(9, patch, lambda: vars(gpu.memory).update(limit_bytes=gpu.memory.allocated_bytes))
        failed = attempt(work, unit, "cuda")
    assert failed.records is None
    assert failed.error is not None
    assert failed.error.startswith("OutOfMemoryError: CUDA out of memory")
    gpu.memory.limit_bytes = 2**30
    after = attempt(work, unit, "cuda")
    assert after.records is not None
    assert rows(after.records)["runs"] == rows(nlc.run(spec, unit, Work("cuda")))["runs"]
