"""The learning-rate schedule (section E.2): scripted errors whose decisions are known."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from distnlc.training.schedule import Schedule
from distnlc.training.spec import TrainingSpec

PAPER = TrainingSpec()
FLAT = [0.5] * 200
NAN = float("nan")


@dataclass
class Course:
    """One run under the schedule; `nan` in the script is an epoch whose loss is not finite."""

    errors: list[float]
    initial: float = 0.5
    spec: TrainingSpec = PAPER
    rates: list[float] = field(default_factory=list)
    improved: list[int] = field(default_factory=list)
    rewound: list[int] = field(default_factory=list)
    """epochs, counted from 1"""

    def __post_init__(self) -> None:
        self.schedule = Schedule(self.spec, np.array([1.0]), np.array([self.initial]))
        for epoch, error in enumerate(self.errors, start=1):
            self.rates.append(float(self.schedule.rates[0]))
            decision = self.schedule.step(np.array([error]), np.isfinite(np.array([error])))
            self.improved += [epoch] * int(decision.keep[0])
            self.rewound += [epoch] * int(decision.rewind[0])
            self.finished = bool(decision.finished[0])
            if self.finished:
                break
        self.epochs = len(self.rates)


def test_the_shortest_run_waits_10_then_ten_times_5_epochs_and_divides_by_3_ten_times() -> None:
    course = Course(FLAT)
    assert (course.finished, course.epochs, course.schedule.divisions[0]) == (True, 60, 10)
    assert course.rewound == [10, *range(15, 61, 5)]
    assert course.rates == pytest.approx([1.0] * 10 + [3.0**-n for n in range(1, 11) for _ in range(5)])


@pytest.mark.parametrize(
    ("why", "errors", "improved", "first_rewinds"),
    [
        ("a tie is no improvement", [0.4, 0.4, 0.4, *FLAT], [1], [11]),
        ("the lowest starts the waiting anew", [0.5] * 9 + [0.499, 0.6, 0.4995, *FLAT], [10], [20]),
        ("below the last is not below the lowest", [0.3, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.35, 0.31, *FLAT], [1], [11]),
        ("the initial network is epoch 0", [0.6, 0.55, 0.51, *FLAT], [], [10]),
        ("patience is 5 after the first division", [0.5] * 14 + [0.4] + FLAT, [15], [10, 20, 25]),
        ("an epoch that is not finite rewinds at once", [0.5, 0.5, NAN, *FLAT], [], [3, 8, 13]),
        ("the waiting before it is forgotten", [0.5] * 14 + [NAN] + FLAT, [], [10, 15, 20]),
    ],
)
def test_what_improves_and_when_it_rewinds(
    why: str, errors: list[float], improved: list[int], first_rewinds: list[int]
) -> None:
    course = Course(errors)
    assert (course.improved, course.rewound[: len(first_rewinds)]) == (improved, first_rewinds), why
    assert course.schedule.lowest[0] == min([0.5, *(errors[epoch - 1] for epoch in improved)])
    assert course.schedule.best_epoch[0] == (improved or [0])[-1]


def test_a_run_that_improves_just_in_time_never_divides() -> None:
    course = Course([0.5 - 0.001 * (epoch // 10) for epoch in range(1, 101)])
    assert (course.rewound, course.rates) == ([], [1.0] * 100)


@pytest.mark.parametrize(
    ("errors", "epochs", "best_epoch", "diverged"),
    [
        ([0.5] * 58 + [0.1] + [0.2] * 100, 59 + 5, 59, 0),  # after the tenth division improvements still count
        ([0.5] * 55 + [NAN], 56, 0, 1),
        ([NAN] * 50, 11, 0, 11),
    ],
)
def test_patience_or_a_divergence_after_the_tenth_division_ends_the_run(
    errors: list[float], epochs: int, best_epoch: int, diverged: int
) -> None:
    course = Course(errors)
    schedule = course.schedule
    assert course.finished
    found = course.epochs, schedule.best_epoch[0], schedule.diverged_epochs[0], schedule.divisions[0]
    assert found == (epochs, best_epoch, diverged, 10)


def test_an_epoch_that_is_not_finite_never_improves_whatever_its_error() -> None:
    schedule = Schedule(PAPER, np.array([1.0]), np.array([0.5]))
    decision = schedule.step(np.array([0.1]), np.array([False]))
    assert (decision.keep[0], decision.rewind[0], schedule.lowest[0]) == (False, True, 0.5)


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

    members, schedule = np.arange(12), Schedule(spec, np.ones(12), np.full(12, 0.9))
    for epoch, row in enumerate(scripts[: max(course.epochs for course in alone)], start=1):
        here = [alone[member] for member in members]
        assert schedule.rates.tolist() == [course.rates[epoch - 1] for course in here]
        decision = schedule.step(row[members], np.isfinite(row[members]))
        assert decision.keep.tolist() == [epoch in course.improved for course in here]
        assert decision.rewind.tolist() == [epoch in course.rewound for course in here]
        assert decision.finished.tolist() == [epoch == course.epochs for course in here]
        for position in np.flatnonzero(decision.finished):
            for name in ("divisions", "best_epoch", "lowest", "diverged_epochs"):
                assert getattr(schedule, name)[position] == getattr(here[position].schedule, name)[0]
        kept = np.flatnonzero(~decision.finished)
        members = members[kept]
        schedule.keep(kept)
    assert not members.size
