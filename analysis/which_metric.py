"""Which quantity of a network before training predicts its error best? All of them on the same architectures.

    python which_metric.py [DIR]

Ahead: |Spearman| of the NLC minus that of the metric, with its 95% interval. Off by: mean absolute error, in percentage
points, of a prediction from that metric alone on architectures that it has not seen.
"""

import sys

import pandas as pd

from distnlc import analysis
from distnlc.analysis.nlc.metrics import rank_metrics
from distnlc.analysis.nlc.parts import parts_of
from distnlc.analysis.statistics.correlations import TooFewRowsError

folder = sys.argv[1] if len(sys.argv) > 1 else analysis.EXAMPLE
tables = analysis.load(folder)
for part in parts_of(tables.architectures):
    try:
        ranking = rank_metrics(part, tables.measurements)
    except TooFewRowsError as error:
        print(f"{part.title}: {error}")
        continue
    rows = [
        {
            "metric": row.metric.name,
            "Spearman": f"{row.spearman.value:.2f}",
            "ahead": "{:+.2f} [{:+.2f}, {:+.2f}]".format(*row.behind),
            "off by": f"{100 * row.prediction.mean_absolute_error:.1f}",
        }
        for row in ranking.rows
    ]
    print(f"{part.title}, {len(ranking.used)} architectures, {part.error_name}:")
    print(pd.DataFrame(rows).to_string(index=False), end="\n\n")
