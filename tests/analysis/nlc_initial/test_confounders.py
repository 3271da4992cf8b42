"""The table of confounders: when a metric is said to move, how that is written, and what the shipped study says."""

import pytest

from distnlc.analysis.nlc_initial import confounders as table
from distnlc.analysis.nlc_initial.confounders import CHANGES, COSINES, THEORY, Movements, Summary
from distnlc.analysis.tables import Tables
from distnlc.studies.nlc_initial.records import METRICS


def invented(**medians: float) -> Movements:
    """Nothing moves but `medians`, by change__metric."""
    summary = {
        (change, metric): Summary(0 if metric in COSINES else 1, 0.5, 2, 7) for change in CHANGES for metric in METRICS
    }
    for name, median in medians.items():
        change, metric = name.split("__")
        summary[change, metric] = summary[change, metric]._replace(median=median)
    return Movements(summary, dict.fromkeys(METRICS, 0.2))


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
    moved = table.movements(example)
    assert moved.summary.keys() == {(change, metric) for change in CHANGES for metric in METRICS}
    for (change, metric), (median, lowest, highest, architectures) in moved.summary.items():
        assert lowest <= median <= highest
        assert 0.8 * 24 <= architectures <= 24
        if change == "width":
            continue
        softmax = change == "output_scale_alone" and metric.startswith("init_gradient")
        grid = metric == "init_relative_diameter"  # found in steps of 26 %
        expected = THEORY[change].get(metric, 0 if metric in COSINES else 1)
        assert median == pytest.approx(expected, rel=0.4 if softmax or grid else 0.01, abs=0.002), (change, metric)
        assert moved.moves(change, metric) == (metric in THEORY[change])


def test_the_caption_and_the_sines_come_from_the_rows(example: Tables) -> None:
    shown = table.tabulate(example)
    assert shown.remarks[1].startswith("The NLC moves in one column")
    assert (
        "24 architectures of the NLC study at about 20,000 parameters (4 without normalization, 9 with batch, 11 with "
        "layer norm) on 1,000 training inputs of waveform-noise"
    ) in shown.caption
    assert "In the 6 of 24 architectures whose first batch norm undoes" in shown.remarks[0]
    sines = shown.sections[2][1]
    assert list(sines.loc["initial NLC"]) == ["1.29", "11.1", "112", "1113"]
    assert list(sines.columns) == ["k = 1", "k = 10", "k = 100", "k = 1000"]
