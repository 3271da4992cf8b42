"""How many criteria hold, in words."""

import pytest

from distnlc.analysis.report.criteria import Criterion, tally


def criterion(where: str, holds: bool | None, **fields: object) -> Criterion:
    return Criterion(where, "claim", holds, "evidence", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ([True] * 3, "All 3 criteria hold."),
        ([True, True, False], "2 of 3 criteria hold, 1 does not (figure 3)."),
        ([True, None, None], "1 of 3 criteria holds, 2 stay open (figures 2, 3)."),
        ([True, True, False, None], "2 of 4 criteria hold, 1 does not (figure 3), 1 stays open (figure 4)."),
        ([False, False], "None of 2 criteria hold, 2 do not (figures 1, 2)."),
        ([None], "None of 1 criterion holds, 1 stays open (figure 1)."),
        ([True], "1 of 1 criterion holds."),
    ],
)
def test_a_tally_says_how_many_hold_and_only_what_there_is_of_the_others(
    verdicts: list[bool | None], said: str
) -> None:
    assert tally([criterion(str(place), holds) for place, holds in enumerate(verdicts, 1)]) == [said]


def test_criteria_that_are_not_asked_for_count_apart() -> None:
    found = [criterion("1, left", True), criterion("1, right", True), criterion("2", False, asked=False)]
    assert tally(found) == [
        "All 2 criteria hold.",
        "Of 1 further claims of the paper, which are not asked for at this size, the rows show none.",
    ]
