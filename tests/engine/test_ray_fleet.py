"""What the fleet makes of a Ray that died, and of a machine where everything goes wrong.

Ray itself is a stand-in.
"""

import logging
import socket

import pytest

from distnlc.engine import ray_fleet
from distnlc.engine.executor import EngineError
from distnlc.engine.ray_cluster import lives
from distnlc.engine.ray_fleet import FAILURES, LONGEST_REST_S, SLOW_START_S, START_PAUSE_S, Fleet, Worker
from distnlc.versions import code_of
from tests.helpers.fake_ray import OWN, Clock, Cluster, fleet_of, look
from tests.helpers.toys import square


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
