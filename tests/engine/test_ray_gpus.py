"""How the fleet spreads its workers over GPUs that come and go, or do not work. Ray itself is a stand-in."""

from collections import Counter
from types import SimpleNamespace

import pytest
import ray as real_ray

from distnlc.engine import ray_actor, ray_fleet, ray_gpus
from distnlc.engine.executor import EngineError
from distnlc.engine.ray_fleet import Fleet
from tests.helpers.fake_ray import OWN, Clock, Cluster, Ray, look
from tests.helpers.toys import row, square, units

FOUR_GPUS = {"one": {"CPU": 4, "GPU": 1}, "other": {"CPU": 4, "GPU": 3}}


def on_gpus(ray: Ray, workers: int | None) -> Fleet:
    """A fleet whose workers have all started."""
    ray.living |= FOUR_GPUS
    fleet = Fleet(ray, square, workers)
    fleet.follow()
    start_all(fleet)
    return fleet


def start_all(fleet: Fleet) -> None:
    for worker in fleet.workers:
        if worker.starting is not None:
            fleet.welcome(worker)
            worker.node = worker.gpu.node


def spread(fleet: Fleet) -> list[int]:
    """The numbers of workers on the GPUs that are held."""
    return sorted(Counter(worker.gpu for worker in fleet.workers if worker.gpu).values(), reverse=True)


@pytest.mark.parametrize(
    ("workers", "numbers"), [(3, [1, 1, 1]), (4, [1, 1, 1, 1]), (5, [2, 1, 1, 1]), (6, [2, 2, 1, 1]), (9, [3, 2, 2, 2])]
)
def test_workers_are_spread_evenly_over_the_gpus_of_all_nodes(
    cluster: Cluster, workers: int, numbers: list[int]
) -> None:
    ray = cluster(8)
    fleet = on_gpus(ray, workers)
    assert spread(fleet) == numbers
    assert len(ray.groups) == len(numbers), "no GPU is held that has no worker"
    assert all(worker.node for worker in fleet.workers)
    assert (ray.options["num_gpus"], ray.options["num_cpus"]) == (ray_gpus.PART, 0)
    assert ray.options["scheduling_strategy"].placement_group is fleet.workers[-1].gpu.group
    fleet.close()
    assert set(ray.groups.values()) == {"removed"}


def test_by_default_several_workers_share_a_gpu_as_far_as_its_machine_has_cores_for_them(cluster: Cluster) -> None:
    ray = cluster(2)
    ray.living = {OWN: {"CPU": 2}, "big": {"CPU": 64, "GPU": 2}, "few": {"CPU": 3, "GPU": 2}, "none": {"GPU": 1}}
    fleet = Fleet(ray, square, None)
    fleet.follow()
    found = Counter(worker.gpu.node for worker in fleet.workers)
    assert found == {"big": 2 * ray_gpus.WORKERS_PER_GPU, "few": 2, "none": 1}
    del ray.living["big"]
    fleet._looked_at -= ray_fleet.LOOK_S
    fleet.follow()
    assert Counter(worker.gpu.node for worker in fleet.workers) == {"few": 2, "none": 1}


def test_when_gpus_leave_and_join_workers_move_and_the_others_stay(cluster: Cluster, clock: Clock) -> None:
    ray = cluster(8)
    fleet = on_gpus(ray, 6)
    before = {worker: worker.actor for worker in fleet.workers if worker.node == "other"}
    del ray.living["one"]
    look(fleet, clock, 10)
    start_all(fleet)
    assert spread(fleet) == [2, 2, 2]
    assert {worker.node for worker in fleet.workers} == {"other"}
    assert all(worker.actor is actor for worker, actor in before.items())
    ray.living["new"] = {"CPU": 4, "GPU": 2}
    look(fleet, clock, 10)
    start_all(fleet)
    assert spread(fleet) == [2, 1, 1, 1, 1]
    assert sum(worker.node == "new" for worker in fleet.workers) == 2


def test_a_worker_that_must_move_finishes_the_unit_that_it_works_on(cluster: Cluster, clock: Clock) -> None:
    ray = cluster(8)
    fleet = on_gpus(ray, 5)
    busy = list(fleet.workers)
    for worker in busy:
        worker.queue.append((None, units([1])[0]))
    before = [worker.actor for worker in busy]
    ray.living["new"] = {"CPU": 4, "GPU": 1}
    look(fleet, clock, 10)
    assert [worker.actor for worker in busy] == before
    (mover,) = [worker for worker in busy if worker.leaving]
    assert spread(fleet) == [2, 1, 1, 1]
    fleet.replace(mover)  # as the executor does when its unit is done
    assert (mover.gpu.node, mover.leaving) == ("new", False)
    assert all(mover.actor is not actor for actor in before)
    look(fleet, clock, 10)
    assert not any(worker.leaving for worker in fleet.workers)


def test_gpus_that_others_use_are_done_without_until_they_are_free(
    cluster: Cluster, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_gpus, "HOLD_S", 0.0)
    ray = cluster(8)
    ray.others["other"] = 2
    fleet = on_gpus(ray, 4)
    assert spread(fleet) == [2, 2]
    ray.others.clear()
    look(fleet, clock, 10)
    start_all(fleet)
    assert spread(fleet) == [1, 1, 1, 1]


def test_a_worker_whose_gpu_does_not_work_is_refused_and_with_none_left_the_study_ends_with_machine_and_reason(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    ray = cluster(8)
    ray.living |= FOUR_GPUS
    ray.fault = "its torch 2.13.0+cpu is built without CUDA"
    fleet = Fleet(ray, square, 2)
    fleet.follow()
    bad, other = fleet.workers
    fleet.welcome(bad)
    assert not bad.node, "it rests, and is given no unit"
    said = "machine machine has a GPU by Ray's books that cannot be used: its torch 2.13.0+cpu is built without CUDA"
    assert caplog.messages == [f"a Ray worker is refused and rests for 60 s: {said}"]
    with pytest.raises(EngineError) as end:
        fleet.welcome(other)
    assert str(end.value).splitlines() == [said, "What is done is kept; the same command goes on"]


def test_where_one_gpu_does_not_work_the_others_go_on(cluster: Cluster) -> None:
    ray = cluster(8)
    fleet = on_gpus(ray, 4)
    bad, *others = fleet.workers
    ray.fault = "torch 2.11.0: RuntimeError: The NVIDIA driver on your system is too old"
    fleet.replace(bad)
    fleet.welcome(bad)
    assert not bad.node
    assert all(worker.node for worker in others)


@pytest.mark.parametrize(("on_gpu", "fault"), [(True, "its torch is built without CUDA"), (False, "")])
def test_a_worker_tries_its_gpu_before_it_is_given_a_unit_and_never_computes_elsewhere(
    monkeypatch: pytest.MonkeyPatch, on_gpu: bool, fault: str
) -> None:
    """Ctrl-C is ignored by the actor's process, which is this one here."""
    monkeypatch.setattr(ray_actor.signal, "signal", lambda *_: None)
    monkeypatch.setattr(ray_actor, "gpu_fault", lambda: "its torch is built without CUDA")
    monkeypatch.setattr(real_ray, "get_runtime_context", lambda: SimpleNamespace(get_node_id=lambda: "n"))
    actor = ray_actor.Actor(lambda unit, device: row(unit, device == "cuda"), on_gpu)
    assert actor.whereabouts([])[2] == fault
    assert actor.run(units([1])[0]).records["toys"][0].value == on_gpu
