"""Confounders: what changes a metric without changing how well the network learns (the paper's section 6, measured).

In: `confounders.json`, which is made by measuring networks (not here): of every change and metric the median, lowest
and highest after / before over a sample of architectures, and how many have a value. Out: which metrics move, the
numbers beside those of theory, and the paper's example of a metric that stands still when the network gets worse.
"""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.nlc_initial.measured import MEASURED, read_measured, settings
from distnlc.analysis.tables import Tables

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
    "output_scale": "output × 10",
    "output_scale_alone": "output × 10, raw loss",
    "duplicates": "features × 4",
    "equal_duplicates": "features × 4, tied",
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
        "After every change the network computes the same function of the data, times 10 where the output is scaled; "
        "only the width needs new weights. Input × 10: the first weights are divided by 10 unless batch norm makes up"
        " for it. Output × 10: so is the constant that the loss divides outputs by, as this study would measure it; "
        "raw loss: the constant stays. Features × 4: copies of every feature, with weights of their own, half as "
        "large, as a network with so many features would be initialized; tied: a quarter of the same weights for all "
        "copies. Input + 10: the first bias makes up for it unless batch norm does. Width × 2: of the hidden layers. "
        "A metric is said to move if the median architecture moves by more than 1 % (cosines: by 0.01), and under "
        "twice the width by more than the standard deviation over initializations. Cosines: after - before."
        + settings(measured),
        [
            ("Which metrics move?", verdicts),
            ("After / before, over the architectures", numbers),
            (
                "A metric that stands still: networks of depth 3 with the activation function 1 + sin(k s) / k",
                sines(measured),
            ),
        ],
        [
            "Whatever moves cannot tell by its value alone how well a network will learn, for these changes keep "
            f"that, too. In the {unaided} of {count} architectures whose first batch norm undoes scale and constant, "
            "training goes on exactly as before when the input is scaled or shifted. Elsewhere it does so with 1/100 "
            "of the learning rate for the first weights (input × 10), with 1/4 of it (features × 4), and with the "
            "loss's constant scaled alike (output × 10); a constant added to the input keeps the function but not the"
            " training. The paper says of layer norm, too, that it undoes a scale; that holds only while the first "
            "biases are zero.",
            "The NLC moves in one column: if all copies of a feature have the same weights. No initialization draws "
            "such weights; the network is blind to three quarters of all input directions, those without data, and the "
            "NLC and the relative diameter look in random directions. In the case that the paper describes, weights "
            "divided by the square root of the number of copies, the NLC stays, and with it the relative diameter.",
            "With the raw loss the gradient grows by more than 10: the softmax becomes surer of its errors.",
            "What correlation preservation compares is the cosine of two inputs with that of their outputs: a constant "
            "moves the first as far as one likes, and the second not at all.",
            "Ranges are wider than rounding allows for two reasons. The relative diameter is found on a grid of steps "
            "of 26 %, in other random directions where there are more features; where it is 0 or infinite, it has no "
            "ratio. And a network with an NLC above 1e13 makes large differences out of those in the last digit.",
            "1 + sin(k s) / k: as k grows, outputs have ever less to do with inputs. The NLC grows with k, as it "
            "should; the gradient does not notice, since the outputs' spread shrinks as fast as the function folds.",
        ],
    )


TITLE = "Confounders: which metrics move when nothing that matters changes"
