"""Heat maps: a number in every cell, its colour beside it; an empty cell where there is none."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from distnlc.analysis.statistics.correlations import Floats

SIGNED, GROWING = "RdBu_r", "YlOrBr"
"""colours of values about 0, and of sizes"""
CELL = 0.26
"""height of a row in inches, for labels of size 8"""


def heat_map(
    axes: Axes,
    values: Floats,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    norm: Normalize,
    colours: str = SIGNED,
    written: Sequence[Sequence[str]] | None = None,
    tilted: bool = True,
) -> None:
    """values: (rows, columns), nan for an empty cell. written: what stands in each cell, by default nothing."""
    axes.imshow(np.ma.masked_invalid(values), norm=norm, cmap=colours, aspect="auto", interpolation="nearest")
    axes.set_facecolor("0.9")
    axes.set_yticks(range(len(rows)), rows, fontsize=8, parse_math=False)
    turn: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if tilted else {}
    axes.set_xticks(range(len(columns)), columns, fontsize=8, parse_math=False, **turn)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    shades: NDArray[np.float64] = np.asarray(norm(np.nan_to_num(values)), dtype=np.float64)
    for row, texts in enumerate(written or []):
        for column, text in enumerate(texts):
            shade = shades[row, column]
            dark = (shade < 0.15 or shade > 0.85) if colours == SIGNED else shade > 0.6
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color="white" if dark else "0.1")
