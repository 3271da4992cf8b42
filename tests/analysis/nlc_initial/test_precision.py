"""The table of 64 against 32 bits: its groups, and what it says of invented networks."""

import math

import pandas as pd
import pytest

from distnlc.analysis.nlc_initial import precision as table
from distnlc.analysis.tables import Tables
from distnlc.records import OK
from distnlc.studies.nlc_initial.records import NetworkRow
from tests.helpers.synthetic import invented

ROUNDING = 2.5e-8


def study(*networks: tuple[float, float, float]) -> Tables:
    """Networks by their NLC, output bias, and ratio of the NLC in 32 bits to it."""
    rows = [
        invented(
            NetworkRow,
            unit_id=str(number),
            part="precision",
            status=OK,
            parameters=20_000,
            init_nlc=nlc,
            init_bias=bias,
            single_nlc=nlc * ratio,
            init_jacobian_norm=2.0,
            single_jacobian_norm=2.0,
            input_rounding=ROUNDING,
            rounded_inputs_change=1.1 * nlc * ROUNDING,
            single_change=11 * nlc * ROUNDING,
        )
        for number, (nlc, bias, ratio) in enumerate(networks)
    ]
    return Tables("nlc-initial", {"networks": pd.DataFrame(rows)})


def test_networks_are_grouped_by_their_nlc_and_biased_ones_apart() -> None:
    tables = study((2, 1, 1), (20, 1, 1), (30, 5000, 1), (1e9, 1, 3))
    frame = table.by_nlc(table.measured(tables))
    assert dict(frame["networks"]) == {
        "NLC below 1e+01": "1",
        "NLC 1e+01 to 1e+03": "1",
        "NLC 1e+07 and more": "1",
        "output bias above 1000": "1",
    }
    assert frame.loc["NLC 1e+07 and more", "NLC, 32 / 64 bits"] == "3 (3 to 3)"
    assert list(frame["same NLC"]) == ["1 of 1", "1 of 1", "0 of 1", "1 of 1"]


def test_the_answer_is_the_nlc_up_to_which_both_are_the_same() -> None:
    said = table.answer(study((2, 1, 1.009), (20, 1, 0.991), (1e4, 1, 1.02), (1e5, 1, 1.001), (3, 1e6, 9)))
    assert "to 1 % in all 2 with an NLC below 1e+4" in said.replace("1.0e+04", "1e+4").replace("10000", "1e+4")
    assert "and in 1 of the 2 others" in said
    assert table.answer(study((2, 1, 1), (20, 1, 1))).endswith("to 1 % in all 2.")


def test_what_has_no_finite_value_in_32_bits_is_not_the_same() -> None:
    rows = table.measured(study((2, 1, math.inf), (3, 1, math.nan), (4, 1, 0)))
    assert rows["nlc"].isna().all()
    assert list(table.by_nlc(rows)["same NLC"]) == ["0 of 3"]
    assert table.by_nlc(rows).loc["NLC below 1e+01", "NLC, 32 / 64 bits"] == "–"


def test_rounded_inputs_are_compared_with_what_the_nlc_predicts() -> None:
    (said,) = [
        remark for remark in table.tabulate(study((2, 1, 1), (5e7, 1, 1))).remarks if remark.startswith("Rounding")
    ]
    assert "changes them by 2.5e-08 of their spread, and the outputs by 1.10 times" in said
    assert "in the 1 networks where this is below 0.01" in said
    assert "It explains 10 % of the change by 32 bits" in said
    assert "From an NLC of 4.0e+07 on" in said
    assert "(1 of 2 networks); with 64 bits the same holds from 2.1e+16 on (0)" in said


@pytest.mark.parametrize(("ratio", "remarks"), [(1.0, 2), (0.5, 3)])
def test_biased_networks_are_spoken_of_where_they_are_off(ratio: float, remarks: int) -> None:
    found = table.tabulate(study((2, 1, 1), (2, 3e6, ratio), (2, 2e3, 1))).remarks
    assert len(found) == remarks
    if ratio != 1:
        assert found[-1].startswith(
            "Of the 2 networks with a higher output bias, 1 have another NLC in 32 bits, 0 of them"
        )
        assert found[-1].endswith("The smallest such bias is 3.0e+06.")
