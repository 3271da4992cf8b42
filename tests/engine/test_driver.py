"""The driver's loop, with an executor whose results and clock the test decides."""

import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from distnlc.engine.driver import MAX_LOSSES, PROGRESS_S, Outcome, run_units
from distnlc.engine.executor import EngineError, Finished, Loss, SerialExecutor
from distnlc.records import Records
from distnlc.spec import Unit
from tests.helpers.scripted import DIED, ScriptedExecutor, drive, good
from tests.helpers.servers import LONG_S
from tests.helpers.toys import KIND, SPEC, MemoryStore, Watcher, row, units


def test_units_are_done_longest_first_and_told_after_commit() -> None:
    store = MemoryStore()
    watcher = Watcher(store)
    executor = ScriptedExecutor()
    outcome = drive(executor, units([1, 5, 3, 5]), store, sinks=[watcher])
    assert executor.submitted == ["u1", "u3", "u2", "u0"]
    assert watcher.units == store.order == ["u1", "u3", "u2", "u0"]
    assert outcome == Outcome(done=4, failed=0, interrupted=False, seconds=14.0)
    assert executor.closed == 1


def test_a_worker_holds_two_units_at_most_and_the_last_units_wait_for_a_free_worker() -> None:
    executor = ScriptedExecutor(slots=3)
    drive(executor, units([1] * 20), MemoryStore())
    assert executor.most_held == 2
    executor = ScriptedExecutor(slots=2)
    drive(executor, units([9, 8, 1, 1]), MemoryStore())
    assert executor.most_held == 1, "a short unit was queued behind a long one while it could have waited"


def test_no_units_is_a_finished_study() -> None:
    assert drive(ScriptedExecutor(), [], MemoryStore()) == Outcome(0, 0, interrupted=False, seconds=0.0)


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_a_unit_that_raises_is_retried_then_recorded_as_failed_and_the_rest_goes_on(retries: int) -> None:
    def script(unit: Unit, _: int) -> list[Finished]:
        return [Finished(unit, error="ValueError: three", seconds=1) if unit.index == 3 else good(unit)]

    store, watcher = MemoryStore(), Watcher()
    executor = ScriptedExecutor(script)
    outcome = drive(executor, units([1] * 6), store, retries=retries, sinks=[watcher])
    assert (outcome.done, outcome.failed) == (5, 1)
    assert executor.submitted.count("u3") == retries + 1
    assert (store.rows["u3"].reason, store.rows["u3"].attempts) == ("ValueError: three", retries + 1)
    assert sorted(watcher.units) == [f"u{i}" for i in range(6)]
    assert (watcher.states[-1].done, watcher.states[-1].failed) == (5, 1)


def test_a_unit_that_succeeds_when_tried_again_is_done() -> None:
    store = MemoryStore()

    def script(unit: Unit, attempt: int) -> list[Finished]:
        return [good(unit) if attempt == 2 else Finished(unit, error="E: once")]

    assert drive(ScriptedExecutor(script), units([1, 1]), store).done == 2
    assert not store.failed()


def test_losses_do_not_count_as_failures_but_are_bounded() -> None:
    def script(unit: Unit, attempt: int) -> list[Finished]:
        preempted = unit.index == 0 and attempt < MAX_LOSSES
        return [Finished(unit, lost=DIED) if preempted or unit.index == 1 else good(unit)]

    store = MemoryStore()
    executor = ScriptedExecutor(script)
    outcome = drive(executor, units([1, 1, 1]), store, retries=0)
    assert (outcome.done, outcome.failed) == (2, 1)
    assert executor.submitted.count("u1") == MAX_LOSSES
    assert "worker died" in (store.rows["u1"].reason or "")
    assert store.rows["u1"].attempts == MAX_LOSSES


def test_a_unit_whose_machines_are_taken_away_is_never_blamed() -> None:
    class Preempted(ScriptedExecutor):
        def wait(self, timeout_s: float) -> list[Finished]:
            self.lost_nodes |= {f"node {attempt}" for attempt in range(self.submitted.count("u0"))}
            return super().wait(timeout_s)

    def script(unit: Unit, attempt: int) -> list[Finished]:
        return [Finished(unit, lost=Loss(f"node {attempt}")) if attempt <= 20 else good(unit)]

    store = MemoryStore()
    assert drive(Preempted(script), units([1]), store, retries=0).done == 1
    assert drive(ScriptedExecutor(script), units([1]), MemoryStore(), retries=0).failed == 1


def test_what_is_known_of_the_deaths_stands_in_the_reason() -> None:
    store = MemoryStore()

    def script(unit: Unit, attempt: int) -> list[Finished]:
        return [Finished(unit, lost=Loss("node", "out of memory: 9 GB" if attempt > 1 else ""))]

    drive(ScriptedExecutor(script), units([1]), store)
    assert store.rows["u0"].reason == "worker died 3 times while it worked on this unit: out of memory: 9 GB"


def test_a_unit_returned_unbegun_is_never_blamed() -> None:
    def script(unit: Unit, attempt: int) -> list[Finished]:
        return [Finished(unit, returned=True) if attempt < 9 else good(unit)]

    assert drive(ScriptedExecutor(script), units([1]), MemoryStore(), retries=0).done == 1


def test_the_reason_can_be_stored_whatever_it_holds() -> None:
    store = MemoryStore()
    executor = ScriptedExecutor(lambda unit, _: [Finished(unit, error="OSError: no file a\udcff")])
    drive(executor, units([1]), store)
    assert store.rows["u0"].reason == "OSError: no file a\\udcff"


def test_a_hanging_unit_is_cancelled_and_counts_as_failed_attempts() -> None:
    store = MemoryStore()
    executor = ScriptedExecutor(lambda unit, _: None if unit.index == 1 else [good(unit)])
    outcome = drive(executor, units([1, 2, 1]), store, time_limit_s=10, retries=1)
    assert (outcome.done, outcome.failed) == (2, 1)
    assert executor.cancelled == ["u1", "u1"]
    assert store.rows["u1"].reason == "exceeded the time limit of 10 s"
    assert store.rows["u1"].attempts == 2


def test_a_unit_that_comes_back_twice_is_committed_once() -> None:
    def script(unit: Unit, attempt: int) -> list[Finished]:
        if unit.index == 0 and attempt == 1:
            return [Finished(unit, lost=DIED), good(unit)]  # believed dead, then its result turns up
        return [good(unit), good(unit)]

    store, watcher = MemoryStore(), Watcher()
    assert drive(ScriptedExecutor(script), units([3, 1, 1, 1]), store, sinks=[watcher]).done == 4
    assert sorted(watcher.units) == ["u0", "u1", "u2", "u3"]


def test_time_left_follows_the_clock_and_the_cost() -> None:
    watcher = Watcher()
    costs = [float(cost) for cost in range(1, 21)]
    executor = ScriptedExecutor(slots=2)
    outcome = drive(executor, units(costs), MemoryStore(), sinks=[watcher])
    assert watcher.states[0].seconds_left is None
    for state in watcher.states:
        if state.done:
            assert state.seconds_left is not None
            assert state.elapsed_s + state.seconds_left == pytest.approx(outcome.seconds, abs=8)
    last = watcher.states[-1]
    assert last.seconds_left == 0
    assert last.units_per_hour == pytest.approx(3600 * 20 / outcome.seconds)
    assert (last.total, last.running) == (20, 0)
    assert last.latest in {"toy 0", "toy 1"}


def test_time_left_is_at_least_that_of_the_longest_unit() -> None:
    watcher = Watcher()
    drive(ScriptedExecutor(slots=2), units([100, 1, 1]), MemoryStore(), sinks=[watcher])
    state = next(state for state in watcher.states if state.done == 2)
    assert state.seconds_left == pytest.approx(100 - state.elapsed_s)


def test_a_sink_that_raises_is_reported_once_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def committed(self, *_: object) -> None:
            raise OSError("mirror down")

        progress = committed

    watcher = Watcher()
    with caplog.at_level(logging.WARNING):
        outcome = drive(ScriptedExecutor(), units([1] * 5), MemoryStore(), sinks=[Broken(), watcher])
    assert outcome.done == len(watcher.units) == 5
    assert [record.getMessage() for record in caplog.records] == [
        "Broken raised OSError: mirror down (the study goes on)"
    ]


def test_a_store_that_cannot_write_stops_the_study_and_closes_the_executor() -> None:
    class FullDisk(MemoryStore):
        def commit(self, *_: object) -> None:
            raise OSError("disk full")

    watcher = Watcher()
    executor = ScriptedExecutor()
    with pytest.raises(OSError, match="disk full"):
        drive(executor, units([1, 1]), FullDisk(), sinks=[watcher])
    assert executor.closed == 1
    assert watcher.units == []


def test_an_executor_without_workers_ends_the_study() -> None:
    class Dead(ScriptedExecutor):
        def wait(self, timeout_s: float) -> list[Finished]:
            raise EngineError(f"no worker for {timeout_s} s")

    executor = Dead()
    with pytest.raises(EngineError):
        drive(executor, units([1]), MemoryStore())
    assert executor.closed == 1


def serially(work: Callable[[Unit, str], Records], todo: list[Unit], store: MemoryStore, **settings: object) -> Outcome:
    return run_units(todo, executor=SerialExecutor(work), store=store, kind=KIND, spec=SPEC, **settings)


def square(unit: Unit, device: str) -> Records:  # noqa: ARG001
    return row(unit, unit.index**2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.usefixtures("hanging_up")
def test_a_signal_abandons_the_unit_in_hand_and_a_second_call_gives_the_same_rows(number: int) -> None:
    def interrupted_at_two(unit: Unit, device: str) -> Records:
        if unit.index == 2:
            os.kill(os.getpid(), number)
            pytest.fail("not interrupted")
        return square(unit, device)

    whole, halved, watcher = MemoryStore(), MemoryStore(), Watcher()
    todo = units([1, 1, 1, 1, 1])
    serially(square, todo, whole)
    before = signal.getsignal(number)
    outcome = serially(interrupted_at_two, todo, halved, sinks=[watcher])
    assert outcome.interrupted
    assert outcome.done == 2
    assert halved.order == watcher.units == ["u0", "u1"]
    assert signal.getsignal(number) is before
    outcome = serially(square, [unit for unit in todo if unit.unit_id not in halved.rows], halved)
    assert not outcome.interrupted
    assert halved.rows == whole.rows


def test_ctrl_c_pressed_often_during_a_commit_or_the_clearing_up_cuts_nothing() -> None:
    class Pressed(MemoryStore):
        def commit(self, entries: object) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            super().commit(entries)  # type: ignore[arg-type]

    class PressedAgain(ScriptedExecutor):
        def close(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            super().close()

    store, watcher, executor = Pressed(), Watcher(), PressedAgain()
    outcome = drive(executor, units([1, 1, 1]), store, sinks=[watcher])
    assert outcome.interrupted
    assert store.order == watcher.units == ["u0"]
    assert executor.closed == 1


def test_sinks_hear_of_progress_ten_times_a_second_at_most() -> None:
    watcher = Watcher()
    began = time.monotonic()
    serially(square, units([1] * 500), MemoryStore(), sinks=[watcher])
    assert len(watcher.states) <= 2 + (time.monotonic() - began) / PROGRESS_S
    assert len(watcher.units) == watcher.states[-1].done == 500


def test_the_stop_event_ends_a_study_that_runs_in_another_thread() -> None:
    stop = threading.Event()
    store = MemoryStore()

    def stop_at_two(unit: Unit, device: str) -> Records:
        if unit.index == 2:
            stop.set()
        return square(unit, device)

    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(serially(stop_at_two, units([1] * 5), store, stop=stop)))
    thread.start()
    thread.join(LONG_S)
    assert outcomes, "it has not ended"
    assert outcomes[0].interrupted
    assert set(store.rows) == {"u0", "u1", "u2"}


def test_rows_pass_through_untouched_nan_included() -> None:
    store = MemoryStore()
    serially(lambda unit, _: row(unit, math.nan), units([1]), store)
    assert math.isnan(store.rows["u0"].value or 0)
