"""Colours that the colour-blind tell apart, and logarithmic axes with numbers that people read."""

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from distnlc.analysis.drawing import format as text

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#222222")
SUBS = ((2.5, (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)), (8.0, (1, 1.5, 2, 3, 5, 7)), (120.0, (1, 2, 5)))
"""up to which ratio of its ends a logarithmic axis has numbers at these multiples of a power of ten"""
MANY = 1e4
"""ratio of its ends, beyond which numbers are written as powers of ten"""


def plain_log(axes: Axes, which: str) -> None:
    """Makes the named axes (`x`, `y` or `xy`) logarithmic, with numbers that people read and that do not overlap.

    Nothing where an axis's limits are not positive, as in an empty panel.
    """
    for name in which:
        axis = getattr(axes, f"{name}axis")
        low, high = axes.get_xlim() if name == "x" else axes.get_ylim()
        if not low > 0:
            continue
        getattr(axes, f"set_{name}scale")("log")
        span = high / low
        if span > MANY:
            axis.set_major_locator(LogLocator(numticks=7))
            axis.set_major_formatter(FuncFormatter(lambda value, _: text.power_of_ten(value)))
            axis.set_minor_locator(NullLocator())
            continue
        subs = next((subs for most, subs in SUBS if span < most), (1.0,))
        axis.set_major_locator(LogLocator(subs=subs, numticks=20))
        axis.set_major_formatter(FuncFormatter(_short))
        axis.set_minor_locator(LogLocator(subs=(2, 5)) if len(subs) == 1 else NullLocator())
        axis.set_minor_formatter(NullFormatter())


def log_y(axes: Axes) -> None:
    """The same of the y-axis, with its limits found anew from what is drawn: linear ones may reach below 0."""
    axes.set_yscale("log")
    plain_log(axes, "y")


def _short(value: float, _: float) -> str:
    """0.05, 2, 500, 20k, 3M."""
    for size, letter in ((1e6, "M"), (1e4, "k")):
        if value >= size:
            return f"{value / (1e3 if letter == 'k' else 1e6):g}{letter}"
    return f"{value:g}"
