"""The serial executor, and how a study's work travels."""

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import distnlc.engine.executor as executor_module
from distnlc.engine.executor import REASON_CHARACTERS, SerialExecutor, attempt, study_work
from distnlc.plugins import Work
from distnlc.records import Records
from distnlc.spec import StudySpec, Unit
from tests.helpers.servers import LONG_S
from tests.helpers.toys import KIND, row, units

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
