"""Pictures of table 2: what batch-norm ReLU networks of seven depths make of a sphere of inputs (section A.2).

In: `analysis/tables/spheres.png`, the pictures side by side, the key to their colours first; they are drawn by
evaluating networks (not here). Out: the discs with the NLC that was measured and that the paper states.
"""

from pathlib import Path

import matplotlib.image
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Circle
from numpy.typing import NDArray

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.nlc_initial.measured import MEASURED, MeasuredError, read_measured
from distnlc.analysis.nlc_initial.table2 import STATED
from distnlc.analysis.tables import Tables

Pixels = NDArray[np.float32]
PICTURES = MEASURED.parent / "spheres.png"


def draw(_: Tables) -> Drawing:
    """Needs no records of the study. Raises MeasuredError where the files of measured values are not whole."""
    measured = read_measured()["table2"]
    key, *discs = read_pictures()
    figure = Figure(figsize=(11.2, 7.2), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.12))
    axes = figure.subplots(2, 4).flat
    _show(axes[0], key, "key", "red, green, blue grow\nwith output 1, 2, 3")
    for place, (depth, stated), disc in zip(axes[1:], STATED.items(), discs, strict=True):
        nlc = text.number(measured[depth], 4)
        _show(place, disc, f"depth {depth}", f"NLC {nlc}\npaper: {text.number(stated, 4)}")
    return Drawing(
        "Each disc is a whole sphere of inputs a x1 + b x2 + c x3 with a² + b² + c² = 1, where x1, x2, x3 are three "
        "Gaussian inputs of 100 features, the same in all discs; its colour is the direction of the network's three "
        "outputs, by the key at the top left. The deeper the network, the larger its NLC, and the smaller the regions "
        "over which the output changes little. Azimuthal projection that keeps areas: the rim is the point opposite "
        "to the centre.",
        figure,
        remarks=[
            "The paper does not say what batch norm takes its statistics from here; these take them from all points of "
            "the disc together, which are spread evenly over the sphere. Nor does it "
            "say which azimuthal projection it shows, and weights and inputs are random: the pictures agree in kind.",
            "The NLCs are medians over networks measured on CIFAR10, as in table 2, not those of the seven networks "
            "drawn here.",
        ],
    )


def read_pictures(path: Path = PICTURES) -> list[Pixels]:
    """The key and one picture per depth of table 2, each (pixels, pixels, 3). Raises MeasuredError."""
    try:
        strip = matplotlib.image.imread(path)
    except (OSError, SyntaxError) as error:
        raise MeasuredError(f"{path.name}: the pictures of table 2 are not readable: {error}") from None
    height, width = strip.shape[:2]
    pictures = 1 + len(STATED)
    if width != pictures * height:
        raise MeasuredError(f"{path.name}: expected {pictures} square pictures side by side, found {width} x {height}")
    return np.split(strip, pictures, axis=1)


def _show(axes: Axes, picture: Pixels, title: str, below: str) -> None:
    image = axes.imshow(picture, interpolation="none", extent=(-1, 1, -1, 1))
    image.set_clip_path(Circle((0, 0), 0.99, transform=axes.transData))
    axes.set_title(title, fontsize=12, fontweight="bold")
    axes.text(0, -1.06, below, ha="center", va="top", fontsize=10, linespacing=1.4)
    axes.set_xlim(-1, 1)
    axes.axis("off")


TITLE = "Table 2 in pictures: a sphere of inputs, as batch-norm ReLU networks of growing depth see it"
