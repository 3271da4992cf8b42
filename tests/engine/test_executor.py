"""The serial executor, and how a study's work travels."""

import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import distnlc.engine.executor as executor_module
from distnlc.engine.driver import run_units
from distnlc.engine.executor import REASON_CHARACTERS, EngineError, SerialExecutor, attempt, gpu_fault, study_work
from distnlc.plugins import Work
from distnlc.records import FAILED, Records
from distnlc.spec import StudySpec, Unit
from tests.helpers.servers import LONG_S
from tests.helpers.toys import KIND, SPEC, MemoryStore, row, units

(UNIT,) = units([1])


def test_a_unit_computes_with_one_thread_and_the_setting_is_put_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        serial = SerialExecutor(lambda unit, _: row(unit, torch.get_num_threads()))
        assert serial.capacity == 1
        serial.submit(UNIT)
        assert serial.capacity == 0
        (finished,) = serial.wait(0.0)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert finished.records is not None
    assert finished.records["toys"][0].value == 1
    assert (serial.capacity, serial.wait(0.0)) == (1, [])


@pytest.mark.parametrize("error", [ValueError("bad\n  rate"), MemoryError("no room"), SystemExit(3)])
def test_whatever_a_unit_raises_becomes_a_reason_on_one_line(error: BaseException) -> None:
    def work(unit: Unit, device: str) -> Records:  # noqa: ARG001
        raise error

    finished = attempt(work, UNIT, "cpu")
    assert finished.error == f"{type(error).__name__}: {' '.join(str(error).split())}"
    assert "in work" in finished.traceback
    assert finished.records is None


def test_reasons_stay_short() -> None:
    def work(unit: Unit, device: str) -> Records:  # noqa: ARG001
        raise ValueError("x" * 10_000)

    assert len(attempt(work, UNIT, "cpu").error or "") == REASON_CHARACTERS


def out_of_memory(unit: Unit, device: str) -> Records:  # noqa: ARG001
    raise torch.OutOfMemoryError("CUDA out of memory. " + "x" * 10_000)


def test_what_a_gpu_has_no_room_for_is_the_units_failure_and_the_reason_says_what_helps() -> None:
    reason = attempt(out_of_memory, UNIT, "cuda").error or ""
    assert reason.startswith("OutOfMemoryError: CUDA out of memory. x")
    assert reason.endswith("x; fewer workers on a GPU (--workers) leave more memory to each")
    assert len(reason) == REASON_CHARACTERS


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Its faults, to be filled in by the test: the serial executor believes that it computes there."""
    faults = list[str]()
    monkeypatch.setattr(executor_module, "best_device", lambda: "cuda")
    monkeypatch.setattr(executor_module, "gpu_fault", lambda: "".join(faults))
    return faults


def test_a_unit_after_which_the_gpu_works_on_has_failed_and_one_after_which_it_does_not_ends_the_study(
    gpu: list[str],
) -> None:
    store, todo = MemoryStore(), units([3, 2, 1])

    def work(unit: Unit, device: str) -> Records:
        if unit.index == 1:
            gpu.append("AcceleratorError: CUDA error: an illegal memory access was encountered")
        if unit.index == 2:
            pytest.fail("begun on a GPU that does not work")
        return out_of_memory(unit, device)

    with pytest.raises(EngineError) as end:
        run_units(todo, executor=SerialExecutor(work), store=store, kind=KIND, spec=SPEC, retries=0)
    assert (store.order, store.rows["u0"].status) == (["u0"], FAILED), "the second is not counted as failed"
    (line,) = str(end.value).splitlines()
    assert line.startswith("unit u1 ended with OutOfMemoryError: CUDA out of memory. ")
    assert "does not work in this process (AcceleratorError: CUDA error: an illegal memory access" in line
    assert "the same command goes on" in line


def test_a_failed_unit_on_a_cpu_asks_for_no_gpu(gpu: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    gpu.append("none here")
    monkeypatch.setattr(executor_module, "best_device", lambda: "cpu")
    serial = SerialExecutor(out_of_memory)
    serial.submit(UNIT)
    (finished,) = serial.wait(0.0)
    assert finished.error == f"OutOfMemoryError: CUDA out of memory. {'x' * 10_000}"[:REASON_CHARACTERS]


NO_DRIVER = "Found no NVIDIA driver on your system."


@pytest.mark.parametrize(
    ("built", "visible", "said"),
    [
        (False, None, f"its torch {torch.__version__} is built without CUDA"),
        (True, None, f"torch {torch.__version__}: RuntimeError: {NO_DRIVER}"),
        (True, "", f"torch {torch.__version__}: RuntimeError: {NO_DRIVER} (CUDA_VISIBLE_DEVICES=)"),
    ],
)
def test_why_a_gpu_cannot_be_used_is_said_on_one_line(
    monkeypatch: pytest.MonkeyPatch, built: bool, visible: str | None, said: str
) -> None:
    def failing(*_: object, device: str) -> None:
        assert device == "cuda"
        raise RuntimeError(NO_DRIVER.replace(" ", "\n "))

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: built)
    monkeypatch.setattr(torch, "ones", failing)
    assert gpu_fault() == said


def test_a_gpu_that_computes_has_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    ones = torch.ones
    monkeypatch.setattr(torch, "ones", lambda count, device: ones(count))  # noqa: ARG005
    assert gpu_fault() == ""


def test_work_that_gives_no_records_is_an_error() -> None:
    finished = attempt(lambda *_: None, UNIT, "cpu")  # type: ignore[arg-type,return-value]
    assert finished.error == "TypeError: expected the unit's records by table, but got NoneType"


def test_a_study_goes_out_as_plain_data_and_is_rebuilt_there(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = replace(KIND, run=lambda spec, unit, work: {"toys": [spec, unit, work]})
    monkeypatch.setattr(executor_module, "kind_of", lambda name: {"toy": kind}[name])
    monkeypatch.setattr(executor_module, "from_fields", lambda fields, where: StudySpec.parse(fields, where=where))
    spec = StudySpec(kind="toy", seed=5)
    sent = pickle.dumps(study_work(spec, Path("/study/checkpoints")))
    assert b"StudySpec" not in sent
    place = Work("cpu", Path("/study/checkpoints/u0"))
    assert pickle.loads(sent)(UNIT, "cpu") == {"toys": [spec, UNIT, place]}
    assert study_work(spec)(UNIT, "cpu") == {"toys": [spec, UNIT, Work("cpu", None)]}


@pytest.mark.slow
def test_the_serial_engine_works_where_ray_and_mlflow_are_not_installed() -> None:
    code = (
        "import sys\n"
        "sys.modules['ray'] = sys.modules['mlflow'] = None\n"
        "from distnlc.engine.driver import run_units\n"
        "from distnlc.engine.executor import EngineError, SerialExecutor\n"
        "from distnlc.engine.ray_executor import RayExecutor\n"
        "SerialExecutor(print).wait(0)\n"
        "try:\n    RayExecutor(print)\n"
        "except EngineError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=LONG_S, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "Ray is not installed here: install it, or use the serial executor"
