"""The sweep of one architecture: its runs trained in populations, and how it goes on from a checkpoint.

In: the architecture ready for training, its data, the smallest rate. Out: the `Sweep` of `../search.py`, of which
only the chosen run keeps its network. After every epoch the sweep's state is offered to the unit's checkpoints; a
saved one spares the training that it holds, and the search asks again for what it asked before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from distnlc.data import Dataset
from distnlc.search import Sweep, choose, sweep
from distnlc.spec import SearchSpec, TrainingSpec
from distnlc.training.population import PopulationTrainer, RunOutcome, train_population
from distnlc.training.program import Start

State = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One training as the sweep sees it."""

    index: int
    outcome: RunOutcome
    error: float

    @property
    def diverged(self) -> bool:
        return self.outcome.diverged

    @property
    def pruned(self) -> bool:
        return self.outcome.pruned

    @property
    def epochs(self) -> int:
        return len(self.outcome.history)

    def state(self) -> State:
        """As plain data with a tensor, for `from_state`."""
        return vars(self) | {"outcome": self.outcome.state()}

    @classmethod
    def from_state(cls, state: State) -> "Run":
        return cls(**state | {"outcome": RunOutcome.from_state(state["outcome"])})


def sweep_rates(
    start: Start,
    data: Dataset,
    lowest: float,
    training: TrainingSpec,
    search: SearchSpec,
    *,
    saved: State | None = None,
    after_epoch: Callable[[Callable[[], State]], None] = lambda _: None,
) -> Sweep[Run]:
    """All runs, trained in populations of neighbouring rates; only the best run's network is kept.

    `saved`: the state to go on from. `after_epoch` gets a function that gives the state of this moment.
    """
    known = {run.index: run for run in map(Run.from_state, saved["runs"])} if saved else dict[int, Run]()

    def train_together(indices: list[int]) -> None:
        def state(trainer: PopulationTrainer) -> State:
            runs = [run.state() for run in known.values()]
            return {"runs": runs, "indices": indices, "population": trainer.state()}

        outcomes = train_population(
            start,
            data,
            [lowest * search.factor**index for index in indices],
            training,
            rungs=search.rungs,
            saved=saved["population"] if saved and saved["indices"] == indices else None,
            after_epoch=lambda trainer: after_epoch(lambda: state(trainer)),
        )
        for index, outcome in zip(indices, outcomes, strict=True):
            error = outcome.train_error if training.criterion == "training-error" else outcome.val_error
            known[index] = Run(index, outcome, error)
        best = choose(known)
        for index, run in known.items():
            if index != best:
                run.outcome.row = None

    def train(indices: Sequence[int]) -> list[Run]:
        for first in range(0, len(indices), training.population):
            together = list(indices[first : first + training.population])
            if not known.keys() >= set(together):
                train_together(together)
        return [known[index] for index in indices]

    return sweep(search, train)
