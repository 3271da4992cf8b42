"""The learning-rate sweep and its rule of selection, with a parabola in place of a trainer."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import optuna
import pytest

from distnlc.search import DIVERGED_VALUE, SearchSpec, Sweep, choose, first_wave, sweep, wave_sizes

GRID = SearchSpec()
REFINE = SearchSpec(method="refine")
"""8 + 4 + 4 of 40 rates"""


@dataclass(frozen=True)
class Outcome:
    error: float
    diverged: bool = False
    pruned: bool = False
    epochs: int = 60


@dataclass
class Trainer:
    """Stands in for training: looks the outcome of each rate index up, and remembers what was asked."""

    outcome: Callable[[int], Outcome]
    calls: list[list[int]] = field(default_factory=list)

    def __call__(self, indices: Sequence[int]) -> list[Outcome]:
        self.calls.append(list(indices))
        return [self.outcome(index) for index in indices]


def parabola(minimum: float) -> Callable[[int], Outcome]:
    return lambda index: Outcome(0.1 + 0.0005 * (index - minimum) ** 2)


def found(spec: SearchSpec, outcome: Callable[[int], Outcome]) -> tuple[Sweep[Outcome], Trainer]:
    trainer = Trainer(outcome)
    return sweep(spec, trainer), trainer


@pytest.mark.parametrize("rates", [2, 40, 60])
def test_a_grid_asks_for_every_rate_once_in_order_in_one_call(rates: int) -> None:
    result, trainer = found(SearchSpec(rates=rates), parabola(1))
    assert trainer.calls == [list(range(rates))]
    assert list(result.results) == list(range(rates))
    assert result.best == 1


@pytest.mark.parametrize("minimum", range(40))
def test_refining_finds_the_minimum_of_a_parabola_in_16_distinct_runs(minimum: int) -> None:
    result, trainer = found(REFINE, parabola(minimum))
    assert result.best == minimum
    assert [len(call) for call in trainer.calls] == [8, 4, 4]
    assert all(call == sorted(call) for call in trainer.calls)
    asked = [index for call in trainer.calls for index in call]
    assert len(set(asked)) == 16
    assert set(asked) <= set(range(40))
    assert list(result.results) == sorted(asked)


def test_the_first_wave_is_spread_evenly_and_the_next_lie_around_the_best() -> None:
    _, trainer = found(REFINE, parabola(22))
    assert trainer.calls == [[2, 7, 12, 17, 22, 27, 32, 37], [20, 21, 23, 24], [18, 19, 25, 26]]
    _, trainer = found(SearchSpec(method="refine", wave=3, waves=1), parabola(22))
    assert trainer.calls[1] == [20, 21, 23]  # of two equally near, the lower rate first


def test_refining_follows_a_minimum_that_the_first_wave_missed() -> None:
    """A narrow valley between two coarse points is found from its better rim."""
    valley = {24: 0.05, 25: 0.01}
    result, _ = found(REFINE, lambda index: Outcome(valley.get(index, 0.2 + 0.001 * abs(index - 25))))
    assert result.best == 25


def test_wave_sizes_say_what_a_sweep_costs() -> None:
    assert wave_sizes(GRID) == [40]
    assert wave_sizes(REFINE) == [8, 4, 4]
    for coarse in range(2, 41):
        wave = first_wave(SearchSpec(method="refine", coarse=coarse, waves=0))
        assert len(set(wave)) == coarse
        assert 0 <= min(wave) <= max(wave) < 40


@pytest.mark.parametrize("spec", [GRID, REFINE], ids=["grid", "refine"])
def test_a_diverged_run_is_never_chosen_while_there_is_another(spec: SearchSpec) -> None:
    result, _ = found(spec, lambda index: Outcome(0.0, diverged=True) if index > 2 else Outcome(0.9))
    assert result.best == 0


def test_a_pruned_run_is_never_chosen_and_its_rate_still_guides_the_search() -> None:
    """In a real population one that ended is never worse than one that was pruned; here it is, to see the rule."""
    result, trainer = found(REFINE, lambda index: Outcome(abs(index - 22) / 40, pruned=20 < index < 24))
    assert result.best == 20
    assert trainer.calls[1] == [20, 21, 23, 24]


def test_optuna_is_told_errors_pruned_runs_and_of_diverged_ones_a_large_finite_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    studies: list[optuna.Study] = []
    create = optuna.create_study
    monkeypatch.setattr(optuna, "create_study", lambda **kinds: studies.append(create(**kinds)) or studies[-1])

    def outcome(index: int) -> Outcome:
        diverged, pruned = index > 30, index % 2 == 1
        return Outcome(math.nan if diverged else index / 40, diverged, pruned, epochs=20 if pruned else 80)

    found(GRID, outcome)
    assert 1 < DIVERGED_VALUE < math.inf
    assert len(studies[0].trials) == 40
    for trial in studies[0].trials:
        index = trial.params["rate_index"]
        assert trial.state.name == ("PRUNED" if index % 2 else "COMPLETE")
        assert trial.value == (DIVERGED_VALUE if index > 30 else index / 40)
        assert trial.intermediate_values == ({20: trial.value} if index % 2 else {})


@pytest.mark.parametrize("error", [0.66, math.nan])
@pytest.mark.parametrize("spec", [GRID, REFINE], ids=["grid", "refine"])
def test_if_all_diverged_the_lowest_rate_stands_for_them(spec: SearchSpec, error: float) -> None:
    result, _ = found(spec, lambda _: Outcome(error, diverged=True))
    assert result.best == min(result.results)
    assert result.results[result.best].diverged


@pytest.mark.parametrize("spec", [GRID, REFINE], ids=["grid", "refine"])
def test_ties_go_to_the_lower_rate(spec: SearchSpec) -> None:
    result, _ = found(spec, lambda index: Outcome(0.2 if 11 <= index <= 30 else 0.5))
    assert result.best == min(index for index in result.results if index >= 11)


def test_the_order_in_which_results_came_does_not_matter_to_the_rule() -> None:
    results = {9: Outcome(0.3), 4: Outcome(0.2), 7: Outcome(0.2), 1: Outcome(0.1, diverged=True)}
    assert choose(results) == choose(dict(reversed(results.items()))) == 4


@pytest.mark.parametrize(
    ("best", "at_edge"), [(0, True), (4, True), (5, False), (20, False), (34, False), (35, True), (39, True)]
)
def test_a_best_run_among_the_first_or_last_five_is_flagged(best: int, at_edge: bool) -> None:
    assert found(GRID, parabola(best))[0].best_at_edge == at_edge
    assert not found(SearchSpec(edge=0), parabola(best))[0].best_at_edge
