"""How many epochs a sweep is expected to take: what `plan` and the order of the units rest on."""

import pytest

from distnlc.search import SearchSpec
from distnlc.studies.nlc.cost import EPOCHS_PER_RUN, sweep_epochs


@pytest.mark.parametrize("population", [1, 8, 40])
def test_without_rungs_every_run_counts_whole(population: int) -> None:
    assert sweep_epochs(SearchSpec(), population) == 40 * EPOCHS_PER_RUN
    assert sweep_epochs(SearchSpec(method="refine"), population) == 16 * EPOCHS_PER_RUN
    assert sweep_epochs(SearchSpec(rungs=(EPOCHS_PER_RUN, 200)), population) == 40 * EPOCHS_PER_RUN


def test_half_of_each_population_leaves_at_each_rung() -> None:
    """Populations of 20, 12 (a wave of 32 cut in two) and 4; `rest` is what a run trains after the last rung."""
    search = SearchSpec(method="refine", coarse=32, wave=4, waves=1, rungs=(5, 20))
    rest = EPOCHS_PER_RUN - 20
    by_hand = [20 * 5 + 10 * 15 + 5 * rest, 12 * 5 + 6 * 15 + 3 * rest, 4 * 5 + 2 * 15 + 1 * rest]
    assert sweep_epochs(search, 20) == sum(by_hand)


def test_the_better_half_is_rounded_up() -> None:
    search = SearchSpec(rates=3, rungs=(10,))
    assert sweep_epochs(search, 3) == 3 * 10 + 2 * (EPOCHS_PER_RUN - 10)
    assert sweep_epochs(search, 1) == 3 * EPOCHS_PER_RUN
