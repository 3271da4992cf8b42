"""What Ray is asked for when it is started or joined: as many workers as cores, modules from where the driver has them.

Ray itself is a stand-in.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from distnlc.engine import ray_connection
from distnlc.engine.ray_connection import connect
from distnlc.plugins import use_plugins
from tests.helpers.plugged import modules_in


class JobConfig:
    """As Ray's: it appends the command's folder and the current one, then asks for the whole."""

    def __init__(self) -> None:
        self._py_driver_sys_path: list[str] = []

    def _serialize(self) -> list[str]:
        return self._py_driver_sys_path


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Mock:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv(ray_connection.TOKEN, "0" * 64)
    return Mock(is_initialized=lambda: False, job_config=SimpleNamespace(JobConfig=JobConfig))


@pytest.fixture
def one_core() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


def workers_path(ray: Mock) -> list[str]:
    """The folders in front of a worker's search path."""
    config = ray.init.call_args.kwargs["job_config"]
    config._py_driver_sys_path.extend(["/of/the/command", os.getcwd()])  # what Ray does
    path: list[str] = []
    for folder in config._serialize():
        path.insert(0, folder)  # and what its workers do
    return path


@pytest.mark.usefixtures("one_core")
def test_a_process_of_one_core_gets_one_worker_and_the_number_that_is_asked_for_otherwise(ray: Mock) -> None:
    connect(ray, None, None)
    assert ray.init.call_args.kwargs["num_cpus"] == 1
    connect(ray, 3, None)
    assert ray.init.call_args.kwargs["num_cpus"] == 3


@pytest.mark.parametrize("address", [None, "auto"])
def test_workers_search_where_the_driver_does_and_not_in_the_current_folder(
    ray: Mock, address: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = os.path.dirname(os.__file__)
    monkeypatch.setattr(sys, "path", ["/of/a/script", "relative", library, "/site-packages"])
    monkeypatch.chdir(tmp_path)
    connect(ray, None, address)
    assert workers_path(ray) == ["/of/a/script", str(tmp_path / "relative")]
    monkeypatch.setattr(sys, "path", ["", library])  # python -c, python -m
    connect(ray, None, address)
    assert workers_path(ray) == [str(tmp_path)]


def test_the_folder_of_a_plugin_is_searched_only_after_the_product_itself_was_imported(
    ray: Mock, tmp_path: Path
) -> None:
    """As in the driver; else another checkout beside the plug-in would be what the workers run."""
    metric = "import distnlc\nMETRIC = distnlc.Metric(name='mine', label='mine', measure=print)\n"
    with modules_in(tmp_path, {"my_metric": metric}):
        use_plugins(["my_metric"])
        assert sys.path[0] == str(tmp_path)
        connect(ray, None, None)
        assert str(tmp_path) not in workers_path(ray)
