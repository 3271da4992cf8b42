"""The table of He-initialized networks: growth with depth, its words, and what the shipped study says."""

import math

import numpy as np
import pandas as pd
import pytest

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.nlc_initial import he_networks as table
from distnlc.analysis.tables import Tables
from distnlc.records import OK
from distnlc.studies.nlc_initial.records import NetworkRow
from tests.helpers.synthetic import invented

DEPTHS = (2, 5, 10, 50)


def study(*, nlc: float, gradient: float, bias: float, widths: tuple[int, ...] = (100,)) -> Tables:
    """Networks whose values are powers of the depth, but for 1 % up and down."""
    rows = [
        invented(
            NetworkRow,
            unit_id=f"{width}-{depth}-{initialization}",
            part="he-networks",
            status=OK,
            depth=depth,
            width=width,
            initialization=initialization,
            init_nlc=noise * depth**nlc,
            init_bias=noise * depth**bias,
            init_gradient_length=noise * depth**gradient,
        )
        for width in widths
        for depth in DEPTHS
        for initialization, noise in enumerate((0.99, 1, 1.01))
    ]
    return Tables("nlc-initial", {"networks": pd.DataFrame(rows)})


def test_growth_is_the_power_of_the_depth() -> None:
    rows = study(nlc=0.5, gradient=0, bias=0.25).networks
    factor, low, high = table.growth(rows, "init_nlc")
    assert factor == pytest.approx(10**0.5, rel=1e-6)
    assert low < factor < high
    assert all(math.isnan(value) for value in table.growth(rows[rows["depth"] == 5], "init_nlc"))
    dead = rows.assign(init_nlc=rows["init_nlc"].where(rows["depth"] < 50, 0))
    assert table.growth(dead, "init_nlc")[0] == pytest.approx(factor, rel=1e-6)
    assert table.growth(rows, "init_jacobian_norm") == (1, 1, 1)


def test_infinitely_wide_networks_begin_with_the_relus_own_nlc_and_grow_in_proportion_to_their_depth() -> None:
    assert table.infinitely_wide_nlc(2) == pytest.approx(1.2112, abs=1e-4)  # table 1, row A
    assert table.infinitely_wide_nlc(2000) / table.infinitely_wide_nlc(1000) == pytest.approx(2, rel=0.02)
    angles = np.random.default_rng(0).standard_normal((2, 500_000))  # of two perpendicular inputs, in one layer
    first, second = np.maximum(angles, 0)
    cosine = float((first * second).mean() / np.sqrt((first**2).mean() * (second**2).mean()))
    assert 1 / math.sqrt(1 - cosine) == pytest.approx(table.infinitely_wide_nlc(2), rel=0.01)


def test_the_answer_says_which_grows_and_only_where_the_intervals_say_so() -> None:
    said = table.answer(study(nlc=1, gradient=0, bias=1, widths=(50, 200)))
    assert said.startswith(
        "He-initialized ReLU networks of width 200: per tenfold depth the gradient's length changes × 1.00"
    )
    assert "the NLC × 10.00 [" in said
    assert "the NLC is 2 at depth 2 and 50 at depth 50" in said
    assert said.endswith("the NLC grows faster, as the paper says.")
    assert table.answer(study(nlc=0, gradient=1, bias=0)).endswith("do not tell the two apart.")


def test_the_bias_explains_the_growth_only_where_it_grows() -> None:
    grown, still = (table.tabulate(study(nlc=1, gradient=0, bias=bias)).remarks for bias in (1, 0))
    explained = [remark for remark in grown if remark.startswith("The NLC is the output bias times")]
    assert len(explained) == 1
    assert "the bias changes × 10.00 [" in explained[0]
    assert "the other factor × 1.00 [1.00, 1.00]" in explained[0]
    assert len(still) == len(grown) - 1


def test_there_is_a_section_for_each_width_and_a_column_for_each_depth() -> None:
    sections = table.tabulate(study(nlc=1, gradient=0, bias=1, widths=(50, 200))).sections
    assert [heading for heading, _ in sections] == ["width 50", "width 200"]
    for _, frame in sections:
        assert list(frame.columns) == [*(f"depth {depth}" for depth in DEPTHS), table.PER_TEN]
        assert frame.loc["initial NLC", "depth 5"] == "5 (4.95 to 5.05)"


def test_a_study_without_them_says_so() -> None:
    with pytest.raises(MissingRecordsError, match="no networks of the part he-networks"):
        table.answer(
            Tables("nlc-initial", {"networks": study(nlc=1, gradient=0, bias=1).networks.assign(status="failed")})
        )
