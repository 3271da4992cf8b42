"""The table of confounders: when a metric is said to move, how that is written, and what the shipped study says."""

import math
from dataclasses import replace

import pandas as pd
import pytest

from distnlc.analysis.nlc_initial import confounders as table
from distnlc.analysis.nlc_initial.movements import CHANGES, COSINES, THEORY, Movements, Summary, movements
from distnlc.analysis.nlc_initial.report import REPORT
from distnlc.analysis.tables import Tables
from distnlc.studies.nlc_initial.records import METRICS

DRAWN = pd.DataFrame({"absorbs": [True, False], "init_nlc": [1.0, 2.0]})
SINE = pd.DataFrame({name: [1.0, 4.0] for name in table.SINES} | {"frequency": [1, 10], "output_spread": [1.0, 0.1]})


def invented(**medians: float) -> Movements:
    """Nothing moves but `medians`, by change__metric."""
    summary = {
        (change, metric): Summary(0 if metric in COSINES else 1, 0.5, 2, 7, 0)
        for change in CHANGES
        for metric in METRICS
    }
    for name, median in medians.items():
        change, metric = name.split("__")
        summary[change, metric] = summary[change, metric]._replace(median=median)
    return Movements(summary, dict.fromkeys(METRICS, 0.2), ())


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        ({"input_scale__init_nlc": 1.009}, False),
        ({"input_scale__init_nlc": 1.011}, True),
        ({"input_scale__init_nlc": 1 / 1.011}, True),
        ({"input_constant__init_output_cosine": 0.009}, False),
        ({"input_constant__init_output_cosine": -0.011}, True),
        ({"width__init_nlc": 1.2}, False),  # exp(0.2) = 1.22
        ({"width__init_nlc": 1.23}, True),
        ({"width__init_input_cosine": -0.21}, True),
    ],
)
def test_a_metric_moves_if_its_median_does(moved: dict[str, float], expected: bool) -> None:
    (name,) = moved
    assert invented(**moved).moves(*name.split("__")) == expected


def test_what_moves_is_written_with_how_much() -> None:
    moved = invented(input_scale__init_jacobian_norm=0.1, input_constant__init_input_cosine=0.989)
    verdicts, numbers = table.shown(moved)
    assert verdicts.loc["Jacobian norm", "input × 10"] == "× 0.1"
    assert verdicts.loc["mean cosine of two inputs", "input + 10"] == "+0.989"
    assert (verdicts == "stays").sum(axis=None) == verdicts.size - 2
    assert list(numbers.loc["Jacobian norm"]["input × 10"]) == ["0.1", "0.5 to 2", "0.1"]
    assert numbers.loc[("initial NLC", "theory"), "features × 4, tied"] == "0.5"


def test_the_example_agrees_with_theory(example: Tables) -> None:
    moved = movements(example)
    for (change, metric), (median, lowest, highest, architectures, beyond) in moved.summary.items():
        assert lowest <= median <= highest
        assert 0.8 * 24 <= architectures <= 24
        assert 0 <= beyond <= architectures
        if change == "width":
            continue
        softmax = change == "output_scale_alone" and metric.startswith("init_gradient")
        grid = metric in {"init_relative_diameter", "init_linear_region"}  # found in steps of 26 %
        expected = THEORY[change].get(metric, 0 if metric in COSINES else 1)
        if math.isnan(expected):
            assert beyond > 0
            continue
        if metric == "init_linear_region" and change.endswith("duplicates"):  # of few configurations
            assert 1 / 2 < median / expected < 2
            continue
        assert median == pytest.approx(expected, rel=0.4 if softmax or grid else 0.01, abs=0.002), (change, metric)
        assert moved.moves(change, metric) == (metric in THEORY[change])


def test_a_study_with_other_metrics_shows_those_it_has_and_names_the_others(example: Tables) -> None:
    movements = example.movements
    renamed = movements["metric"].replace({"init_nlc": "init_forgotten"})
    unmeasured = movements["before"].mask(movements["metric"] == "init_bias")
    other = Tables(example.kind, {**example.frames, "movements": movements.assign(metric=renamed, before=unmeasured)})
    shown = table.tabulate(other)
    assert not {"initial NLC", "initial output bias"} & set(shown.sections[0][1].index)
    *_, missing, measured_no_more = shown.remarks
    assert missing.startswith("Without a value in this study, and so left out: initial NLC, initial output bias")
    assert "init_forgotten" in measured_no_more
    (part,) = REPORT.answers(other).parts
    assert "initial NLC" not in next(said for said in part.sentences if said.startswith("Under how many"))


def test_pairs_that_a_constant_reorders_are_counted_though_their_median_stays() -> None:
    moved = invented()
    of_constant = {("input_constant", "init_cosine_correlation"): Summary(0.001, -0.04, 0.08, 24, 17)}
    (said,) = [
        remark
        for remark in table.remarks(replace(moved, summary={**moved.summary, **of_constant}), DRAWN, SINE)
        if "over pairs" in remark
    ]
    assert "by more than 0.01 in 17 of 24 architectures, by -0.040 to +0.080" in said


def test_a_linear_region_that_doubles_with_the_copies_is_explained() -> None:
    still, doubled = (
        table.remarks(each, DRAWN, SINE) for each in (invented(), invented(duplicates__init_linear_region=2))
    )
    (added,) = set(doubled) - set(still)
    assert added.startswith("The linear region is the paper's")
    assert "double it (the median architecture: × 2; 0.5 to 2, each from a few other random directions)" in added


def test_the_caption_and_the_sines_come_from_the_rows(example: Tables) -> None:
    shown = table.tabulate(example)
    assert shown.remarks[1].startswith("The NLC moves in one column")
    assert (
        "24 architectures of the NLC study at about 20,000 parameters (4 without normalization, 9 with batch, 11 with "
        "layer norm) on 1,000 training inputs of waveform-noise"
    ) in shown.caption
    assert "In the 6 of 24 architectures whose first batch norm undoes" in shown.remarks[0]
    (folding,) = [remark for remark in shown.remarks if remark.startswith("1 + sin")]
    assert "From k = 1 to 1000 the NLC grows × 866, the gradient's components × 1.31" in folding
    sines = shown.sections[2][1]
    assert list(sines.loc["initial NLC"]) == ["1.29", "11.1", "112", "1113"]
    assert list(sines.columns) == ["k = 1", "k = 10", "k = 100", "k = 1000"]
