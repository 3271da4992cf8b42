"""What does a cheaper search of the learning rate cost? Studies of the same architectures beside one of every rate.

    python search_tradeoff.py GRID_DIR OTHER_DIR... [--out FOLDER]

Writes search_tradeoff.png, .svg and .csv into FOLDER, by default GRID_DIR/report.
"""

import argparse
from pathlib import Path

import pandas as pd

from distnlc.analysis.drawing.figure import encoded
from distnlc.analysis.nlc.search_tradeoff import TITLE, compare, draw, lines

parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
parser.add_argument("grid", metavar="GRID_DIR", type=Path, help="the study that tried every rate")
parser.add_argument("others", metavar="OTHER_DIR", type=Path, nargs="+", help="studies of other searches")
parser.add_argument("--out", metavar="FOLDER", type=Path, help="where the files go")
options = parser.parse_args()

found = sorted((compare(options.grid, other) for other in options.others), key=lambda one: one.share)
out = options.out or options.grid / "report"
out.mkdir(parents=True, exist_ok=True)
drawn = draw(found)
for form in ("png", "svg"):
    (out / f"search_tradeoff.{form}").write_bytes(encoded(drawn, form))
pd.DataFrame(found).to_csv(out / "search_tradeoff.csv", index=False)
print(TITLE, *lines(found), f"written: {out}/search_tradeoff.png, .svg, .csv", sep="\n")
