"""What the fleet makes of a Ray that died, of a machine where everything goes wrong, and of GPUs that come and go.

Ray itself is a stand-in.
"""

import logging
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import ray as real_ray

from distnlc.engine import ray_actor, ray_fleet, ray_gpus
from distnlc.engine.executor import EngineError
from distnlc.engine.ray_cluster import lives
from distnlc.engine.ray_fleet import FAILURES, LONGEST_REST_S, SLOW_START_S, START_PAUSE_S, Fleet, Worker
from distnlc.versions import Code, code_of
from tests.helpers.toys import row, square, units

Cluster = Callable[[int], "Ray"]
OWN = "node of the driver"


class Ray:
    """A cluster of one machine with so many cores, whose head is a socket."""

    exceptions = SimpleNamespace(RayError=RuntimeError)

    def __init__(self, cores: int) -> None:
        self.head = socket.create_server(("127.0.0.1", 0))
        self.address = self.head.getsockname()
        self.living: dict[str, dict[str, int]] = {OWN: {"CPU": cores}}
        self.util = self
        self.groups: dict[str, str] = {}
        """id of each placement group of one GPU -> the node where it is"""
        self.others = Counter[str]()
        """GPUs of each node that are somebody else's"""
        self.fault = ""
        """of a worker's GPU"""
        self.exported = 0
        self.options: dict[str, Any] = {}
        self.other_code: dict[str, Any] = {}
        """in which the workers' code differs from the driver's"""

    def nodes(self) -> list[dict[str, Any]]:
        assert self.head.fileno() >= 0, "without a head this would wait for ever"
        return [
            {"NodeID": node, "Alive": True, "Resources": resources, "NodeManagerAddress": "192.0.2.7"}
            for node, resources in self.living.items()
        ]

    def get_runtime_context(self) -> SimpleNamespace:
        host, port = self.address
        return SimpleNamespace(gcs_address=f"{host}:{port}", get_node_id=lambda: OWN)

    def remote(self, _: type) -> Any:
        self.exported += 1

        def start(*_: object) -> SimpleNamespace:
            assert self.head.fileno() >= 0, "without a head this would wait for ever"
            return SimpleNamespace(whereabouts=SimpleNamespace(remote=tuple))

        def options(**options: object) -> SimpleNamespace:
            self.options = options
            return SimpleNamespace(remote=start)

        return SimpleNamespace(options=options)

    def get(self, packages: tuple[str, ...]) -> tuple[str, str, str, list[Code]]:
        return OWN, "machine", self.fault, [replace(code_of(name), **self.other_code) for name in packages]

    def placement_group(self, bundles: list[dict[str, int]]) -> SimpleNamespace:
        assert bundles == [{"GPU": 1}]
        name = f"group{len(self.groups)}"
        self.groups[name] = ""
        return SimpleNamespace(id=SimpleNamespace(hex=lambda: name))

    def remove_placement_group(self, group: SimpleNamespace) -> None:
        self.groups[group.id.hex()] = "removed"

    def placement_group_table(self) -> dict[str, Any]:
        """Places what can be placed, as Ray does by itself: nodes in their order."""
        for name, node in self.groups.items():
            if node != "removed" and node not in self.living:
                taken = Counter(self.groups.values()) + self.others
                free = [each for each, has in self.living.items() if taken[each] < has.get("GPU", 0)]
                self.groups[name] = free[0] if free else ""
        return {name: {"bundles_to_node_id": {0: node}} for name, node in self.groups.items()}

    def kill(self, _: object) -> None:
        """Nothing comes of it."""


class Clock:
    """In place of the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Gives a cluster of so many cores."""
    made: list[Ray] = []

    def make(cores: int) -> Ray:
        made.append(Ray(cores))
        return made[-1]

    yield make
    for ray in made:
        ray.head.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(ray_fleet, "time", clock)
    return clock


def fleet_of(ray: Ray) -> Fleet:
    fleet = Fleet(ray, square, None)
    fleet.follow()
    for worker in fleet.workers:
        fleet.welcome(worker)
    return fleet


def look(fleet: Fleet, clock: Clock, after_s: float) -> None:
    clock.now += after_s
    fleet.follow()


def test_without_the_head_work_goes_on_for_a_while_and_then_the_study_ends_with_what_to_do(
    cluster: Cluster, clock: Clock
) -> None:
    ray = cluster(2)
    fleet = fleet_of(ray)
    ray.head.close()
    worker = fleet.workers[0]
    look(fleet, clock, 1000)  # the driver was busy with something else
    fleet.replace(worker)
    assert worker.starting is None, "it cannot be started now"
    assert not lives(ray, OWN)
    look(fleet, clock, ray_fleet.SILENCE_S - 1)
    with pytest.raises(
        EngineError, match=r"head of the Ray cluster has not answered for 45 s.*the same command goes on"
    ):
        look(fleet, clock, 10)


def test_a_head_that_comes_back_in_time_is_worked_with_again(cluster: Cluster, clock: Clock) -> None:
    ray = cluster(2)
    fleet = fleet_of(ray)
    ray.head.close()
    look(fleet, clock, 40)
    fleet.replace(fleet.workers[0])
    ray.head = socket.create_server(ray.address)
    look(fleet, clock, 10)
    assert fleet.workers[0].starting is not None
    ray.head.close()
    look(fleet, clock, 40)


def test_a_ray_that_has_ended_on_the_own_machine_is_not_waited_for(cluster: Cluster, clock: Clock) -> None:
    ray = cluster(2)
    fleet = fleet_of(ray)
    ray.living = {"another": {"CPU": 2}}
    with pytest.raises(EngineError, match=r"Ray has ended on this machine.*the same command goes on"):
        look(fleet, clock, 10)


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


def rests(fleet: Fleet, worker: Worker, count: int) -> list[float]:
    """How long it is to rest after each of so many failures in a row."""
    return [fleet.rest_s(worker, went_wrong=True) for _ in range(count)]


def test_a_worker_where_all_goes_wrong_rests_longer_and_longer_and_its_machine_is_named(
    cluster: Cluster, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    ray = cluster(3)
    fleet = fleet_of(ray)
    bad = fleet.workers[1]
    with caplog.at_level(logging.WARNING):
        assert rests(fleet, bad, FAILURES - 1) == [0.0] * (FAILURES - 1)
        assert caplog.messages == []
        assert rests(fleet, bad, 10)[:4] == [1.0, 4.0, 16.0, 64.0]
    assert "3 units in a row went wrong with a worker on 192.0.2.7" in caplog.messages[0]
    rest_s = fleet.rest_s(bad, went_wrong=True)
    assert rest_s == LONGEST_REST_S
    fleet.replace(bad, rest_s)
    look(fleet, clock, rest_s - 1)
    assert bad.starting is None
    look(fleet, clock, 10)
    assert bad.starting is not None
    fleet.welcome(bad)
    assert fleet.rest_s(bad, went_wrong=False) == 0.0
    assert rests(fleet, bad, 1) == [0.0], "it has done well since"
    assert ray.exported == 1, "the cluster keeps a copy of the actor's code for each"


def test_where_all_goes_wrong_with_everybody_nobody_rests(cluster: Cluster) -> None:
    fleet = fleet_of(cluster(2))
    one, other = fleet.workers
    rests(fleet, one, 1)
    assert rests(fleet, other, 9) == [0.0] * 9
    lonely = fleet_of(cluster(1))
    assert rests(lonely, lonely.workers[0], 9) == [0.0] * 9


def test_workers_with_other_code_get_no_unit_and_both_codes_are_named(cluster: Cluster) -> None:
    ray = cluster(2)
    ray.other_code = {"digest": "0123456789abcdef", "version": "0.0.9", "place": "/elsewhere/distnlc"}
    fleet = Fleet(ray, square, None)
    fleet.follow()
    one, other = fleet.workers
    fleet.welcome(one)
    assert not one.node, "it rests, and the other one is waited for"
    with pytest.raises(EngineError) as refusal:
        fleet.welcome(other)
    said, go_on = str(refusal.value).splitlines()
    own = code_of("distnlc")
    there = "distnlc 0.0.9 (0123456789ab) in /elsewhere/distnlc"
    assert said == f"machine machine has other code: {there}, and the study is run by {own}"
    assert str(own).endswith(f"({own.digest[:12]}) in {own.place}")
    assert go_on == "What is done is kept; the same command goes on"


def test_the_same_code_in_another_place_is_the_same_code(cluster: Cluster) -> None:
    ray = cluster(1)
    ray.other_code = {"place": "/opt/venv/lib/distnlc", "version": ""}
    (worker,) = fleet_of(ray).workers
    assert worker.node == OWN


def test_a_machine_that_refuses_rests_longer_each_time_and_is_welcome_again_when_it_does_a_unit(
    cluster: Cluster, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fleet = fleet_of(cluster(2))
    bad, good = fleet.workers
    for rest_s in (START_PAUSE_S, 4 * START_PAUSE_S):
        fleet.refuse(bad, "machine bad: other data")
        assert bad.start_at - clock.now == rest_s
        look(fleet, clock, rest_s + 1)
        fleet.welcome(bad)
    assert caplog.messages[0] == "a Ray worker is refused and rests for 60 s: machine bad: other data"
    assert fleet.rest_s(bad, went_wrong=False) == 0.0
    fleet.refuse(good, "machine good: other data")
    assert bad.node, "the other one has done well since"


def test_a_worker_for_which_there_is_no_place_is_not_waited_for_when_all_others_are_refused(
    cluster: Cluster, clock: Clock
) -> None:
    fleet = Fleet(cluster(1), square, 2)
    fleet.follow()
    only, _ = fleet.workers
    fleet.welcome(only)
    fleet.refuse(only, "other data")
    look(fleet, clock, SLOW_START_S + 1)
    fleet.welcome(only)
    with pytest.raises(EngineError, match="other data"):
        fleet.refuse(only, "other data")
