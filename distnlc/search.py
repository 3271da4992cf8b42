"""The sweep: the learning-rate search of one architecture, driven by Optuna's ask and tell around a given trainer.

In: the search spec and a function that trains the runs of some rate indices together. Out: all results, and the
index of the chosen run by the rule stated in `SearchSpec`: lowest error, ties to the lower rate. Nothing here knows
how training works, so the tests sweep a parabola. Pruning (`SearchSpec.rungs`) happens inside the trainer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import optuna

from distnlc.spec import SearchSpec

DIVERGED_VALUE = 2.0
"""What Optuna is told of a diverged run: finite, and worse than any error (a fraction)."""


class Result(Protocol):
    """What a trainer gives back for one run."""

    @property
    def error(self) -> float:
        """of the criterion, a fraction; not looked at if diverged"""

    @property
    def diverged(self) -> bool: ...

    @property
    def pruned(self) -> bool:
        """it left its population at a rung; `error` is its lowest until then"""

    @property
    def epochs(self) -> int:
        """how long it trained"""


R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class Sweep(Generic[R]):
    """A finished search."""

    results: dict[int, R]
    """rate index -> result, in index order"""
    best: int
    """index of the chosen rate"""
    best_at_edge: bool
    """the chosen rate is among the first or last `edge` of the series"""


def sweep(spec: SearchSpec, train: Callable[[Sequence[int]], Sequence[R]]) -> Sweep[R]:
    """Searches the series of `spec.rates` rate indices; `train` gets the indices that are trained together next."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=NearestToBest(spec))
    results: dict[int, R] = {}
    for size in wave_sizes(spec):
        trials = {}
        for _ in range(size):
            trial = study.ask()
            trials[trial.suggest_int("rate_index", 0, spec.rates - 1)] = trial
        indices = sorted(trials)
        for index, result in zip(indices, train(indices), strict=True):
            results[index] = result
            _tell(study, trials[index], result)
    best = choose(results)
    return Sweep(dict(sorted(results.items())), best, not spec.edge <= best < spec.rates - spec.edge)


def _tell(study: optuna.Study, trial: optuna.Trial, result: Result) -> None:
    value = DIVERGED_VALUE if result.diverged else result.error
    if result.pruned:
        trial.report(value, step=result.epochs)
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)  # its value is what was reported last
    else:
        study.tell(trial, value)


def choose(results: dict[int, R]) -> int:
    """The selection rule. Diverged runs are chosen only if there is no other, and then the one with the lowest rate;
    pruned runs never, since in every population a run trains to its end."""

    def rank(index: int) -> tuple[bool, bool, float, int]:
        result = results[index]
        error = 0.0 if result.diverged else result.error  # a diverged run's error may be nan
        return result.pruned, result.diverged, error, index

    return min(results, key=rank)


def wave_sizes(spec: SearchSpec) -> list[int]:
    """How many rates are asked for at a time."""
    return [spec.rates] if spec.method == "grid" else [spec.coarse, *[spec.wave] * spec.waves]


def first_wave(spec: SearchSpec) -> list[int]:
    """The rate indices asked for before any result is known: all of them, or `coarse` at even distances, each in
    the middle of its share of the series."""
    count = wave_sizes(spec)[0]
    return [(2 * i + 1) * spec.rates // (2 * count) for i in range(count)]


class NearestToBest(optuna.samplers.BaseSampler):
    """Gives the first wave in order, then the untried rate nearest to the best so far (ties to the lower rate).

    Optuna's GridSampler cannot end an ask-and-tell loop, and a population wants distinct points in each wave.
    """

    def __init__(self, spec: SearchSpec) -> None:
        self.spec = spec

    def infer_relative_search_space(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
        return {}

    def sample_relative(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        search_space: dict[str, Any],
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        param_name: str,
        param_distribution: optuna.distributions.BaseDistribution,
    ) -> int:
        coarse = first_wave(self.spec)
        if trial.number < len(coarse):
            return coarse[trial.number]
        told = [(t.value, t.params[param_name]) for t in study.trials if t.value is not None]
        tried = {t.params[param_name] for t in study.trials if param_name in t.params}
        best = min(told)[1]
        untried = (index for index in range(self.spec.rates) if index not in tried)
        return min(untried, key=lambda index: (abs(index - best), index))
