"""What a figure is (`Drawing`), how its files are written, and the command line of every figure file."""

import argparse
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from distnlc.analysis.drawing import format as text
from distnlc.analysis.load import Tables, load
from distnlc.analysis.statistics.correlations import Correlation
from distnlc.store import StoreError, place_of

STYLE: dict[Any, Any] = {
    "svg.fonttype": "path",  # the same letters on every machine
    "svg.hashsalt": "distnlc",  # the same bytes for the same figure
}


class MissingRecordsError(ValueError):
    """The study has no records that this figure or table could show.

    The message says which are missing and ends with `given_by`: which presets would give them.
    """


def given_by(*presets: str) -> str:
    """The end of a MissingRecordsError: `the presets waveform-adam and paper give them`."""
    names = " and ".join((", ".join(presets[:-1]), presets[-1])) if len(presets) > 1 else presets[0]
    return f"the preset{'s' if len(presets) > 1 else ''} {names} give{'' if len(presets) > 1 else 's'} them"


@dataclass(frozen=True)
class Panel:
    """What one panel says in numbers: its correlation and the value that the paper states, if any."""

    title: str
    correlation: Correlation
    stated: tuple[float, ...] = ()
    """none if the paper states no value; two if it is lost which of them is this panel's"""


@dataclass(frozen=True)
class Drawing:
    """One finished figure."""

    name: str
    """also the name of its files: figure2"""
    title: str
    caption: str
    figure: Figure
    panels: list[Panel] = field(default_factory=list)
    """the correlations that the figure shows; they stand as a table of numbers below it"""
    table: pd.DataFrame | None = None
    """numbers that are no correlations, ready to show: strings, the rows named by the index"""
    remarks: list[str] = field(default_factory=list)
    """plain sentences, such as where it differs from the paper, and a plausible cause"""


Draw = Callable[[Tables], Drawing]


def encoded(drawing: Drawing, kind: str) -> bytes:
    """The figure as a file of the kind png, svg, pdf, or webp: a small picture for screens."""
    buffer = io.BytesIO()
    # The date would make every file different.
    metadata = {"Date": None} if kind == "svg" else None
    small: dict[str, Any] = {"dpi": 150, "pil_kwargs": {"quality": 90}} if kind == "webp" else {}
    with matplotlib.rc_context(STYLE):
        drawing.figure.savefig(buffer, format=kind, metadata=metadata, **({"dpi": 200} | small))
    return buffer.getvalue()


def lines(drawing: Drawing) -> list[str]:
    """The figure's numbers and remarks for a terminal."""
    said = [
        f"{panel.title}: {text.strength(panel.correlation)}; {text.count(panel.correlation)}, "
        f"{text.left_out(panel.correlation)}; paper: {stated(panel)}"
        for panel in drawing.panels
    ]
    if drawing.table is not None:
        said.append(drawing.table.to_string())
    return said + drawing.remarks


def stated(panel: Panel) -> str:
    """The paper's value for people."""
    return " or ".join(f"{value:.2f}" for value in panel.stated) or "no value stated"


def main(draw: Draw, arguments: list[str] | None = None) -> int:
    """Draws one figure of a study folder into a file (default: DIR/report/NAME.png) and prints its numbers.

    Exit codes: 0 written, 1 no records for it, 2 wrong usage or not a study folder.
    """
    parser = argparse.ArgumentParser(description=(sys.modules[draw.__module__].__doc__ or "").strip().split("\n")[0])
    parser.add_argument("folder", metavar="DIR", help="a study folder or s3:// address")
    parser.add_argument("--out", metavar="FILE", type=Path, help="a file whose name ends in .png, .svg or .pdf")
    options = parser.parse_args(arguments)
    if options.out is not None and options.out.suffix.lower() not in {".png", ".svg", ".pdf"}:
        parser.error(f"--out {options.out}: expected a name that ends in .png, .svg or .pdf")
    try:
        drawing = draw(load(options.folder))
    except StoreError as error:
        print(error, file=sys.stderr)
        return 2
    except MissingRecordsError as error:
        print(error, file=sys.stderr)
        return 1
    place, name = place_of(options.folder), f"report/{drawing.name}.png"
    if options.out is not None:
        place, name = place_of(options.out.parent), options.out.name
    try:
        place.write(name, encoded(drawing, name.rpartition(".")[2].lower()))
    except OSError as error:
        print(f"{place.where(name)}: cannot be written: {error.strerror or error}", file=sys.stderr)
        return 2
    print(drawing.title, *lines(drawing), f"written: {place.where(name)}", sep="\n")
    return 0
