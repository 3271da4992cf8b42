"""The sweep: the learning-rate search of one architecture, driven by Optuna's ask and tell around a given trainer.

In: the search spec and a function that trains the runs of some rate indices together. Out: all results, and the
index of the chosen run by the rule stated in `SearchSpec`: lowest error, ties to the lower rate. Which rates come next
is the spec's rule, since a population wants distinct points; they are enqueued in an Optuna study in memory, which
keeps the books of what was asked and told. Nothing here knows how training works, so the tests sweep a parabola.
Pruning (`SearchSpec.rungs`) happens inside the trainer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Generic, Literal, Protocol, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from distnlc.spec import NonNegativeInt, PositiveFloat, PositiveInt, SpecModel

if TYPE_CHECKING:
    import optuna

DIVERGED_VALUE = 2.0
"""What Optuna is told of a diverged run: finite, and worse than any error (a fraction)."""


class SearchSpec(SpecModel):
    """The learning-rate search of one architecture and the rule that chooses its trained network."""

    method: Literal["grid", "refine"] = "grid"
    """grid: all rates. refine: `coarse` evenly spaced rates, then `waves` x `wave` around the best so far"""
    rates: Annotated[int, Field(ge=2)] = 40
    factor: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 3.0
    smallest_update: PositiveFloat = 1e-8
    """size of the smallest rate's updates relative to the weights (E.2: 1e-8; training-error variant: 1e-16)"""
    selection: Literal["lowest-error-then-lowest-rate"] = "lowest-error-then-lowest-rate"
    """the rule, frozen before any data: the run with the lowest error of the training criterion; ties go to the lower
    starting rate; diverged runs only if there are no others"""
    edge: NonNegativeInt = 5
    """a chosen run among the first or last so many rates of the series is flagged (E.2 expects none)"""
    coarse: PositiveInt = 8
    wave: PositiveInt = 4
    waves: NonNegativeInt = 2
    rungs: tuple[PositiveInt, ...] = ()
    """successive halving: at the end of these epochs each population keeps the better half (rounded up) of the runs
    that it still trains, by lowest error so far; the others are pruned"""

    @field_validator("rungs")
    @classmethod
    def _rungs_rise(cls, rungs: tuple[int, ...]) -> tuple[int, ...]:
        if any(later <= earlier for earlier, later in pairwise(rungs)):
            raise ValueError("epochs must rise, such as [5, 20, 40]")
        return rungs

    @model_validator(mode="after")
    def _waves_fit_in_the_grid(self) -> Self:
        if self.method == "refine" and self.coarse + self.wave * self.waves > self.rates:
            raise ValueError(
                f"coarse + wave * waves <= rates must hold, but got {self.coarse} + {self.wave} * {self.waves} "
                f"> {self.rates}"
            )
        return self


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
    import optuna  # takes a second, and whoever only reads a spec does not need it

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler())  # never asked: every point is enqueued
    indices: dict[str, optuna.distributions.BaseDistribution] = {
        "rate_index": optuna.distributions.IntDistribution(0, spec.rates - 1)
    }
    results: dict[int, R] = {}
    for size in wave_sizes(spec):
        wave = sorted(next_wave(spec, size, results))
        for index in wave:
            study.enqueue_trial({"rate_index": index})
        trials = [study.ask(indices) for _ in wave]
        for trial, result in zip(trials, train(wave), strict=True):
            results[trial.params["rate_index"]] = result
            _tell(study, trial, result)
    best = choose(results)
    return Sweep(dict(sorted(results.items())), best, not spec.edge <= best < spec.rates - spec.edge)


def _tell(study: "optuna.Study", trial: "optuna.Trial", result: Result) -> None:
    from optuna.trial import TrialState

    if result.pruned:
        trial.report(told_value(result), step=result.epochs)
        study.tell(trial, state=TrialState.PRUNED)  # its value is what was reported last
    else:
        study.tell(trial, told_value(result))


def told_value(result: Result) -> float:
    """What Optuna is told of a run."""
    return DIVERGED_VALUE if result.diverged else result.error


def next_wave(spec: SearchSpec, size: int, results: Mapping[int, Result]) -> list[int]:
    """The rate indices that are tried next: the first wave, then the `size` untried ones nearest to the best so far,
    ties to the lower rate."""
    if not results:
        return first_wave(spec)
    best = min(results, key=lambda index: (told_value(results[index]), index))
    untried = [index for index in range(spec.rates) if index not in results]
    return sorted(untried, key=lambda index: (abs(index - best), index))[:size]


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
