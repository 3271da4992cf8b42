"""Confounders: what changes a metric without changing how well the network learns (the paper's section 6, measured).

In: the movements of all metrics, and the networks with sines. Out: which metrics move, the numbers beside those of
theory, and the paper's example of a metric that stands still when the network gets worse.
"""

import math

import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.nlc_initial.movements import CHANGES, COSINES, THEORY, TOLERANCE, Movements, movements
from distnlc.analysis.nlc_initial.parts import about_parameters, needed
from distnlc.analysis.tables import Tables
from distnlc.records import quantities
from distnlc.studies.nlc_initial.records import METRICS, NetworkRow

TITLE = "Confounders: which metrics move when nothing that matters changes"

SINES = ("init_nlc", "init_gradient_component", "init_jacobian_norm", "output_spread")
LARGE_NLC = 1e10
"""a network with a larger one shows differences in the last digits of its inputs"""


def shown(moved: Movements) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What moves, rows of metrics and columns of CHANGES, and the numbers with three rows for each metric."""
    verdicts, numbers = {}, {}
    for change, heading in CHANGES.items():
        verdicts[heading] = [_verdict(moved, change, metric) for metric in moved.metrics]
        numbers[heading] = [
            said
            for metric in moved.metrics
            for said in (
                _written(metric, moved.median(change, metric)),
                " to ".join(_written(metric, value) for value in moved.of(change, metric)[1:3]),
                _theory(change, metric),
            )
        ]
    labels = [METRICS[metric].label for metric in moved.metrics]
    triples = pd.MultiIndex.from_product([labels, ("median", "range", "theory")])
    return pd.DataFrame(verdicts, index=labels), pd.DataFrame(numbers, index=triples)


def sines(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of SINES, one column per k: medians over initializations."""
    frame = rows.groupby("frequency")[list(SINES)].median().T
    frame.index = [quantities(NetworkRow)[name].label for name in SINES]
    return frame.map(text.number).rename(columns=lambda k: f"k = {k:.0f}").rename_axis(columns=None)


def _verdict(moved: Movements, change: str, metric: str) -> str:
    median = moved.median(change, metric)
    if math.isnan(median) or math.isnan(moved.limit(change, metric)):
        return "–"
    if not moved.moves(change, metric):
        return "stays"
    return _written(metric, median) if metric in COSINES else f"× {_written(metric, median)}"


def _theory(change: str, metric: str) -> str:
    expected = THEORY[change].get(metric, 0 if metric in COSINES else 1)
    return "by the data" if math.isnan(expected) else _written(metric, expected)


def _written(metric: str, value: float) -> str:
    if metric not in COSINES or math.isnan(value):
        return text.number(value)
    return "0" if abs(value) < 0.0005 else f"{value:+.3f}"


def tabulate(tables: Tables) -> Table:
    """The three tables with caption and remarks. Raises MissingRecordsError."""
    drawn, width, sine = needed(tables, "confounders", "width", "sines")
    moved = movements(tables)
    verdicts, numbers = shown(moved)
    norms = drawn["normalization"].value_counts().reindex(["none", "batch", "layer"], fill_value=0)
    caption = (
        "After every change the network computes the same function of the data, times 10 where the output is scaled; "
        "only the width needs new weights. Input × 10: the first weights are divided by 10 unless batch norm makes up"
        " for it. Output × 10: so is the constant that the loss divides outputs by, as the NLC study measures it; "
        "raw loss: the constant stays. Features × 4: copies of every feature, with weights of their own, half as "
        "large, as a network with so many features would be initialized; tied: a quarter of the same weights for all "
        "copies. Input + 10: the first bias makes up for it unless batch norm does. Width × 2: of the hidden layers. "
        "A metric is said to move if the median architecture moves by more than 1 % (cosines: by 0.01), and under "
        "twice the width by more than the standard deviation over initializations. Cosines: after - before. Measured "
        f"with {len(drawn)} architectures of the NLC study at {about_parameters(drawn)} "
        f"({norms['none']} without normalization, {norms['batch']} with batch, {norms['layer']} with layer norm) on "
        f"{drawn['points'].iloc[0]:,.0f} training inputs of {drawn['inputs'].iloc[0]} in batches of 250; "
        f"{width['initialization'].nunique()} initializations of either width, {sine['initialization'].nunique()} of "
        "each network with sines."
    )
    sections = [
        ("Which metrics move?", verdicts),
        ("After / before, over the architectures", numbers),
        ("A metric that stands still: networks of depth 3 with the activation function 1 + sin(k s) / k", sines(sine)),
    ]
    return Table(caption, sections, remarks(moved, drawn, sine))


def remarks(moved: Movements, drawn: pd.DataFrame, sine: pd.DataFrame) -> list[str]:
    """What the movements mean. `drawn`: rows of the part `confounders`, `sine`: of the part `sines`."""
    said = [
        "Whatever moves cannot tell by its value alone how well a network will learn, for these changes keep "
        f"that, too. In the {drawn['absorbs'].sum()} of {len(drawn)} architectures whose first batch norm undoes scale "
        "and constant, training goes on exactly as before when the input is scaled or shifted. Elsewhere it does so "
        "with 1/100 of the learning rate for the first weights (input × 10), with 1/4 of it (features × 4), and with "
        "the loss's constant scaled alike (output × 10); a constant added to the input keeps the function but not the "
        "training. The paper says of layer norm, too, that it undoes a scale; that holds only while the first "
        "biases are zero.",
    ]
    if [change for change in CHANGES if moved.moves(change, "init_nlc")] == ["equal_duplicates"]:
        said.append(
            "The NLC moves in one column: if all copies of a feature have the same weights. No initialization draws "
            "such weights; the network is blind to three quarters of all input directions, those without data, and the "
            "NLC and the relative diameter look in random directions. In the case that the paper describes, weights "
            "divided by the square root of the number of copies, the NLC stays, and with it the relative diameter."
        )
    copied = moved.of("duplicates", "init_linear_region")
    if moved.moves("duplicates", "init_linear_region"):
        said.append(
            "The linear region is the paper's, without the square root of the number of features: in theory copies of "
            f"features with weights of their own double it (the median architecture: × {text.number(copied.median)}; "
            f"{text.number(copied.lowest)} to {text.number(copied.highest)}, each from a few other random directions). "
            "The relative diameter has that root."
        )
    if moved.median("output_scale_alone", "init_gradient_length") > 10:
        said.append("With the raw loss the gradient grows by more than 10: the softmax becomes surer of its errors.")
    ranges = (
        "Ranges can be wider than rounding allows. The relative diameter and the linear region are found on a grid of "
        "steps of 26 %, in other random directions where there are more features; where one is 0, infinite or hidden "
        "by rounding, it has no ratio."
    )
    if (largest := drawn["init_nlc"].max()) > LARGE_NLC:
        ranges += (
            f" And a network with an NLC of {text.number(largest, 2)} makes large differences out of those in the "
        )
        ranges += "last digit."
    return [
        *said,
        _of_cosines(moved),
        ranges,
        _of_sines(sine),
        *_left_out(moved),
    ]


def _of_sines(sine: pd.DataFrame) -> str:
    medians = sine.groupby("frequency")[list(SINES)].median()
    lowest, highest = medians.index.min(), medians.index.max()
    nlc, gradient, _, spread = (text.number(medians[name][highest] / medians[name][lowest]) for name in SINES)
    return (
        "1 + sin(k s) / k: as k grows, outputs have ever less to do with inputs. From "
        f"k = {lowest:.0f} to {highest:.0f} the NLC grows × {nlc}, the gradient's components × {gradient}, since the "
        f"outputs' spread shrinks (× {spread}) as the function folds."
    )


def _of_cosines(moved: Movements) -> str:
    said = (
        "What correlation preservation compares is the cosine of two inputs with that of their outputs: a constant "
        "moves the first as far as one likes, and the second not at all."
    )
    constant = moved.of("input_constant", "init_cosine_correlation")
    if constant.architectures:
        said += (
            f" The correlation of the two over pairs it moves by more than {TOLERANCE} in {constant.beyond} of "
            f"{constant.architectures} architectures, by {constant.lowest:+.3f} to {constant.highest:+.3f}: the pairs' "
            "order changes, one way or the other."
        )
    return said


def _left_out(moved: Movements) -> list[str]:
    """Metrics that other studies of this kind have."""
    said = []
    if missing := [quantity.label for metric, quantity in METRICS.items() if metric not in moved.metrics]:
        said.append(f"Without a value in this study, and so left out: {', '.join(missing)}.")
    if moved.left_out:
        said.append(f"Measured no more, and so left out: {', '.join(moved.left_out)}.")
    return said
