"""The table of confounders: when a metric is said to move, and how that is written."""

from typing import Any

import pytest

from distnlc.analysis.drawing.table import MeasuredError
from distnlc.analysis.nlc_initial import confounders as table


def measured(**medians: float) -> dict[str, Any]:
    """Nothing moves but `medians`, by change__metric."""
    changes: dict[str, Any] = {
        change: {metric: [0 if metric in table.COSINES else 1, 0.5, 2, 7] for metric in table.METRICS}
        for change in table.CHANGES
    }
    for name, median in medians.items():
        change, metric = name.split("__")
        changes[change][metric][0] = median
    deviations = dict.fromkeys(table.METRICS, 0.2)
    return {"changes": changes, "deviations": deviations}


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        ({"input_scale__nlc": 1.009}, False),
        ({"input_scale__nlc": 1.011}, True),
        ({"input_scale__nlc": 1 / 1.011}, True),
        ({"input_constant__output_cosine": 0.009}, False),
        ({"input_constant__output_cosine": -0.011}, True),
        ({"width__nlc": 1.2}, False),  # exp(0.2) = 1.22
        ({"width__nlc": 1.23}, True),
        ({"width__input_cosine": -0.21}, True),
    ],
)
def test_a_metric_moves_if_its_median_does(moved: dict[str, float], expected: bool) -> None:
    (name,) = moved
    change, metric = name.split("__")
    assert table.moves(measured(**moved), change, metric) == expected


def test_what_moves_is_written_with_how_much() -> None:
    verdicts, numbers = table.confounders(measured(input_scale__jacobian_norm=0.1, input_constant__input_cosine=0.989))
    assert verdicts.loc["Jacobian norm", "input × 10"] == "× 0.1"
    assert verdicts.loc["cosine of two inputs", "input + 10"] == "+0.989"
    assert (verdicts == "stays").sum(axis=None) == verdicts.size - 2
    assert list(numbers.loc["Jacobian norm"]["input × 10"]) == ["0.1", "0.5 to 2", "0.1"]
    assert numbers.loc[("NLC", "theory"), "features × 4, tied"] == "0.5"


def test_a_file_that_is_missing_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "FILE", table.FILE.with_name("nowhere.json"))
    with pytest.raises(MeasuredError, match=r"nowhere.json: .*not measured yet"):
        table.tabulate(None)
