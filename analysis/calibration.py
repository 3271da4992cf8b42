"""Do the tests of the ranking find what is not there? A random metric, and errors dealt out anew, many times.

    python calibration.py [DIR] [REPETITIONS]

By default the example study and 1,000 repetitions, which take some minutes for each part.
"""

import sys

import numpy as np

from distnlc import analysis
from distnlc.analysis.nlc.metrics import CONTROLS, compared
from distnlc.analysis.nlc.parts import parts_of
from distnlc.analysis.statistics.calibration import random_errors, random_metrics
from distnlc.analysis.statistics.correlations import Floats

folder = sys.argv[1] if len(sys.argv) > 1 else analysis.EXAMPLE
repetitions = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
tables = analysis.load(folder)
for part in parts_of(tables.architectures):
    shared, _ = compared(part, tables.measurements)
    used = shared.used
    xs = shared.scaled.drop(columns=["skips"], errors="ignore").to_numpy(dtype=np.float64).T.copy()
    y = used[part.error].to_numpy(dtype=np.float64)
    controls = dict[str, Floats]()
    for name, log in CONTROLS.items():
        if used[name].nunique() > 1:
            values = used[name].to_numpy(dtype=np.float64)
            controls[name] = np.log(values) if log else values
    print(f"{part.title}, {y.size} architectures, {len(xs)} metrics:")
    for found in (*random_metrics(xs, controls, y, repetitions), *random_errors(xs, y, repetitions)):
        print(" ", found.sentence)
