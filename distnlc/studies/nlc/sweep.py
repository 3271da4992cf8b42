"""The sweep of one architecture: its runs trained in populations, and how it goes on from a checkpoint.

On a CPU populations are trained one after the other, so that little memory is touched at a time. On CUDA all those of
a wave are trained side by side in one program, since a few runs alone leave a GPU idle; each is halved by itself.

In: the architecture ready for training, its data, the smallest rate. Out: the `Sweep` of `../../search.py`, of which
only the chosen run keeps its network. After every epoch the sweep's state is offered to the unit's checkpoints; a
saved one spares the training that it holds, and the search asks again for what it asked before.
"""

from collections.abc import Callable, Sequence
from typing import Any

from distnlc.data.dataset import Dataset
from distnlc.search import SearchSpec, Sweep, choose, sweep
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import Start
from distnlc.training.trainer import PopulationTrainer, RunOutcome, train_population

State = dict[str, Any]


def sweep_rates(
    start: Start,
    data: Dataset,
    lowest: float,
    training: TrainingSpec,
    search: SearchSpec,
    *,
    saved: State | None = None,
    after_epoch: Callable[[Callable[[], State]], None] = lambda _: None,
) -> Sweep[RunOutcome]:
    """All runs, in populations of neighbouring rates; only the best run's network is kept.

    `saved`: the state to go on from. `after_epoch` gets a function that gives the state of this moment.
    """
    known = {index: RunOutcome.from_state(state) for index, state in saved["runs"]} if saved else {}

    def train_together(indices: list[int]) -> None:
        def state(trainer: PopulationTrainer) -> State:
            runs = [[index, outcome.state()] for index, outcome in known.items()]
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
        known.update(zip(indices, outcomes, strict=True))
        best = choose(known)
        for index, outcome in known.items():
            if index != best:
                outcome.row = None

    def train(indices: Sequence[int]) -> list[RunOutcome]:
        size = len(indices) if start.rows.device.type == "cuda" else training.population
        for first in range(0, len(indices), size):
            together = list(indices[first : first + size])
            if not known.keys() >= set(together):
                train_together(together)
        return [known[index] for index in indices]

    return sweep(search, train)
