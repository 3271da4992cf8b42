"""The error to expect of a new network: from all metrics that it shares with a part whose truth is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from distnlc.analysis.nlc import expectation
from distnlc.analysis.nlc.expectation import Value, expected_error, place
from distnlc.analysis.nlc.parts import Part, parts_of
from tests.helpers.synthetic import architecture_row

N = 120
RANDOM = np.random.default_rng(3)
CAUSE, CHANCE = RANDOM.normal(size=N), RANDOM.normal(size=N)
ERROR = np.clip(0.4 + 0.1 * CAUSE + 0.02 * RANDOM.normal(size=N), 0, 1)


@pytest.fixture
def part() -> Part:
    """NLC and the user's `mine` tell the error, the bias is chance, `rare` is there for a tenth."""
    rows = pd.DataFrame(
        architecture_row(
            i,
            init_nlc=float(np.exp(CAUSE[i])),
            init_bias=float(np.exp(CHANCE[i])),
            test_error=float(ERROR[i]),
        )
        for i in range(N)
    )
    (found,) = parts_of(rows)
    mine = CAUSE + 0.1 * RANDOM.normal(size=N)
    rare = np.where(np.arange(N) % 10 == 0, CAUSE, np.nan)
    return replace(found, rows=found.rows.assign(mine=mine, rare=rare))


def values(nlc: float = 0.0, bias: float = 0.0, mine: float = 0.0, **others: float) -> list[Value]:
    """Logarithms of NLC and bias."""
    return [
        Value(name="init_nlc", label="NLC", log=True, value=float(np.exp(nlc))),
        Value(name="init_bias", label="bias", log=True, value=float(np.exp(bias))),
        Value(name="mine", label="mine", log=False, value=mine),
        *(Value(name=name, label=name, log=False, value=value) for name, value in others.items()),
    ]


def test_the_error_is_that_of_the_truth_within_its_interval(part: Part) -> None:
    for cause in (-1.0, 0.0, 1.0):
        found = expected_error(part, values(cause, 2.0, cause))
        assert found is not None
        assert found.error == pytest.approx(0.4 + 0.1 * cause, abs=0.03)
        assert found.low < 0.4 + 0.1 * cause < found.high
        assert found.high - found.low < 0.15
        assert (found.n, found.outside, found.disagreeing) == (N, (), ())
        assert found.off_by < 0.03
    assert "none of the 3 disagrees" in found.sentences()[-1]


def test_a_metric_that_says_otherwise_is_named_and_one_that_says_nothing_never_is(part: Part) -> None:
    found = expected_error(part, values(nlc=1.5, bias=-2.0, mine=-1.5))
    assert found is not None
    names = {each.name for each in found.disagreeing}
    assert names & {"init_nlc", "mine"}
    assert "init_bias" not in names
    assert "disagree, each by itself: " in found.sentences()[-1]


def test_a_value_beyond_the_reference_is_taken_for_the_nearest_and_named(part: Part) -> None:
    edge = values(*(CAUSE.max(), 0.0), float(part.rows["mine"].max()))
    at_edge, beyond = expected_error(part, edge), expected_error(part, values(50.0, 0.0, 50.0))
    assert at_edge is not None
    assert beyond is not None
    assert (beyond.error, beyond.outside) == (at_edge.error, ("NLC", "mine"))
    infinite = expected_error(part, values(np.inf, 0.0, np.inf))
    assert infinite is not None
    assert infinite.error == at_edge.error


def test_only_metrics_that_both_have_are_learned_from(part: Part) -> None:
    found = expected_error(part, values(rare=1.0, absent=3.0, init_loss_scale=1.0))
    assert found is not None
    assert [each.name for each in found.alone] == ["init_nlc", "init_bias", "mine"]
    assert found.n == N, "that few networks have `rare` costs no network"
    missing = [replace(each, value=np.nan) if each.name == "mine" else each for each in values()]
    without = expected_error(part, missing)
    assert without is not None
    assert [each.name for each in without.alone] == ["init_nlc", "init_bias"]


def test_of_too_few_nothing_is_expected(part: Part) -> None:
    few = replace(part, rows=part.rows.iloc[: expectation.FEWEST - 1])
    assert expected_error(few, values()) is None
    assert expected_error(part, []) is None


def test_a_place_counts_equal_values_half_and_the_missing_not_at_all(part: Part) -> None:
    rows = part.rows.iloc[:5].assign(mine=[1.0, 2.0, 2.0, 3.0, np.nan])
    found = place(replace(part, rows=rows), "mine", 2.0)
    assert found is not None
    assert (found.percentile, found.median, found.count) == (50.0, 2.0, 4)
    assert place(part, "absent", 1.0) is None
    assert place(part, "mine", float("nan")) is None
