"""The Ray executor on a real cluster: a head with two cores."""

import os
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from ray.cluster_utils import Cluster

from distnlc.cli.contract import Trial, gives_the_same_rows_on_two_workers
from distnlc.engine import ray_executor, ray_fleet
from distnlc.engine.driver import MAX_LOSSES, Outcome, run_units
from distnlc.engine.executor import EngineError, Finished, UnitWork, one_thread
from distnlc.engine.ray_executor import IN_FLIGHT, RayExecutor
from distnlc.plugins import Work
from distnlc.records import Records
from distnlc.spec import Unit
from distnlc.studies.nlc.unit import run
from distnlc.studies.nlc.units import units as nlc_units
from distnlc.training.checkpoint import Checkpoints
from tests.helpers.listening import descendants
from tests.helpers.ray_studies import ROOT, study_at_work, until_gone
from tests.helpers.servers import LONG_S, wait_for
from tests.helpers.small_studies import SMALL, small_study
from tests.helpers.toys import (
    KIND,
    SPEC,
    MemoryStore,
    OnPretendedGpus,
    Unloadable,
    dies_once_with_a_checkpoint,
    mishap,
    naps,
    placed,
    process_state,
    square,
    units,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", ROOT)  # workers import the toys
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 0})
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        yield cluster
        ray.shutdown()
        cluster.shutdown()


def on_ray(work: UnitWork, todo: list[Unit], store: MemoryStore, **settings: Any) -> Outcome:
    executor = RayExecutor(work, workers=2)
    return run_units(todo, executor=executor, store=store, kind=KIND, spec=SPEC, **settings)


def attempts(folder: Path, unit: str) -> int:
    return len(list(folder.glob(f"{unit}-*")))


def finish(executor: RayExecutor, count: int) -> list[Finished]:
    """Waits for that many results."""
    finished: list[Finished] = []
    wait_for(lambda: finished.extend(executor.wait(0.1)) or len(finished) >= count, f"{count} results")
    return finished


def until_capacity(executor: RayExecutor, capacity: int) -> None:
    wait_for(lambda: executor.wait(0.1) == [] and executor.capacity >= capacity, "worker")
    assert executor.capacity == capacity


@pytest.mark.parametrize("kind", SMALL)
def test_two_workers_give_the_rows_of_one_process(kind: str, tmp_path: Path) -> None:
    gives_the_same_rows_on_two_workers(Trial(small_study(kind), tmp_path))
    assert ray.is_initialized(), "a Ray that was there before is left"


def test_a_worker_without_gpu_has_one_thread_sees_no_gpu_and_ignores_ctrl_c() -> None:
    executor = RayExecutor(process_state)
    assert executor.capacity == 0, "no unit goes to a worker that has not started"
    until_capacity(executor, 2 * IN_FLIGHT)
    assert executor.slots == 2, "one worker per core where nothing else is asked for"
    executor.submit(units([1])[0])
    (finished,) = finish(executor, 1)
    executor.close()
    assert finished.records == {"toys": [{"device": "cpu", "ignores Ctrl-C": True, "threads": ("1", "1"), "gpus": ""}]}


def test_a_unit_that_kills_every_worker_is_given_up_and_the_rest_is_done_once(tmp_path: Path) -> None:
    store = MemoryStore()
    outcome = on_ray(partial(mishap, "exits", False, tmp_path), units([1, 9, 1, 1, 1, 1]), store)
    assert (outcome.done, outcome.failed) == (5, 1)
    assert set(store.failed()) == {"u1"}
    assert store.rows["u1"].attempts == attempts(tmp_path, "u1") == MAX_LOSSES
    assert {attempts(tmp_path, f"u{i}") for i in (0, 2, 3, 4, 5)} == {1}


def test_a_unit_that_a_worker_refuses_is_done_by_another_and_where_all_refuse_the_study_ends(tmp_path: Path) -> None:
    store = MemoryStore()
    outcome = on_ray(partial(mishap, "unfit", True, tmp_path), units([1, 9, 1, 1]), store)
    assert (outcome.done, outcome.failed) == (4, 0)
    assert attempts(tmp_path, "u1") == 2
    (never := tmp_path / "never").mkdir()
    with pytest.raises(EngineError, match=r"^on machine m: other data\nWhat is done is kept"):
        on_ray(partial(mishap, "unfit", False, never), units([1, 9, 1, 1]), MemoryStore())
    assert attempts(never, "u1") == 2


def test_a_hanging_unit_is_stopped_at_its_time_limit_and_its_worker_replaced(tmp_path: Path) -> None:
    """Retries are for units that a busy machine does not do within the limit."""
    store = MemoryStore()
    outcome = on_ray(partial(mishap, "spins", True, tmp_path), units([1, 9, 1, 1]), store, time_limit_s=1.0, retries=20)
    assert (outcome.done, outcome.failed) == (4, 0), store.failed()
    assert attempts(tmp_path, "u1") >= 2
    until_gone((tmp_path / "u1-0").read_text())


def test_the_unit_queued_behind_a_killer_comes_back_unblamed(tmp_path: Path) -> None:
    _, killer, behind = units([1, 1, 1])
    executor = RayExecutor(partial(mishap, "exits", False, tmp_path), workers=1)
    until_capacity(executor, IN_FLIGHT)
    executor.submit(killer)
    executor.submit(behind)
    assert executor.capacity == 0
    assert set(executor.running()) == {"u1"}
    finished = {result.unit.unit_id: result for result in finish(executor, 2)}
    assert (bool(finished["u1"].lost), finished["u1"].returned) == (True, False)
    assert (bool(finished["u2"].lost), finished["u2"].returned) == (False, True)
    until_capacity(executor, IN_FLIGHT)
    executor.submit(behind)
    assert executor.capacity == 0, "it may have been the killer: it is done alone"
    (done,) = finish(executor, 1)
    assert done.records is not None
    assert executor.capacity >= IN_FLIGHT
    executor.close()


def test_very_short_units_wait_in_longer_queues_and_long_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_executor, "QUEUE_S", 1.0)
    executor = RayExecutor(partial(naps, 0.02), workers=1)
    until_capacity(executor, IN_FLIGHT)
    short, long = units([1, 1])
    executor.submit(short)
    (done,) = finish(executor, 1)
    assert executor.capacity == max(IN_FLIGHT, int(1.0 / done.seconds)), "a second of work, by what a unit took"
    executor.submit(replace(long, cost=50.0))
    finish(executor, 1)
    assert executor.capacity == IN_FLIGHT
    executor.close()


def test_records_that_cannot_be_sent_are_the_failure_of_their_unit(tmp_path: Path) -> None:
    store = MemoryStore()
    on_ray(partial(mishap, "unpicklable", False, tmp_path), units([1, 1]), store, retries=0)
    assert "pickle" in (store.rows["u1"].reason or "")
    assert store.rows["u0"].value == 0


def test_workers_that_cannot_start_end_the_study_with_the_reason() -> None:
    executor = RayExecutor(Unloadable(), workers=1)
    with pytest.raises(EngineError, match=r"no Ray worker can be started.*no package here"):
        finish(executor, 1)


def test_a_unit_whose_worker_is_killed_goes_on_from_its_checkpoint_to_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = small_study("nlc")
    unit, *_ = nlc_units(spec)
    offers: list[object] = []
    with monkeypatch.context() as patch, one_thread():
        patch.setenv("DISTNLC_CACHE", str(tmp_path / "cache"))
        patch.setattr(Checkpoints, "offer", lambda _, state: offers.append(state))
        undisturbed = run(spec, unit, Work())

    (tmp_path / "study").mkdir()
    executor = RayExecutor(partial(dies_once_with_a_checkpoint, spec.model_dump(mode="json"), tmp_path), workers=1)
    until_capacity(executor, IN_FLIGHT)
    executor.submit(unit)
    (killed,) = finish(executor, 1)
    assert killed.lost
    until_capacity(executor, IN_FLIGHT)
    executor.submit(unit)
    (finished,) = finish(executor, 1)
    executor.close()
    assert finished.records is not None, finished
    assert without_seconds(finished.records) == without_seconds(undisturbed)
    saves = [len((tmp_path / f"{unit.unit_id}-{attempt}").read_text()) for attempt in (0, 1)]
    assert saves == [3, len(offers) - 3], "epochs were trained again"


@pytest.fixture
def four_gpus(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The cluster with a node of four GPUs, as far as Ray knows."""
    monkeypatch.setattr(ray_fleet, "LOOK_S", 0.3)
    monkeypatch.setattr(ray_executor, "START_S", 0.0)
    cluster.add_node(num_cpus=0, num_gpus=4)
    yield cluster
    for node in list(cluster.worker_nodes):
        cluster.remove_node(node)
    wait_for(lambda: sum(node["Alive"] for node in ray.nodes()) == 1, "end of the nodes")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine whose GPUs are only pretended")
@pytest.mark.usefixtures("four_gpus")
def test_a_gpu_worker_whose_cuda_does_not_start_gets_no_unit_and_the_reason_ends_the_study() -> None:
    executor = RayExecutor(square, workers=1)
    with pytest.raises(EngineError) as end:
        finish(executor, 1)
    executor.close()
    machine, _, reason = str(end.value).splitlines()[0].partition(" has a GPU by Ray's books that cannot be used: ")
    assert machine == f"machine {socket.gethostname()}"
    assert f"torch {torch.__version__}" in reason


def test_an_actor_placement_study(four_gpus: Cluster, tmp_path: Path) -> None:
    """Five workers on four GPUs; a fifth GPU joins while all are at work; then a unit breaks its worker's GPU."""
    todo, done = iter(units([1] * 5 + [2] * 5 + [0] + [3] * 9)), list[Finished]()
    executor = RayExecutor(OnPretendedGpus(partial(placed, tmp_path)), workers=5)

    def at_work(count: int) -> Counter[str]:
        """Submits so many units: how many of them each GPU works on, when there are five."""
        given = [next(todo) for _ in range(count)]
        wait_for(lambda: done.extend(executor.wait(0.1)) or executor.capacity >= count, "capacity for them")
        for unit in given:
            executor.submit(unit)
        names = [tmp_path / unit.unit_id for unit in given]
        wait_for(lambda: done.extend(executor.wait(0.1)) or sum(map(Path.exists, names)) >= 5, "units at work")
        return Counter(name.read_text().rpartition(" ")[0] for name in names if name.exists())

    wait_for(lambda: executor.wait(0.1) == [] and executor.slots == 5, "workers")
    assert sorted(at_work(5).values()) == [1, 1, 1, 2]
    before = {(tmp_path / f"u{unit}").read_text() for unit in range(5)}
    four_gpus.add_node(num_cpus=0, num_gpus=1)
    wait_for(lambda: executor.wait(0.1) == [] and executor.capacity == 4, "worker that is to move")
    (tmp_path / "released1").touch()
    wait_for(lambda: done.extend(executor.wait(0.1)) or len(done) == 5, "first units")
    wait_for(lambda: executor.wait(0.1) == [] and executor.slots == 5, "worker that has moved")
    found = at_work(5)
    assert sorted(found.values()) == [1] * 5
    assert len({where.split()[1] for where in found}) == 2
    assert {where.split()[0] for where in found} == {"cuda"}
    after = {(tmp_path / f"u{unit}").read_text() for unit in range(5, 10)}
    assert len(before & after) == 4, "the other workers stayed"
    (tmp_path / "released2").touch()
    wait_for(lambda: done.extend(executor.wait(0.1)) or len(done) == 10, "second units")
    assert all(result.records for result in done)

    done.clear()
    at_work(10)
    broken = (tmp_path / "u10").read_text()
    for released in ("released0", "released3"):
        (tmp_path / released).touch()
    wait_for(lambda: done.extend(executor.wait(0.1)) or len(done) == 10, "last units")
    (charged,), (behind,) = ([r for r in done if r.error], [r for r in done if r.returned])
    assert charged.unit.unit_id == "u10"
    executor.submit(behind.unit)
    (again,) = finish(executor, 1)
    assert again.records
    assert (tmp_path / behind.unit.unit_id).read_text() != broken
    executor.close()
    assert {group["state"] for group in ray.util.placement_group_table().values()} == {"REMOVED"}


def without_seconds(records: Records) -> str:
    (row,) = records["architectures"]
    times = {field.name: 0.0 for field in fields(row) if field.name.endswith("seconds")}
    return repr({**records, "architectures": [replace(row, **times)]})


def test_a_driver_that_is_killed_leaves_no_worker_behind_in_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    with study_at_work("spins", tmp_path, RAY_ADDRESS=cluster.address):
        pass  # it is killed here
    until_gone((tmp_path / "u1-0").read_text())  # although it is in a loop that nothing interrupts


def test_a_study_whose_cluster_has_lost_its_head_ends_with_what_to_do_and_leaves_nothing(tmp_path: Path) -> None:
    with study_at_work("held", tmp_path) as process:
        started = descendants(process.pid)
        (head,) = [pid for pid in started if Path("/proc", str(pid), "comm").read_text().strip() == "gcs_server"]
        os.kill(head, signal.SIGKILL)
        assert process.wait(LONG_S) == 0, "Ray itself ends the process after 60 s, with code 1"
        said = process.stdout.readline()  # no further: Ray's agents hold the other end for a minute
    assert said.startswith("the head of the Ray cluster has not answered for 1 s. What is done is kept;")
    until_gone((tmp_path / "u1-0").read_text())
