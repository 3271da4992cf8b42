"""Tables 1 and 2 and the sphere pictures put what the study measured beside what the paper states."""

import math
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.nlc_initial import table1, table2
from distnlc.analysis.nlc_initial.parts import PRESETS
from distnlc.analysis.nlc_initial.report import REPORT, SHIPPED_FIGURES, SHIPPED_TABLES
from distnlc.analysis.nlc_initial.spheres import picture
from distnlc.analysis.report import TableOf
from distnlc.analysis.tables import Tables, load
from distnlc.metrics.activation import activation_nlc, linear_approximation_error
from distnlc.plugins import Work
from distnlc.studies import presets, resolve
from distnlc.studies.nlc_initial.spec import Spec
from distnlc.studies.nlc_initial.unit import run
from distnlc.studies.nlc_initial.units import units

STEADY = [name for name in table1.ACTIVATIONS if name not in table1.UNSTABLE]
"""the paper: little variation between initializations "except for 49-layer networks with square or odd square" """


def test_the_stated_values_have_ratio_one() -> None:
    frame = table1.table1({row: list(values) for row, values in table1.STATED.items()})
    for row, stated in table1.STATED.items():
        assert frame.loc[(table1.LABELS[row], "ratio")].tolist() == pytest.approx([1.0] * 8)
        assert tuple(frame.loc[(table1.LABELS[row], "paper")]) == stated
    assert list(frame.columns) == list(table1.ACTIVATIONS.values())


def test_the_example_is_near_the_paper(example: Tables) -> None:
    measured = table1.measured(example)
    for row, stated in table1.STATED.items():
        values = dict(zip(table1.ACTIVATIONS, zip(measured[row], stated, strict=True), strict=True))
        for name in STEADY if row == "D" else values:
            assert values[name][0] == pytest.approx(values[name][1], rel=0.15), f"row {row}, {name}"
    assert list(table2.measured(example).values()) == pytest.approx(list(table2.STATED.values()), rel=0.15)


@pytest.mark.parametrize(
    "label", ["activations: activation selu", "sines: initialization 1, frequency 10", "spheres: depth 2"]
)
def test_the_example_is_what_the_units_compute(label: str, example: Tables) -> None:
    spec = resolve("nlc-initial")
    assert isinstance(spec, Spec)
    (unit,) = (unit for unit in units(spec) if unit.label == label)
    records = run(spec, unit, Work())
    (shipped,) = example.networks[example.networks["unit_id"] == unit.unit_id].itertuples()
    for column in ("seed", "activation_nlc", "activation_linear_error", "init_nlc", "init_gradient_component"):
        computed = getattr(records["networks"][0], column)
        expected = getattr(shipped, column)
        assert math.isnan(expected) if computed is None else computed == pytest.approx(expected, rel=1e-9), column
    pixels = example.pixels[example.pixels["unit_id"] == unit.unit_id]
    assert [tuple(pixel) for pixel in pixels.itertuples(index=False)] == [astuple(pixel) for pixel in records["pixels"]]


def test_table_1_says_why_two_rows_differ(example: Tables) -> None:
    shallow, deep, *_ = table1.tabulate(example).remarks
    assert "Row B is 1.04 to 1.09 times row A, the paper's 1.00 to 1.05 times" in shallow
    assert "same networks give 1.00 to 1.01 times row A" in shallow
    assert (
        "Why the paper's row B lies nearer to row A is unexplained. It is not that the paper kept 189 more" in shallow
    )
    assert shallow.endswith("hold 1 % of the variance, and would change that number of directions by 2 % at most.")
    assert "3.3e+11 to 4.2e+13 over the initializations; with 10 batches alone" in deep
    assert deep.endswith("the number of batches matters, and not the width, which the paper does not state.")


def test_table_1_says_that_the_nlc_compounds_and_by_how_much_a_layer(example: Tables) -> None:
    said = table1.compounding(example)
    assert said.startswith(
        "NLC compounds with depth for 6 of 8 activation functions: row D is 0.74 to 1.47 times row C"
    )
    assert "(the paper's 0.75 to 1.36), so each of the 48 layers multiplies the NLC by 0.992 to 1.008 times" in said
    assert said.endswith("Not so for square 2.8e+05, odd square 9.0e+08.")


def test_table_1_says_where_the_linear_error_is_not_the_nlc_minus_1(example: Tables) -> None:
    said = table1.linear_error(example)
    assert said.startswith("The linear approximation error is within 20 % of NLC_tau(1) - 1 for 4 of 8")
    assert "so many times as large: sigmoid 0.14, even tanh 0.21, Gaussian 0.27, square 4.8" in said
    assert "its own values have the quotients sigmoid 0.14, Gaussian 0.27" in said
    assert said.endswith("0.71 (p = 0.014, n = 8).")
    _, frame = table1.tabulate(example).sections[1]
    assert frame.loc["E / (A - 1)", "square"] == "4.828"
    assert frame.loc["E / (A - 1), paper", "sigmoid"] == "0.1412"


@pytest.mark.parametrize(("function", "expected"), [(lambda s: s**3 - 3 * s, 1), (lambda s: s**2 - 1, 2)])
def test_a_cubic_bend_makes_the_linear_error_the_nlc_minus_1_and_a_quadratic_one_twice_that(
    function: Callable[[torch.Tensor], torch.Tensor], expected: float
) -> None:
    def bent(s: torch.Tensor) -> torch.Tensor:
        return s + 0.01 * function(s)

    excess = activation_nlc(bent) - 1
    assert linear_approximation_error(bent) / excess == pytest.approx(expected, rel=0.01)
    with_mean = linear_approximation_error(lambda s: bent(s) + 2)
    assert with_mean / excess == pytest.approx(expected / (1 + 2**2), rel=0.01)
    assert activation_nlc(lambda s: bent(s) + 2) - 1 == pytest.approx(excess)


def test_table_2_says_how_much_each_layer_adds(example: Tables) -> None:
    layers, shallow = table2.tabulate(example).remarks
    assert "multiplies the NLC by 1.197 to 1.209 over the initializations (the paper's medians: 1.205)" in layers
    assert layers.endswith("the ReLU's own NLC_tau(1) is 1.211.")
    assert shallow.endswith("unexplained.")


def test_captions_say_what_was_measured(example: Tables) -> None:
    caption = table1.tabulate(example).caption
    for said in (
        "about 1,000,000 parameters: width 1582 at depth 2, 139 at depth 49",
        "40,000 training inputs of cifar10",
        "621 features (the paper has 810), 10 outputs",
        "100 batches per Jacobian norm; medians over initializations (10)",
    ):
        assert said in caption


def test_every_unit_of_the_example_is_one_of_the_preset(example: Tables) -> None:
    spec = resolve("nlc-initial")
    assert isinstance(spec, Spec)
    assert set(example.networks["unit_id"]) <= {unit.unit_id for unit in units(spec)}


@pytest.mark.slow
def test_the_quick_study_fills_every_table_and_picture(tiny: Path) -> None:
    tables = load(tiny)
    for shown in REPORT.tables:
        for heading, frame in shown.tabulate(tables).sections:
            gaps = (frame == "–").to_numpy().any()
            assert not gaps, f"{shown.name} {heading}"
    (figure,) = REPORT.figures
    said = [text.get_text() for axes in figure.draw(tables).figure.axes for text in [axes.title, *axes.texts]]
    assert [text for text in said if text.startswith(("key", "depth"))] == [
        "key",
        *(f"depth {depth}" for depth in table2.STATED),
    ]
    (part,) = REPORT.answers(tables).parts
    assert len(part.sentences) == 3 + 4


def test_a_study_of_some_parts_says_which_are_missing_and_answers_for_the_others(example: Tables) -> None:
    networks = example.networks[example.networks["part"] == "table-2"]
    some = Tables(example.kind, {**example.frames, "networks": networks})
    with pytest.raises(MissingRecordsError, match="parts depth-2, depth-49"):
        table1.tabulate(some)
    (part,) = REPORT.answers(some).parts
    assert part.sentences == ["Table 2, measured / paper: 0.95 to 1.05."]
    assert set(PRESETS) <= presets()["nlc-initial"].keys()


def test_a_network_that_was_not_measured_leaves_a_gap(example: Tables) -> None:
    networks = example.networks
    failed = (networks["part"] == "table-2") & (networks["depth"] == 50)
    some = Tables(
        example.kind, {**example.frames, "networks": networks.assign(status=networks["status"].mask(failed, "failed"))}
    )
    ((_, frame),) = table2.tabulate(some).sections
    assert frame.loc[("NLC", "measured"), "depth 50"] == "–"
    assert math.isnan(table2.measured(some)[50])


def test_a_picture_is_white_outside_its_disc() -> None:
    disc = [(row, column) for row in range(4) for column in range(4) if {row, column} & {1, 2}]
    rows = pd.DataFrame(
        {"pixel": [4 * row + column for row, column in disc], "red": 1, "green": 2, "blue": range(len(disc))}
    )
    image = picture(rows)
    assert image.shape == (4, 4, 3)
    assert image[0, 0].tolist() == [255, 255, 255]
    assert image[0, 1].tolist() == [1, 2, 0]
    assert np.count_nonzero(image[..., 0] == 1) == len(disc)


def caption_or_gap(table: TableOf, tables: Tables) -> str:
    try:
        return table.tabulate(tables).caption
    except MissingRecordsError as gap:
        return str(gap)


@pytest.mark.slow
def test_other_kinds_show_the_shipped_study_and_say_so(example: Tables) -> None:
    other = Tables("another kind", {})
    for of_example, of_others in zip(REPORT.tables, SHIPPED_TABLES, strict=True):
        assert caption_or_gap(of_others, other) == caption_or_gap(of_example, example)
    assert SHIPPED_FIGURES[0].draw(other).caption.startswith("Each disc")
    assert all("shipped study of kind nlc-initial" in each.title for each in [*SHIPPED_FIGURES, *SHIPPED_TABLES])
