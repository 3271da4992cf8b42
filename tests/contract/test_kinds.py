"""What every kind of study must keep, tried on a small study of each; Ray's part is in tests/system."""

from collections.abc import Callable

import pytest

from distnlc.cli.contract import PROMISES, Trial, gives_the_same_rows_on_two_workers
from distnlc.plugins import kinds
from tests.helpers.small_studies import SMALL, small_study

KINDS = [kind if kind == "rehearsal" else pytest.param(kind, marks=pytest.mark.slow) for kind in SMALL]


@pytest.fixture(scope="module", params=KINDS)
def trial(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial(small_study(request.param), tmp_path_factory.mktemp(request.param))


def test_every_kind_is_tried() -> None:
    assert SMALL.keys() == set(kinds())


@pytest.mark.parametrize(
    "promise",
    [each for each in PROMISES if each is not gives_the_same_rows_on_two_workers],
    ids=lambda each: each.__name__,
)
def test_a_kind(trial: Trial, promise: Callable[[Trial], None]) -> None:
    promise(trial)
