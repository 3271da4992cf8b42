"""The learning-rate schedule (section E.2): scripted errors whose decisions are known."""

import numpy as np
import pytest

from distnlc.training.schedule import Schedule
from distnlc.training.spec import TrainingSpec

PAPER = TrainingSpec()
FLAT = [0.5] * 200
NAN = float("nan")


class Course:
    """One run under the schedule; `nan` in the script is an epoch whose loss is not finite."""

    def __init__(self, errors: list[float], *, initial: float = 0.5, spec: TrainingSpec = PAPER) -> None:
        self.schedule = Schedule(spec, np.array([1.0]), np.array([initial]))
        self.rates: list[float] = []
        self.improved: list[int] = []
        self.rewound: list[int] = []
        """epochs, counted from 1"""
        for epoch, error in enumerate(errors, start=1):
            self.rates.append(float(self.schedule.rates[0]))
            decision = self.schedule.step(np.array([error]), np.isfinite(np.array([error])))
            self.improved += [epoch] * int(decision.improved[0])
            self.rewound += [epoch] * int(decision.rewind[0])
            self.finished = bool(decision.finished[0])
            if self.finished:
                break
        self.epochs = len(self.rates)


def test_the_shortest_run_waits_10_then_ten_times_5_epochs_and_divides_by_3_ten_times() -> None:
    course = Course(FLAT)
    assert course.finished
    assert course.epochs == 60
    assert course.rewound == [10, *range(15, 61, 5)]
    assert course.rates == pytest.approx([1.0] * 10 + [3.0**-n for n in range(1, 11) for _ in range(5)])
    assert course.schedule.divisions[0] == 10


def test_a_tie_is_no_improvement() -> None:
    course = Course([0.4, 0.4, 0.4, *FLAT])
    assert course.improved == [1]
    assert course.rewound[0] == 11


def test_strictly_below_the_lowest_is_an_improvement_and_starts_the_waiting_anew() -> None:
    course = Course([0.5] * 9 + [0.499, 0.6, 0.4995, *FLAT])
    assert course.improved == [10]
    assert course.rewound[0] == 20


def test_below_the_last_epoch_but_not_below_the_lowest_is_no_improvement() -> None:
    course = Course([0.3, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.35, 0.34, 0.33, 0.32, *FLAT])
    assert course.improved == [1]
    assert course.rewound[0] == 11


def test_the_initial_network_counts_as_epoch_0() -> None:
    worse = Course([0.6, 0.55, 0.51, *FLAT])
    assert worse.improved == []
    assert worse.schedule.best_epoch[0] == 0
    assert worse.schedule.lowest[0] == 0.5
    assert worse.rewound[0] == 10


def test_after_the_first_division_patience_is_5_and_an_improvement_starts_it_anew() -> None:
    course = Course([0.5] * 10 + [0.5] * 4 + [0.4] + [0.5] * 100)
    assert course.improved == [15]
    assert course.rewound[:3] == [10, 20, 25]
    assert course.schedule.best_epoch[0] == 15


def test_a_run_that_improves_just_in_time_never_divides() -> None:
    errors = [0.5 - 0.001 * (epoch // 10) for epoch in range(1, 101)]
    course = Course(errors)
    assert course.rewound == []
    assert course.rates == [1.0] * 100


def test_after_the_tenth_division_improvements_still_count_and_then_patience_ends_the_run() -> None:
    course = Course([0.5] * 55 + [0.5] * 3 + [0.1] + [0.2] * 100)
    assert course.rewound[9] == 55
    assert not course.schedule.diverged_epochs[0]
    assert course.finished
    assert course.epochs == 59 + 5
    assert course.schedule.best_epoch[0] == 59
    assert course.schedule.lowest[0] == 0.1
    assert course.schedule.divisions[0] == 10


def test_an_epoch_that_is_not_finite_rewinds_and_divides_at_once() -> None:
    course = Course([0.5, 0.5, NAN, *FLAT])
    assert course.rewound[:3] == [3, 8, 13]  # from the division on, patience is 5
    assert course.rates[2] == 1.0
    assert course.rates[3] == pytest.approx(1 / 3)
    assert course.schedule.diverged_epochs[0] == 1


def test_the_waiting_before_a_divergence_is_forgotten() -> None:
    course = Course([0.5] * 10 + [0.5] * 4 + [NAN] + FLAT)
    assert course.rewound[:3] == [10, 15, 20]


def test_a_run_that_is_never_finite_ends_after_eleven_epochs() -> None:
    course = Course([NAN] * 50)
    assert course.finished
    assert course.epochs == 11
    assert course.schedule.diverged_epochs[0] == 11
    assert course.schedule.best_epoch[0] == 0
    assert course.schedule.lowest[0] == 0.5


def test_an_epoch_that_is_not_finite_never_improves_whatever_its_error() -> None:
    schedule = Schedule(PAPER, np.array([1.0]), np.array([0.5]))
    decision = schedule.step(np.array([0.1]), np.array([False]))
    assert not decision.improved[0]
    assert decision.rewind[0]
    assert schedule.lowest[0] == 0.5


def test_a_divergence_after_the_last_division_ends_the_run() -> None:
    course = Course([0.5] * 55 + [NAN])
    assert course.finished
    assert course.epochs == 56


def test_patience_divisions_and_divisor_are_those_of_the_spec() -> None:
    spec = TrainingSpec(first_patience=3, patience=2, divisions=2, divisor=10)
    course = Course(FLAT, spec=spec)
    assert course.rewound == [3, 5, 7]
    assert course.rates == pytest.approx([1.0] * 3 + [0.1] * 2 + [0.01] * 2)
    assert Course(FLAT, spec=spec.model_copy(update={"divisions": 0})).rewound == [3]


def test_runs_together_decide_as_each_alone_and_those_that_leave_change_nothing() -> None:
    generator = np.random.default_rng(0)
    spec = TrainingSpec(first_patience=4, patience=2, divisions=3)
    scripts = generator.integers(1, 40, (30, 12)) / 40 + np.linspace(0.3, 0, 30)[:, None]
    scripts[generator.random(scripts.shape) < 0.1] = np.nan
    scripts = np.vstack([scripts, np.full((40, 12), 2.0)])
    alone = [Course(list(scripts[:, run]), initial=0.9, spec=spec) for run in range(12)]
    assert len({course.epochs for course in alone}) > 3

    members = np.arange(12)
    schedule = Schedule(spec, np.ones(12), np.full(12, 0.9))
    for row in scripts:
        for member, rate in zip(members, schedule.rates, strict=True):
            assert rate == alone[member].rates[schedule.epoch]
        decision = schedule.step(row[members], np.isfinite(row[members]))
        for position, member in enumerate(members):
            assert decision.improved[position] == (schedule.epoch in alone[member].improved)
            assert decision.rewind[position] == (schedule.epoch in alone[member].rewound)
            assert decision.finished[position] == (schedule.epoch == alone[member].epochs)
            for name in ("divisions", "best_epoch", "lowest", "diverged_epochs"):
                if decision.finished[position]:
                    assert getattr(schedule, name)[position] == getattr(alone[member].schedule, name)[0]
        kept = np.flatnonzero(~decision.finished)
        members = members[kept]
        schedule.keep(kept)
        if not members.size:
            break
    assert not members.size


def test_the_callers_rates_and_errors_stay() -> None:
    rates, errors = np.array([1.0]), np.array([0.5])
    schedule = Schedule(PAPER, rates, errors)
    schedule.step(np.array([0.1]), np.array([False]))
    schedule.step(np.array([0.1]), np.array([True]))
    assert rates[0] == 1.0
    assert errors[0] == 0.5
