"""Pictures of table 2: what batch-norm ReLU networks of seven depths make of a sphere of inputs (section A.2)."""

from math import isqrt

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Circle
from numpy.typing import NDArray

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.figure import Drawing
from distnlc.analysis.nlc_initial.parts import measured_on, needed
from distnlc.analysis.nlc_initial.table2 import STATED, measured
from distnlc.analysis.tables import Tables

TITLE = "Table 2 in pictures: a sphere of inputs, as batch-norm ReLU networks of growing depth see it"
KEY = 1
"""the depth of the network that only turns the sphere: its picture is the key to the colours"""


def draw(tables: Tables) -> Drawing:
    """The discs with the NLC that was measured and that the paper states. Raises MissingRecordsError."""
    table2, spheres = needed(tables, "table-2", "spheres")
    nlc, unit_of = measured(tables), dict(zip(spheres["depth"], spheres["unit_id"], strict=True))
    pixels = dict(list(tables.pixels.groupby("unit_id")))
    figure = Figure(figsize=(11.2, 7.2), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.12))
    for axes, depth in zip(figure.subplots(2, 4).flat, (KEY, *STATED), strict=True):
        if depth not in unit_of:
            axes.axis("off")
        elif depth == KEY:
            _show(axes, picture(pixels[unit_of[depth]]), "key", "red, green, blue grow\nwith output 1, 2, 3")
        else:
            below = f"NLC {text.number(nlc[depth], 4)}\npaper: {text.number(STATED[depth], 4)}"
            _show(axes, picture(pixels[unit_of[depth]]), f"depth {depth}", below)
    features = spheres["d_in"].max()
    return Drawing(
        "Each disc is a whole sphere of inputs a x1 + b x2 + c x3 with a² + b² + c² = 1, where x1, x2, x3 are three "
        f"Gaussian inputs of {features:.0f} features, the same in all discs; its colour is the direction of the "
        "network's three outputs, by the key at the top left. The deeper the network, the larger its NLC, and the "
        "smaller the regions over which the output changes little. Azimuthal projection that keeps areas: the rim is "
        "the point opposite to the centre.",
        figure,
        remarks=[
            "The paper does not say what batch norm takes its statistics from here; these take them from all points of "
            "the disc together, which are spread evenly over the sphere. Nor does it "
            "say which azimuthal projection it shows, and weights and inputs are random: the pictures agree in kind.",
            f"The NLCs are those of table 2, not of the networks drawn here. {measured_on(table2)}",
        ],
    )


def picture(rows: pd.DataFrame) -> NDArray[np.uint8]:
    """The pixels of one unit as an image (side, side, 3), white outside the disc."""
    side = isqrt(int(rows["pixel"].max())) + 1  # the lowest row of the picture has pixels of the disc
    image = np.full((side * side, 3), 255, dtype=np.uint8)
    image[rows["pixel"]] = rows[["red", "green", "blue"]]
    return image.reshape(side, side, 3)


def _show(axes: Axes, image: NDArray[np.uint8], title: str, below: str) -> None:
    shown = axes.imshow(image, interpolation="none", extent=(-1, 1, -1, 1))
    shown.set_clip_path(Circle((0, 0), 0.99, transform=axes.transData))
    axes.set_title(title, fontsize=12, fontweight="bold")
    axes.text(0, -1.06, below, ha="center", va="top", fontsize=10, linespacing=1.4)
    axes.set_xlim(-1, 1)
    axes.axis("off")
