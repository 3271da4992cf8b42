"""Confounders: what changes a metric without changing how well the network learns (the paper's section 6, measured).

In: `confounders.json`, which is made by measuring networks (not here): of every change and metric the median, lowest
and highest after / before over a sample of architectures, and how many have a value. Out: which metrics move, the
numbers beside those of theory, and the paper's example of a metric that stands still when the network gets worse.
"""

import math
import sys
from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis import text
from analysis.load import Tables
from analysis.tables import MEASURED, Table, main, read_measured, settings

FILE = MEASURED.parent / "confounders.json"

METRICS = {
    "nlc": "NLC",
    "bias": "output bias",
    "relative_diameter": "relative diameter",
    "gradient_component": "gradient component size",
    "gradient_length": "gradient length",
    "jacobian_norm": "Jacobian norm",
    "lipschitz": "local Lipschitz estimate",
    "input_cosine": "cosine of two inputs",
    "output_cosine": "cosine of two outputs",
    "depth": "depth",
}
COSINES = ("input_cosine", "output_cosine")
CHANGES = {
    "input_scale": "input × 10",
    "output_scale": "output × 10, loss / 10",
    "output_scale_alone": "output × 10",
    "duplicates": "features × 4",
    "equal_duplicates": "features × 4, equal weights",
    "input_constant": "input + 10",
    "width": "width × 2",
}
THEORY: Mapping[str, Mapping[str, float]] = {
    "input_scale": dict.fromkeys(("gradient_component", "gradient_length", "jacobian_norm", "lipschitz"), 1 / 10),
    "output_scale": {"jacobian_norm": 10, "lipschitz": 10},
    "output_scale_alone": {"gradient_component": 10, "gradient_length": 10, "jacobian_norm": 10, "lipschitz": 10},
    "duplicates": {"gradient_component": 1 / 2},
    "equal_duplicates": {
        "nlc": 1 / 2,
        "relative_diameter": 2,
        "gradient_component": 1 / 4,
        "gradient_length": 1 / 2,
        "jacobian_norm": 1 / 2,
        "lipschitz": 1 / 2,
    },
    "input_constant": {"input_cosine": 10**2 / (10**2 + 1)},
    "width": {},
}
"""after / before, or after - before for cosines, where the change moves the metric"""
TOLERANCE = 0.01
SINES = {
    "nlc": "NLC",
    "gradient_component": "gradient component size",
    "jacobian_norm": "Jacobian norm",
    "output_spread": "spread of the outputs",
}


def moves(measured: Mapping[str, Any], change: str, metric: str) -> bool:
    """Whether the median architecture's metric moves by more than 1 %, or 0.01 for cosines.

    Twice the width needs new weights; there it must move by more than the standard deviation over initializations.
    """
    median = measured["changes"][change][metric][0]
    limit = measured["deviations"][metric] if change == "width" else TOLERANCE
    return abs(median if metric in COSINES else math.log(median)) > limit


def confounders(measured: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What moves, rows of METRICS and columns of CHANGES, and the numbers with three rows for each metric."""
    verdicts, numbers = {}, {}
    for change, heading in CHANGES.items():
        row = measured["changes"][change]
        verdicts[heading] = [
            _moved(metric, row[metric][0]) if moves(measured, change, metric) else "stays" for metric in METRICS
        ]
        numbers[heading] = [
            said
            for metric in METRICS
            for said in (
                _written(metric, row[metric][0]),
                f"{_written(metric, row[metric][1])} to {_written(metric, row[metric][2])}",
                _written(metric, THEORY[change].get(metric, 0 if metric in COSINES else 1)),
            )
        ]
    triples = pd.MultiIndex.from_product([METRICS.values(), ("median", "range", "theory")])
    return pd.DataFrame(verdicts, index=list(METRICS.values())), pd.DataFrame(numbers, index=triples)


def sines(measured: Mapping[str, Any]) -> pd.DataFrame:
    """Rows of SINES, one column per k."""
    rows = {heading: measured["sines"][quantity] for quantity, heading in SINES.items()}
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return frame.map(text.number).rename(columns=lambda k: f"k = {k}")


def _moved(metric: str, value: float) -> str:
    return _written(metric, value) if metric in COSINES else f"× {_written(metric, value)}"


def _written(metric: str, value: float) -> str:
    if metric in COSINES:
        return "0" if abs(value) < 0.0005 else f"{value:+.3f}"
    return text.number(value)


def tabulate(_: Tables) -> Table:
    """Of the shipped file of measured values; a study's own records are not needed. Raises MeasuredError."""
    measured = read_measured(FILE, ("changes", "deviations", "sines"))
    count, unaided = measured["architectures"], measured["unaided"]
    verdicts, numbers = confounders(measured)
    return Table(
        "confounders",
        "Confounders: which metrics move when nothing that matters changes",
        "Each column is a change to network and data after which the network computes the same function of the data "
        "(times 10 where the output is scaled); only the width needs new weights. A metric that moves cannot predict "
        "the error by its value alone. It is said to move if the median architecture moves by more than 1 % (cosines: "
        "0.01), and under twice the width by more than the standard deviation over initializations. Cosines: after - "
        "before." + settings(measured),
        [
            ("Which metrics move?", verdicts),
            ("After / before, over the architectures", numbers),
            (
                "A metric that stands still: networks of depth 3 with the activation function 1 + sin(k s) / k",
                sines(measured),
            ),
        ],
        [
            f"Input × 10: {unaided} of {count} architectures begin with a batch norm that undoes it, and train exactly "
            "as before. In the others the first weights are divided by 10; they train as before if the learning rate "
            "of these weights is divided by 100. (The paper counts layer norm among what undoes a scale; it does so "
            "only as long as the biases of the first layer are zero.)",
            "Output × 10: a constant factor behind the last layer. With the loss divided by 10 (this study measures "
            "that divisor at initialization) training does not change, nor does the gradient; with the loss as it was "
            "the gradient grows by somewhat more than 10, for the softmax becomes surer of its errors.",
            "Features × 4: every copy has weights of its own, half as large as before, as a network with that many "
            "features would be initialized; they are chosen so that the function stays the same. It trains as before "
            "with a quarter of the learning rate for the first weights.",
            "Features × 4, equal weights: the same function, but weights that no initialization draws, blind to the "
            "three quarters of all input directions in which there are no data. The NLC and the relative diameter look "
            "in random directions, and move by 1/2 and 2. So the NLC is invariant to duplicated features as far as "
            "their weights are drawn as usual, which is the case that the paper describes.",
            f"Input + 10: the same {unaided} architectures undo it and train as before; in the others the first bias "
            "makes up for it, which keeps the function but not the training. Only the cosine of the inputs sees it, so "
            "the change of the cosine through the network, which is what correlation preservation means, moves as "
            "much as one likes. Spreads do not see constants: NLC and output bias stay.",
            "Width × 2: that of the hidden layers; the paper's argument is about the input's width (features × 4).",
            "Ranges are wider than rounding allows for two reasons: the relative diameter is found on a grid of steps "
            "of 26 %, with other random directions where there are more features (where it is 0 or infinite, it has "
            "no ratio), and a network with an NLC above 1e13 makes large differences out of those in the last digit.",
            "1 + sin(k s) / k: as k grows, outputs have ever less to do with inputs. The NLC grows with k, as it "
            "should; the gradient does not notice, since the outputs' spread shrinks as fast as the function folds.",
        ],
    )


if __name__ == "__main__":
    sys.exit(main(tabulate))
